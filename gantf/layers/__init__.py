"""Small Keras layers that the networks share."""
