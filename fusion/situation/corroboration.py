"""k of n: how many must agree before an alert is raised, by kind of alert."""

from collections.abc import Collection
from typing import NamedTuple

from edge.messages import AlertKind
from fusion.rulebook import CorroborationRule


class Witnesses(NamedTuple):
    """Who saw what a matter is about."""

    devices: Collection[str]
    sensor_kinds: Collection[str]  # of these devices: camera, thermal, radar, ...
    looks: int  # with a detection of any of those it is about


def lacking(kind: AlertKind, witnesses: Witnesses, rule: CorroborationRule) -> str | None:
    """Say what is still missing; None: enough of them agree, it may be raised."""
    wanted = rule.of(kind)
    if len(witnesses.devices) < wanted.devices:
        return f"seen by {len(witnesses.devices)} of {wanted.devices} devices"
    if len(witnesses.sensor_kinds) < wanted.sensor_kinds:
        return f"seen by {len(witnesses.sensor_kinds)} of {wanted.sensor_kinds} kinds of device"
    if witnesses.looks < wanted.looks:
        return f"seen in {witnesses.looks} of {wanted.looks} looks"
    return None
