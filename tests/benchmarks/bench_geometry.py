"""How exactly and how fast pixels are placed: `python tests/benchmarks/bench_geometry.py`.

Seeded; prints one JSON line. Nothing here uses our own geometry as its measure: places are held
against pymap3d, errors against a hundred thousand drawn cameras whose rotation is spelt out, and
the claim against people whose true places are known.
"""

import json
import sys
import time
from pathlib import Path
from typing import Any, NamedTuple

import cv2
import numpy as np
import pymap3d

from edge.camera import (
    BoolArray,
    Camera,
    FloatArray,
    Pose,
    PoseSigma,
    in_picture,
    pixels_from_enu,
    rays_enu,
)
from edge.georeference import place_many
from edge.ground import REFRACTION_FROM_M, Ground
from edge.telemetry import Sample, Telemetry

SEED = 20261124
CAMERA = Camera(1920, 1080, 1600.0, 1600.0, 959.5, 539.5, None, ())
CENTRE = np.array([[959.5, 539.5]])
GROUND = Ground(1000.0, 4.0)
PIXEL_PX = 3.0
DRAWS = 100_000
NINE_IN_TEN = 4.605170185988092  # chi-square of two dimensions
STEEP_DEG = (70.0, 45.0, 30.0, 20.0)
FLAT_DEG = (10.0, 7.0, 5.0, 3.0)
MOUNTS = 600
PEOPLE = 25


class Flight(NamedTuple):
    """How a drone flies while its clock is off."""

    clock_s: float  # one sigma
    velocity_mps: tuple[float, float, float]  # east, north, up
    rates_degps: tuple[float, float, float]  # of yaw, pitch, roll


HOVERING = Flight(0.0, (0.0, 0.0, 0.0), (0.0, 0.0, 0.0))
# Past and round something, and down on it: everything moves.
CIRCLING = Flight(0.1, (12.0, -9.0, 2.0), (30.0, 4.0, -6.0))


class Shares(NamedTuple):
    """How many truths lie in the claimed 90 % ellipses."""

    clear: float  # the ray is 10 degrees and more off the ground
    grazing: float
    clear_people: int
    grazing_people: int


def looking(depression_deg: float, yaw_deg: float = 0.0, roll_deg: float = 0.0) -> Pose:
    return Pose(22.5, 104.0, 1120.0, yaw_deg, -depression_deg, roll_deg)


def drawn_hits(
    pose: Pose,
    sigma: PoseSigma,
    pixel: FloatArray,
    random: np.random.Generator,
    flight: Flight,
    count: int = DRAWS,
) -> tuple[FloatArray, FloatArray]:
    """Draw cameras and pixels with these errors; return hits (2, N), m east, north, and slants.

    The Earth is a ball here, the ray straight. Rays above the horizon are left out.
    """
    off = random.standard_normal((10, count))
    late_s = flight.clock_s * off[9]
    angles = np.array(pose[3:])[:, None] + np.outer(flight.rates_degps, late_s)
    yaw, tilt, roll = np.radians(angles + off[:3] * np.array([sigma[2:]]).T)
    slopes = (pixel[:, None] + PIXEL_PX * off[3:5] - CENTRE.T) / 1600.0
    # Roll, then pitch, then yaw, in north-east-down of forward-right-down.
    x, y, z = np.ones(count), slopes[0], slopes[1]
    y, z = y * np.cos(roll) - z * np.sin(roll), y * np.sin(roll) + z * np.cos(roll)
    x, z = x * np.cos(tilt) + z * np.sin(tilt), -x * np.sin(tilt) + z * np.cos(tilt)
    x, y = x * np.cos(yaw) - y * np.sin(yaw), x * np.sin(yaw) + y * np.cos(yaw)
    moved_m = np.outer(flight.velocity_mps, late_s)
    height_m = 120.0 + sigma.alt_m * off[5] + GROUND.sigma_m * off[6] + moved_m[2]
    level = np.hypot(x, y)
    curve, drop = level**2 / (2.0 * 6_360_000.0), z
    hits = (drop > 0.0) & (drop**2 > 4.0 * curve * height_m)
    x, y, z, level, curve, height_m = (a[hits] for a in (x, y, z, level, curve, height_m))
    along = 2.0 * height_m / (z + np.sqrt(z**2 - 4.0 * curve * height_m))
    places = np.stack((y, x)) * along + sigma.position_m * off[7:9, hits] + moved_m[:2, hits]
    return places, along * np.hypot(level, z)


def sigma_ratios(
    depression_deg: float,
    random: np.random.Generator,
    sigma: PoseSigma | None = None,
    flight: Flight = HOVERING,
) -> FloatArray:
    """Return the claimed over the drawn standard deviations along and across, (2,)."""
    sigma = PoseSigma(2.5, 3.0, 0.5, 0.5, 0.4) if sigma is None else sigma
    pose, pixel = looking(depression_deg, 40.0, 1.0), np.array([700.0, 545.0])
    drift = log_of(pose, flight).at(0.0).drift(flight.clock_s)
    claimed = place_many(pixel, CAMERA, pose, sigma, GROUND, pixel_sigma_px=PIXEL_PX, drift=drift)
    places, slant_m = drawn_hits(pose, sigma, pixel, random, flight)
    drawn = np.cov(places[:, slant_m < 4.0 * claimed.slant_m[0]])
    ratios: FloatArray = np.sqrt(
        np.linalg.eigvalsh(claimed.cov_m2[0])[::-1] / np.linalg.eigvalsh(drawn)[::-1]
    )
    return ratios


def log_of(pose: Pose, flight: Flight) -> Telemetry:
    """Write down a flight that is at a pose at 0 s, ten times a second."""
    rows = []
    for tenth in range(-20, 21):
        t = tenth / 10.0
        lat, lon, alt_m = pymap3d.enu2geodetic(*(v * t for v in flight.velocity_mps), *pose[:3])
        yaw, pitch, roll = np.array(pose[3:]) + np.array(flight.rates_degps) * t
        rows.append(
            Sample(
                media_time_s=t,
                lat=float(lat),
                lon=float(lon),
                alt_m=float(alt_m),
                yaw_deg=yaw % 360.0,
                pitch_deg=pitch,
                roll_deg=roll,
            )
        )
    return Telemetry(Path("flight.csv"), "table", tuple(rows), {})


def worst_range_error(random: np.random.Generator, count: int = 10_000) -> float:
    """Hold random rays against pymap3d's WGS 84; return the largest error as a share of range.

    The axis of the camera, so that azimuth and elevation are the pose's own; ranges to 2 km, up
    to where the ray is straight by definition.
    """
    worst, checked = 0.0, 0
    while checked < count:
        ground = Ground(random.uniform(-50.0, 4000.0), 1.0)
        depression = np.degrees(np.arcsin(random.uniform(np.sin(np.radians(2.0)), 1.0)))
        height_m = random.uniform(2.0, REFRACTION_FROM_M * 0.95) * np.sin(np.radians(depression))
        pose = Pose(
            random.uniform(-85.0, 85.0),
            random.uniform(-180.0, 180.0),
            ground.alt_m + max(height_m, 1.0),
            random.uniform(-180.0, 180.0),
            -depression,
            random.uniform(-180.0, 180.0),
        )
        sigma = PoseSigma(0.0, 0.0, 0.0, 0.0, 0.0)
        found = place_many(CENTRE, CAMERA, pose, sigma, ground, pixel_sigma_px=1.0)
        if found.slant_m[0] > REFRACTION_FROM_M:
            continue
        here = pose[:3]
        there = pymap3d.aer2geodetic(pose.yaw_deg, pose.pitch_deg, found.slant_m[0], *here)
        apart = pymap3d.geodetic2enu(found.lat[0], found.lon[0], ground.alt_m, *there)
        # Off the ray, or on it but off the ground: either is an error of range.
        off_m = float(np.linalg.norm(apart)) / np.sin(np.radians(depression))
        worst = max(worst, off_m / float(found.slant_m[0]))
        checked += 1
    return worst


def truths_inside(
    random: np.random.Generator, mounts: int = MOUNTS, people: int = PEOPLE
) -> Shares:
    """Survey random mounts badly, let people walk in front of what they really are.

    Every person is seen by a camera of its own whose true pose is drawn from the survey's sigmas,
    and so is the height of the ground; the pixel is off as well. What is claimed knows the survey.
    """
    inside: list[BoolArray] = []
    grazing: list[BoolArray] = []
    for _ in range(mounts):
        camera, pose, sigma, ground = survey(random)
        pixels, truths = [], []
        for _ in range(people):
            seen = walker(random, camera, pose, sigma, ground)
            if seen is not None:
                pixels.append(seen[0])
                truths.append(seen[1])
        if not pixels:
            continue
        claimed = place_many(
            np.array(pixels), camera, pose, sigma, ground, pixel_sigma_px=PIXEL_PX
        )
        ok = claimed.ok
        east, north, _ = pymap3d.geodetic2enu(
            *np.array(truths)[ok].T, claimed.lat[ok], claimed.lon[ok], claimed.alt_m[ok]
        )
        off = np.stack((east, north), axis=-1)[..., None]
        distance = (off.swapaxes(1, 2) @ np.linalg.solve(claimed.cov_m2[ok], off)).ravel()
        inside.append(distance < NINE_IN_TEN)
        grazing.append(claimed.grazing[ok])
    held, flat = np.concatenate(inside), np.concatenate(grazing)
    return Shares(
        float(np.mean(held[~flat])),
        float(np.mean(held[flat])),
        int(np.count_nonzero(~flat)),
        int(np.count_nonzero(flat)),
    )


def survey(random: np.random.Generator) -> tuple[Camera, Pose, PoseSigma, Ground]:
    """Draw a mast or a drone, how well it is known, and the ground."""
    focal_px = random.uniform(700.0, 2400.0)
    camera = CAMERA._replace(fx_px=focal_px, fy_px=focal_px)
    ground = Ground(random.uniform(0.0, 2000.0), random.uniform(0.1, 1.0))
    height_m = float(np.exp(random.uniform(np.log(6.0), np.log(150.0))))
    pose = Pose(
        random.uniform(8.0, 23.5),
        random.uniform(102.0, 110.0),
        ground.alt_m + height_m,
        random.uniform(-180.0, 180.0),
        random.uniform(-80.0, -5.0),
        random.uniform(-3.0, 3.0),
    )
    sigma = PoseSigma(
        random.uniform(0.1, 3.0),
        random.uniform(0.05, 0.5),
        random.uniform(0.1, 2.0),
        random.uniform(0.1, 0.7),
        random.uniform(0.1, 0.7),
    )
    return camera, pose, sigma, ground


def walker(
    random: np.random.Generator, camera: Camera, pose: Pose, sigma: PoseSigma, ground: Ground
) -> tuple[FloatArray, tuple[float, float, float]] | None:
    """Put somebody into the true camera's picture; return the pixel told and the true place.

    None where the true camera's ray through a pixel drawn anywhere in the picture meets no
    ground, or meets it flatter than 3 degrees: there nobody is seen.
    """
    east_m, north_m = sigma.position_m * random.standard_normal(2)
    lat, lon, _ = pymap3d.enu2geodetic(east_m, north_m, 0.0, pose.lat, pose.lon, pose.alt_m)
    alt_m = pose.alt_m + sigma.alt_m * random.standard_normal()
    yaw, pitch, roll = np.array(pose[3:]) + np.array(sigma[2:]) * random.standard_normal(3)
    true = Pose(float(lat), float(lon), float(alt_m), yaw, pitch, roll)
    ground_alt_m = ground.alt_m + ground.sigma_m * random.standard_normal()
    pixel = random.uniform((0.0, 0.0), (camera.width_px - 1.0, camera.height_px - 1.0))
    east, north, up = rays_enu(pixel, camera, true)[0]
    if up > -np.sin(np.radians(3.0)):
        return None
    slant_m = (true.alt_m - ground_alt_m) / -up
    where = pymap3d.enu2geodetic(east * slant_m, north * slant_m, up * slant_m, *true[:3])
    feet = (float(where[0]), float(where[1]), ground_alt_m)
    seen, in_front = pixels_from_enu(
        np.array(pymap3d.geodetic2enu(*feet, *true[:3])), camera, true
    )
    told = seen[0] + PIXEL_PX * random.standard_normal(2)
    if not in_front[0] or not in_picture(told[None], camera)[0]:
        return None
    return told, (feet[0], feet[1], ground.alt_m)


def speeds(random: np.random.Generator) -> tuple[float, float]:
    """Return pixels a second of ours, with covariance, and of CameraTransform, without.

    Both see the same pixels from 120 m at 45 degrees, in turns; each one's best of 25, in seconds
    of one core.
    """
    pixels = random.uniform((0.0, 0.0), (1919.0, 1079.0), (100_000, 2))
    sigma, pose, theirs = PoseSigma(2.5, 3.0, 0.5, 0.5, 0.5), looking(45.0), their_camera(45.0)
    best_s = [np.inf, np.inf]
    for _ in range(25):
        began_s = time.process_time()
        place_many(pixels, CAMERA, pose, sigma, GROUND, pixel_sigma_px=PIXEL_PX)
        half_s = time.process_time()
        theirs.gpsFromImage(pixels)
        best_s[0] = min(best_s[0], half_s - began_s)
        best_s[1] = min(best_s[1], time.process_time() - half_s)
    return len(pixels) / best_s[0], len(pixels) / best_s[1]


def their_camera(depression_deg: float) -> Any:
    import cameratransform  # noqa: PLC0415 - the tests, too, use this file, but not the peer

    camera = cameratransform.Camera(
        cameratransform.RectilinearProjection(
            focallength_x_px=1600.0,
            focallength_y_px=1600.0,
            center_x_px=959.5,
            center_y_px=539.5,
            image_width_px=1920,
            image_height_px=1080,
        ),
        cameratransform.SpatialOrientation(
            elevation_m=120.0, tilt_deg=90.0 - depression_deg, heading_deg=0.0
        ),
    )
    camera.setGPSpos(22.5, 104.0, 120.0)
    return camera


def their_range_error(depression_deg: float) -> float:
    """Return CameraTransform's error as a share of range, at the picture's centre."""
    there = their_camera(depression_deg).gpsFromImage(CENTRE)[0]
    sigma = PoseSigma(0.0, 0.0, 0.0, 0.0, 0.0)
    pose = looking(depression_deg)
    ours = place_many(CENTRE, CAMERA, pose, sigma, GROUND, pixel_sigma_px=1.0)
    off = pymap3d.geodetic2enu(there[0], there[1], 1000.0, ours.lat[0], ours.lon[0], 1000.0)
    return float(np.hypot(off[0], off[1]) / ours.slant_m[0])


def worst_off(
    depressions_deg: tuple[float, ...], random: np.random.Generator, flight: Flight = HOVERING
) -> dict[str, float]:
    """Return by depression how far the claimed sigmas are off the drawn ones, as a share."""
    return {
        f"{depression:g} deg": round(
            float(np.max(np.abs(sigma_ratios(depression, random, flight=flight) - 1.0))), 4
        )
        for depression in depressions_deg
    }


def main() -> int:
    cv2.setNumThreads(1)
    random = np.random.default_rng(SEED)
    ours, theirs = speeds(random)
    shares = truths_inside(random)
    figures = {
        "pixels a second, flat, with covariance": round(ours),
        "CameraTransform, pixels a second": round(theirs),
        "CameraTransform, worst error, share of range": round(
            max(their_range_error(angle) for angle in (80.0, 45.0, 20.0, 10.0)), 5
        ),
        "worst error against pymap3d, share of range": worst_range_error(random),
        "linear sigma against Monte Carlo": worst_off(STEEP_DEG, random),
        "swept sigma against Monte Carlo": worst_off(FLAT_DEG, random),
        "linear sigma against Monte Carlo, wrong clock in flight": worst_off(
            STEEP_DEG, random, CIRCLING
        ),
        "swept sigma against Monte Carlo, wrong clock in flight": worst_off(
            FLAT_DEG, random, CIRCLING
        ),
        "truths in the 90 % ellipse": round(shares.clear, 4),
        "truths in the 90 % ellipse, grazing": round(shares.grazing, 4),
        "people": f"{shares.clear_people} / {shares.grazing_people}",
    }
    print(json.dumps(figures))
    return 0


if __name__ == "__main__":
    sys.exit(main())
