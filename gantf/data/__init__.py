"""From `--data` to the batch of a step."""
