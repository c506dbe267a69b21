"""One line in the log for everything that happens to a log-in or an account."""

import json
import logging

log = logging.getLogger("maps.people")

_LONGEST: int = 80


def note(what: str, **facts: object) -> None:
    """Write a line: what happened, then `name="value"`, so escaped that it stays one line."""
    log.info("%s %s", what, " ".join(f"{name}={_told(value)}" for name, value in facts.items()))


def _told(value: object) -> str:
    text = str(value)
    return json.dumps(text if len(text) <= _LONGEST else text[:_LONGEST] + "…")
