"""A crop is named by the lines of the track that it shows, whatever comes late."""

import json
import random
from typing import Any

import pytest

from edge.messages import UtcTime
from fusion.events import TracksRevised, TracksUpdated
from fusion.tracking.track import CROPS, crop_id


def with_crops(lines: list[dict[str, Any]], every: int = 7) -> list[dict[str, Any]]:
    """Name a crop for the first detection of every so many frames."""
    told = json.loads(json.dumps(lines))
    for number, line in enumerate(told):
        detections = line["payload"].get("detections")
        if detections and number % every == 0:
            detections[0]["evidence_id"] = f"crop-{line['payload']['message_id']}"
    return told


def named(lines: list[dict[str, Any]]) -> set[str]:
    return {
        crop_id(line["payload"]["device_id"], one["evidence_id"])
        for line in lines
        for one in line["payload"].get("detections", ())
        if "evidence_id" in one
    }


def shown(outcome) -> dict[str, set[str]]:
    """Return the crops of each track as they stand at the end."""
    lines: list[Any] = []
    for event in outcome.events:
        if isinstance(event, TracksRevised):
            since = event.since
            lines = [one for one in lines if one.t < since.get(one.track_id, one.t.after(1.0))]
        elif isinstance(event, TracksUpdated):
            lines += event.updates
    crops: dict[str, set[str]] = {}
    for line in lines:
        crops.setdefault(line.track_id, set()).update(line.evidence_ids)
    return {name: those for name, those in crops.items() if those}


@pytest.fixture
def two_walk(make) -> list[dict[str, Any]]:
    walkers = [
        make.walker([(0, -30, -20), (40, -30, 20)]),
        make.walker([(0, 30, 20), (40, 30, -20)]),
    ]
    eyes = (make.eye(), make.eye("cam-2", phase_s=0.07))
    return make.world(walkers, eyes, until_s=45).messages()


def test_every_crop_is_named_by_the_track_that_it_shows(sector, run, two_walk) -> None:
    lines = with_crops(two_walk)
    outcome = run(sector, lines)
    assert set().union(*shown(outcome).values()) == named(lines)
    assert len(shown(outcome)) == 2
    (one, other) = shown(outcome).values()
    assert one.isdisjoint(other)


def test_an_incident_is_about_tracks_that_crops_show(sector, run, two_walk) -> None:
    outcome = run(sector, with_crops(two_walk))
    crops = shown(outcome)
    assert len(outcome.standing) == 2
    for incident in outcome.standing:
        assert any(crops.get(name) for name in incident.track_ids)


def test_without_crops_a_line_is_as_ever(sector, run, two_walk) -> None:
    bare, cropped = run(sector, two_walk), run(sector, with_crops(two_walk))
    assert not any(line.evidence_ids for line in bare.lines)
    assert [line.t for line in bare.lines] == [line.t for line in cropped.lines]
    assert [(one.lat, one.lon) for one in bare.lines] == [
        (one.lat, one.lon) for one in cropped.lines
    ]


@pytest.mark.parametrize("seed", range(3))
def test_in_whatever_order_messages_come_the_same_crops_show_the_same_tracks(
    sector, run, two_walk, seed: int
) -> None:
    lines = with_crops(two_walk)
    dice = random.Random(seed)
    late = [
        line
        | {
            "received_at": UtcTime.parse(line["received_at"])
            .after(dice.choice((0.0, 0.0, 5.0, 120.0)))
            .rfc3339()
        }
        for line in [*lines, *dice.sample(lines, 40)]
    ]
    late.sort(key=lambda line: line["received_at"])
    assert shown(run(sector, late)) == shown(run(sector, lines))


def test_a_track_remembers_a_few_crops_and_no_more(sector, run, make) -> None:
    world = make.world([make.walker([(0, -30, -50), (60, -30, -45)])], until_s=60)
    lines = with_crops(world.messages(), every=1)
    outcome = run(sector, lines)
    tracks = outcome.engine._course.core.tracker
    assert all(
        len(one.evidence) <= CROPS for one in (*tracks.tracks.values(), *tracks.gone.values())
    )
    assert len(named(lines) - set().union(*shown(outcome).values())) <= CROPS, (
        "of the first, if any"
    )


def test_no_device_names_another_s_crop() -> None:
    assert crop_id("cam-1", "x") != crop_id("cam-2", "x")
