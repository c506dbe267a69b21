"""An alarm budget for one console: what is too much to sound is grouped, and nothing is lost.

An operator can take about six alarms an hour; more than ten in ten minutes is a flood in which
the one that matters drowns (DOMAIN.md 2.3: EEMUA 191, ISA-18.2). A bucket leaks `per_hour` and
holds `burst`: in any T hours at most burst + per_hour T alerts of low or medium severity sound.
One that finds it full is issued all the same and names the alert that sounded last: the console
shows it there, quietly. Whatever is high or critical always sounds, and counts.
"""

from typing import Final, NamedTuple

from msgspec.structs import replace

from edge.messages import Alert, Severity
from fusion.rulebook import BudgetRule

_ALWAYS: Final = {Severity.HIGH, Severity.CRITICAL}
_HOUR_S: Final = 3600.0
_ROUNDING: Final = 1e-9


class Purse(NamedTuple):
    """What has been spent lately."""

    spent: float = 0.0  # alerts, at `at_s`; it leaks away
    at_s: float = 0.0  # when the last alert was issued, seconds since 1970
    last_id: str = ""  # of the alert that sounded last


class Budget(NamedTuple):
    """What one console was asked to bear; an exercise spends nothing of what is real."""

    real: Purse = Purse()
    exercise: Purse = Purse()


def budgeted(budget: Budget, alert: Alert, rule: BudgetRule) -> tuple[Budget, Alert]:
    """Decide how an alert that is issued now goes out.

    Args:
        budget: As it was after the alert before.
        alert: In the order of issue.
        rule: How much a console bears.

    Returns:
        The budget after it, and the alert: as it is, or `grouped_with` the one that sounded last.
    """
    purse = budget.exercise if alert.simulated else budget.real
    purse, alert = _paid(purse, alert, rule)
    return (
        budget._replace(exercise=purse) if alert.simulated else budget._replace(real=purse)
    ), alert


def _paid(purse: Purse, alert: Alert, rule: BudgetRule) -> tuple[Purse, Alert]:
    at_s = max(purse.at_s, alert.issued_at.timestamp())
    spent = max(0.0, purse.spent - (at_s - purse.at_s) * rule.per_hour / _HOUR_S)
    if alert.severity in _ALWAYS or spent + 1.0 <= rule.burst + _ROUNDING:
        return Purse(min(spent + 1.0, rule.burst), at_s, alert.alert_id), alert
    return purse._replace(spent=spent, at_s=at_s), replace(alert, grouped_with=purse.last_id)
