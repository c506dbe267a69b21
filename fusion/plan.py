"""What lies in a sector, laid into its plane: border, trails, zones and markers in metres."""

import math
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import shapely

from fusion.layers import Feature, LatLon, dense, dense_heights
from fusion.local_frame import LocalFrame, Metres
from fusion.sector_file import LINE_STATUS, TRAIL_KINDS, ZONE_KINDS
from fusion.situation.border import BorderPiece
from fusion.situation.schedule import Schedule

_STRIP_SIGMAS = 2.0  # of the line, to either side, where nobody says how wide strip or river is
_FAR_M = 50_000.0  # a layer so far from the border belongs to another place


class Trail(NamedTuple):
    """A way people walk or drive."""

    id: str
    name: str
    kind: str
    line: tuple[Metres, ...]
    heights_m: tuple[float, ...] = ()  # of each vertex; empty: nobody knows


class Zone(NamedTuple):
    """An area where other rules hold."""

    id: str
    name: str
    kind: str
    rings: tuple[tuple[Metres, ...], ...]  # the first is the outside, the others are holes
    schedule: Schedule | None  # None: always
    box: tuple[Metres, Metres]  # round it: its least and its greatest coordinates


class Marker(NamedTuple):
    """A boundary marker: guards locate things by its number."""

    id: str
    at: Metres


def plan_about(file: Path, border: list[Feature]) -> "Plan":
    """Begin a plan whose middle is that of the border's features, read from `file`.

    Raises:
        RefusedError: A piece has its coordinates swapped, or spans the antimeridian.
    """
    _refuse_swapped_piece(border)
    points = [point for feature in border for line in feature.lines for point in line]
    lats, lons = [lat for lat, _ in points], [lon for _, lon in points]
    if max(lons) - min(lons) > 180.0:  # noqa: PLR2004 - degrees
        border[0].refuse("the border spans the antimeridian, which no sector may")
    frame = LocalFrame(lat=(min(lats) + max(lats)) / 2.0, lon=(min(lons) + max(lons)) / 2.0)
    corners = [frame.to_metres(lat=lat, lon=lon) for lat, lon in points]
    return Plan(file, frame, max(math.hypot(x_m, y_m) for x_m, y_m in corners))


def _refuse_swapped_piece(border: list[Feature]) -> None:
    """Refuse a piece that lies among the others with longitude and latitude swapped only."""
    for feature in border:
        others = [p for other in border if other is not feature for p in other.lines[0]]
        own = feature.lines[0]
        swapped = [(lon, lat) for lat, lon in own]
        if others and not _near_box(own, others) and _near_box(swapped, others):
            feature.refuse("longitude and latitude are swapped, here or in all other features")


def _near_box(points: Sequence[LatLon], others: Sequence[LatLon]) -> bool:
    """Tell whether points lie in the box round others, or within about 50 km of it."""
    margin_deg = _FAR_M / 111_000.0
    return all(
        min(there) - margin_deg <= coordinate <= max(there) + margin_deg
        for here, there in zip(zip(*points, strict=True), zip(*others, strict=True), strict=True)
        for coordinate in here
    )


class Plan(NamedTuple):
    """Lays features into the sector's plane; refuses, with the reason, what does not fit."""

    border_file: Path
    frame: LocalFrame
    border_reach_m: float  # the border's farthest vertex from the centre

    def border_piece(self, feature: Feature) -> BorderPiece:
        """Return a piece of the border line."""
        status = feature.choice("status", LINE_STATUS, "demarcated")
        sigma_m = feature.positive("sigma_m", 1.0)
        for key, its in (("strip_m", "undemarcated"), ("river_width_m", "river")):
            if feature.properties.get(key) is not None and status != its:
                feature.refuse(f"{key} is for status {its}, and its status is {status}")
        strip_m = feature.positive("strip_m", _STRIP_SIGMAS * sigma_m)
        river_m = 0.5 * feature.positive("river_width_m", 2.0 * _STRIP_SIGMAS * sigma_m)
        return BorderPiece(
            line=self._laid(feature.lines[0]),
            home_on_left=feature.choice("home_side", ("left", "right")) == "left",
            status=status,
            sigma_m=sigma_m,
            half_m={"undemarcated": strip_m, "river": river_m}.get(status, 0.0),
        )

    def trail(self, feature: Feature) -> Trail:
        """Return a trail."""
        return Trail(
            id=_required_id(feature),
            name=feature.text("name") or _required_id(feature),
            kind=feature.choice("kind", TRAIL_KINDS, "duong_mon"),
            line=self._near(feature, self._laid(feature.lines[0])),
            heights_m=tuple(dense_heights(feature)),
        )

    def zone(self, feature: Feature) -> Zone:
        """Return a zone; its outline must be simple."""
        schedule = feature.properties.get("schedule")
        try:
            hours = None if schedule is None else Schedule.parse(schedule)
        except ValueError as error:
            feature.refuse(str(error))
        rings = tuple(self._near(feature, self._laid(ring)) for ring in feature.lines)
        outline = shapely.Polygon(rings[0], rings[1:])
        if not outline.is_valid:
            feature.refuse("its outline crosses or touches itself")
        return Zone(
            id=_required_id(feature),
            name=feature.text("name") or _required_id(feature),
            kind=feature.choice("kind", ZONE_KINDS),
            rings=rings,
            schedule=hours,
            box=_box(rings[0]),
        )

    def marker(self, feature: Feature) -> Marker:
        """Return a boundary marker."""
        ((point,),) = feature.lines
        (at,) = self._near(feature, (self._at(point),))
        return Marker(id=_required_id(feature), at=at)

    def _at(self, point: LatLon) -> Metres:
        lat, lon = point
        return self.frame.to_metres(lat=lat, lon=lon)

    def _laid(self, line: tuple[LatLon, ...]) -> tuple[Metres, ...]:
        return tuple(self._at(point) for point in dense(line))

    def _near(self, feature: Feature, line: tuple[Metres, ...]) -> tuple[Metres, ...]:
        away_m = max(math.hypot(x_m, y_m) for x_m, y_m in line)
        if away_m > self.border_reach_m + _FAR_M:
            feature.refuse(
                f"lies {away_m / 1000.0:.0f} km from the sector's centre; "
                + (
                    "longitude and latitude are swapped, here or in " + str(self.border_file)
                    if self._fits_swapped(feature)
                    else f"{self.border_file} is of another place"
                )
            )
        return line

    def _fits_swapped(self, feature: Feature) -> bool:
        """Tell whether a feature would lie in the sector with its two coordinates swapped."""
        swapped = [(lon, lat) for line in feature.lines for lat, lon in line]
        if any(abs(lat) > 90.0 for lat, _ in swapped):  # noqa: PLR2004 - the pole
            return False
        away_m = max(math.hypot(*self._at(point)) for point in swapped)
        return away_m <= self.border_reach_m + _FAR_M


def _box(ring: tuple[Metres, ...]) -> tuple[Metres, Metres]:
    east, north = [at.x_m for at in ring], [at.y_m for at in ring]
    return Metres(min(east), min(north)), Metres(max(east), max(north))


def _required_id(feature: Feature) -> str:
    if feature.id is None:
        feature.refuse("id is missing")
    return feature.id
