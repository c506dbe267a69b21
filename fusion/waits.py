"""How long people took: from an alert until somebody acknowledged it, was sent, had resolved it.

By the clocks of those who did it: a step counts when they took it, not when fusion heard of it.
Pure.
"""

import math
from collections.abc import Iterable, Mapping, Sequence
from statistics import median
from typing import Final, NamedTuple, Self

from edge.messages import Deed, Incident, Result, UtcTime, Verb, Wire

_P90: Final = 0.9
_SHOWN: Final = 1  # digits behind the point


class Waits(NamedTuple):
    """Of one incident, seconds from its alert until a step was first taken; None: it was not."""

    acknowledge_s: float | None = None
    dispatch_s: float | None = None
    resolve_s: float | None = None


class Wait(Wire, frozen=True, kw_only=True):
    """How long it took until a step, over several incidents: those in which it was taken."""

    count: int
    median_s: float
    p90_s: float  # the nearest rank: nine of ten took no longer

    @classmethod
    def of(cls, waits_s: Sequence[float]) -> Self | None:
        """Sum up waits, in any order; None: there are none."""
        if not waits_s:
            return None
        rank = math.ceil(_P90 * len(waits_s)) - 1
        return cls(
            count=len(waits_s),
            median_s=round(median(waits_s), _SHOWN),
            p90_s=round(sorted(waits_s)[rank], _SHOWN),
        )


def waits_of(
    incidents: Iterable[Incident], issued: Mapping[str, UtcTime], deeds: Iterable[Deed]
) -> dict[str, Waits]:
    """Return how long people took for each incident, by its id.

    Args:
        incidents: As they stand, those that go on as others included: their work goes along.
        issued: When alerts were issued, by alert id.
        deeds: What was done about the incidents, what was refused included, in any order.
    """
    known = {one.incident_id: one for one in incidents}
    taken: dict[str, dict[Verb, UtcTime]] = {}
    for deed in deeds:
        if deed.result is Result.APPLIED:
            steps = taken.setdefault(_now(deed.incident_id, known), {})
            steps[deed.verb] = min(deed.at, steps.get(deed.verb, deed.at))
    found = {}
    for name, steps in taken.items():
        alerts = known[name].alert_ids if name in known else ()
        told = [issued[one] for one in alerts if one in issued]
        if told:
            found[name] = Waits(
                *(
                    # A map's clock may be a little behind fusion's.
                    max(0.0, steps[verb].seconds_since(min(told))) if verb in steps else None
                    for verb in (Verb.ACKNOWLEDGE, Verb.DISPATCH, Verb.RESOLVE)
                )
            )
    return found


def _now(incident_id: str, known: Mapping[str, Incident]) -> str:
    """Return the incident that the work on another goes on in; itself, if it goes on in none."""
    seen = {incident_id}
    while incident_id in known and isinstance(onward := known[incident_id].continued_as, str):
        if onward in seen:
            return incident_id
        seen.add(onward)
        incident_id = onward
    return incident_id
