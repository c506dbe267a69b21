"""From what a stage says of a track to the notice that people are told of.

Findings about one company, of one kind and about one subject are one notice, which goes on instead
of being told again.
"""

from collections.abc import Container, Iterable, Sequence

from msgspec.structs import replace

from edge.messages import AlertKind
from fusion.incidents import JOIN_S
from fusion.judging import explaining_place, judge_notice
from fusion.matters import Matters
from fusion.notices import Notice, aged, begun, notice_of, went_on
from fusion.situation.approach import goes_on
from fusion.situation.finding import Finding
from fusion.situation.groups import fellows_of
from fusion.situation.interception import to_meet
from fusion.situation.tips import (
    agreeing,
    agrees_with,
    raised,
    raised_notice,
    speaks_of,
    tips_of,
    told,
)
from fusion.tracking.fixes import Look
from fusion.tracking.track import Track


def heed(picture: Matters, track: Track, finding: Finding, at_s: float) -> None:
    """Take in what a stage says of a track: a new notice, or more of one that is known."""
    if picture.tips:
        tip = agreeing(picture.tips.values(), track, at_s, picture.sector.rules.tip)
        finding = raised(finding, tip)
    # Of two who are together now, one may end what is said of the other no more than that.
    group = (track,) if finding.over else picture.company(track, at_s)
    known = notice_of(_perhaps_of(picture, finding, group), finding, group, at_s)
    if known is None:
        if finding.over or _has_crossed(picture, group, finding, at_s):
            return
        known = _lost_on_the_way(picture, track, finding)
    if known is None:
        notice = begun(finding, track, group, at_s, ordinal=_ordinal(picture, track, finding))
    else:
        notice = went_on(known, finding, track, group, at_s)
    if known is None or notice.severity is not known.severity:
        found = to_meet(track, finding, picture.units.values(), at_s, picture.sector)
        notice = replace(notice, interceptions=found)
    if notice != known:
        picture.keep_notice(notice)
    place = None if finding.over else explaining_place(picture, track, finding, at_s)
    judge_notice(picture, notice, at_s, place=place, anew=not finding.over)


def hear(picture: Matters, look: Look) -> None:
    """Take in what somebody told us: a notice of its own, and more urgency for others."""
    rule = picture.sector.rules.tip
    for tip in tips_of(look):
        picture.tips[tip.id] = tip
        picture.keep_notice(told(tip, picture.notices, rule))
        for notice in picture.notices:
            if agrees_with(tip, notice, rule):
                picture.keep_notice(raised_notice(notice, tip))
        for case in list(picture.cases.values()):
            if case.tip is None and speaks_of(tip, case.label, case.over, case.last_s, rule):
                picture.keep(replace(case, tip=tip, updated_s=max(case.updated_s, tip.at_s)))


def let_pass(picture: Matters, notice: Notice, at_s: float) -> None:
    """Let event time pass for a notice: it waits, goes on, ends or is forgotten."""
    if notice.waits_until_s is not None:
        if at_s >= notice.waits_until_s:
            judge_notice(picture, notice, at_s)
    elif notice.ended_s is not None and at_s - notice.last_s > picture.case_kept_s:
        picture.notices.drop(notice)
        return
    notice = picture.notices.by_id[notice.id]
    tracks, return_s = picture.tracker.tracks, picture.sector.rules.tracking.return_s
    later = aged(notice, tracks, at_s, going=_going(picture, notice), return_s=return_s)
    if later is not notice:
        picture.keep_notice(later)


def _perhaps_of(picture: Matters, finding: Finding, group: Sequence[Track]) -> Iterable[Notice]:
    """Return the notices that a finding about a group may belong to, and some others."""
    if finding.kind is AlertKind.WATCHLIST:
        return picture.notices  # one vehicle, whatever tracks it had
    return picture.notices.about({name for one in group for name in (one.id, *fellows_of(one))})


def _lost_on_the_way(picture: Matters, track: Track, finding: Finding) -> Notice | None:
    """Return the approach of a group that went out of sight and that somebody goes on with."""
    if finding.kind is not AlertKind.APPROACH:
        return None
    tracker = picture.tracker
    for notice in sorted(picture.notices, key=lambda one: (one.opened_s, one.id)):
        if (
            notice.kind is finding.kind
            and notice.outbound is finding.outbound
            and notice.ended_s is None
        ):
            known = (tracker.tracks.get(one) or tracker.gone.get(one) for one in notice.tracks)
            if any(one is not None and goes_on(one, track) for one in known):
                return notice
    return None


def _has_crossed(picture: Matters, group: Sequence[Track], finding: Finding, at_s: float) -> bool:
    """Tell whether an approach is that of a group whose first are over the line already."""
    return finding.kind is AlertKind.APPROACH and any(
        case.outbound is finding.outbound
        and at_s - case.last_s <= JOIN_S
        and any(case.holds(one) for one in group)
        for case in picture.cases.values()
    )


def _ordinal(picture: Matters, track: Track, finding: Finding) -> int:
    """Count one more notice that is said of a track; return how many there were before."""
    known = sum(
        one.kind is finding.kind and one.subject == finding.subject and one.tracks[0] == track.id
        for one in picture.notices.about((track.id,))
    )
    now = picture.tracker.tracks[track.id]
    ordinal, stages = now.stages.with_another(finding.kind, finding.subject, known)
    picture.tracker.keep(replace(now, stages=stages))
    return ordinal


def _going(picture: Matters, notice: Notice) -> Container[str]:
    """Return who of a notice may still do what it is about; of an approach, by their ways.

    Once one of them went back: who only came into view with them then never approached.
    """
    tracks = picture.tracker.tracks
    if notice.kind is not AlertKind.APPROACH or not notice.over:
        return tracks
    here = [tracks[one] for one in notice.tracks if one in tracks]
    return {one.id for one in here if one.stages.approach.nearest is not None}
