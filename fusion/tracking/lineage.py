"""Which device contributed what to a track, and so to an incident: when, how often, how well.

A track carries its own lineage. A case keeps that of each of its people as it was at the last step
over the line: what was seen before the decision, and not what came after it. So it is the same in
whatever order the messages came.
"""

from collections.abc import Iterable
from typing import NamedTuple

from edge.messages import Contribution, UtcTime


class Share(NamedTuple):
    """What one device saw of somebody."""

    device: str
    first_s: float
    last_s: float
    detections: int
    sigma_m: float  # of its best: the larger axis of the error ellipse, 1 sigma


Lineage = tuple[Share, ...]  # by device
Lineages = tuple[tuple[str, Lineage], ...]  # by track


def seen(lineage: Lineage, device: str, at_s: float, sigma_m: float) -> Lineage:
    """Add one detection."""
    return joined(lineage, (Share(device, at_s, at_s, 1, sigma_m),))


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
        min(one.first_s, other.first_s),
        max(one.last_s, other.last_s),
        one.detections + other.detections,
        min(one.sigma_m, other.sigma_m),
    )


def renewed(lineages: Lineages, now: Iterable[tuple[str, Lineage]]) -> Lineages:
    """Put the lineages that tracks have now in the place of those that they had, by track."""
    return tuple(sorted({**dict(lineages), **dict(now)}.items()))


def contributions(lineages: Lineages, track_ids: Iterable[str]) -> tuple[Contribution, ...]:
    """Say what each device contributed to an incident about some tracks."""
    by_track = dict(lineages)
    return tuple(
        Contribution(
            device=share.device,
            first_seen_at=UtcTime.from_epoch_s(share.first_s),
            last_seen_at=UtcTime.from_epoch_s(share.last_s),
            detections=share.detections,
            best_sigma_m=round(share.sigma_m, 2),
        )
        for share in joined(*(by_track.get(name, ()) for name in track_ids))
    )
