"""The demo world: a fictional sector, people with known truth, rendered cameras, the chain."""
