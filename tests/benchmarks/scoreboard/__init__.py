"""How well the engine tracks people whose true ways are known, and how well its peers do.

`python -m tests.benchmarks.scoreboard` runs seeded scenes through the engine, Stone Soup and norfair.
All lengths are metres in the plane of a fictional sector, x to the east, y to the north.
"""
