"""Flat ground without a camera's height: pixels to metres on the ground by a plane homography.

Eight numbers take the ground's plane into the picture. Four landmarks fix them; more make them
better, and show which landmark is wrong. Nothing is asked of the mount but a place to count
metres from, and of the camera but its distortion, which is taken out of the pixels first.

The fit makes the misses in the picture small, since that is where the error is; its normalised
linear start and the propagation of errors follow Hartley and Zisserman (4.4, 5.2).
"""

from itertools import combinations
from typing import Final, NamedTuple

import numpy as np
import pymap3d

from edge.calibration.landmarks import Landmarks
from edge.calibration.least_squares import Minimum, minimise
from edge.calibration.refusals import LEAST_FOR_POSE, CalibrationError, refuse_badly_spread
from edge.calibration.relief import hidden, of_level, relief_of
from edge.calibration.robust import MOST_SCALE, covariance, most_by_chance
from edge.calibration.sets import sets_of
from edge.camera import BoolArray, Camera, FloatArray
from edge.plane import GroundHomography, lens_of, pinhole_pixels

MOST_CONDITION: Final = 1e10
# Of the picture's area, the least triangle among the best four landmarks.
LEAST_TRIANGLE: Final = 0.002
# No field is flatter than its furrows.
LEAST_RELIEF_M: Final = 0.2
_GOOD_IN_A_PLANE: Final = 13.8155  # 999 in 1,000 good ones lie within, squared
_TRUNCATED_AT: Final = 5.0  # sigmas
_MOST_SETS: Final = 400
_LEAST_SHARE: Final = 0.05
_REWEIGHED: Final = 3
_MOVED: Final = 4
# How unsure it is how far relief throws a landmark: as the focal length that the lens's height
# comes from.
_OF_THROW: Final = 0.15
# A height that is off by more sigmas of the relief is mistyped, and excuses no miss.
_USUAL: Final = 3.0
# So many times the relief, at least, a lens is above the plane if that is to tell anything.
_LEAST_HEIGHTS: Final = 3.0
# One landmark in so many may be wrong, at most.
MOST_OUT: Final = 3
_NEAREST: Final = 0.1  # of the middle landmark's distance
_FREE: Final = 8
_OF_A_SET: Final = 4
_LEAST_AHEAD: Final = 1e-9
_TINY_M: Final = 1e-3
_LEAST_LEFT: Final = 0.25
_FLAT: Final = 1e-8


class HomographyFit(NamedTuple):
    """A fitted homography and how well the landmarks agree with it."""

    ground: GroundHomography
    residual_px: FloatArray  # (N,)
    off: FloatArray  # (N,) distance from the fit, in sigmas of that distance
    used: BoolArray  # (N,)
    widened: float  # the factor on the landmarks' sigmas
    condition: float
    relief_m: float  # highest landmark above the plane through all of them, less the lowest
    plane_m: FloatArray  # (N, 2) east, north of what each landmark hides of the plane


def fit_homography(
    camera: Camera, landmarks: Landmarks, *, lat: float, lon: float, survey_sigma_m: float = 0.0
) -> HomographyFit:
    """Fit the ground's plane to at least 4 landmarks; metres count from `lat`, `lon`.

    Args:
        camera: Of the device file: its distortion, and its focal length for how far relief throws.
        landmarks: Each with the error of its pixel and of its own place.
        lat: Of the place that metres count from.
        lon: Of that place.
        survey_sigma_m: One sigma along each axis of what all landmarks are off alike: everything
            that is placed by them is off by as much.

    Raises:
        CalibrationError: They are too few, badly spread, or contradict one another.
    """
    count = len(landmarks.names)
    if count < LEAST_FOR_POSE:
        msg = f"{count} landmarks are too few: a homography needs at least {LEAST_FOR_POSE}"
        raise CalibrationError(msg)
    alt_m = float(np.mean(landmarks.alt_m))
    east, north, _ = pymap3d.geodetic2enu(
        landmarks.lat, landmarks.lon, landmarks.alt_m, lat, lon, alt_m
    )
    refuse_badly_spread(landmarks.pixels, landmarks.sigma_px, camera)
    plane = np.column_stack((east, north))
    seen, ahead = pinhole_pixels(landmarks.pixels, camera)
    if not ahead.all():
        name = landmarks.names[int(np.argmin(ahead))]
        msg = (
            f"landmark {name!r} is seen 90 degrees or more off the axis of the camera, or where "
            "camera.distortion says nothing"
        )
        raise CalibrationError(msg)
    found = _fit(camera, landmarks, plane, seen)
    minimum, used, matrix = found.minimum, found.used, found.matrix
    _refuse_quarrel(found, landmarks)
    _refuse_lines(landmarks.pixels[used], camera)
    size = np.linalg.norm(minimum.jacobian, axis=0)
    condition = float(np.linalg.cond(minimum.jacobian / np.where(size > 0.0, size, 1.0)) ** 2)
    if condition > MOST_CONDITION:
        msg = (
            f"the landmarks do not fix the ground: the condition number is {condition:.1e}, "
            f"and at most {MOST_CONDITION:.0e} is trusted"
        )
        raise CalibrationError(msg)
    widened = _widening(minimum)
    slopes = found.from_values[:, :_FREE] * widened
    spread = slopes @ covariance(minimum) @ slopes.T + _of_survey(matrix, survey_sigma_m)
    relief = relief_of(plane, landmarks.alt_m, found.level)
    lens_m = lens_of(camera, GroundHomography(lat, lon, 0.0, 0.0, matrix, spread)).height_m
    # What stands high is thrown farther than to first order: h / (h - d) times as far.
    steeper = 1.0 / max(1.0 - 2.0 * relief.sigma_m / max(lens_m, _TINY_M), _LEAST_LEFT)
    ground = GroundHomography(
        lat=lat,
        lon=lon,
        alt_m=relief.alt_m,
        sigma_m=max(relief.sigma_m * steeper, LEAST_RELIEF_M),
        matrix=matrix,
        covariance=spread,
    )
    if found.hides:
        level = of_level(matrix, lens_of(camera, ground), relief.level * steeper**2)
        ground = ground._replace(covariance=spread + level)
    return HomographyFit(
        ground=ground,
        residual_px=np.linalg.norm(_seen_at(matrix, found.plane) - seen, axis=1),
        off=np.sqrt(found.far),
        used=used,
        widened=widened,
        condition=condition,
        relief_m=float(np.ptp(relief.above_m[found.level])),
        plane_m=found.plane,
    )


class _Found(NamedTuple):
    """The plane that most landmarks agree on."""

    minimum: Minimum
    used: BoolArray  # (N,)
    level: BoolArray  # (N,) of these, the ones whose heights are right, too
    far: FloatArray  # (N,) squared distances, in variances
    matrix: FloatArray  # (3, 3)
    from_values: FloatArray  # (9, 9) takes the fitted values, and 1, to the matrix
    plane: FloatArray  # (N, 2) what of the plane was held against the pixels
    hides: bool  # it is what the landmarks hide, rather than where they stand
    unlikely: float  # minus twice the logarithm of the likelihood; outliers count alike


def _fit(camera: Camera, landmarks: Landmarks, plane: FloatArray, seen: FloatArray) -> _Found:
    """Fit landmarks that stand above or below the plane.

    How far that throws them, only the fit tells. So at first all of the relief is noise, and
    nothing that stands on it is an outlier; then each landmark is moved to what it hides.
    Heights that explain the pixels worse than such noise does are wrong, and are not used.
    """
    first = relief = relief_of(plane, landmarks.alt_m)
    own_m = landmarks.own_sigma_m
    # A metre in the picture, at first as if seen from above.
    px_per_m = np.full(len(plane), _normaliser(plane)[0, 0] / _normaliser(seen)[0, 0])
    matrix = None
    for _ in range(_REWEIGHED):
        noise_px = np.sqrt(landmarks.sigma_px**2 + (own_m**2 + relief.sigma_m**2) * px_per_m**2)
        cov_px2 = noise_px[:, None, None] ** 2 * np.eye(2)
        rough = _agree(plane, seen, cov_px2, near=matrix, hides=False)
        matrix = rough.matrix
        px_per_m = _px_per_m(matrix, plane)
    found = None
    for _ in range(_MOVED):
        matrix = rough.matrix if found is None else found.matrix
        ground = GroundHomography(0.0, 0.0, 0.0, 0.0, matrix, np.zeros((9, 9)))
        lens = lens_of(camera, ground)
        if not lens.height_m > _LEAST_HEIGHTS * max(relief.sigma_m, LEAST_RELIEF_M):
            break
        behind = hidden(plane, relief.above_m, lens)
        px_per_m = _px_per_m(matrix, plane)
        usual_m = np.clip(relief.above_m, -_USUAL * relief.sigma_m, _USUAL * relief.sigma_m)
        thrown_px = _seen_at(matrix, hidden(plane, usual_m, lens)) - _seen_at(matrix, plane)
        noise_px = np.hypot(landmarks.sigma_px, own_m * px_per_m)
        cov_px2 = noise_px[:, None, None] ** 2 * np.eye(2) + _OF_THROW**2 * (
            thrown_px[:, :, None] * thrown_px[:, None, :]
        )
        near = None if found is None else matrix
        found = _agree(behind, seen, cov_px2, near=near, hides=True)
        relief = relief_of(plane, landmarks.alt_m, relief.good & found.used)
    if found is None or rough.unlikely < found.unlikely or _quarrels(found):
        found = rough
    return found._replace(level=first.good & found.used)


def _agree(
    plane: FloatArray,
    seen: FloatArray,
    cov_px2: FloatArray,
    *,
    near: FloatArray | None = None,
    hides: bool,
) -> _Found:
    """Fit places (N, 2) to pixels (N, 2) with these covariances (N, 2, 2).

    `near` is a matrix to begin at; None: it is looked for among all sets of four.
    """
    to_plane, to_picture = _normaliser(plane), _normaliser(seen)
    scale = to_picture[0, 0]
    problem = _Problem(
        plane=_moved(to_plane, plane),
        seen=_moved(to_picture, seen),
        whitening=np.linalg.inv(np.linalg.cholesky(cov_px2 * scale**2)),
    )
    from_values = np.kron(np.linalg.inv(to_picture), to_plane.T)
    start = None
    if near is not None:
        values = np.linalg.solve(from_values, near.ravel())
        start = values[:_FREE] / values[_FREE]
    minimum, used, far = _robust(problem, start)
    matrix = (from_values @ np.append(minimum.values, 1.0)).reshape(3, 3)
    likely = np.sum(np.minimum(far, _TRUNCATED_AT**2)) + np.sum(np.linalg.slogdet(cov_px2)[1])
    return _Found(minimum, used, used, far, matrix, from_values, plane, hides, float(likely))


def _seen_at(matrix: FloatArray, plane: FloatArray) -> FloatArray:
    """Return where places (N, 2) are seen, (N, 2) undistorted pixels."""
    seen = np.column_stack((plane, np.ones(len(plane)))) @ matrix.T
    # A landmark whose place is quite wrong may lie behind the lens.
    depth = np.maximum(seen[:, 2], _NEAREST * np.median(seen[:, 2]))
    pixels: FloatArray = seen[:, :2] / depth[:, None]
    return pixels


def _quarrels(found: _Found) -> bool:
    count, agreeing = len(found.used), int(found.used.sum())
    return agreeing < _OF_A_SET or (count - agreeing) * MOST_OUT > count


def _refuse_quarrel(found: _Found, landmarks: Landmarks) -> None:
    """Refuse landmarks of which more than a third are thrown out."""
    if not _quarrels(found):
        return
    count, agreeing = len(landmarks.names), int(found.used.sum())
    out = [landmarks.names[row] for row in np.argsort(-found.far) if not found.used[row]]
    msg = (
        f"only {agreeing} of {count} landmarks agree on one flat ground, which is too few to say "
        f"which ones are wrong; look at {', '.join(map(repr, out))} first, then at the heights"
    )
    raise CalibrationError(msg)


def _px_per_m(matrix: FloatArray, plane: FloatArray) -> FloatArray:
    """Return how far (N,) a landmark seems to go in the picture for a metre on the ground.

    Across the view, where that is farthest: along it, the picture would show less.
    """
    seen = np.column_stack((plane, np.ones(len(plane)))) @ matrix.T
    depth = np.maximum(seen[:, 2], _NEAREST * np.median(seen[:, 2]))
    pixels = _seen_at(matrix, plane)
    slopes = (matrix[:2, :2] - pixels[:, :, None] * matrix[2, :2]) / depth[:, None, None]
    return np.asarray(np.linalg.norm(slopes, ord=2, axis=(1, 2)), dtype=np.float64)


def _of_survey(matrix: FloatArray, sigma_m: float) -> FloatArray:
    """Return the covariance (9, 9) of a matrix whose landmarks are all off alike, to each side."""
    moved = np.zeros((2, 3, 3))
    moved[:, :, 2] = matrix[:, :2].T * sigma_m
    lines = moved.reshape(2, 9)
    off: FloatArray = lines.T @ lines
    return off


class _Problem(NamedTuple):
    """Landmarks in coordinates whose middle is 0 and whose spread is about 1."""

    plane: FloatArray  # (N, 2)
    seen: FloatArray  # (N, 2)
    whitening: FloatArray  # (N, 2, 2) takes misses to where their covariance is 1

    def rows(self, used: BoolArray) -> "_Problem":
        return _Problem(self.plane[used], self.seen[used], self.whitening[used])

    def residuals(self, values: FloatArray) -> FloatArray:
        """Return misses in the picture (2 N,), in sigmas, of a matrix (8,) but for its last, 1.

        The plane's middle is ahead, so the matrix can be scaled like that.
        """
        matrix = np.append(values, 1.0).reshape(3, 3)
        ahead = np.column_stack((self.plane, np.ones(len(self.plane)))) @ matrix.T
        depth = np.where(ahead[:, 2] > _LEAST_AHEAD, ahead[:, 2], _LEAST_AHEAD)
        missed = ahead[:, :2] / depth[:, None] - self.seen
        off: FloatArray = (self.whitening @ missed[:, :, None]).ravel()
        return off


def _robust(problem: _Problem, start: FloatArray | None) -> tuple[Minimum, BoolArray, FloatArray]:
    """Return the fit to the landmarks that agree, which those are, and all distances (N,)."""
    count = len(problem.plane)
    best = _best_of_sets(problem) if start is None else start
    squares = np.sum(problem.residuals(best).reshape(-1, 2) ** 2, axis=1)
    used = squares <= max(float(np.sort(squares)[_OF_A_SET - 1]), _TRUNCATED_AT**2)
    for _ in range(2 * count):
        minimum = minimise(problem.rows(used).residuals, best, np.ones(_FREE))
        best = minimum.values
        far = _distances(problem, minimum, used) / _GOOD_IN_A_PLANE
        wrong = np.where(used, far, 1.0 / np.maximum(far, 1e-9))
        worst = int(np.argmax(wrong))
        if wrong[worst] <= 1.0 or (used[worst] and used.sum() <= _OF_A_SET):
            break
        used[worst] = not used[worst]
    return minimum, used, far * _GOOD_IN_A_PLANE


def _best_of_sets(problem: _Problem) -> FloatArray:
    """Return the values (8,) through four landmarks that most others agree with."""
    best, least = None, np.inf
    for chosen in sets_of(len(problem.plane), _OF_A_SET, most=_MOST_SETS):
        values = _linear(problem, list(chosen))
        if values is None:
            continue
        squares = np.sum(problem.residuals(values).reshape(-1, 2) ** 2, axis=1)
        cost = float(np.minimum(squares / _TRUNCATED_AT**2, 1.0).sum())
        if cost < least:
            best, least = values, cost
    if best is None:
        msg = "no four landmarks span the ground: on every choice of them, three lie on one line"
        raise CalibrationError(msg)
    return best


def _linear(problem: _Problem, rows: list[int]) -> FloatArray | None:
    """Solve four landmarks by the direct linear transform; None where they do not span a plane."""
    one = np.column_stack((problem.plane[rows], np.ones(_OF_A_SET)))
    none = np.zeros_like(one)
    u, v = problem.seen[rows].T[:, :, None]
    equations = np.concatenate(
        (np.concatenate((one, none, -u * one), 1), np.concatenate((none, one, -v * one), 1))
    )
    _, sizes, axes = np.linalg.svd(equations)
    values = axes[-1]
    if sizes[-1] < _FLAT * sizes[0] or abs(values[-1]) < _FLAT:
        return None
    scaled: FloatArray = values[:-1] / values[-1]
    return scaled


def _distances(problem: _Problem, minimum: Minimum, used: BoolArray) -> FloatArray:
    """Return squared distances (N,) from the fit, in variances of that distance."""
    whole = minimise(problem.residuals, minimum.values, np.ones(_FREE), rounds=0)
    slopes = whole.jacobian.reshape(-1, 2, _FREE)
    pulled = slopes @ covariance(minimum) @ slopes.transpose(0, 2, 1)
    sizes, axes = np.linalg.eigh(np.eye(2) + np.where(used, -1.0, 1.0)[:, None, None] * pulled)
    off = problem.residuals(minimum.values).reshape(-1, 2)
    along = np.einsum("nij,ni->nj", axes, off)
    far: FloatArray = np.sum(along**2 / np.maximum(sizes, _LEAST_SHARE), axis=1)
    return far


def _widening(minimum: Minimum) -> float:
    """Return the factor on the landmarks' sigmas that their residuals demand."""
    freedom = len(minimum.jacobian) - _FREE
    if freedom < 1 or minimum.cost <= most_by_chance(freedom):
        return 1.0
    widened = float(np.sqrt(minimum.cost / freedom))
    if widened > MOST_SCALE:
        msg = (
            f"the landmarks miss flat ground by {widened:.1f} times their sigma_px, more than the "
            f"{MOST_SCALE:g} times that imprecise pointing could explain: is the ground flat?"
        )
        raise CalibrationError(msg)
    return max(widened, 1.0)


def _refuse_lines(pixels: FloatArray, camera: Camera) -> None:
    """Refuse landmarks of which no four span the picture without three on a line."""
    area = camera.width_px * camera.height_px
    best = 0.0
    for chosen in sets_of(len(pixels), _OF_A_SET, most=_MOST_SETS):
        four = pixels[list(chosen)]
        best = max(best, min(_triangle(*three) for three in combinations(four, 3)) / area)
    if best < LEAST_TRIANGLE:
        msg = (
            f"three of any four landmarks lie nearly on one line: the least triangle is "
            f"{best:.2%} of the picture, and at least {LEAST_TRIANGLE:.2%} are needed"
        )
        raise CalibrationError(msg)


def _triangle(a: FloatArray, b: FloatArray, c: FloatArray) -> float:
    (x, y), (s, t) = b - a, c - a
    return abs(float(x * t - y * s)) / 2.0


def _normaliser(points: FloatArray) -> FloatArray:
    """Return the matrix (3, 3) that moves points' middle to 0 and their spread to about 1."""
    middle = points.mean(axis=0)
    size = 1.0 / max(float(np.sqrt(np.mean((points - middle) ** 2))), 1e-12)
    return np.array(
        [[size, 0.0, -size * middle[0]], [0.0, size, -size * middle[1]], [0.0, 0.0, 1.0]]
    )


def _moved(matrix: FloatArray, points: FloatArray) -> FloatArray:
    moved: FloatArray = points * matrix[0, 0] + matrix[:2, 2]
    return moved
