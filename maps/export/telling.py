"""What is known of an incident in a language's words: the text of its page and of its log.

Names, notes and ids come from devices and people: whatever would move a cursor, begin a line of
its own or turn the direction of the text is replaced before it is shown anywhere.
"""

import re
import unicodedata
from collections.abc import Iterator
from datetime import datetime
from typing import Final, NamedTuple
from zoneinfo import ZoneInfo

from babel.dates import format_datetime
from babel.numbers import format_decimal

from edge.messages import Alert, Deed, Incident, Reason, Result
from maps.export.matter import Matter
from maps.language import LANGUAGES, words
from maps.place_words import LOCALES, place_text

_TIME: Final = "dd/MM/yyyy HH:mm:ss"
_HIDDEN: Final = frozenset({"Cc", "Cf", "Zl", "Zp", "Cs", "Co"})
_MIN_S, _HOUR_S = 120.0, 5400.0
FIGURES: Final = ("probability", "headcount", "position", "time", "crops")


class Entry(NamedTuple):
    """One thing that happened."""

    at: str
    title: str
    details: tuple[str, ...]


class Told(NamedTuple):
    """An incident in one language."""

    language: str
    title: str
    facts: tuple[tuple[str, str], ...]
    speaks_for: tuple[str, ...]
    speaks_against: tuple[str, ...]
    entries: tuple[Entry, ...]
    figures: tuple[str, ...]  # what they mean
    related: tuple[str, ...]
    notes: tuple[str, ...]  # about the export itself


def plain(text: object) -> str:
    """Return a text as one line that shows all there is in it."""
    return "".join(
        "\N{REPLACEMENT CHARACTER}" if unicodedata.category(one) in _HIDDEN else one
        for one in str(text)
    )


def time_text(moment: datetime, zone: ZoneInfo) -> str:
    """Return a local time with its zone, which reads the same in every language."""
    return format_datetime(
        moment.astimezone(zone), f"{_TIME} (ZZZZ)", locale=LOCALES[LANGUAGES[0]]
    )


def told(matter: Matter, language: str) -> Told:
    """Tell an incident."""
    return _Teller(matter, language).told()


class _Teller:
    def __init__(self, matter: Matter, language: str) -> None:
        self._matter = matter
        self._language = language
        self._words = words(language)

    def told(self) -> Told:
        matter, said = self._matter, self._words
        incident = matter.incident
        return Told(
            language=self._language,
            title=f"{self._word('kind', incident.kind.value)} · {self._time(incident.opened_at)}",
            facts=tuple(self._facts(incident)),
            speaks_for=tuple(
                dict.fromkeys(
                    plain(self._reason(reason)) for one in matter.alerts for reason in one.reasons
                )
            ),
            speaks_against=tuple(dict.fromkeys(self._against())),
            entries=tuple(self._entries()),
            figures=tuple(
                said[f"export.figure_{name}"].format(zone=matter.sector.timezone.key)
                for name in FIGURES
            ),
            related=tuple(
                f"{self._word('related', one['relation'])}: {plain(one['incident_id'])}"
                for one in matter.related
            ),
            notes=tuple(self._notes()),
        )

    def _facts(self, incident: Incident) -> Iterator[tuple[str, str]]:
        said = self._words
        yield said["case.id"], plain(incident.incident_id)
        yield said["field.kind"], self._word("kind", incident.kind.value)
        if incident.direction:
            yield said["log.col_direction"], self._word("direction", incident.direction.value)
        yield said["log.col_severity"], self._word("severity", incident.severity.value)
        yield said["field.state"], self._word("incident", incident.state)
        if incident.outcome:
            yield said["case.outcome"], self._word("outcome", incident.outcome.value)
        yield said["case.opened"], self._time(incident.opened_at)
        yield said["case.updated"], self._time(incident.updated_at)
        yield said["log.col_people"], self._heads(incident)
        yield said["log.col_place"], plain(place_text(incident.place, self._language))
        yield said["case.position"], f"{incident.lat:.6f}, {incident.lon:.6f} (WGS 84)"
        if incident.unit:
            yield said["log.col_unit"], plain(incident.unit)
        if incident.assigned_to:
            yield said["case.seen_to_by"], plain(incident.assigned_to)
        yield said["field.devices"], plain(", ".join(incident.devices))

    def _heads(self, incident: Incident) -> str:
        low, high = incident.headcount_min, incident.headcount_max
        between = "" if low == high else f" ({low}\N{EN DASH}{high})"
        return f"{incident.headcount}{between}"

    def _entries(self) -> Iterator[Entry]:
        happened = [(one.issued_at, self._of_alert(one)) for one in self._matter.alerts]
        happened += [(one.received_at, self._of_deed(one)) for one in self._matter.deeds]
        yield from (entry for _, entry in sorted(happened, key=lambda one: one[0]))

    def _of_alert(self, alert: Alert) -> Entry:
        details = [
            self._word("kind", alert.kind.value),
            self._words["case.probability"].format(
                p=self._number(alert.probability * 100.0),
                wrong=self._number(max(1, round((1.0 - alert.probability) * 100.0))),
            ),
            plain(place_text(alert.place, self._language)),
            plain(alert.alert_id),
        ]
        return Entry(self._time(alert.issued_at), self._words["case.alert_raised"], tuple(details))

    def _of_deed(self, deed: Deed) -> Entry:
        said = self._words
        title = self._word("verb", deed.verb.value)
        details = [f"{plain(deed.actor)} · {self._word('role', deed.role)}"]
        if deed.result is not Result.APPLIED:
            title = f"{title}: {said['case.refused']}"
            details.append(said[f"case.refused_{deed.result.value}"])
        if deed.cause:
            details.append(f"{said['case.cause']}: {self._word('outcome', deed.cause.value)}")
        if deed.outcome:
            details.append(f"{said['case.outcome']}: {self._word('outcome', deed.outcome.value)}")
        if deed.assigned_to:
            details.append(f"{said['case.unit']}: {plain(deed.assigned_to)}")
        if deed.reason:
            details.append(f"“{plain(deed.reason)}”")
        return Entry(self._time(deed.received_at), title, tuple(details))

    def _against(self) -> Iterator[str]:
        said = self._words
        if any(one.late for one in self._matter.alerts):
            yield said["case.late"]
        if self._matter.incident.state == "withdrawn":
            yield said["case.withdrawn_why"]
        devices = self._matter.incident.devices
        if len(devices) == 1:
            yield said["case.single_device"].format(device=plain(devices[0]))
        for one in self._matter.held_back:
            yield said["case.held_back"].format(
                kind=self._word("kind", one.kind.value),
                why=said.get(f"held.{one.reason.value}", plain(one.text)),
                p=self._number(one.probability * 100.0),
            )

    def _notes(self) -> Iterator[str]:
        said, matter = self._words, self._matter
        if matter.crops_missing:
            yield said["export.crops_missing"].format(n=len(matter.crops_missing))
        if not any(len(way) > 1 for way in matter.ways.values()):
            yield said["export.no_ways"]
        if not matter.has_all_lines:
            yield said["export.ways_cut"]

    def _reason(self, reason: Reason) -> str:
        """Known codes in the language's words, others in fusion's own; as the pages have it."""
        text = self._words.get(f"reason.{reason.code}", reason.text or reason.code)
        wanted = set(re.findall(r"\{(\w+)\}", text))
        if not wanted:
            return text
        if reason.value is None or not wanted <= {"value", "percent", "duration"}:
            return reason.text or reason.code
        return text.format(
            value=self._number(reason.value),
            percent=self._number(reason.value * 100.0),
            duration=self._duration(reason.value),
        )

    def _duration(self, seconds: float) -> str:
        if seconds < _MIN_S:
            return self._words["unit.s"].format(n=self._number(round(seconds)))
        if seconds < _HOUR_S:
            return self._words["unit.min"].format(n=self._number(round(seconds / 60.0)))
        return self._words["unit.h"].format(n=self._number(round(seconds / 3600.0, 1)))

    def _time(self, moment: datetime) -> str:
        return time_text(moment, self._matter.sector.timezone)

    def _number(self, value: float) -> str:
        return format_decimal(value, "#,##0.##", locale=LOCALES[self._language])

    def _word(self, head: str, code: str) -> str:
        return self._words.get(f"{head}.{code}") or plain(code)


def log_text(tellings: tuple[Told, ...], matter: Matter) -> str:
    """Return the log: what happened, in each language after the other."""
    lines: list[str] = []
    for one in tellings:
        said = words(one.language)
        lines += [one.title, said["export.lead"]]
        if matter.simulated:
            lines.append(said["badge.simulated"])
        lines.append("")
        lines += [f"{name}: {value}" for name, value in one.facts]
        for head, texts in (
            (said["case.speaks_for"], one.speaks_for),
            (said["case.speaks_against"], one.speaks_against),
            (said["case.related"], one.related),
        ):
            lines += ["", head, *(f"- {text}" for text in texts or (said["case.nothing"],))]
        lines += ["", said["case.timeline"]]
        for entry in one.entries:
            lines.append(f"{entry.at}  {entry.title}")
            lines += [f"    {detail}" for detail in entry.details]
        lines += ["", said["export.figures"], *(f"- {text}" for text in one.figures)]
        lines += [f"- {text}" for text in one.notes]
        lines += ["", "-" * 72, ""]
    return "\n".join(lines)
