"""Looks at a large picture, and one list of boxes from all of them."""

import random

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge.tiles import MOST_BOXES, FloatArray, IntArray, looks, merged, tiles_a_side

# Two tiles side by side, 60 px each, that share 20 px: seams at x = 40 and 60.
HALVES = np.array([[0, 0, 100, 50], [0, 0, 60, 50], [40, 0, 100, 50]], dtype=np.int64)
WHOLE, LEFT, RIGHT = 0, 1, 2


def merge(*boxes: tuple[int, tuple[float, ...]], rectangles: IntArray = HALVES) -> FloatArray:
    rows = np.array([box for _, box in boxes], dtype=np.float64).reshape(-1, 6)
    looked = np.array([look for look, _ in boxes], dtype=np.int64)
    return merged(rows, looked, rectangles).boxes


@given(
    width_px=st.integers(64, 8000),
    height_px=st.integers(64, 8000),
    columns=st.integers(1, 16),
    rows=st.integers(1, 16),
    overlap=st.floats(0.1, 0.5),
)
def test_tiles_cover_the_picture_and_overlap_as_asked(
    width_px: int, height_px: int, columns: int, rows: int, overlap: float
) -> None:
    places = looks(width_px, height_px, columns=columns, rows=rows, overlap=overlap)
    assert places[0].tolist() == [0, 0, width_px, height_px]
    tiles = places[1:]
    assert len(tiles) == (0 if columns == rows == 1 else columns * rows)
    for low, high, side_px in ((0, 2, width_px), (1, 3, height_px)):
        spans = np.unique(tiles[:, [low, high]], axis=0)
        if not len(spans):
            continue
        assert (spans[0, 0], spans[-1, 1]) == (0, side_px)
        long_px = spans[0, 1] - spans[0, 0]
        assert (spans[:, 1] - spans[:, 0] == long_px).all()
        assert (spans[:-1, 1] - spans[1:, 0] >= overlap * long_px - 1.5).all()


@pytest.mark.parametrize(
    ("width", "height", "count"),
    [
        (640, 512, 1),
        (768, 576, 1),
        (1280, 720, 2),
        (1920, 1080, 3),
        (2160, 3840, 6),
        (32768, 9, 16),
    ],
)
def test_auto_tiles_only_large_pictures(width: int, height: int, count: int) -> None:
    assert tiles_a_side(width, height, seen_px=640, overlap=0.2) == count


def test_a_person_in_the_overlap_is_one_person() -> None:
    """Seen whole in both tiles and, smaller and less exactly, in the whole picture."""
    person = (45.0, 10.0, 53.0, 30.0)
    found = merge(
        (LEFT, (*person, 0.6, 0)),
        (RIGHT, (45.5, 10.0, 53.5, 31.0, 0.8, 0)),
        (WHOLE, (44.0, 11.0, 54.0, 32.0, 0.9, 0)),
    )
    assert found.tolist() == [[45.5, 10.0, 53.5, 31.0, 0.9, 0]], "the tile's, as sure as any"


def test_people_whom_one_look_told_apart_stay_two() -> None:
    """Side by side, and in the other tile one of them hides the other."""
    found = merge(
        (LEFT, (44.0, 10.0, 50.0, 30.0, 0.7, 0)),
        (LEFT, (46.5, 10.0, 52.5, 30.0, 0.6, 0)),
        (RIGHT, (44.5, 10.0, 50.5, 30.0, 0.65, 0)),
    )
    assert found[:, 4].tolist() == [0.7, 0.6]


def test_a_near_person_is_the_whole_picture_s_and_not_its_pieces() -> None:
    found = merge(
        (LEFT, (30.0, 2.0, 59.5, 48.0, 0.9, 0)),
        (RIGHT, (40.2, 2.0, 75.0, 48.0, 0.95, 0)),
        (WHOLE, (30.0, 2.0, 75.0, 48.0, 0.5, 0)),
    )
    assert found.tolist() == [[30.0, 2.0, 75.0, 48.0, 0.95, 0]]


def test_a_small_person_before_a_near_one_is_kept() -> None:
    found = merge(
        (WHOLE, (10.0, 2.0, 35.0, 48.0, 0.9, 0)), (LEFT, (20.0, 30.0, 25.0, 42.0, 0.5, 0))
    )
    assert len(found) == 2


def test_two_pieces_of_a_person_are_joined() -> None:
    """Larger than the overlap, and missed in the whole picture."""
    found = merge(
        (LEFT, (36.0, 20.0, 59.8, 30.0, 0.4, 0)), (RIGHT, (40.1, 19.0, 64.0, 31.0, 0.6, 0))
    )
    assert found.tolist() == [[36.0, 19.0, 64.0, 31.0, 0.6, 0]]


def test_a_piece_that_nothing_confirms_is_left_out_because_its_feet_are_unknown() -> None:
    rows = np.array([(52.0, 20.0, 59.9, 40.0, 0.9, 0)])
    told = merged(rows, np.array([LEFT]), HALVES)
    assert len(told.boxes) == 0
    assert told.unconfirmed.tolist() == [0.9]  # and counted: somebody was lost


def test_of_more_boxes_than_can_be_compared_the_surest_are_kept() -> None:
    """300 boxes in each of 37 looks took 7.6 GB."""
    rows = np.tile((10.0, 10.0, 12.0, 14.0, 0.5, 0), (3 * MOST_BOXES, 1))
    rows[:, :4] += np.arange(len(rows))[:, None] * 3.0
    rows[:, 4] = np.linspace(0.1, 0.9, len(rows))
    wide = np.array([[0, 0, 20_000, 20_000]], dtype=np.int64)
    told = merged(rows, np.zeros(len(rows), dtype=np.int64), wide)
    assert len(told.boxes) == MOST_BOXES
    assert len(told.too_many) == 2 * MOST_BOXES
    assert told.boxes[:, 4].min() > told.too_many.max()


def test_the_edge_of_the_picture_is_no_seam() -> None:
    """Cut by the picture itself: the pipeline flags it, as it does without tiles."""
    assert len(merge((LEFT, (5.0, 30.0, 12.0, 50.0, 0.9, 0)))) == 1


def test_a_person_and_a_car_do_not_displace_each_other() -> None:
    same = (10.0, 10.0, 30.0, 30.0)
    assert len(merge((LEFT, (*same, 0.9, 0)), (WHOLE, (*same, 0.8, 2)))) == 2


def test_nothing_found_is_nothing() -> None:
    assert merge().shape == (0, 6)


@given(
    boxes=st.lists(
        st.tuples(
            st.integers(0, 2), st.integers(0, 90), st.integers(0, 40), st.integers(1, 40),
            st.integers(1, 40), st.integers(1, 1000), st.integers(0, 1),
        ),
        max_size=12,
        unique_by=lambda box: box[5],
    ),
    order=st.randoms(use_true_random=False),
)  # fmt: skip
def test_the_order_of_the_boxes_does_not_matter_and_merging_adds_none(
    boxes: list[tuple[int, ...]], order: random.Random
) -> None:
    made = [
        (look, (float(x), float(y), float(x + wide), float(y + high), sure / 1000.0, float(kind)))
        for look, x, y, wide, high, sure, kind in boxes
    ]
    found = merge(*made)
    shuffled = list(made)
    order.shuffle(shuffled)
    assert merge(*shuffled).tolist() == found.tolist()
    assert len(found) <= len(made)
    assert (np.diff(found[:, 4]) <= 0.0).all()
    assert {row[5] for row in found.tolist()} <= {box[5] for _, box in made}
