"""k of n: what too few devices saw waits on record, until enough agree."""

import pytest

from fusion.events import AlertSuppressed, HeldBecause, SuppressionLifted

RULES = "[rules.corroboration.crossing]\ndevices = 2\n"


def walker(make) -> object:
    return make.walker([(0.0, 10.0, -24.0), (60.0, 10.0, 48.0)])


def test_one_device_alone_raises_nothing_and_is_on_record(make, sector_maker, run) -> None:
    outcome = run(sector_maker.load(rules=RULES), make.world([walker(make)]).messages())
    records = [one.record for one in outcome.events if isinstance(one, AlertSuppressed)]
    assert outcome.alerts == []
    assert {one.reason for one in records} == {HeldBecause.UNCORROBORATED}
    assert records[-1].text == "not corroborated: seen by 1 of 2 devices"


@pytest.mark.parametrize("later_s", [0.0, 8.0])
def test_the_second_device_lifts_it_whenever_it_comes(make, sector_maker, run, later_s) -> None:
    eyes = [
        make.eye("cam-1"),
        make.eye("cam-2", phase_s=0.07, blind=lambda t: t < 20.0 + later_s),
    ]
    world = make.world([walker(make)], eyes=eyes)
    outcome = run(sector_maker.load(rules=RULES), world.messages())
    (alert,) = outcome.alerts
    if later_s:
        assert alert.issued_at.seconds_since(alert.raised_at) > 1.0
        assert any(isinstance(one, SuppressionLifted) for one in outcome.events)
