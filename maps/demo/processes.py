"""The demo's child processes: started, watched and ended together, by their ids."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import Final, NamedTuple, Self

import psutil

from edge.messages import RefusedError
from fusion.child import bound_to_us

STOP_WITHIN_S: Final = 6.0  # a process of ours takes 5 at most
_MIB: Final = 2**20
_LAST_LINES: Final = 3
_LOOK_EVERY_S: Final = 0.1
_TUANBIEN: Final = "import sys; from edge.command import main; sys.exit(main())"


class Child(NamedTuple):
    """One process."""

    name: str
    process: subprocess.Popen[bytes]
    log: Path
    lasting: bool = True  # it must not end by itself, not even well


class Children:
    """Runs processes while the block lasts; start them from the thread that ends last."""

    def __init__(self, logs: Path) -> None:
        """Keep what each process prints as `NAME.log` in this folder."""
        self.logs = logs
        self._children: list[Child] = []
        self._watched: list[Child] = []
        self._peaks_mib: dict[str, float] = {}

    def __enter__(self) -> Self:
        self.logs.mkdir(parents=True, exist_ok=True)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """End all, the last first: who sends goes before who receives."""
        for child in reversed(self._children):
            if child.process.poll() is None:
                child.process.terminate()
        deadline_s = time.monotonic() + STOP_WITHIN_S
        for child in reversed(self._children):
            try:
                child.process.wait(max(deadline_s - time.monotonic(), 0.1))
            except subprocess.TimeoutExpired:
                os.killpg(child.process.pid, signal.SIGKILL)
                child.process.wait()

    def start_tuanbien(self, name: str, *words: str) -> Child:
        """Start `tuanbien WORDS…` of this very installation."""
        return self.start(name, [sys.executable, "-c", _TUANBIEN, *words])

    def start_module(self, name: str, module: str, *words: str, lasting: bool = True) -> Child:
        """Start `python -m MODULE WORDS…`."""
        return self.start(name, [sys.executable, "-m", module, *words], lasting=lasting)

    def start(self, name: str, command: Sequence[str], *, lasting: bool = True) -> Child:
        """Start a process in a group of its own: Ctrl-C is ours, we end the children in order."""
        log = self.logs / f"{name}.log"
        with log.open("wb") as output:
            process = subprocess.Popen(  # noqa: S603 - our own programs, no shell
                bound_to_us(command),
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        child = Child(name, process, log, lasting)
        self._children.append(child)
        self.watch(child)
        return child

    def finish(self, child: Child, *, within_s: float) -> None:
        """Wait for a process that is not lasting.

        Raises:
            RefusedError: It failed, another one ended, or it took too long.
        """
        deadline_s = time.monotonic() + within_s
        while child.process.poll() is None:
            self.check()
            if time.monotonic() > deadline_s:
                msg = f"{child.name} is not done after {within_s:.0f} s; see {child.log}"
                raise RefusedError(msg)
            time.sleep(_LOOK_EVERY_S)
        self.check()

    def watch(self, child: Child) -> None:
        """See that this process lives, and measure its memory; who started it also ends it."""
        self._watched.append(child)

    def check(self) -> None:
        """See that all are alive.

        Raises:
            RefusedError: One failed, or ended though it is lasting; with its last words.
        """
        for child in self._watched:
            status = child.process.poll()
            if status is not None and (child.lasting or status != 0):
                msg = f"{child.name} ended with status {status}: {_last_words(child.log)}"
                raise RefusedError(msg)

    def memory_mib(self) -> dict[str, float]:
        """Return the highest resident memory seen so far of each process, helpers included."""
        for child in self._watched:
            try:
                process = psutil.Process(child.process.pid)
                family = [process, *process.children(recursive=True)]
                used_mib = sum(member.memory_info().rss for member in family) / _MIB
            except psutil.Error:
                continue
            self._peaks_mib[child.name] = max(self._peaks_mib.get(child.name, 0.0), used_mib)
        return dict(self._peaks_mib)


def _last_words(log: Path) -> str:
    lines = log.read_text(encoding="utf-8", errors="replace").strip().splitlines()
    return " / ".join(lines[-_LAST_LINES:]) or "it left no word"
