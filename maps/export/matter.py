"""All that goes into the export of one incident, read from the store."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final, NamedTuple

from edge.messages import Alert, Deed, Incident, TrackUpdate
from fusion.events import SuppressedAlert
from fusion.evidence import EvidenceFolder
from fusion.evidence_index import Crop
from fusion.sector import Sector
from maps.case_file import case_file
from maps.feed import ReadStore
from maps.people.roles import Person

MOST_LINES: Final = 50_000  # of all tracks together
_BEFORE_S: Final = 3600.0  # it was opened, tracks are shown
_AFTER_S: Final = 900.0  # and after it last changed
_LONGEST_S: Final = 6 * 3600.0
_AROUND_DEG: Final = 0.03  # of the layers, what lies some 3 km about
_MOST_CROPS_BYTES: Final = 64 * 1024 * 1024


class Matter(NamedTuple):
    """What is known of an incident."""

    sector: Sector
    incident: Incident
    alerts: Sequence[Alert]
    deeds: Sequence[Deed]
    held_back: Sequence[SuppressedAlert]
    related: Sequence[Mapping[str, str]]  # relation, incident_id
    ways: Mapping[str, Sequence[TrackUpdate]]  # by track, in order of time
    has_all_lines: bool
    crops: Sequence[tuple[Crop, bytes]]  # in order of time
    crops_missing: Sequence[str]  # whose picture is gone, was changed, or is one too many

    @property
    def simulated(self) -> bool:
        """Whether any of it comes from an exercise."""
        return self.incident.simulated or any(one.simulated for one in self.alerts)


def gather(
    store: ReadStore, folder: EvidenceFolder, incident: Incident, sector: Sector, person: Person
) -> Matter:
    """Read what belongs to an incident.

    Raises:
        RefusedError: The store does not answer.
    """
    found = case_file(store, incident, person)
    ways, has_all = _ways(store, incident, sector.id)
    for last in found["tracks"]:
        ways.setdefault(last.track_id, [last])
    crops, missing = [], []
    room_bytes = _MOST_CROPS_BYTES
    for crop in store.crops_of(incident.track_ids, sector=sector.id):
        jpeg = folder.read_or_none(crop.sha256) if crop.size_bytes <= room_bytes else None
        if jpeg is None:
            missing.append(crop.evidence_id)
        else:
            crops.append((crop, jpeg))
            room_bytes -= len(jpeg)
    return Matter(
        sector=sector,
        incident=incident,
        alerts=found["alerts"],
        deeds=found["deeds"],
        held_back=found["held_back"],
        # Other incidents are other bundles: no more than their names.
        related=[
            {"relation": one["relation"], "incident_id": one["incident_id"]}
            for one in found["related"]
        ],
        ways=dict(sorted(ways.items())),
        has_all_lines=has_all,
        crops=crops,
        crops_missing=missing,
    )


def _ways(
    store: ReadStore, incident: Incident, sector_id: str
) -> tuple[dict[str, list[TrackUpdate]], bool]:
    """Return the lines of its tracks that history has, and whether these are all."""
    since = incident.opened_at.after(-_BEFORE_S)
    until = min(incident.updated_at.after(_AFTER_S), incident.opened_at.after(_LONGEST_S))
    ways: dict[str, list[TrackUpdate]] = {}
    with store.past(sector_id) as past:
        lines = past.lines_of(incident.track_ids, since, until)
        for number, line in enumerate(lines):
            if number == MOST_LINES:
                return ways, False
            ways.setdefault(line.track_id, []).append(line)
    return ways, True


def ground_near(matter: Matter) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield `(layer, feature)` of the sector's layers that lie near what happened."""
    at = [(line.lat, line.lon) for way in matter.ways.values() for line in way]
    at.append((matter.incident.lat, matter.incident.lon))
    south, north = min(lat for lat, _ in at), max(lat for lat, _ in at)
    west, east = min(lon for _, lon in at), max(lon for _, lon in at)
    for layer in ("border", "zones", "trails", "markers"):
        for feature in matter.sector.layers.get(layer, {}).get("features", ()):
            places = list(_places(feature["geometry"]["coordinates"]))
            lats, lons = [lat for _, lat in places], [lon for lon, _ in places]
            if (
                min(lats) <= north + _AROUND_DEG
                and max(lats) >= south - _AROUND_DEG
                and min(lons) <= east + _AROUND_DEG
                and max(lons) >= west - _AROUND_DEG
            ):
                yield layer, feature


def _places(coordinates: Any) -> Iterator[tuple[float, float]]:  # noqa: ANN401 - GeoJSON
    if coordinates and isinstance(coordinates[0], int | float):
        yield float(coordinates[0]), float(coordinates[1])
        return
    for part in coordinates:
        yield from _places(part)
