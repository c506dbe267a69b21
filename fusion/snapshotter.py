"""When the running service takes a snapshot, and how it does so without standing still.

To write the state of a busy sector takes seconds. So a child process does it: forked, it has the
engine as it was at that instant while ours goes on. It shares our open files, among them the lock
of the journal and the connection to the broker: it closes them before all else, or they would
outlive us when we are killed.
"""

import ctypes
import gc
import logging
import os
import signal
import sys
import time
import warnings
from collections.abc import Callable
from typing import Final

from fusion.engine import Engine
from fusion.journal import Position
from fusion.snapshot_folder import SnapshotFolder

EVERY_S: Final = 60.0
_SHARE: Final = 0.05  # of one processor's time, at most
_LONGEST_S: Final = 600.0  # a child that takes longer hangs
_FAREWELL_S: Final = 3.0  # a clean stop waits no longer for its snapshot
_LOOK_S: Final = 0.01
_NICE: Final = 5
_STANDARD_FILES: Final = 3
_log = logging.getLogger(__name__)
_libc = ctypes.CDLL(None) if sys.platform == "linux" else None  # loaded before any fork


class Snapshotter:
    """Takes the snapshots of one service, one at a time."""

    def __init__(self, folder: SnapshotFolder, *, every_s: float = EVERY_S) -> None:
        """Take one so often, or less often where that would cost too much."""
        self.folder = folder
        self._every_s = every_s
        self._child: int | None = None
        self._began_s = self._due_s = -1.0
        self._last: Position | None = None  # where the last one stands that was begun
        self._trouble_told = False

    def restored(self, position: Position) -> None:
        """Note that there is one at this place already."""
        self._last = position

    def attend(self, engine: Engine, end: Position | None) -> bool:
        """Begin a snapshot if it is time; tell whether one has been finished since the last call.

        Args:
            engine: The engine.
            end: The place in the journal behind the last message that it has taken.
        """
        now_s = time.monotonic()
        finished = self._has_ended(now_s)
        if end is not None and end != self._last and self._child is None and now_s >= self._due_s:
            self._begin(engine, end)
        return finished

    def take_last(self, engine: Engine, end: Position | None) -> None:
        """Take one on a clean stop; one that takes long is given up, and the stop goes on."""
        if end is None or (end == self._last and self._child is None):
            return
        if end != self._last:
            self.abandon()
            self._begin(engine, end)
        ends_s = time.monotonic() + _FAREWELL_S
        while (now_s := time.monotonic()) < ends_s:
            if self._has_ended(now_s) or self._child is None:
                return
            time.sleep(_LOOK_S)
        self.abandon()

    def abandon(self) -> None:
        """End the child, if there is one: what it has not finished is not there."""
        if self._child is not None:
            os.kill(self._child, signal.SIGKILL)
            os.waitpid(self._child, 0)
            self._child = None

    def _begin(self, engine: Engine, end: Position) -> None:
        self._began_s, self._last = time.monotonic(), end
        self._child = self._fork(lambda: self.folder.write(engine.snapshot(), end))

    def _has_ended(self, now_s: float) -> bool:
        """See to the child; tell whether it has done its work."""
        if self._child is None:
            return False
        took_s = now_s - self._began_s
        child, status = os.waitpid(self._child, os.WNOHANG)
        if child == 0:
            if took_s > _LONGEST_S:
                self.abandon()
                self._end(took_s)
                self._tell(f"it was not finished within {_LONGEST_S:.0f} s")
            return False
        self._child = None
        self._end(took_s)
        if status != 0:
            self._tell(f"the process that wrote it ended with status {status}")
            return False
        self._trouble_told = False
        return True

    def _end(self, took_s: float) -> None:
        self._due_s = self._began_s + max(self._every_s, took_s / _SHARE)

    def _tell(self, why: str) -> None:
        if not self._trouble_told:
            _log.error("no snapshot could be taken (%s); the journal has everything", why)
        self._trouble_told = True

    def _fork(self, work: Callable[[], object]) -> int:
        parent = os.getpid()
        with warnings.catch_warnings():
            # Of threads that a child must not wait for: this one waits for none.
            warnings.simplefilter("ignore", DeprecationWarning)
            child = os.fork()
        if child != 0:
            return child
        status = 1
        try:
            os.closerange(_STANDARD_FILES, os.sysconf("SC_OPEN_MAX"))
            if _libc is not None:
                _libc.prctl(1, signal.SIGKILL)  # the kernel ends it when we die
            if os.getppid() == parent:
                gc.disable()  # it would touch, and so copy, every page
                os.nice(_NICE)
                work()
                status = 0
        except BaseException as error:  # noqa: BLE001 - nothing of ours may go on in the child
            _log.error("%s: %s", type(error).__name__, error)
        finally:
            os._exit(status)
        return 0
