"""The stages that look at every track beside the crossing, and what each of them knows of one."""

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, NamedTuple

from edge.messages import AlertKind
from fusion.situation import approach, loitering, meetings, zones
from fusion.situation.approach import Approach
from fusion.situation.finding import Finding
from fusion.situation.loitering import Lingering
from fusion.situation.meetings import Stop
from fusion.situation.zones import Stays
from fusion.tracking.motion import Motion
from fusion.watchlist import leads as watchlist
from fusion.watchlist.leads import Leads

if TYPE_CHECKING:
    from fusion.sector import Sector
    from fusion.tracking.track import Track

Near = Callable[["Track", float, float], Sequence[tuple["Track", Motion]]]


class Stages(NamedTuple):
    """What each stage knows of one track."""

    approach: Approach = Approach()
    stays: Stays = Stays()
    lingering: Lingering = Lingering()
    stop: Stop = Stop()
    leads: Leads = Leads()
    begun: tuple[tuple[AlertKind, str, int], ...] = ()  # notices so far, by kind and subject

    def with_another(self, kind: AlertKind, subject: str, least: int) -> tuple[int, "Stages"]:
        """Count one more notice of a track; return which it is, from 0, and what is known then.

        A track may outlive what is known of its first ones, and no two may have one name.

        Args:
            kind: Of the notice.
            subject: And what it is about.
            least: So many are known in any case.
        """
        counts = {(one, about): count for one, about, count in self.begun}
        number = max(least, counts.get((kind, subject), 0))
        counts[kind, subject] = number + 1
        begun = tuple((*key, count) for key, count in sorted(counts.items()))
        return number, self._replace(begun=begun)


def said(
    track: "Track", at_s: float, sector: "Sector", near: Near
) -> tuple[Stages, tuple[Finding, ...]]:
    """Let every stage look at a track that was just seen.

    Args:
        track: As it is now.
        at_s: Event time.
        sector: Where.
        near: Returns the other tracks within so many metres of one, at an instant.
    """
    before = track.stages
    heading, nears = approach.observe(before.approach, track, at_s, sector)
    stays, entered = zones.observe(before.stays, track, at_s, sector)
    lingering, lingers = loitering.observe(before.lingering, track, at_s, sector)
    stop, meets = meetings.observe(before.stop, track, at_s, sector, near)
    leads, hits = watchlist.observe(before.leads, track, at_s, sector)
    if (
        heading is before.approach
        and stays is before.stays
        and lingering is before.lingering
        and stop is before.stop
        and leads is before.leads
    ):
        return before, ()
    findings = [one for one in (nears, lingers, meets) if one is not None]
    known = Stages(heading, stays, lingering, stop, leads, before.begun)
    return known, (*entered, *hits, *findings)
