"""The stages that look at every track beside the crossing, and what each of them knows of one."""

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, NamedTuple

from fusion.situation import approach
from fusion.situation.approach import Approach
from fusion.situation.finding import Finding
from fusion.tracking.motion import Motion

if TYPE_CHECKING:
    from fusion.sector import Sector
    from fusion.tracking.track import Track

Near = Callable[["Track", float, float], Sequence[tuple["Track", Motion]]]


class Stages(NamedTuple):
    """What each stage knows of one track."""

    approach: Approach = Approach()


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
    heading, found = approach.observe(track.stages.approach, track, at_s, sector)
    if heading is track.stages.approach:
        return track.stages, ()
    return track.stages._replace(approach=heading), () if found is None else (found,)
