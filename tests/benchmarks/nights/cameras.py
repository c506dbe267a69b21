"""The cameras of a night: two a trail, one that looks at the line and one back along the way to it.

    line  ----------+-----------   range 158 m and more: some 90 m beyond the line
         approach o |   ^          13 m from the line, looks home: 45 to 240 m before it
                  | |    \\
                  v |     o line   70 m from the line, 20 to 38 m beside the trail

So nobody looks straight along a file of people, where each would hide the next.
"""

from typing import Final

import numpy as np

from tests.benchmarks.nights.ground import Ground
from tests.benchmarks.scoreboard.devices import Eye, Sigma, drawn_bias

_FAR_NORTH: Final = (0.0, 1e7)  # whoever aims there always looks north, wherever it flies


def posted(
    chance: np.random.Generator, ground: Ground, count: int, *, between: int = 0
) -> list[Eye]:
    """Put so many cameras up: at the gate, then those that see the line, then the approaches.

    And `between` more for each trail, evenly along the line.
    """
    posts: list[tuple[tuple[float, float], tuple[float, float]]] = []
    if ground.gate_x_m is not None:
        x_m, y_m = ground.gate_x_m, float(ground.line_y_m(ground.gate_x_m))
        posts.append(((x_m + 12.0, y_m - 60.0), (x_m, y_m)))
    exits = [ground.exit_of(trail) for trail in ground.land.trails]
    for x_m, y_m in exits:
        aside_m = float(chance.choice((-1.0, 1.0)) * chance.uniform(20.0, 38.0))
        posts.append(((x_m + aside_m, y_m - chance.uniform(55.0, 80.0)), (x_m, y_m + 10.0)))
    for (x_m, y_m), trail in zip(exits, ground.land.trails, strict=True):
        aside_m = float(chance.choice((-1.0, 1.0)) * chance.uniform(14.0, 26.0))
        back_x_m = float(np.interp(y_m - 150.0, trail[:, 1], trail[:, 0]))
        posts.append(((x_m + aside_m, y_m - chance.uniform(8.0, 18.0)), (back_x_m, y_m - 150.0)))
    del posts[count:]
    for x_m in np.linspace(
        ground.border[1][0], ground.border[-2][0], between * len(exits)
    ).tolist():
        y_m = float(ground.line_y_m(x_m))
        posts.append(((x_m, y_m - chance.uniform(60.0, 75.0)), (x_m, y_m)))
    return [_mast(chance, number, *post) for number, post in enumerate(posts, 1)]


def _mast(
    chance: np.random.Generator, number: int, at: tuple[float, float], aim: tuple[float, float]
) -> Eye:
    sigma = Sigma(yaw_deg=float(chance.uniform(0.2, 0.6)))
    height_m = float(chance.uniform(9.0, 15.0))
    return Eye(
        f"cam-{number:02d}", "camera", np.zeros(1), np.array([at]), height_m, aim,
        float(chance.uniform(48.0, 62.0)), 12.0 * height_m + 50.0, float(chance.uniform(1.5, 2.5)),
        sigma, drawn_bias(chance, sigma),
    )  # fmt: skip


def flown(chance: np.random.Generator, ground: Ground, until_s: float) -> Eye:
    """Let one drone fly from trail to trail, hovering before the line and looking over it."""
    exits = [ground.exit_of(trail) for trail in ground.land.trails]
    times_s: list[float] = []
    points = []
    at_s, here = 0.0, np.array(exits[0]) - (0.0, 110.0)
    while at_s < until_s:
        x_m, y_m = exits[int(chance.integers(len(exits)))]
        there = np.array([x_m, y_m - chance.uniform(90.0, 130.0)])
        at_s += 1.0 + float(np.hypot(*(there - here))) / 8.0
        for pause_s in (0.0, float(chance.uniform(30.0, 90.0))):
            at_s += pause_s
            times_s.append(at_s)
            points.append(there)
        here = there
    sigma = Sigma(yaw_deg=1.5, pitch_deg=0.4, height_m=1.5, position_m=1.2, pixel_deg=0.08)
    return Eye(
        "drone-1", "drone", np.array(times_s), np.array(points), float(chance.uniform(50.0, 75.0)),
        _FAR_NORTH, 60.0, 160.0, 2.0, sigma, drawn_bias(chance, sigma),
    )  # fmt: skip
