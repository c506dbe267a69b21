"""Whom a track walked with: what `fusion.situation.groups` goes on from."""

from typing import NamedTuple

from msgspec import Struct


class Past(NamedTuple):
    """Where a track was at an instant at which all were counted."""

    at_s: float
    x_m: float
    y_m: float
    error_m2: float  # of either coordinate, but for the bias that its devices share


class Fellow(NamedTuple):
    """Another track that walked together with this one."""

    track_id: str
    for_s: float  # in all


class Companions(Struct, frozen=True):
    """What is known of one track and those around it."""

    trace: tuple[Past, ...] = ()  # of the last seconds, oldest first
    together: tuple[
        float, ...
    ] = ()  # seconds in all that at least 2, 3, 4, ... were seen together
    fellows: tuple[Fellow, ...] = ()  # by id
