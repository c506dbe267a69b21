"""The notices that are open or were of late, and which of them a track belongs to.

A crowd has a thousand of them, and every look asks for its own.
"""

from collections.abc import Iterable, Iterator, Mapping

from fusion.notices import Notice


class Docket:
    """Notices by id, found by the tracks that they are about."""

    def __init__(self, notices: Iterable[Notice] = ()) -> None:
        """Begin with some notices."""
        self._by_id: dict[str, Notice] = {}
        self._of: dict[str, tuple[str, ...]] = {}  # ids by track
        for notice in notices:
            self.keep(notice)

    def __iter__(self) -> Iterator[Notice]:
        """Go through all of them, as they are now: more may be kept meanwhile."""
        return iter(tuple(self._by_id.values()))

    def __len__(self) -> int:
        """Return how many there are."""
        return len(self._by_id)

    @property
    def by_id(self) -> Mapping[str, Notice]:
        """Return all of them by their ids."""
        return self._by_id

    def copy(self) -> "Docket":
        """Return an independent copy that shares every notice."""
        twin = Docket()
        twin._by_id, twin._of = dict(self._by_id), dict(self._of)
        return twin

    def keep(self, notice: Notice) -> None:
        """Add a notice, or what it has become: it never loses a track."""
        known = self._by_id.get(notice.id)
        self._by_id[notice.id] = notice
        if known is None or known.tracks is not notice.tracks:
            for track_id in notice.tracks:
                ids = self._of.get(track_id, ())
                if notice.id not in ids:
                    self._of[track_id] = (*ids, notice.id)

    def drop(self, notice: Notice) -> None:
        """Forget a notice."""
        del self._by_id[notice.id]
        for track_id in notice.tracks:
            left = tuple(one for one in self._of[track_id] if one != notice.id)
            if left:
                self._of[track_id] = left
            else:
                del self._of[track_id]

    def about(self, track_ids: Iterable[str]) -> list[Notice]:
        """Return the notices about any of some tracks, the oldest first.

        Not in the order in which they came to be known: a re-run has another one.
        """
        ids = {one for track_id in track_ids for one in self._of.get(track_id, ())}
        return sorted((self._by_id[one] for one in ids), key=lambda one: (one.opened_s, one.id))
