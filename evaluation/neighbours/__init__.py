"""Exact nearest neighbours and nearest-neighbour balls, from one streamed pass."""
