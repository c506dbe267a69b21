"""What holds a matter back: its place, our own patrol, or that too few have seen it.

Decided anew whenever one of these may have changed; what was set free stays so.
"""

from typing import Final

from msgspec.structs import replace

from edge.messages import AlertKind, UtcTime
from fusion.events import HeldBecause
from fusion.incidents import Case, Held
from fusion.matters import Matters
from fusion.notices import Notice
from fusion.situation.corroboration import Witnesses, lacking
from fusion.situation.finding import Finding
from fusion.situation.patrols import Bond
from fusion.situation.zones_here import EXPLAINS, open_crossing_point, ruling_zone
from fusion.tracking.track import Track

_JUDGED_ANEW: Final = frozenset({HeldBecause.OWN_FORCE, HeldBecause.UNCORROBORATED})
_EXPLAINED_BY_PLACE: Final = frozenset({AlertKind.APPROACH, AlertKind.LOITERING})


def judge(picture: Matters, case: Case, at_s: float) -> None:
    """Decide anew what holds a case back: the place, a patrol, or nothing."""
    held, ours, waits_until_s = case.held, case.ours, None
    if case.zone_id is not None:
        held = Held(HeldBecause.LAWFUL, case.zone_id)
    else:
        here = (picture.tracker.tracks.get(one) for one in case.tracks)
        bonds = {one.id: picture.bond(one, at_s) for one in here if one and case.holds(one)}
        unit_id = next((who for how, who in bonds.values() if how is Bond.WITH), None)
        if unit_id is not None or ours:
            ours = _explained(case, bonds)
            if any(case.crossed(one) for one in case.tracks if one not in ours):
                held = None
            elif unit_id is not None:
                held = Held(HeldBecause.OWN_FORCE, unit_id)
        elif bonds:
            ends_s = case.opened_s + picture.sector.rules.patrols.hold_s
            unsure = any(how is Bond.UNSURE for how, _ in bonds.values())
            if unsure and not case.free and at_s < ends_s:
                waits_until_s = ends_s
    if _is_uncorroborated(case) and held == case.held:
        held = None
    if held is None and not case.free:
        held = _lacking(picture, case, AlertKind.CROSSING)
    free = case.free or (held is None and waits_until_s is None)
    judged = replace(case, held=held, ours=ours, waits_until_s=waits_until_s, free=free)
    if judged != case:
        updated_s = case.updated_s if ours == case.ours else at_s
        picture.keep(replace(judged, decided_s=at_s, updated_s=updated_s))


def judge_notice(
    picture: Matters, notice: Notice, at_s: float, *, place: Held | None = None, anew: bool = False
) -> None:
    """Decide anew what holds a notice back; `place`: the place does, if it is asked `anew`."""
    held, waits_until_s = place if anew else notice.held, None
    if held is None or held.because in _JUDGED_ANEW:
        here = (picture.tracker.tracks.get(one) for one in notice.tracks)
        bonds = [picture.bond(one, at_s) for one in here if one is not None]
        ours = next((who for how, who in bonds if how is Bond.WITH), None)
        if ours is not None and all(how is not Bond.APART for how, _ in bonds):
            held = Held(HeldBecause.OWN_FORCE, ours)
        elif bonds:
            held = None
            ends_s = notice.opened_s + picture.sector.rules.patrols.hold_s
            unsure = any(how is Bond.UNSURE for how, _ in bonds)
            if unsure and not notice.free and at_s < ends_s:
                waits_until_s = ends_s
    if held is None and not notice.free:
        held = _lacking(picture, notice, notice.kind)
    free = notice.free or (held is None and waits_until_s is None)
    judged = replace(notice, held=held, waits_until_s=waits_until_s, free=free)
    if judged != notice:
        picture.keep_notice(replace(judged, decided_s=at_s))


def judge_witnessed(picture: Matters, track: Track, at_s: float) -> None:
    """Judge anew what too few had seen of a track: one more look of it came."""
    for case in list(picture.cases.values()):
        if _is_uncorroborated(case) and track.id in case.tracks:
            judge(picture, case, at_s)
    for notice in picture.notices.about((track.id,)):
        if _is_uncorroborated(notice):
            judge_notice(picture, notice, at_s)


def explaining_place(picture: Matters, track: Track, finding: Finding, at_s: float) -> Held | None:
    """Return what of the place explains who nears the line, or stays there."""
    if finding.kind not in _EXPLAINED_BY_PLACE:
        return None
    when = UtcTime.from_epoch_s(at_s)
    zone = ruling_zone(picture.sector, finding.at or track.place, when)
    if finding.towards is not None and (zone is None or zone.kind not in EXPLAINS):
        zone = open_crossing_point(picture.sector, finding.towards, when)
    because = None if zone is None else EXPLAINS.get(zone.kind)
    return None if zone is None or because is None else Held(because, zone.id)


def _explained(case: Case, bonds: dict[str, tuple[Bond, str]]) -> tuple[str, ...]:
    """Return who of a case belongs to the patrol, now that one of them surely does.

    Whoever is near without being refuted goes with it. Whoever is gone stays what it was.
    """
    return tuple(
        one
        for one in case.tracks
        if (bonds[one][0] is not Bond.APART if one in bonds else one in case.ours or not case.free)
    )


def _lacking(picture: Matters, matter: Case | Notice, kind: AlertKind) -> Held | None:
    """Return what holds a matter back that too few have seen."""
    if not picture.wants_agreement:
        return None
    here = [picture.tracker.tracks[one] for one in matter.tracks if one in picture.tracker.tracks]
    seen = [sighting for track in here for sighting in track.sightings]
    witnesses = Witnesses(
        devices={*matter.devices, *(one.device for one in seen)},
        sensor_kinds={one.sensor_kind for one in seen},
        looks=sum(track.looks for track in here),
    )
    text = lacking(kind, witnesses, picture.sector.rules.corroboration)
    return None if text is None else Held(HeldBecause.UNCORROBORATED, text)


def _is_uncorroborated(matter: Case | Notice) -> bool:
    return matter.held is not None and matter.held.because is HeldBecause.UNCORROBORATED
