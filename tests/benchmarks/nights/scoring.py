"""What people were told, held against what happened. Only `replay`'s files are read.

An alert or incident is about whoever its tracks lay on around that time, most of them; where that
says nothing, about the group that came over the line at its time and place.
"""

import json
import math
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from statistics import median
from typing import Any, Final, NamedTuple

from edge.messages import UtcTime
from tests.benchmarks.nights.night import Night
from tests.benchmarks.nights.truth import GroupTruth, Matter
from tests.benchmarks.scoreboard.sector import FRAME
from tests.benchmarks.scoreboard.sightings import BEGAN_AT

Record = dict[str, Any]

_PLACE_M: Final = 40.0  # from where someone truly came over the line
_SOON_S: Final = 90.0  # after the last of a group nobody is told of it any more
_EARLY_S: Final = 5.0
_ON_M: Final = 12.0  # a track so near to someone is on them
_AROUND_S: Final = 30.0  # of an alert
_OVER_S: Final = 60.0  # after it is over: of a vehicle that people got into
_OTHER_KINDS: Final = ("loitering", "rendezvous", "zone")
WATCHED_S: Final = 75.0  # who can be known of so long before the line can be warned of 60 s ahead


class Told(NamedTuple):
    """An alert, and whom it is about."""

    record: Record
    at_s: float
    about: str  # the group's name, or who of the others; "nobody": clutter
    how: str  # the movers that its tracks lay on, each with its share

    @property
    def kind(self) -> str:
        """Return its kind."""
        return str(self.record["kind"])


class Outcome(NamedTuple):
    """One night as it was told."""

    night: Night
    alerts: tuple[Told, ...]
    incidents: tuple[Record, ...]
    now: Mapping[str, Record]  # the incident that an alert stands in at the end, by its id
    suppressed: tuple[Told, ...]


def outcome(night: Night, out: Path) -> Outcome:
    """Read what `replay` wrote of a night, and find out whom each record is about."""
    incidents = list(_lines(out / "incidents.jsonl"))
    # Late messages may give a group's incident another id: the alert goes with it.
    now = {name: one for one in sorted(incidents, key=_standing) for name in one["alert_ids"]}
    alerts, held = list(_lines(out / "alerts.jsonl")), list(_lines(out / "suppressed.jsonl"))
    wanted = {name for one in (*alerts, *held) for name in one["track_ids"]}
    wanted |= {name for one in incidents for name in one["track_ids"]}
    ways = _ways_of(out / "tracks.jsonl", wanted)
    return Outcome(
        night,
        tuple(_told(night, one, now.get(one["alert_id"], one), ways) for one in alerts),
        tuple(incidents),
        now,
        tuple(_told(night, one, one, ways) for one in held),
    )


def _standing(incident: Record) -> bool:
    return bool(incident["state"] != "withdrawn")


def _lines(path: Path) -> Iterable[Record]:
    with path.open(encoding="utf-8") as file:
        for line in file:
            yield json.loads(line)


_Way = list[tuple[float, float, float]]  # seconds, x, y


def _ways_of(path: Path, wanted: set[str]) -> dict[str, _Way]:
    ways: dict[str, _Way] = {}
    for line in _lines(path):
        if line["track_id"] in wanted and line["state"] == "confirmed":
            x_m, y_m = FRAME.to_metres(lat=line["lat"], lon=line["lon"])
            ways.setdefault(line["track_id"], []).append((_seconds(line["t"]), x_m, y_m))
    return ways


def _seconds(text: str) -> float:
    return UtcTime.parse(text).seconds_since(BEGAN_AT)


def _told(night: Night, record: Record, now: Record, ways: Mapping[str, _Way]) -> Told:
    at_s = _seconds(record["raised_at"])
    # Tracks that late messages revised have no lines any more.
    names = [name for name in record["track_ids"] if name in ways] or now["track_ids"]
    shares: Counter[str] = Counter()
    first = Counter[str]()
    for number, name in enumerate(names):
        who = whose(night, ways.get(name, ()), at_s)
        shares.update(who)
        if number == 0:
            first = who
    how = ", ".join(f"{who} {share}" for who, share in shares.most_common(4)) or "no track lines"
    # Its first track is the one whose evidence sufficed.
    leading = (first or shares).most_common(1)
    about = leading[0][0] if leading else "nobody"
    if about.startswith("group-"):
        about = about.rpartition("-")[0]
    if record["kind"] == "crossing" and about == "nobody":
        about = _by_place(night, record, at_s) or about
    return Told(record, at_s, about, how)


def whose(night: Night, way: Sequence[tuple[float, float, float]], at_s: float) -> Counter[str]:
    """Count the lines of a track, around an instant, by whom they lay on."""
    found: Counter[str] = Counter()
    for when_s, x_m, y_m in way:
        if abs(when_s - at_s) > _AROUND_S:
            continue
        near = night.ways.nearest(when_s, x_m, y_m)
        if near is not None:
            who, gap_m = near
            found[who if gap_m <= _ON_M else "nobody"] += 1
    return found


def _by_place(night: Night, record: Record, at_s: float) -> str | None:
    x_m, y_m = FRAME.to_metres(lat=record["lat"], lon=record["lon"])
    fits = [
        (abs(at_s - one.at_s), group.name)
        for group in night.truth.groups
        for one in group.passages
        if -_EARLY_S <= at_s - one.at_s <= _SOON_S
        and math.hypot(one.x_m - x_m, one.y_m - y_m) <= _PLACE_M
        and one.outbound == (record.get("direction") == "outbound")
    ]
    return min(fits)[1] if fits else None


def _is_right(told: Told, group: GroupTruth) -> bool:
    """Tell whether a crossing alert about a group is told when it crossed."""
    if not group.passages:
        return False
    first_s, last_s = group.first_s, group.passages[-1].at_s
    return first_s - _EARLY_S <= told.at_s <= last_s + _SOON_S


def scored(result: Outcome) -> tuple[dict[str, Any], list[str]]:
    """Return the figures of a night, and every miss, repeat and false alert in words."""
    groups = {group.name: group for group in result.night.truth.groups}
    crossings = [one for one in result.alerts if one.kind == "crossing"]
    right: dict[str, list[Told]] = {}
    false: list[Told] = []
    for told in crossings:
        group = groups.get(told.about)
        if group is not None and _is_right(told, group):
            right.setdefault(group.name, []).append(told)
        else:
            false.append(told)
    seen = [group for group in groups.values() if group.observable]
    words = _words(result, seen, right, false)
    figures = _crossing_figures(result, seen, right, false)
    more, more_words = _approach_figures(result, seen, groups)
    figures |= more
    others, other_words = _other_figures(result)
    figures |= others
    figures |= _rates(result, groups)
    return figures, words + more_words + other_words


def _crossing_figures(
    result: Outcome, seen: list[GroupTruth], right: dict[str, list[Told]], false: list[Told]
) -> dict[str, Any]:
    stands = {group.name: _stands(result, right.get(group.name, [])) for group in seen}
    told = [(group, right[group.name]) for group in seen if group.name in right]
    first = [(group, min(alerts, key=lambda one: one.at_s)) for group, alerts in told]
    delays_s = [one.at_s - group.first_s for group, one in first]
    heads = [
        stood["headcount"] - group.size
        for group in seen
        if (stood := stands[group.name]) is not None
    ]
    good = sum(len(alerts) for _, alerts in told)
    return {
        "groups observable from both sides": len(seen),
        "recall": _share(sum(one is not None for one in stands.values()), len(seen)),
        "precision": _share(good, good + len(false)),
        "false crossing alerts": len(false),
        "repeats": good - len(told),
        "direction right": _share(
            sum(
                one.record.get("direction") == _way(group)
                for group, alerts in told
                for one in alerts
            ),
            good,
        ),
        "headcount exact": _share(sum(off == 0 for off in heads), len(heads)),
        "headcount error, mean": _mean([abs(off) for off in heads]),
        "delay s, median": round(median(delays_s), 2) if delays_s else None,
        "delay s, most": round(max(delays_s, default=0.0), 2),
        "told before the line": sum(delay_s < 0.0 for delay_s in delays_s),
        "withdrawn": sum(
            not _standing(one) and any(result.now[name] is one for name in one["alert_ids"])
            for one in result.incidents
            if one["kind"] == "crossing"
        ),
    }


def _stands(result: Outcome, alerts: list[Told]) -> Record | None:
    """Return the incident of a group that stands at the end, the one that counts most."""
    found = [result.now[one.record["alert_id"]] for one in alerts]
    return max(filter(_standing, found), key=lambda one: one["headcount"], default=None)


def _way(group: GroupTruth) -> str:
    return "outbound" if group.passages[0].outbound else "inbound"


def _approach_figures(
    result: Outcome, seen: list[GroupTruth], groups: Mapping[str, GroupTruth]
) -> tuple[dict[str, Any], list[str]]:
    approaches: dict[str, list[Told]] = {}
    for told in result.alerts:
        if told.kind == "approach":
            approaches.setdefault(told.about, []).append(told)
    watched = [group for group in seen if group.watched_s >= WATCHED_S]
    leads_s: list[float] = []
    words = []
    for group in watched:
        ahead_s = [group.first_s - one.at_s for one in approaches.get(group.name, [])]
        if ahead_s and max(ahead_s) > 0.0:
            leads_s.append(max(ahead_s))
        else:
            words.append(f"no approach: {_described(group)}, known {group.watched_s:.0f} s before")
    back = [group for group in groups.values() if "turn_back" in group.traits]
    crossed = {one.about for one in result.alerts if one.kind == "crossing"}
    quiet = [group for group in back if group.name not in crossed]
    ended = []
    for group in back:
        states = [
            result.now[one.record["alert_id"]]["state"] for one in approaches.get(group.name, [])
        ]
        if states:
            ended.append(all(state == "no_threat" for state in states))
            if not ended[-1]:
                words.append(f"turned back, and its approach ended {states}: {_described(group)}")
    words += [
        f"{len(alerts)} approach alerts: {_described(groups[name])}"
        + "".join(f"; {one.at_s:.0f} s {one.record.get('direction')}" for one in alerts)
        for name, alerts in approaches.items()
        if name in groups and len(alerts) > 1
    ]
    figures = {
        "approach: groups watched that far": len(watched),
        "approach: warned": _share(len(leads_s), len(watched)),
        "approach: lead s, median": round(median(leads_s), 1) if leads_s else None,
        "approach: most a group": max(
            (len(alerts) for name, alerts in approaches.items() if name in groups), default=0
        ),
        "turned back: groups": len(back),
        "turned back: without a crossing alert": _share(len(quiet), len(back)),
        "turned back: approaches": len(ended),
        "turned back: approach ended as no_threat": _share(sum(ended), len(ended)),
    }
    return figures, words


def _other_figures(result: Outcome) -> tuple[dict[str, Any], list[str]]:
    """Score the alerts about stays, zones and meetings; who is in a group has a share in its."""
    figures: dict[str, Any] = {}
    words = []
    for kind in _OTHER_KINDS:
        alerts = [one for one in result.alerts if one.kind == kind]
        matters = [one for one in result.night.truth.matters if one.kind == kind]
        wanted = [one for one in matters if one.expected]
        told = [one for one in wanted if any(_is_about(alert, one) for alert in alerts)]
        false = [one for one in alerts if not any(_is_about(one, other) for other in matters)]
        figures |= {
            f"{kind}: to be told": len(wanted),
            f"{kind}: told": _share(len(told), len(wanted)),
            f"{kind}: false alerts": len(false),
        }
        words += [
            f"no {kind} alert: {one.about[0]}, {one.since_s:.0f} to {one.until_s:.0f} s"
            for one in wanted
            if one not in told
        ]
        words += [
            f"false {kind} of {one.about} at {one.at_s:.1f} s: {traced(one)}" for one in false
        ]
    return figures, words


def _is_about(alert: Told, matter: Matter) -> bool:
    in_time = matter.since_s - _EARLY_S <= alert.at_s <= matter.until_s + _OVER_S
    return in_time and alert.about in matter.about


def _rates(result: Outcome, groups: Mapping[str, GroupTruth]) -> dict[str, Any]:
    hours = result.night.truth.until_s / 3_600.0
    kinds = Counter(one.kind for one in result.alerts)
    others = Counter(
        f"{one.kind} of {one.about.partition('-')[0]}"
        for one in result.alerts
        if one.about not in groups
    )
    return {
        "alerts an hour": {kind: round(count / hours, 1) for kind, count in sorted(kinds.items())},
        "alerts of no group": dict(sorted(others.items())),
        "held back": dict(
            sorted(
                Counter(
                    f"{one.kind}, {one.record['reason']}, {one.about.partition('-')[0]}"
                    for one in result.suppressed
                ).items()
            )
        ),
    }


def _words(
    result: Outcome, seen: list[GroupTruth], right: dict[str, list[Told]], false: list[Told]
) -> list[str]:
    words = []
    held = Counter(one.about for one in result.suppressed)
    for group in seen:
        alerts = right.get(group.name, [])
        stood = _stands(result, alerts)
        if stood is None:
            why = f"{len(alerts)} alerts, withdrawn" if alerts else f"{held[group.name]} held back"
            words.append(f"missed: {_described(group)}; {why}")
        elif stood["headcount"] != group.size:
            words.append(
                f"headcount {stood['headcount']} ({stood['headcount_min']} to "
                f"{stood['headcount_max']}): {_described(group)}; {stood['incident_id']}"
            )
        words += [
            f"repeat at {one.at_s:.1f} s: {_described(group)}; {traced(one)}"
            for one in sorted(alerts, key=lambda one: one.at_s)[1:]
        ]
        if alerts and (early_s := group.first_s - min(one.at_s for one in alerts)) > 0.0:
            words.append(f"told {early_s:.1f} s before the line: {_described(group)}")
        words += [
            f"wrong way: {_described(group)}; {traced(one)}"
            for one in alerts
            if one.record.get("direction") != _way(group)
        ]
    words += [f"false crossing of {one.about} at {one.at_s:.1f} s: {traced(one)}" for one in false]
    return words


def _described(group: GroupTruth) -> str:
    when = " ".join(f"{one.at_s:.0f}{'' if one.observable else '?'}" for one in group.passages)
    traits = ", ".join(group.traits) or "plain"
    return f"{group.name} ({group.size}; {traits}; over the line at {when or 'no time'})"


def traced(one: Told) -> str:
    """Say what an alert was raised on."""
    record = one.record
    x_m, y_m = FRAME.to_metres(lat=record["lat"], lon=record["lon"])
    return (
        f"{record['alert_id']} {record.get('direction')} at ({x_m:.0f}, {y_m:.0f}), "
        f"{record['headcount']} heads, p {record['probability']}, tracks on {one.how}, "
        f"devices {' '.join(record['devices'])}, {' '.join(record['track_ids'][:3])}"
    )


def _share(part: int, whole: int) -> float | None:
    return round(part / whole, 4) if whole else None


def _mean(values: Sequence[float]) -> float | None:
    return round(sum(values) / len(values), 3) if values else None
