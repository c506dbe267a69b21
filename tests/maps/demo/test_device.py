from edge.messages import PositionMessage, Topic, UtcTime, decode, encode
from maps.demo.device import FPS, WorldSource
from maps.demo.landscape import place_of
from maps.demo.patrol import ACCURACY_M, EVERY_S, position
from maps.demo.walkers import patrol_at

NIGHT = UtcTime.parse("2026-03-14T16:40:00.000Z")


class Painter:
    """Draws nothing, and remembers when it was asked; drawing takes `cost_s` of world time."""

    def __init__(self, clock, cost_s=0.0) -> None:
        self.asked = []
        self._clock = clock
        self._cost_s = cost_s

    def picture(self, night_s) -> None:
        self.asked.append(night_s)
        self._clock.now_s += self._cost_s


class HandClock:
    """A clock that a test turns."""

    def __init__(self, now_s) -> None:
        self.now_s = now_s

    def __call__(self) -> UtcTime:
        return NIGHT.after(self.now_s)


def frames(eye, *, now_s, cost_s, count) -> list:
    clock = HandClock(now_s)
    painter = Painter(clock, cost_s)
    source = WorldSource(eye, painter, began_at=NIGHT, clock=clock)
    taken = []
    for frame in source:
        taken.append(frame)
        if len(taken) == count:
            source.close()
    return taken


def test_frames_carry_the_moment_they_show(eye_of) -> None:
    (frame,) = frames(eye_of("cam-01"), now_s=12.6, cost_s=0.0, count=1)
    assert frame.captured_at == NIGHT.after(12.5)
    assert frame.pose is None


def test_a_slow_machine_leaves_moments_out_and_never_falls_behind(eye_of) -> None:
    taken = frames(eye_of("cam-01"), now_s=10.0, cost_s=1.1, count=5)
    shown = [frame.captured_at.seconds_since(NIGHT) for frame in taken]
    assert shown[0] == 10.0
    for number, night_s in enumerate(shown):
        assert 0.0 <= 10.0 + 1.1 * number - night_s < 1.0 / FPS


def test_a_drone_says_its_pose_with_every_picture(eye_of) -> None:
    eye = eye_of("drone-01")
    first, second = frames(eye, now_s=40.0, cost_s=0.3, count=2)
    assert first.pose == eye.reported_pose(40.0)
    assert second.pose != first.pose


def test_the_patrol_says_where_it_is_within_what_it_claims() -> None:
    off_m = []
    for number in range(2000):
        said = position(number * EVERY_S, began_at=NIGHT, boot_id="b")
        truth = patrol_at(number * EVERY_S)
        assert (said is None) == (truth is None)
        if said is not None:
            place = place_of(said.lat, said.lon)
            error_m = (
                (place.east_m - truth.east_m) ** 2 + (place.north_m - truth.north_m) ** 2
            ) ** 0.5
            off_m.append(error_m)
    assert len(off_m) > 500
    assert 0.6 < sum(error_m <= ACCURACY_M for error_m in off_m) / len(off_m) < 0.76


def test_a_position_keeps_the_contract() -> None:
    said = position(64.0, began_at=NIGHT, boot_id="b")
    topic = str(Topic(said.sector, said.unit_id, PositionMessage.kind))
    heard = decode(topic, encode(said))
    assert heard.captured_at == NIGHT.after(64.0)
    assert heard.simulated
