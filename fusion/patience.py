"""A disk or a database that refuses is tried again until it works."""

import logging
import threading
from collections.abc import Callable
from typing import Final, TypeVar

from fusion.store import StoreUnavailableError

_RETRY_S: Final = (0.2, 5.0)  # first and longest wait
_T = TypeVar("_T")
_log = logging.getLogger(__name__)


class StoppedError(Exception):
    """The end came while a disk or database kept refusing, or during recovery."""


def insist(action: Callable[[], _T], *, stop: threading.Event) -> _T:
    """Do it, and again until the disk or the database takes it.

    Raises:
        StoppedError: `stop` came before that.
    """
    wait_s, longest_s = _RETRY_S
    told = False
    while True:
        try:
            return action()
        except (OSError, StoreUnavailableError) as error:
            if not told:
                _log.error("%s; trying until it works", error)
            told = True
        if stop.wait(wait_s):
            raise StoppedError
        wait_s = min(2.0 * wait_s, longest_s)
