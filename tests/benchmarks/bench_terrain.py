"""How fast and how exact rays meet hills: `python tests/benchmarks/bench_terrain.py`.

Rays of a camera and of a drone over the SRTM model of the test data, or over hills of the same
roughness without it; one core, the best of three. The oracle walks every ray in steps of 2 m with
pymap3d and finds the first place under the ground. Seeded; prints one JSON line.
"""

import json
import os
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
import pymap3d
import rasterio
from rasterio.transform import Affine

from edge.camera import FloatArray, Pose
from edge.terrain import Terrain

SEED = 20261124
RAYS = 100_000
CHECKED = 400
STEP_M = 2.0
END_M = 19_900.0
# Heights above the ground under the lens, and the band of depressions looked at, degrees.
VIEWS = {"mast": (30.0, (0.5, 30.0)), "drone": (120.0, (2.0, 60.0)), "far": (120.0, (0.5, 5.0))}


def model(folder: Path) -> tuple[Path, str]:
    data = os.environ.get("TUANBIEN_TEST_DATA")
    if data:
        return Path(data) / "terrain" / "cobb.tif", "SRTM, 1 arc second"
    chance = np.random.default_rng(SEED)
    size, heights = 1300, 0.0
    column, row = np.meshgrid(np.arange(size), np.arange(size))
    for _ in range(40):
        length = 2.0 ** chance.uniform(3.0, 9.0)
        angle, phase = chance.uniform(0.0, 2.0 * np.pi, 2)
        along = (column * np.cos(angle) + row * np.sin(angle)) * 2.0 * np.pi / length
        heights = heights + 0.08 * length * np.sin(along + phase)
    path = folder / "hills.tif"
    with rasterio.open(
        path,
        "w",
        driver="GTiff",
        height=size,
        width=size,
        count=1,
        dtype="float32",
        crs="EPSG:4326",
        transform=Affine(1 / 3600, 0.0, 103.8, 0.0, -1 / 3600, 22.7),
    ) as file:
        file.write((400.0 + heights).astype(np.float32), 1)
    return path, "made"


def slow_first_hit(
    heights: FloatArray, affine: Affine, ray: FloatArray, lens: Pose
) -> float | None:
    def clearance(slant_m: FloatArray) -> FloatArray:
        lat, lon, alt_m = pymap3d.enu2geodetic(
            *(ray[:, None] * slant_m), lens.lat, lens.lon, lens.alt_m
        )
        column = (np.asarray(lon) - affine.c) / affine.a - 0.5
        row = (np.asarray(lat) - affine.f) / affine.e - 0.5
        left, top = np.floor(column).astype(int), np.floor(row).astype(int)
        known = (left >= 0) & (top >= 0)
        known &= (left < heights.shape[1] - 1) & (top < heights.shape[0] - 1)
        left, top = np.where(known, left, 0), np.where(known, top, 0)
        x, y = column - left, row - top
        upper = heights[top, left] * (1 - x) + heights[top, left + 1] * x
        lower = heights[top + 1, left] * (1 - x) + heights[top + 1, left + 1] * x
        return np.where(known, np.asarray(alt_m) - upper * (1 - y) - lower * y, np.nan)

    walked = clearance(np.arange(0.0, END_M, STEP_M))
    ended = np.flatnonzero(~(walked > 0.0))
    if not len(ended) or np.isnan(walked[ended[0]]):
        return None
    near, far = (ended[0] - 1) * STEP_M, ended[0] * STEP_M
    for _ in range(40):
        middle = (near + far) / 2.0
        near, far = (middle, far) if clearance(np.array([middle]))[0] > 0.0 else (near, middle)
    return float(far)


def measure() -> dict[str, Any]:
    chance = np.random.default_rng(SEED)
    with tempfile.TemporaryDirectory() as folder:
        path, kind = model(Path(folder))
        with rasterio.open(path) as file:
            heights, affine = file.read(1).astype(np.float64), file.transform
        lat = affine.f + affine.e * heights.shape[0] / 2.0
        lon = affine.c + affine.a * heights.shape[1] / 2.0
        terrain = Terrain.open(path, sigma_m=5.0, heights="ellipsoid")
        under_m = float(terrain.alt_m_at(lat=[lat], lon=[lon])[0])
        said: dict[str, Any] = {"model": kind, "cells": heights.size}
        worst_m, worst_far_m, other_hill = 0.0, 0.0, 0
        for name, (above_m, band_deg) in VIEWS.items():
            lens = Pose(lat, lon, under_m + above_m, 0.0, 0.0, 0.0)
            yaw = chance.uniform(0.0, 2.0 * np.pi, RAYS)
            down = np.radians(chance.uniform(*band_deg, RAYS))
            rays = np.column_stack(
                (np.sin(yaw) * np.cos(down), np.cos(yaw) * np.cos(down), -np.sin(down))
            )
            seconds = []
            for _ in range(3):
                began_s = time.process_time()
                slant_m, _, ok = terrain.first_hits(lens, rays)
                seconds.append(time.process_time() - began_s)
            said[f"{name}_rays_per_s"] = round(RAYS / min(seconds))
            for index in range(CHECKED // len(VIEWS)):
                slow_m = slow_first_hit(heights, affine, rays[index], lens)
                if slow_m is None and not ok[index]:
                    continue
                off_m = abs(slow_m - float(slant_m[index])) if slow_m and ok[index] else np.inf
                if off_m > 1.0:
                    other_hill += 1
                    continue
                worst_m = max(worst_m, off_m)
                worst_far_m = max(worst_far_m, off_m if slant_m[index] > 5000.0 else 0.0)
    return said | {
        "rays_per_s": min(said[f"{name}_rays_per_s"] for name in VIEWS),
        "checked": CHECKED // len(VIEWS) * len(VIEWS),
        "worst_error_m": round(worst_m, 5),
        "worst_error_beyond_5_km_m": round(worst_far_m, 5),
        "on_another_hill": other_hill,
    }


if __name__ == "__main__":
    print(json.dumps(measure()))
