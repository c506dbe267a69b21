"""A device that falls silent is an alert; a recording that ends is none."""

from edge.messages import AlertKind


def night(make, *, gone_s=None, back_s=None) -> list:
    """Two cameras look on; the first says nothing from `gone_s` to `back_s`."""

    def away(t: float) -> bool:
        return gone_s is not None and gone_s < t < (back_s or 1e9)

    eyes = [make.eye("cam-1", fps=1.0, blind=away), make.eye("cam-2", fps=1.0)]
    passer = make.walker([(0.0, -50.0, -80.0), (200.0, 90.0, -80.0)])
    world = make.world([passer], eyes=eyes, until_s=200)
    well = [
        world._line(
            t, eye.name, "status", device_id=eye.name, message_id=f"{eye.name}-s{t}", online=True
        )
        for eye in eyes
        for t in range(0, 200, 5)
        if not eye.blind(t)
    ]
    return sorted([*world.messages(), *well], key=lambda line: line["received_at"])


def told(outcome) -> list:
    return [one for one in outcome.alerts if one.kind is AlertKind.DEVICE]


def test_a_camera_that_falls_silent_is_told_once(make, sector, run) -> None:
    outcome = run(sector, night(make, gone_s=60.0))
    (alert,) = told(outcome)
    assert (alert.devices, alert.headcount, alert.track_ids) == (("cam-1",), 0, ())
    assert alert.issued_at.seconds_since(make.start) > 110.0


def test_one_that_comes_back_ends_its_incident(make, sector, run) -> None:
    outcome = run(sector, night(make, gone_s=40.0, back_s=150.0))
    (alert,) = told(outcome)
    incident = outcome.incidents[alert.incident_id]
    assert incident.ended_at.seconds_since(make.start) > 140.0


def test_a_recording_that_ends_is_no_silence(make, sector, run) -> None:
    assert told(run(sector, night(make))) == []
