"""How long the faults last: short in the suite, long with `make faults`."""

import os

import pytest


@pytest.fixture(scope="session")
def outage_s() -> float:
    """Seconds that a broker stays away."""
    return 30.0 if os.environ.get("TUANBIEN_FAULTS") == "long" else 3.0


@pytest.fixture(scope="session")
def kills() -> int:
    """How often a process is killed in the midst of its work."""
    return 30 if os.environ.get("TUANBIEN_FAULTS") == "long" else 3
