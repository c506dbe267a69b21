"""Nights at a border whose truth is known: what the engine tells people, held against who crossed.

`python -m tests.benchmarks.nights` makes seeded nights and days, runs them through `replay` and
scores its files alone. All lengths are metres in the plane of a fictional sector, x to the east, y
to the north: home lies to the south of the line.
"""
