"""Is the picture fit to be trusted: dark, covered, frozen, blurred, or moved.

A device that looks and sees nothing says "quiet"; one that cannot see must say "blind". The watch
looks about once a second at a small grey copy of the picture. It is pure: no clock, no files; the
same pictures at the same times give the same verdicts. What the numbers mean to a guard, and what
cannot be told apart, stands in docs/device.md, "Scene".

    picture -> small_grey -> Texture (brightness, structure, sharpness) -> a suspicion
                          -> same as the one before? -----------------------^
                          -> Alignment: does it lie where it lay? ----------^
    a suspicion that lasts -> verdict
"""

from typing import Final, NamedTuple

import numpy as np
import numpy.typing as npt

from edge.camera import Camera
from edge.messages import Scene, SensorKind, UtcTime
from edge.scene_motion import Alignment, Unknown
from edge.scene_texture import BlockArray, Grey, Texture, small_grey

LOOK_EVERY_S: Final = 1.0
ALIGN_EVERY_S: Final = 2.0  # the dearest part of a look

# How long a suspicion must last, in seconds and in looks, before it is a verdict.
# A frozen picture has lasted already.
ENTER_S: Final = {
    Scene.CLEAR: 5.0,
    Scene.DARK: 10.0,
    Scene.COVERED: 10.0,
    Scene.BLURRED: 10.0,
    Scene.MOVED: 5.0,  # after 10 s of measurements that agree
}
LEAST_LOOKS: Final = 3
FROZEN_S: Final = 30.0
LOST_S: Final = 60.0  # nothing of the reference is found again: a new direction, or a new light
STALE_S: Final = 10.0  # a picture so old no longer says that the view is clear
MOVED_DEG: Final = 0.3
MOVED_PX: Final = 2.5  # of the small copy

_SAMPLED_ROWS: Final = 32  # one picture row in so many
_SAMPLED_ROW: Final = 16
_SMALLEST_PX: Final = 64  # sides of a small copy that still has blocks and scales
_MEMORY_S: Final = 300.0


class SceneHealth(NamedTuple):
    """What a device may say of its picture."""

    scene: Scene
    reason: str  # with numbers, for the log
    since: UtcTime  # when this verdict was reached


class _Suspicion(NamedTuple):
    scene: Scene | None  # None: this picture does not tell
    reason: str


_CLEAR: Final = _Suspicion(Scene.CLEAR, "nothing wrong")
_UNDECIDED: Final = _Suspicion(None, "the picture has too little to tell")


class SceneWatch:
    """Watches one device's picture."""

    def __init__(self, kind: SensorKind, camera: Camera) -> None:
        """Begin to watch.

        Args:
            kind: `thermal`: brightness is temperature, so it is never called dark. `drone`: its
                picture changes as it flies, so nothing is compared with what it used to be.
            camera: How wide it sees, to tell a shift in degrees.
        """
        self._kind = kind
        self._deg_per_width = float(np.degrees(camera.width_px / camera.fx_px))
        self.off_deg: float | None = None  # of a picture that moved, as last measured; None: lost
        self._alignment: Alignment | None = None
        self._aligned_at: UtcTime | None = None
        self._aligned: _Suspicion | None = None
        self._looked_at: UtcTime | None = None
        self._health: SceneHealth | None = None
        self._suspected: Scene | None = None
        self._suspected_at: UtcTime | None = None
        self._suspected_looks = 0
        self._sample: Grey | None = None
        self._changed = False
        self._before: Grey | None = None
        self._same_since: UtcTime | None = None
        self._lost_since: UtcTime | None = None
        self._usual_std: BlockArray | None = None
        self._usual_sharpness = 0.0

    @property
    def health(self) -> SceneHealth | None:
        """The last verdict, or None before the first look."""
        return self._health

    def said(self, frame_age_s: float | None) -> Scene | None:
        """Return what a status may say, the newest frame being so old; None: nothing."""
        if self._health is None:
            return None
        stale = frame_age_s is None or frame_age_s > STALE_S
        return None if stale and self._health.scene is Scene.CLEAR else self._health.scene

    def see(self, image: npt.NDArray[np.uint8], at: UtcTime) -> SceneHealth | None:
        """Take every frame, (height, width, 3), and look once a second.

        Returns:
            The verdict where it is a new one, else None.
        """
        # Looks alone may fall on the same moment of something periodic each time.
        sample = image[_SAMPLED_ROW::_SAMPLED_ROWS].copy()
        self._changed |= self._sample is None or not np.array_equal(self._sample, sample)
        self._sample = sample
        if self._looked_at and 0.0 <= at.seconds_since(self._looked_at) < LOOK_EVERY_S:
            return None
        before = self._health
        health = self.look(small_grey(image), at)
        return None if health is before else health

    def look(self, grey: Grey, at: UtcTime) -> SceneHealth:
        """Judge one picture, as `small_grey` made it.

        The first look decides at once; later a verdict changes when the same suspicion has lasted,
        so that a passing lorry is no cover. Of a picture that does not tell, the verdict stays.
        """
        passed_s = 0.0 if self._looked_at is None else at.seconds_since(self._looked_at)
        if passed_s < 0.0:
            self._begin_again()
        self._looked_at = at
        if min(grey.shape) < _SMALLEST_PX:
            return self._verdict(_UNDECIDED, at)
        if self._before is None or self._before.shape != grey.shape:
            self._compare_anew()
        same_s = self._same_for(grey, at)
        texture = Texture.of(grey)
        suspicion = (  # the first thing that is wrong, the one that explains the others first
            (self._kind is not SensorKind.THERMAL and _if(Scene.DARK, texture.why_dark()))
            or _if(Scene.COVERED, texture.why_covered(self._usual_std))
            or _if(Scene.FROZEN, _why_frozen(same_s))
            or _if(Scene.BLURRED, texture.why_blurred(self._usual_sharpness))
            or self._moved(grey, at)
            or _CLEAR
        )
        if suspicion.scene not in {None, Scene.MOVED}:
            self._lost_since = None
        health = self._verdict(suspicion, at)
        if suspicion.scene is health.scene is Scene.CLEAR:
            self._remember(texture, max(passed_s, 0.0))
        return health

    def _begin_again(self) -> None:
        """Forget how long anything has lasted: the clock went back."""
        self._suspected = self._same_since = self._lost_since = None

    def _compare_anew(self) -> None:
        """Forget what the picture used to be: it has another size now, or is the first."""
        self._alignment = None if self._kind is SensorKind.DRONE else Alignment()
        self._aligned_at = self._aligned = None
        self._usual_std, self._usual_sharpness = None, 0.0

    def _same_for(self, grey: Grey, at: UtcTime) -> float:
        """Return how long the picture has not changed at all, in seconds."""
        same = self._before is not None and np.array_equal(self._before, grey)
        if not same or self._changed or self._same_since is None:
            self._same_since = at
        self._before, self._changed = grey, False
        return at.seconds_since(self._same_since)

    def _moved(self, grey: Grey, at: UtcTime) -> _Suspicion | None:
        """Return what holding the picture against the reference said last, at most 2 s ago."""
        if self._alignment is None:
            return None
        if self._aligned_at is None or not (
            0.0 <= at.seconds_since(self._aligned_at) < ALIGN_EVERY_S
        ):
            self._aligned_at, self._aligned = at, self._align(self._alignment, grey, at)
        return self._aligned

    def _align(self, alignment: Alignment, grey: Grey, at: UtcTime) -> _Suspicion | None:
        deg_per_px = self._deg_per_width / grey.shape[1]
        limit_px = max(MOVED_PX, MOVED_DEG / deg_per_px)
        shift = alignment.measure(grey, at, still_px=limit_px / 2.0)
        if shift is Unknown.POOR:
            return _UNDECIDED
        if shift is Unknown.LOST:
            self._lost_since = self._lost_since or at
            lost_s = at.seconds_since(self._lost_since)
            if lost_s < LOST_S:
                return _UNDECIDED
            self.off_deg = None
            return _Suspicion(
                Scene.MOVED, f"nothing of the reference picture found again for {lost_s:.0f} s"
            )
        self._lost_since = None
        if shift.rms_px < limit_px or shift.spread_px > max(limit_px, shift.rms_px / 2.0):
            return None  # where it belongs, or on its way, or swaying in the wind
        off, right, down = (
            pixels * deg_per_px for pixels in (shift.rms_px, shift.right_px, shift.down_px)
        )
        self.off_deg = off
        return _Suspicion(
            Scene.MOVED,
            f"{off:.1f} deg off ({shift.rms_px:.1f} px of the small copy): "
            f"{right:+.1f} deg right, {down:+.1f} deg down, turned {shift.turn_deg:+.1f} deg, "
            f"scaled {shift.scale:.3f}",
        )

    def _verdict(self, suspicion: _Suspicion, at: UtcTime) -> SceneHealth:
        """Let a suspicion that has lasted become the verdict."""
        if self._health is None:
            self._health = SceneHealth(suspicion.scene or Scene.CLEAR, suspicion.reason, at)
        if suspicion.scene is None:
            return self._health
        if suspicion.scene is not self._suspected:
            self._suspected, self._suspected_at, self._suspected_looks = suspicion.scene, at, 0
        self._suspected_looks += 1
        lasted_s = at.seconds_since(self._suspected_at or at)
        waited = suspicion.scene is Scene.FROZEN or (
            lasted_s >= ENTER_S[suspicion.scene] and self._suspected_looks >= LEAST_LOOKS
        )
        if waited and suspicion.scene is not self._health.scene:
            self._health = SceneHealth(suspicion.scene, suspicion.reason, at)
        return self._health

    def _remember(self, texture: Texture, passed_s: float) -> None:
        """Follow slowly what a good picture of this camera has to show."""
        if self._kind is SensorKind.DRONE:
            return
        if self._usual_std is None:
            self._usual_std, self._usual_sharpness = texture.std, texture.sharpness
            return
        share = min(passed_s / _MEMORY_S, 1.0)
        self._usual_std = self._usual_std + np.float32(share) * (texture.std - self._usual_std)
        self._usual_sharpness += share * (texture.sharpness - self._usual_sharpness)


def _if(scene: Scene, reason: str | None) -> _Suspicion | None:
    return None if reason is None else _Suspicion(scene, reason)


def _why_frozen(same_s: float) -> str | None:
    return f"the same picture for {same_s:.0f} s" if same_s >= FROZEN_S else None
