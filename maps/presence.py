"""Who has an incident open at this moment, and who is typing: told to all who have it open.

    beat ──▶ seat (account, window) ──▶ people on the incident ──▶ stream: `presence`

In memory only and bounded; a window that says nothing for `FORGOTTEN_S` is gone. Pure: time is an
argument.
"""

from typing import Any, Final, NamedTuple

FORGOTTEN_S: Final = 30.0
MOST_OF_ACCOUNT: Final = 30  # windows: nobody pushes others out, or fills everybody's stream
MOST_SEATS: Final = 1000  # of all incidents together; beyond, whoever was silent longest goes


class Seat(NamedTuple):
    """Where somebody sits: their account and the window that has the incident open."""

    account: str
    window: str


class _Sitting(NamedTuple):
    incident_id: str
    name: str
    is_typing: bool
    heard_s: float


class Presence:
    """Who has which incident open. Not thread-safe: one event loop owns it."""

    def __init__(self) -> None:
        """Begin with nobody."""
        self._seats: dict[Seat, _Sitting] = {}  # longest silent first

    def beat(
        self, seat: Seat, incident_id: str, name: str, *, is_typing: bool, now_s: float
    ) -> set[str]:
        """Take in that somebody has an incident open; return the incidents whose people changed.

        Args:
            seat: Whose window.
            incident_id: Which incident it shows.
            name: As it is shown to the others.
            is_typing: Whether something is being written there.
            now_s: Seconds of a clock that never goes back.
        """
        changed = self.forget(now_s)
        known = self._seats.pop(seat, None)
        sitting = _Sitting(incident_id, name, is_typing, now_s)
        self._seats[seat] = sitting
        if known is None or known[:3] != sitting[:3]:
            changed |= {incident_id} | ({known.incident_id} if known else set())
        own = [one for one in self._seats if one.account == seat.account]
        for silent in own[:-MOST_OF_ACCOUNT]:
            changed |= self.leave(silent)
        while len(self._seats) > MOST_SEATS:
            changed |= self.leave(next(iter(self._seats)))
        return changed

    def leave(self, seat: Seat) -> set[str]:
        """Take in that a window was closed; return the incidents whose people changed."""
        known = self._seats.pop(seat, None)
        return set() if known is None else {known.incident_id}

    def forget(self, now_s: float) -> set[str]:
        """Let go of whoever was silent too long; return the incidents whose people changed."""
        silent = [seat for seat, one in self._seats.items() if now_s - one.heard_s >= FORGOTTEN_S]
        return {self._seats.pop(seat).incident_id for seat in silent}

    def people(self, incident_id: str) -> list[dict[str, Any]]:
        """Return who has an incident open, by name: `window`, `name`, `typing`."""
        found = [
            {"window": seat.window, "name": one.name, "typing": one.is_typing}
            for seat, one in self._seats.items()
            if one.incident_id == incident_id
        ]
        return sorted(found, key=lambda one: (one["name"], one["window"]))
