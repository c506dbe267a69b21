import os
import signal
import subprocess
import sys
import time

import psutil
import pytest

from edge.messages import RefusedError
from maps.demo.processes import Children

SLEEPER = "import time; time.sleep(600)"
# Starts a sleeper through Children, says its pid and waits to be killed.
PARENT = """\
import sys, time
from pathlib import Path
from maps.demo.processes import Children
with Children(Path(sys.argv[1])) as children:
    print(children.start("sleeper", [sys.executable, "-c", "import time; time.sleep(600)"]).process.pid, flush=True)
    time.sleep(600)
"""


def is_gone(pid) -> bool:
    try:
        return psutil.Process(pid).status() == psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return True


def wait_until(condition, *, within_s=10.0) -> bool:
    """Ask again until it holds: the kernel, not an event of ours, makes it so."""
    deadline_s = time.monotonic() + within_s
    while time.monotonic() < deadline_s:
        if condition():
            return True
    return False


def test_leaving_the_block_ends_the_children(tmp_path) -> None:
    with Children(tmp_path) as children:
        child = children.start("sleeper", [sys.executable, "-c", SLEEPER])
        assert child.process.poll() is None
    assert child.process.poll() is not None


def test_a_child_that_ignores_sigterm_is_killed(tmp_path, monkeypatch) -> None:
    monkeypatch.setattr("maps.demo.processes.STOP_WITHIN_S", 0.2)
    stubborn = (
        "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); "
        "print('ready', flush=True); time.sleep(600)"
    )
    with Children(tmp_path) as children:
        child = children.start("stubborn", [sys.executable, "-c", stubborn])
        assert wait_until(lambda: b"ready" in child.log.read_bytes())
    assert child.process.returncode == -signal.SIGKILL


def test_a_child_that_fails_is_named_with_its_last_words(tmp_path) -> None:
    with Children(tmp_path) as children:
        child = children.start("maps", [sys.executable, "-c", "raise SystemExit('port in use')"])
        child.process.wait(10.0)
        with pytest.raises(RefusedError, match="maps ended with status 1: port in use"):
            children.check()


def test_a_child_that_is_to_end_may_end(tmp_path) -> None:
    with Children(tmp_path) as children:
        child = children.start("prepare", [sys.executable, "-c", "pass"], lasting=False)
        children.finish(child, within_s=10.0)
        children.check()


def test_a_lasting_child_may_not_end_even_well(tmp_path) -> None:
    with Children(tmp_path) as children:
        child = children.start("fusion", [sys.executable, "-c", "print('bye')"])
        child.process.wait(10.0)
        with pytest.raises(RefusedError, match="fusion ended with status 0: bye"):
            children.check()


def test_a_child_that_takes_too_long_is_named(tmp_path) -> None:
    with Children(tmp_path) as children:
        child = children.start("prepare", [sys.executable, "-c", SLEEPER], lasting=False)
        with pytest.raises(RefusedError, match="prepare is not done after 0 s"):
            children.finish(child, within_s=0.0)


def test_memory_is_told_by_name(tmp_path) -> None:
    with Children(tmp_path) as children:
        children.start("sleeper", [sys.executable, "-c", SLEEPER])
        # Right after the fork there is next to nothing yet.
        assert wait_until(lambda: children.memory_mib().get("sleeper", 0.0) > 1.0)
        assert children.memory_mib()["sleeper"] < 200.0


@pytest.mark.skipif(
    sys.platform != "linux", reason="only Linux tells a child of its parent's death"
)
def test_children_die_with_a_parent_that_is_killed(tmp_path) -> None:
    """`kill -9` of the demo once would have left three detectors running for ever."""
    parent = subprocess.Popen(
        [sys.executable, "-c", PARENT, str(tmp_path)], stdout=subprocess.PIPE, env=dict(os.environ)
    )
    with parent:
        pid = int(parent.stdout.readline())
        assert wait_until(lambda: "sleep(600)" in " ".join(psutil.Process(pid).cmdline()[-1:]))
        parent.kill()
        parent.wait(10.0)
    assert wait_until(lambda: is_gone(pid))
