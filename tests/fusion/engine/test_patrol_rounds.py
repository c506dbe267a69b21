"""Which kilometres of the trails our patrols walked: by their own positions, as sure as these are."""

import json
import math
import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edge.command import main
from fusion.local_frame import Metres
from fusion.patrols.rounds import Piece, _over, walked_in
from fusion.plan import Trail
from fusion.rulebook import TrailsRule
from fusion.situation.border import Border, BorderPiece
from fusion.situation.coverage import merged
from fusion.situation.patrols import UnitFix
from fusion.situation.trail_network import TrailNetwork
from fusion.situation.walked import walked

BORDER = Border(
    [BorderPiece((Metres(-3000.0, 0.0), Metres(3000.0, 0.0)), False, "demarcated", 1.0)]
)


def net(*lines: tuple[tuple[float, float], ...]) -> TrailNetwork:
    trails = [
        Trail(f"t{n}", "", "duong_mon", tuple(Metres(*p) for p in line))
        for n, line in enumerate(lines)
    ]
    return TrailNetwork(trails, BORDER, TrailsRule())


# A trail with a bend, a fork off it, and another trail 40 m beside its first part.
NET = net(
    ((0.0, -1200.0), (0.0, -600.0), (300.0, -200.0)),
    ((0.0, -600.0), (-500.0, -600.0)),
    ((40.0, -1200.0), (40.0, -700.0)),
)


def along_t0(m: float) -> tuple[float, float]:
    if m <= 600.0:
        return 0.0, -1200.0 + m
    share = (m - 600.0) / 500.0
    return 300.0 * share, -600.0 + 400.0 * share


def fixes(places, seed: int, accuracy_m: float, every_s: float = 20.0) -> list[UnitFix]:
    dice, sigma = random.Random(seed), accuracy_m / 1.51
    return [
        UnitFix(
            n * every_s,
            "u",
            Metres(x + dice.gauss(0, sigma), y + dice.gauss(0, sigma)),
            accuracy_m,
        )
        for n, (x, y) in enumerate(places)
    ]


def spans(stretches, trail: str) -> tuple:
    return merged(one.span_m for one in stretches if one.trail_id == trail)


def length_m(found) -> float:
    return math.fsum(b - a for a, b in found)


@settings(deadline=None, max_examples=40)
@given(
    start=st.floats(0.0, 400.0), gone=st.floats(200.0, 700.0), seed=st.integers(0, 10**6),
    accuracy=st.floats(2.0, 15.0), back=st.booleans(),
)  # fmt: skip
def test_a_walk_along_a_trail_is_that_stretch_of_it(start, gone, seed, accuracy, back) -> None:
    places = [along_t0(start + 24.0 * n) for n in range(int(gone / 24.0) + 1)]
    end = start + 24.0 * (len(places) - 1)
    its = fixes(places[::-1] if back else places, seed, accuracy)
    found = spans(walked(its, NET), "t0")
    slack = 10.0 + 3.0 * accuracy
    assert min(a for a, _ in found) >= start - slack
    assert max(b for _, b in found) <= end + slack
    assert length_m(found) >= end - start - 2.0 * slack


def test_of_two_trails_40_m_apart_the_right_one_is_walked_at_15_m() -> None:
    right = wrong = 0.0
    for seed in range(20):
        its = fixes([along_t0(24.0 * n) for n in range(21)], seed, 15.0 * 1.51)
        stretches = list(walked(its, NET))
        right += length_m(spans(stretches, "t0"))
        wrong += length_m(spans(stretches, "t2"))
    assert right / (right + wrong) >= 0.95
    assert right / (20 * 480.0) >= 0.9


def test_who_walks_40_m_beside_a_trail_did_not_walk_it() -> None:
    taken = 0.0
    for seed in range(20):
        its = fixes([(-40.0, -1190.0 + 24.0 * n) for n in range(21)], seed, 15.0 * 1.51)
        taken += length_m(spans(walked(its, NET), "t0"))
    assert taken / (20 * 480.0) <= 0.05


def test_nobody_hops_between_two_trails_that_meet_only_at_their_ends() -> None:
    ladder = net(
        ((0.0, -1200.0), (0.0, -600.0)),
        ((0.0, -1200.0), (40.0, -1150.0), (40.0, -650.0), (0.0, -600.0)),
    )
    right = wrong = 0.0
    for seed in range(20):
        its = fixes([along_t0(24.0 * n) for n in range(25)], seed, 20.0 * 1.51)
        stretches = list(walked(its, ladder))
        right += length_m(spans(stretches, "t0"))
        wrong += length_m(spans(stretches, "t1"))
    assert right / (right + wrong) >= 0.95


@given(x=st.floats(150.0, 400.0), seed=st.integers(0, 10**6))
def test_who_walks_off_the_trails_walked_none(x, seed) -> None:
    its = fixes([(x, -1200.0 + 24.0 * n) for n in range(20)], seed, 10.0)
    assert list(walked(its, NET)) == []


def test_a_post_by_a_trail_walks_no_farther_than_its_receiver_errs() -> None:
    its = fixes([along_t0(300.0)] * 360, 3, 8.0)
    assert length_m(spans(walked(its, NET), "t0")) <= 50.0


def test_between_positions_that_are_long_apart_nothing_is_said() -> None:
    its = fixes([along_t0(0.0), along_t0(550.0)], 1, 3.0, every_s=301.0)
    assert list(walked(its, NET)) == []
    its = fixes([along_t0(0.0), along_t0(250.0)], 1, 3.0, every_s=250.0)
    assert length_m(spans(walked(its, NET), "t0")) == pytest.approx(250.0, abs=15.0)


@given(
    st.lists(
        st.tuples(st.integers(0, 60), st.integers(0, 60), st.integers(0, 5)),
        min_size=1,
        max_size=12,
    )
)
def test_the_latest_lies_on_top_metre_by_metre(walks) -> None:
    walks = sorted(((min(a, b), max(a, b), t) for a, b, t in walks), key=lambda one: one[2])
    pieces: list[Piece] = []
    for a, b, t in walks:
        pieces = _over(pieces, Piece(float(a), float(b), float(t)))
    for metre in range(60):
        middle = metre + 0.5
        truth = [t for a, b, t in walks if a <= middle <= b]
        on = [one.last_s for one in pieces if one.from_m <= middle <= one.to_m]
        assert on == ([max(truth)] if truth else [])


@pytest.fixture
def recording(make, sector_maker) -> tuple:
    """A sector of two trails, and an hour of a unit that walks half of the first one."""
    trails = make.collection(
        make.feature(
            "LineString", sector_maker.line((0, -600), (0, 0)), id="khe", name="Khe Lạnh"
        ),
        make.feature("LineString", sector_maker.line((400, -600), (400, 0)), id="suoi"),
    )
    sector = sector_maker.load(trails=trails)
    up = make.walker([(0, 0, -600), (300, 0, -300), (600, 0, -600)])
    units = [("tuan-tra-1", up, 15.0, 5.0), ("mo-ho", up, 60.0, 80.0)]
    lines = make.world([], eyes=[], units=units, until_s=600).messages()
    return sector, sector_maker.folder, lines


def test_half_a_trail_was_walked_the_other_half_and_the_other_trail_never(recording) -> None:
    sector, _, lines = recording
    found = walked_in(sector, (json.dumps(line).encode() for line in lines))
    khe, suoi = found.trails
    assert khe.walked_m == pytest.approx(300.0, abs=15.0)
    (never,) = khe.never
    assert never == pytest.approx((300.0, 600.0), abs=15.0)
    assert khe.units == ("tuan-tra-1",)
    # They came back: the farther end was left first.
    assert khe.pieces[0].last_s > khe.pieces[-1].last_s
    assert (suoi.walked_m, suoi.never) == (0.0, ((0.0, pytest.approx(600.0, abs=0.5)),))
    assert found.vague == 11


def test_the_order_of_arrival_changes_nothing(recording) -> None:
    sector, _, lines = recording
    texts = [json.dumps(line).encode() for line in lines]
    last = lines[-1]["received_at"]
    late = [json.dumps(line | {"received_at": last}).encode() for line in reversed(lines)]
    assert walked_in(sector, texts).trails == walked_in(sector, [*late, *late]).trails


def test_the_command_says_it_in_lines_a_table_and_a_drawing(recording, capsys) -> None:
    _, folder, lines = recording
    (folder / "m.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    drawing = folder / "drawn.geojson"
    arguments = [str(folder / "sector.toml"), str(folder / "m.jsonl"), "--geojson", str(drawing)]
    assert main(["fusion", "patrols", *arguments]) == 0
    out, err = capsys.readouterr()
    period, khe, suoi = (json.loads(line) for line in out.splitlines())
    assert period["units"] == {"tuan-tra-1": 41}
    assert khe["walked_percent"] == pytest.approx(50.0, abs=2.5)
    assert suoi["last"] is None
    assert err.index("suoi") < err.index("Khe Lạnh")
    kinds = {one["properties"]["kind"] for one in json.loads(drawing.read_text())["features"]}
    assert kinds == {"walked", "never_walked"}
    assert main(["fusion", "patrols", *arguments, "--since", "2026-03-14T18:00:00Z"]) == 0
    assert json.loads(capsys.readouterr().out.splitlines()[0])["walked_m"] == 0.0


def test_a_folder_is_a_journal_or_refused(recording, capsys, tmp_path) -> None:
    _, folder, _ = recording
    assert main(["fusion", "patrols", str(folder / "sector.toml"), str(tmp_path)]) == 1
    assert "holds no journal" in capsys.readouterr().err


def test_the_command_says_where_a_unit_can_be_first(recording, sector_maker, capsys) -> None:
    _, folder, _ = recording

    def place(x: float, y: float) -> str:
        lon, lat = sector_maker.at(x, y)
        return f"{lat},{lon}"

    drawing = folder / "drawn.geojson"
    call = [
        "fusion", "intercept", str(folder / "sector.toml"), "--at", place(3, -550),
        "--from", place(0, -590), "--geojson", str(drawing),
        "--unit", f"gan={place(0, -100)},20", "--unit", f"xa={place(900, -550)}",
    ]  # fmt: skip
    assert main(call) == 0
    out, err = capsys.readouterr()
    (found,) = (json.loads(line) for line in out.splitlines())
    assert found["unit_id"] == "gan"
    assert found["place"]["side"] == "home"
    assert "cannot be there first: xa" in err
    kinds = [one["properties"]["kind"] for one in json.loads(drawing.read_text())["features"]]
    assert kinds == ["route", "point"]
    assert main([*call[:3], "--at", place(200, -300), "--unit", f"gan={place(0, -100)}"]) == 1
    assert "no trail" in capsys.readouterr().err
    with pytest.raises(SystemExit):
        main([*call[:5], "--unit", "gan=1,2,3,4"])
    assert "ID=LAT,LON" in capsys.readouterr().err
