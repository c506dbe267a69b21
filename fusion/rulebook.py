"""Rules as data: the `[rules.*]` tables of sector.toml, each value with its default.

Unknown keys are refused, so that a typing error cannot silently leave a rule at its default.
"""

from collections.abc import Mapping
from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta, Struct

from edge.file_words import in_words
from edge.messages import AlertKind, NotNegative, Positive, RefusedError, Severity
from fusion.trodden import REACH_M

_Confidence = Annotated[float, Meta(gt=0.5, lt=1.0)]
_Probability = Annotated[float, Meta(gt=0.0, lt=1.0)]
_SmallProbability = Annotated[float, Meta(gt=0.0, lt=0.5)]


class Rule(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One table of rules."""


class TimeRule(Rule, frozen=True, kw_only=True):
    """`[rules.time]`: how the engine deals with the order of arrival."""

    horizon_s: Annotated[float, Meta(ge=10.0, le=86_400.0)] = 900.0  # later messages are `late`
    # Late ones are gone through by themselves for crossings, if no older; 0: never.
    look_back_s: Annotated[float, Meta(ge=0.0, le=2_592_000.0)] = 604_800.0
    hold_back_s: Annotated[float, Meta(ge=0.0, le=60.0)] = 0.5  # absorbs ordinary jitter
    clock_ahead_s: Positive = 60.0  # captured_at may lie so far after received_at


class IntakeRule(Rule, frozen=True, kw_only=True):
    """`[rules.intake]`: what is believed of a device, and what is refused."""

    clock_tolerance_s: Positive = 2.0  # ordinary transit: corrects nothing
    clock_settle_s: Positive = 3.0  # messages agree so long before a clock is taken to be behind
    max_frames_per_s: Annotated[int, Meta(ge=1, le=250)] = 60  # of one device, by its own time
    unit_speed_mps: Positive = 50.0  # nobody's position moves faster
    drone_speed_mps: Positive = 100.0
    jump_fixes: Annotated[int, Meta(ge=1, le=10)] = 3  # in agreement: it really is there
    sensor_moved_m: Positive = 30.0  # a fixed sensor's place changed: that is noted


class TrackingRule(Rule, frozen=True, kw_only=True):
    """`[rules.tracking]`: from detections to tracks."""

    gate: Positive = 13.8155  # chi-squared, 2 degrees of freedom: 0.999
    confirm_hits: Annotated[int, Meta(ge=1, le=5)] = 3  # of the last 5 looks
    confirm_probability: _Confidence = 0.8  # and so sure that anybody is there
    detect: _Probability = 0.6  # of seeing in one look whoever is there
    clutter: _Probability = 0.1  # of a false detection where the last one was
    tentative_s: Positive = 3.0  # an unconfirmed track dies so long after its last detection
    coast_s: Positive = 15.0  # a confirmed one: woods hide people for so long
    return_s: NotNegative = 120.0  # and keeps its name if it is back so long after it
    trail_coast_s: Positive = 20.0  # one on a trail: it goes on along it
    coasting_after_s: Positive = 1.5  # without a detection its lines say `coasting`
    max_sigma_m: Positive = 150.0  # vaguer detections are counted, not tracked
    person_noise: Positive = 0.1  # white acceleration noise, m²/s³ (DOMAIN.md 5.2)
    animal_noise: Positive = 0.5
    vehicle_noise: Positive = 3.0
    merge_s: Positive = 2.0  # two tracks lying on one another so long are one

    def __post_init__(self) -> None:
        """Refuse what would make a detection speak against itself."""
        if self.detect <= self.clutter:
            msg = f"detect {self.detect:g} is not above clutter {self.clutter:g}"
            raise ValueError(msg)

    def noise_of(self, kind: str) -> float:
        """Return the spectral density of white acceleration of a kind, m²/s³."""
        if kind == "person":
            return self.person_noise
        return self.vehicle_noise if kind == "vehicle" else self.animal_noise


class CrossingRule(Rule, frozen=True, kw_only=True):
    """`[rules.crossing]`: who crossed the line."""

    labels: tuple[str, ...] = ("person",)
    river_labels: tuple[str, ...] = ("boat",)  # besides, where the line is a river
    min_probability: _Confidence = 0.95  # of having been on one side and now being on the other
    min_detections: Annotated[int, Meta(ge=1)] = 2  # that support it, one after the other
    sustain_s: NotNegative = 0.5  # over at least so long
    false_alarm: _SmallProbability = 1e-3  # a walker along the line, over all comparisons made
    miss: _SmallProbability = 0.05  # whoever crossed may so often be taken for one who did not
    memory_s: Positive = 60.0  # how far back the step over the line is looked for
    inferred_after_s: Positive = 3.0  # unseen for longer while it came over: that is said
    severity_outbound: Severity = Severity.HIGH
    severity_inbound: Severity = Severity.MEDIUM


class GroupsRule(Rule, frozen=True, kw_only=True):
    """`[rules.groups]`: who belongs together."""

    # To the next of the group; `fusion.trodden`: nobody farther apart than a cell is compared.
    link_m: Annotated[float, Meta(gt=0.0, le=REACH_M)] = 20.0
    # One behind the other, the same way: a guide ahead, stragglers behind.
    file_m: Annotated[float, Meta(ge=0.0, le=REACH_M)] = 45.0
    link_speed_mps: Positive = 1.0  # difference of velocities
    link_s: Positive = 40.0  # over the line at the same place within so long
    count_s: NotNegative = 3.0  # so many count who were seen together for so long in all
    # The law weighs the organising of a crossing anew from so many people on (Art. 348, 349).
    thresholds: tuple[Annotated[int, Meta(ge=2)], ...] = (5, 11)
    critical_from: Annotated[int, Meta(ge=0)] = 11  # so many crossing are `critical`; 0: never


class PatrolsRule(Rule, frozen=True, kw_only=True):
    """`[rules.patrols]`: what our own positions explain."""

    spread_m: NotNegative = 15.0  # members walk so far from the one who carries the receiver
    speed_mps: Positive = 1.0  # how fast an old fix grows vague
    max_accuracy_m: Positive = 50.0  # a vaguer fix (68 %) explains nothing
    max_age_s: Positive = 60.0  # an older fix explains nothing
    hold_s: Positive = 60.0  # how long an alert waits for fixes that confirm or clear it


class ZoneRule(Rule, frozen=True, kw_only=True):
    """`[rules.zone]`: who is in a restricted zone."""

    kinds: tuple[Literal["person", "vehicle", "animal"], ...] = ("person", "vehicle")
    min_probability: _Confidence = 0.95  # of being inside, by the whole of the error
    sustain_s: NotNegative = 3.0  # over at least so long
    severity: Severity = Severity.MEDIUM


class LoiteringRule(Rule, frozen=True, kw_only=True):
    """`[rules.loitering]`: who stays near the line."""

    labels: tuple[str, ...] = ("person",)
    within_m: Positive = 150.0  # of the line
    abroad: bool = False  # on the other side of it too
    for_s: Positive = 300.0
    radius_m: Positive = 15.0  # whoever keeps within it stays, but for the error
    severity: Severity = Severity.LOW


class RendezvousRule(Rule, frozen=True, kw_only=True):
    """`[rules.rendezvous]`: a vehicle that meets people by a trail."""

    trail_m: Positive = 60.0  # from where it stands to a trail that people walk
    still_m: Positive = 6.0  # it stands while it keeps within so much, but for the error
    stop_s: Positive = 3.0  # and so long
    meet_m: Positive = 8.0  # from where it stands people get in or out
    appear_s: Positive = 60.0  # after it came they get out
    min_people: Annotated[int, Meta(ge=1, le=32)] = 2  # one alone is a driver
    severity: Severity = Severity.MEDIUM


class WatchlistRule(Rule, frozen=True, kw_only=True):
    """`[rules.watchlist]`: plates that may be those of a watchlist's entry."""

    min_score: _Probability = 0.6  # of how sure the reading is and how well it fits
    severity: Severity = Severity.MEDIUM


class TipRule(Rule, frozen=True, kw_only=True):
    """`[rules.tip]`: what people tell us they saw."""

    max_sigma_m: Positive = 300.0  # a vaguer place says nothing
    agrees_s: Positive = 600.0  # what it speaks of is seen by a device before or after
    pace_mps: NotNegative = 0.5  # and may have come on so fast meanwhile


class DevicesRule(Rule, frozen=True, kw_only=True):
    """`[rules.devices]`: when a device that is silent or blind is a matter of its own."""

    silent_s: Annotated[float, Meta(ge=15.0, le=86_400.0)] = 60.0  # of whoever sends statuses
    sustain_s: Positive = 30.0  # a picture is bad, or good again, for so long
    join_s: NotNegative = 300.0  # what begins again so soon is still the same
    frame_age_s: Positive = 30.0  # an older picture is none
    queue_depth: Annotated[int, Meta(ge=1)] = 500  # messages behind a link, and not fewer
    together_s: NotNegative = 30.0  # from one to the next of those that fail at once
    storm: Annotated[int, Meta(ge=2)] = 5  # devices that fail at once are one matter
    long_s: Positive = 600.0  # a silence that lasts
    severity_silent: Severity = Severity.LOW  # or said good-bye
    severity_long: Severity = Severity.MEDIUM
    severity_blind: Severity = Severity.MEDIUM
    severity_link: Severity = Severity.LOW
    severity_all: Severity = Severity.HIGH  # nobody is heard any more

    def __post_init__(self) -> None:
        """Refuse what would take a device between two messages for one that fell silent."""
        if self.together_s > self.silent_s / 2.0:
            msg = f"together_s {self.together_s:g} is more than half of silent_s {self.silent_s:g}"
            raise ValueError(msg)

    def severity_of(self, cause: str, began_s: float, until_s: float) -> Severity:
        """Return how urgent a cause (`fusion.situation.device_record`) is by then."""
        if cause == "silent" and until_s >= began_s + self.long_s:
            return self.severity_long
        return {
            "all_silent": self.severity_all,
            "silent": self.severity_silent,
            "offline": self.severity_silent,
            "link": self.severity_link,
        }.get(cause, self.severity_blind)


class CoverageRule(Rule, frozen=True, kw_only=True):
    """`[rules.coverage]`: which stretches nobody sees."""

    shortest_m: NotNegative = 5.0  # shorter ones are the roughness of what devices say they see


class TrailsRule(Rule, frozen=True, kw_only=True):
    """`[rules.trails]`: how the trails as drawn become a network."""

    join_m: Annotated[float, Meta(gt=0.0, le=50.0)] = 6.0  # an end so near touches


class ApproachRule(Rule, frozen=True, kw_only=True):
    """`[rules.approach]`: who heads for the line."""

    enabled: bool = True
    labels: tuple[str, ...] = ("person",)
    within_m: Annotated[float, Meta(gt=0.0, le=1_000.0)] = 400.0  # of the line
    horizon_s: Positive = 300.0  # or by a longer way that takes no longer
    min_probability: _Probability = 0.5  # that the way goes on to the line
    closing_mps: Positive = 0.35  # on average since the farthest of the last minute
    sustain_s: Positive = 6.0  # over at least so long
    progress_m: Positive = 10.0  # so much nearer on a trail that leads over the line
    open_progress_m: Positive = 30.0  # off the trails: people are about there
    back_m: Positive = 10.0  # so much farther off again: no threat
    stay_s: Positive = 120.0  # without coming nearer: no threat
    # Of who is at the line within `horizon_s` with at least `min_probability`, and of the others.
    severity_outbound: Severity = Severity.MEDIUM
    severity_inbound: Severity = Severity.MEDIUM
    severity_watch: Severity = Severity.LOW


class InterceptionRule(Rule, frozen=True, kw_only=True):
    """`[rules.interception]`: where a unit of ours can be before who heads for the line."""

    enabled: bool = True
    pace_mps: Positive = 1.4  # of a unit, on flat ground (Tobler: 5.04 km/h)
    margin_s: NotNegative = 30.0  # so long before them it must be there
    clear_m: Positive = 20.0  # from the line, or from the edge of its strip
    off_trail_m: NotNegative = 500.0  # across the open, at 0.6 of the pace
    max_age_s: Positive = 300.0  # an older fix says nothing
    drift_mps: NotNegative = 1.0  # how fast an old fix grows vague
    most: Annotated[int, Meta(ge=1, le=16)] = 3  # units that an alert names


class PlaceRule(Rule, frozen=True, kw_only=True):
    """`[rules.place]`: how a place is named."""

    trail_tolerance_m: NotNegative = 30.0


class EscalationRule(Rule, frozen=True, kw_only=True):
    """`[rules.escalation]`: how long an incident may wait for people; 0: as long as it takes."""

    acknowledge_low_s: NotNegative = 1800.0
    acknowledge_medium_s: NotNegative = 600.0
    acknowledge_high_s: NotNegative = 180.0
    acknowledge_critical_s: NotNegative = 60.0
    decide_s: NotNegative = 600.0  # from the acknowledgement until it is dismissed or dispatched
    arrive_s: NotNegative = 3600.0  # from the dispatch until they are there

    def limit_s(self, step: str, severity: str) -> float:
        """Return how long a step may be waited for."""
        name = f"{step}_{severity}_s" if step == "acknowledge" else f"{step}_s"
        limit_s: float = getattr(self, name)
        return limit_s


class Agreement(Rule, frozen=True, kw_only=True):
    """How many must agree before an alert of one kind is raised."""

    devices: Annotated[int, Meta(ge=1, le=16)] = 1
    sensor_kinds: Annotated[int, Meta(ge=1, le=4)] = 1  # camera, thermal, drone, radar
    looks: Annotated[int, Meta(ge=1, le=1000)] = 1  # with a detection


class CorroborationRule(Rule, frozen=True, kw_only=True):
    """`[rules.corroboration.KIND]`: k of n, for each kind of alert about people or vehicles."""

    approach: Agreement = Agreement()
    crossing: Agreement = Agreement()
    zone: Agreement = Agreement()
    loitering: Agreement = Agreement()
    rendezvous: Agreement = Agreement()
    watchlist: Agreement = Agreement()

    def of(self, kind: AlertKind) -> Agreement:
        """Return what a kind asks for; a device's failure or a tip needs nobody else."""
        found: Agreement = getattr(self, kind.value, Agreement())
        return found


class BudgetRule(Rule, frozen=True, kw_only=True):
    """`[rules.budget]`: how many alerts below `high` sound on a console (EEMUA 191, ISA-18.2)."""

    per_hour: Positive = 6.0  # for good
    burst: Annotated[int, Meta(ge=1, le=1000)] = 6  # at once: 12 in the worst hour


class Rules(Rule, frozen=True, kw_only=True):
    """All rules of a sector."""

    time: TimeRule = TimeRule()
    intake: IntakeRule = IntakeRule()
    tracking: TrackingRule = TrackingRule()
    crossing: CrossingRule = CrossingRule()
    groups: GroupsRule = GroupsRule()
    patrols: PatrolsRule = PatrolsRule()
    zone: ZoneRule = ZoneRule()
    loitering: LoiteringRule = LoiteringRule()
    rendezvous: RendezvousRule = RendezvousRule()
    watchlist: WatchlistRule = WatchlistRule()
    tip: TipRule = TipRule()
    escalation: EscalationRule = EscalationRule()
    devices: DevicesRule = DevicesRule()
    coverage: CoverageRule = CoverageRule()
    trails: TrailsRule = TrailsRule()
    approach: ApproachRule = ApproachRule()
    interception: InterceptionRule = InterceptionRule()
    place: PlaceRule = PlaceRule()
    corroboration: CorroborationRule = CorroborationRule()
    budget: BudgetRule = BudgetRule()


def read_rules(
    tables: Mapping[str, Any], *, where: str, over: Mapping[str, Any] | None = None
) -> Rules:
    """Turn `[rules.*]` tables into rules; `over` are tables whose keys win (`--rules`).

    Raises:
        RefusedError: An unknown rule or key, or a value out of range.
    """
    laid = _laid_over(tables, over or {})
    try:
        return msgspec.convert(laid, Rules)
    except msgspec.ValidationError as error:
        msg = f"{where}: {in_words(str(error), laid, Rules, above='rules')}"
        raise RefusedError(msg) from error


def _laid_over(below: Mapping[str, Any], above: Mapping[str, Any]) -> dict[str, Any]:
    """Return a table whose keys are those of both; where both have one, the upper's."""
    laid = dict(below)
    for name, value in above.items():
        under = below.get(name)
        both = isinstance(under, Mapping) and isinstance(value, Mapping)
        laid[name] = _laid_over(under, value) if both else value  # type: ignore[arg-type]
    return laid
