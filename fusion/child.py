"""A child process that does not outlive us, however we end."""

import os
import sys
from collections.abc import Sequence
from typing import Final

# Run by the child before it becomes the program: the kernel ends it when we die, kill -9 included.
# A `preexec_fn` would do the same and may deadlock where there are threads.
_DIE_WITH_PARENT: Final = """\
import ctypes, os, signal, sys
parent, command = int(sys.argv[1]), sys.argv[2:]
if sys.platform == "linux":
    ctypes.CDLL(None).prctl(1, signal.SIGTERM)
if os.getppid() == parent:
    os.execv(command[0], command)
"""


def bound_to_us(command: Sequence[str]) -> list[str]:
    """Return the command that runs `command` such that, on Linux, it gets SIGTERM when we die.

    Its process id stays the same. Start it from a thread that lasts: the kernel means the thread.
    """
    return [sys.executable, "-I", "-S", "-c", _DIE_WITH_PARENT, str(os.getpid()), *command]
