"""A plate as read is a hint which vehicle it is: capped, and forgiving of what readers confuse."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge.messages import Plate
from fusion.tracking.plates import OTHER, SAME, are_two, hint, normalised, tallied

texts = st.text("ABCDEFGHKLMNPSTUVXYZ0123456789", min_size=7, max_size=9)
readings = st.tuples(texts, st.floats(0.5, 1.0))


def read(text: str, confidence: float = 0.9) -> tuple[str, float] | None:
    return normalised(Plate(text=text, confidence=confidence))


@given(reading=readings, known=st.lists(readings, max_size=6))
def test_no_plate_decides_alone(reading, known) -> None:
    assert SAME <= hint(reading, tallied(*known)) <= OTHER


@given(text=texts, at=st.integers(0, 6), other=st.sampled_from("0123456789"))
def test_one_character_misread_is_still_the_same_plate(text, at, other) -> None:
    misread = text[:at] + other + text[at + 1 :]
    assert hint(read(misread), tallied(read(text))) == pytest.approx(SAME * 0.9)
    assert not are_two(tallied(read(misread)), tallied(read(text)))


def test_characters_that_look_alike_are_one() -> None:
    assert read("29A-123.45") == read("29a 12345") == read("29A12345")
    assert hint(read("Z9AI2345"), tallied(read("29A12345"))) == pytest.approx(SAME * 0.9)
    assert hint(read("29B88088"), tallied(read("298BBOBB"))) == pytest.approx(SAME * 0.9)


def test_what_was_read_is_kept_as_it_was_read() -> None:
    assert read("Z9A-I23.45") == ("Z9AI2345", 0.9)


def test_what_is_hardly_read_or_no_whole_plate_says_nothing() -> None:
    assert read("29A12345", 0.4) is None
    assert read("29A1") is None
    assert read("29A-123.45 " * 90) is None


@given(st.lists(readings, min_size=1, max_size=20))
def test_what_was_read_most_often_stands_first_and_little_is_kept(known) -> None:
    plates = tallied(*known)
    assert len(plates) <= 4
    assert plates[0][1] == max(weight for _, weight in plates)
    assert tallied(*reversed(known))[0][1] == pytest.approx(plates[0][1])


def test_a_plate_misread_now_and_then_splits_no_vehicle(make, sector, run) -> None:
    truck = make.walker([(0, -100, -60), (24, 140, -60)], label="truck")
    messages = make.world([truck], eyes=[make.eye(sigma_m=2.0)], until_s=24).messages()
    for number, line in enumerate(messages):
        for seen in line["payload"]["detections"]:
            text = ("29A12345", "29AI2345", "29A12845", "9A12345")[number % 4]
            seen["plate"] = {"text": text, "confidence": 0.9}
    assert len({line.track_id for line in run(sector, messages).lines}) == 1


def test_two_vehicles_that_turn_back_from_one_another_keep_their_plates(make, sector, run) -> None:
    """By their motion alone they would seem to have driven on past each other."""
    eye = make.eye(fps=2.0, sigma_m=2.0, detect=1.0)
    south = make.walker([(0, -60, -100), (10, 0, -61), (20, 60, -100)], label="truck")
    north = make.walker([(0, -60, -20), (10, 0, -59), (20, 60, -20)], label="truck")
    right = 0
    for seed in range(4):
        messages = make.world([south, north], eyes=[eye], until_s=20, seed=seed).messages()
        for line in messages:
            at_s = float(line["payload"]["message_id"].rsplit("-", 1)[1]) / 2.0
            for seen in line["payload"]["detections"]:
                _, y_m = sector.frame.to_metres(lat=seen["lat"], lon=seen["lon"])
                away_m = [abs(y_m - way.at(at_s)[1]) for way in (south, north)]
                text = "29A12345" if away_m[0] < away_m[1] else "30F77711"
                seen["plate"] = {"text": text, "confidence": 0.9}
        ends: dict[str, list[float]] = {}
        for line in run(sector, messages).lines:
            _, y_m = sector.frame.to_metres(lat=line.lat, lon=line.lon)
            ends.setdefault(line.track_id, []).append(y_m)
        right += sum((ys[0] < -60.0) == (ys[-1] < -60.0) for ys in ends.values())
    assert right == 8
