"""Which device contributed what to a track, and so to an incident: when, and how often.

A track knows what each of its devices has seen of it, those of long ago included. A case or a
notice keeps that of each of its people as it was when it last changed for those who read of it:
what led to the decision, and not what came after. So it is the same in whatever order the messages
came, and grows with the devices and people of an incident, never with time.
"""

from collections.abc import Container, Iterable
from typing import Final, NamedTuple

from edge.messages import Contribution, SensorKind, UtcTime

_SHARE_DIGITS: Final = 3


class Share(NamedTuple):
    """What one device saw of somebody."""

    device: str
    sensor_kind: str
    first_s: float
    last_s: float
    detections: int


Lineage = tuple[Share, ...]  # by device
Lineages = tuple[tuple[str, Lineage], ...]  # by track, or by device for what no track shows


def joined(*lineages: Lineage) -> Lineage:
    """Add up what devices saw of several, or of one under several names."""
    shares: dict[str, Share] = {}
    for lineage in lineages:
        for share in lineage:
            known = shares.get(share.device)
            shares[share.device] = share if known is None else _both(known, share)
    return tuple(shares[device] for device in sorted(shares))


def _both(one: Share, other: Share) -> Share:
    return Share(
        one.device,
        max((one.last_s, one.sensor_kind), (other.last_s, other.sensor_kind))[1],
        min(one.first_s, other.first_s),
        max(one.last_s, other.last_s),
        one.detections + other.detections,
    )


def renewed(lineages: Lineages, now: Iterable[tuple[str, Lineage]]) -> Lineages:
    """Put the lineages that tracks have now in the place of those that they had, by track."""
    return tuple(sorted({**dict(lineages), **dict(now)}.items()))


def contributions(lineages: Lineages, *, without: Container[str]) -> tuple[Contribution, ...]:
    """Say what each device contributed to an incident.

    Args:
        lineages: Of all its people.
        without: Tracks of ours, which it is not about.
    """
    shares = joined(*(lineage for name, lineage in lineages if name not in without))
    whole = sum(share.detections for share in shares)
    return tuple(
        Contribution(
            device=share.device,
            sensor_kind=SensorKind(share.sensor_kind),
            first_seen_at=UtcTime.from_epoch_s(share.first_s),
            last_seen_at=UtcTime.from_epoch_s(share.last_s),
            detections=share.detections,
            share=round(share.detections / whole, _SHARE_DIGITS),
        )
        for share in shares
    )
