"""What a picture's pixels are placed by: a lens of known pose, or a homography of flat ground."""

from typing import Final, NamedTuple, Protocol

import cv2
import numpy as np
import pymap3d

from edge.camera import BoolArray, Camera, FloatArray, Pose, PoseSigma
from edge.config import DeviceConfig
from edge.footprint import FOOTPRINT_DEG, footprint, ring_of
from edge.georeference import Placed, place
from edge.ground import Ground, GroundModel
from edge.hidden_feet import place_cut, plus_line
from edge.messages import CovM2, Polygon
from edge.motion import NO_DRIFT, Drift
from edge.plane import GroundHomography, OnPlane, lens_of, on_plane
from edge.stature import weigh_height

HOMOGRAPHY: Final = "homography"
# Why a pixel has no place.
AT_HORIZON: Final = "at or above the horizon"
NO_GROUND: Final = "in the sky, or beyond what the elevation model knows"
LENS_BELOW: Final = "seen by a lens that is not above the ground"
_FOOTPRINT_COLUMNS: Final = 65
_FOOTPRINT_ROWS: Final = 129
_LEAST_CORNERS: Final = 3


class View(Protocol):
    """What a picture's pixels are placed by."""

    @property
    def camera(self) -> Camera:
        """Whose pixels these are."""
        ...

    @property
    def pixel_sigma_px(self) -> float:
        """One sigma of a pixel along each axis."""
        ...

    def place(self, pixels_uv: FloatArray, sigma_px: float | FloatArray) -> list[Placed | None]:
        """Place pixels (N, 2), whose one sigma may be each its own (N,); None: no ground there."""
        ...

    def place_cut(
        self, edge_uv: FloatArray, head_uv: FloatArray, *, with_head: BoolArray
    ) -> list[Placed | None]:
        """Place what the lower edge cuts at pixels (N, 2); see `edge.hidden_feet.place_cut`."""
        ...

    def weigh_height(
        self,
        placed: list[Placed | None],
        feet_uv: FloatArray,
        heads_uv: FloatArray,
        *,
        upright: BoolArray,
    ) -> list[Placed | None]:
        """Better the places of people seen whole; see `edge.stature.weigh_height`."""
        ...

    def footprint(self) -> Polygon | None:
        """Outline the ground that the picture shows."""
        ...

    def why_nowhere(self) -> str:
        """Say why what has no place has none."""
        ...


class PosedView(NamedTuple):
    """A lens whose place and attitude are known, over any ground."""

    camera: Camera
    pose: Pose
    sigma: PoseSigma
    ground: GroundModel
    pixel_sigma_px: float
    drift: Drift = NO_DRIFT

    def place(self, pixels_uv: FloatArray, sigma_px: float | FloatArray) -> list[Placed | None]:
        """Follow the pixels' rays to the ground."""
        return place(
            pixels_uv,
            self.camera,
            self.pose,
            self.sigma,
            self.ground,
            pixel_sigma_px=sigma_px,
            drift=self.drift,
        )

    def place_cut(
        self, edge_uv: FloatArray, head_uv: FloatArray, *, with_head: BoolArray
    ) -> list[Placed | None]:
        """Place what the lower edge cuts by its head, or one-sidedly."""
        return place_cut(
            edge_uv,
            head_uv,
            with_head=with_head,
            camera=self.camera,
            pose=self.pose,
            sigma=self.sigma,
            ground=self.ground,
            pixel_sigma_px=self.pixel_sigma_px,
            drift=self.drift,
        )

    def weigh_height(
        self,
        placed: list[Placed | None],
        feet_uv: FloatArray,
        heads_uv: FloatArray,
        *,
        upright: BoolArray,
    ) -> list[Placed | None]:
        """Better the places of people by their height."""
        return weigh_height(
            placed,
            feet_uv,
            heads_uv,
            upright=upright,
            camera=self.camera,
            pose=self.pose,
            sigma=self.sigma,
            ground=self.ground,
            pixel_sigma_px=self.pixel_sigma_px,
            drift=self.drift,
        )

    def footprint(self) -> Polygon | None:
        """Outline the ground that the picture shows."""
        return footprint(self.camera, self.pose, self.ground)

    def why_nowhere(self) -> str:
        """Say why what has no place has none: a lens below the ground sees the sky everywhere."""
        if isinstance(self.ground, Ground):
            return LENS_BELOW if self.pose.alt_m <= self.ground.alt_m else AT_HORIZON
        (under_m,) = self.ground.alt_m_at(lat=[self.pose.lat], lon=[self.pose.lon])
        return LENS_BELOW if self.pose.alt_m <= under_m else NO_GROUND


class PlaneView(NamedTuple):
    """Flat ground as a homography shows it; where the lens is, nobody measured."""

    camera: Camera
    plane: GroundHomography
    pixel_sigma_px: float

    def place(self, pixels_uv: FloatArray, sigma_px: float | FloatArray) -> list[Placed | None]:
        """Take the pixels through the homography."""
        return self._placed(self._met(pixels_uv, sigma_px))

    def place_cut(
        self, edge_uv: FloatArray, head_uv: FloatArray, *, with_head: BoolArray
    ) -> list[Placed | None]:
        """Place what the lower edge cuts where the edge meets the ground.

        The feet are nearer, so that two sigma of the shared error reach back to the foot of the
        lens. A head says nothing more: how high it is over the plane, no homography shows.
        """
        del head_uv, with_head
        met = self._met(edge_uv, self.pixel_sigma_px)
        half_way_m = (met.east_north_m - lens_of(self.camera, self.plane).foot_m) / 2.0
        return [
            where
            and where._replace(
                cov_m2=plus_line(where.cov_m2, back_m),
                cov_bias_m2=plus_line(where.cov_bias_m2, back_m),
            )
            for where, back_m in zip(self._placed(met), half_way_m, strict=True)
        ]

    def weigh_height(
        self,
        placed: list[Placed | None],
        feet_uv: FloatArray,
        heads_uv: FloatArray,
        *,
        upright: BoolArray,
    ) -> list[Placed | None]:
        """Leave people where their feet are: a height means nothing without the lens' own."""
        del feet_uv, heads_uv, upright
        return placed

    def footprint(self) -> Polygon | None:
        """Outline the ground that the picture shows, its far edge cut where the view gets flat."""
        camera = self.camera
        across = np.linspace(-0.5, camera.width_px - 0.5, _FOOTPRINT_COLUMNS)
        down = np.linspace(-0.5, camera.height_px - 0.5, _FOOTPRINT_ROWS)
        met = self._met(np.stack(np.meshgrid(across, down), axis=-1).reshape(-1, 2), 0.0)
        seen = met.east_north_m[met.ok & (met.steepness > np.sin(np.radians(FOOTPRINT_DEG)))]
        if len(seen) < _LEAST_CORNERS:
            return None
        corners = cv2.convexHull((seen - seen[0]).astype(np.float32), returnPoints=False)
        lat, lon = self._geodetic(seen[np.asarray(corners).ravel()])
        return ring_of(lat=lat, lon=lon)

    def why_nowhere(self) -> str:
        """Say why what has no place has none."""
        return AT_HORIZON

    def _met(self, pixels_uv: FloatArray, sigma_px: float | FloatArray) -> OnPlane:
        return on_plane(pixels_uv, self.camera, self.plane, pixel_sigma_px=sigma_px)

    def _geodetic(self, east_north_m: FloatArray) -> tuple[FloatArray, FloatArray]:
        plane = self.plane
        lat, lon, _ = pymap3d.enu2geodetic(*east_north_m.T, 0.0, plane.lat, plane.lon, plane.alt_m)
        return np.asarray(lat), np.asarray(lon)

    def _placed(self, met: OnPlane) -> list[Placed | None]:
        lat, lon = self._geodetic(met.east_north_m)
        return [
            Placed(
                lat=float(lat[row]),
                lon=float(lon[row]),
                alt_m=self.plane.alt_m,
                cov_m2=_upper(met.cov_m2[row]),
                cov_bias_m2=_upper(met.cov_bias_m2[row]),
                slant_m=float(met.slant_m[row]),
                grazing=bool(met.grazing[row]),
                method=HOMOGRAPHY,
            )
            if ok
            else None
            for row, ok in enumerate(met.ok)
        ]


def view_of(config: DeviceConfig) -> View:
    """Return what a device's pixels are placed by, as its file says: at the middle of a flight."""
    return view_from(
        config,
        camera=config.camera_there,
        pose=config.pose,
        sigma=config.sigma_there,
        drift=config.drift,
    )


def view_from(
    config: DeviceConfig, *, camera: Camera, pose: Pose, sigma: PoseSigma, drift: Drift
) -> View:
    """Return what a device's pixels are placed by from where it is now."""
    pixel_sigma_px = config.detector.pixel_sigma
    if config.plane is not None:
        return PlaneView(camera, config.plane, pixel_sigma_px)
    return PosedView(camera, pose, sigma, config.ground, pixel_sigma_px, drift)


def _upper(covariance: FloatArray) -> CovM2:
    return float(covariance[0, 0]), float(covariance[0, 1]), float(covariance[1, 1])
