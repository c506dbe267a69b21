"""When a video's pictures were taken, by its own time stamps as far as they can be trusted."""

from typing import Final

LONGEST_STEP_S: Final = 5.0  # from one picture's stamp to the next


class MediaTime:
    """Seconds from a video's first picture; they never go back.

    A container without stamps says 0 for ever: then pictures follow at the frame rate. So does
    one picture after a leap; if the next one goes on from there it was a pause, else a damaged
    stamp, which all later pictures would be wrong by.
    """

    def __init__(self, frame_s: float) -> None:
        self._frame_s = frame_s
        self._first_s: float | None = None  # clips cut from longer ones begin well after 0
        self._before_s = 0.0
        self.now_s = -frame_s

    def take(self, stamp_s: float) -> float:
        """Return the media time of the next picture, whose stamp is `stamp_s`."""
        self._first_s = stamp_s if self._first_s is None else self._first_s
        passed_s = stamp_s - self._first_s
        goes_on = 0.0 < passed_s - self._before_s <= LONGEST_STEP_S
        leaps = passed_s - self.now_s > LONGEST_STEP_S
        self._before_s = passed_s
        if passed_s > self.now_s and (goes_on or not leaps):
            self.now_s = passed_s
        else:
            self.now_s += self._frame_s
        return self.now_s
