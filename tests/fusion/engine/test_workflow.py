"""What people do to incidents: which steps are legal, who came first, what waits too long."""

import json
import re
from itertools import count, product
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import UNSET
from msgspec.structs import replace

from edge.messages import (
    Alert,
    AlertKind,
    Cause,
    CommandMessage,
    Deed,
    Incident,
    Outcome,
    Place,
    Result,
    Severity,
    UtcTime,
    Verb,
    decode_as,
    encode,
)
from fusion import workflow as workflow_module
from fusion.engine import Engine
from fusion.events import AlertIssued, CommandAnswered, IncidentChanged
from fusion.rulebook import Rules
from fusion.snapshot import dumped, loaded
from fusion.steps import STEPS, State
from fusion.workflow import Workflow

NOON = UtcTime.parse("2026-03-14T12:00:00.000Z")
WAY_TO_CLOSED = ("acknowledge", "assess", "dispatch", "arrive", "resolve", "close")


def alert(name="a", severity=Severity.HIGH) -> Alert:
    return Alert(
        alert_id=f"alr-{name}",
        incident_id=f"inc-{name}",
        raised_at=NOON,
        issued_at=NOON,
        probability=0.97,
        reasons=(),
        **facts(severity),
    )


def incident(name="a", *, alert_name=None, severity=Severity.HIGH, **changed: object) -> Incident:
    fields = {
        "incident_id": f"inc-{name}",
        "state": "new",
        "opened_at": NOON,
        "updated_at": NOON,
        "alert_ids": (f"alr-{alert_name or name}",),
        **facts(severity),
    }
    return Incident(**fields | changed)


def facts(severity) -> dict:
    return {
        "sector": "ha-giang",
        "kind": AlertKind.CROSSING,
        "severity": severity,
        "headcount": 1,
        "headcount_min": 1,
        "headcount_max": 1,
        "lat": 22.9,
        "lon": 105.3,
        "place": Place(),
        "track_ids": ("trk-1",),
        "devices": ("cam-01",),
    }


class Post:
    """A command post whose people take steps, by the clock of the test."""

    _numbers = count(1)

    def __init__(self, **rules: object) -> None:
        self.workflow = Workflow(replace(Rules(), **rules))
        self.seen: dict[str, Incident] = {}
        self.now = NOON

    def hear(self, *events: object) -> list[Incident]:
        return self._show(self.workflow.overlay(events, self.now.timestamp()))

    def told(self, name="a", **changed: object) -> list[Incident]:
        return self.hear(AlertIssued(alert(name)), IncidentChanged(incident(name, **changed)))

    def pass_to(self, seconds: float) -> list[Incident]:
        self.now = NOON.after(seconds)
        return self._show(self.workflow.tick(self.now.timestamp()))

    def command(
        self, verb, name="a", *, version=None, message_id=None, **said: object
    ) -> CommandMessage:
        known = self.seen.get(f"inc-{name}")
        version = version_of(known) if version is None else version
        return CommandMessage(
            v=1,
            message_id=message_id or f"command-{next(self._numbers)}",
            device_id="maps",
            sector="ha-giang",
            captured_at=self.now,
            incident_id=f"inc-{name}",
            verb=Verb(verb),
            expected_version=version,
            **{"actor": "Lan", "role": "duty officer", "reason": "seen on the map"} | said,
        )

    def do(self, verb, name="a", **said: object) -> Deed:
        return self.send(self.command(verb, name, **said | needs(Verb(verb), said)))

    def send(self, command) -> Deed:
        events = self.workflow.apply(command, self.now)
        self._show(events)
        (answer,) = (one for one in events if isinstance(one, CommandAnswered))
        if answer.reply.deed.result is not Result.UNKNOWN:
            assert answer.reply.incident == self.seen[command.incident_id]
        return answer.reply.deed

    def _show(self, events) -> list[Incident]:
        changed = [one.incident for one in events if isinstance(one, IncidentChanged)]
        self.seen |= {one.incident_id: one for one in changed}
        return changed


def needs(verb, said) -> dict:
    """What a step must say, where the test does not care."""
    default = {
        Verb.DISMISS: {"cause": Cause.DONG_VAT},
        Verb.RESOLVE: {"outcome": Outcome.BAT_GIU},
        Verb.HAND_OVER: {"assigned_to": "cong-an-xa"},
    }
    return default.get(verb, {}) | said


def version_of(seen) -> int:
    return 0 if seen is None or seen.version is UNSET else seen.version


@pytest.fixture
def post() -> Post:
    opened = Post()
    opened.told()
    return opened


# -- steps -----------------------------------------------------------------------------------


def test_an_incident_is_worked_on_step_by_step_until_it_is_closed(post) -> None:
    states = []
    for verb in WAY_TO_CLOSED:
        assert post.do(verb).result is Result.APPLIED
        states.append(post.seen["inc-a"].state)
    assert states == [
        "acknowledged", "assessing", "dispatched", "on_scene", "resolved", "closed",
    ]  # fmt: skip
    closed = post.seen["inc-a"]
    assert (closed.version, closed.outcome, closed.acted_by) == (6, Outcome.BAT_GIU, "Lan")


@pytest.mark.parametrize(("state", "verb"), list(product(State, Verb)))
def test_a_step_is_taken_from_the_states_of_the_table_and_refused_from_all_others(
    state, verb
) -> None:
    post = Post()
    post.told()
    way = {
        State.NEW: (),
        State.ACKNOWLEDGED: WAY_TO_CLOSED[:1],
        State.ASSESSING: WAY_TO_CLOSED[:2],
        State.NO_THREAT: ("acknowledge", "assess", "dismiss"),
        State.DISPATCHED: WAY_TO_CLOSED[:3],
        State.ON_SCENE: WAY_TO_CLOSED[:4],
        State.RESOLVED: WAY_TO_CLOSED[:5],
        State.CLOSED: WAY_TO_CLOSED,
        State.HANDED_OVER: ("acknowledge", "hand_over"),
        State.REOPENED: (*WAY_TO_CLOSED, "reopen"),
        State.WITHDRAWN: (),
    }[state]
    for step in way:
        post.do(step)
    if state is State.WITHDRAWN:
        post.told(state="withdrawn")
    before = post.seen["inc-a"]
    assert before.state == state
    deed = post.do(verb, outcome=Outcome.KHONG_RO)
    if state in STEPS[verb]:
        assert (deed.result, deed.state) == (Result.APPLIED, STEPS[verb][state])
    else:
        assert deed.result is Result.ILLEGAL
        assert f"is {state}: {verb} is none of" in deed.why
        assert post.seen["inc-a"] == before


def test_the_table_is_documented_state_by_state() -> None:
    text = (Path(__file__).parents[3] / "docs" / "incidents.md").read_text(encoding="utf-8")
    for verb, ways in STEPS.items():
        (line,) = re.findall(rf"^\| `{verb}` \|.*", text, re.MULTILINE)
        for state in {*ways, *ways.values()} if verb is not Verb.NOTE else ():
            assert f"`{state}`" in line, (verb, state)
    for code in (*Outcome, *Result):
        assert f"`{code}`" in text


@pytest.mark.parametrize(
    ("way", "said", "lacks"),
    [
        (("acknowledge", "assess", "dismiss"), {"cause": None}, "cause: nguoi_dia_phuong"),
        (WAY_TO_CLOSED[:5], {"outcome": None}, "outcome: bat_giu"),
        (("acknowledge", "hand_over"), {"assigned_to": None}, "assigned_to"),
        (("acknowledge", "hand_over", "close"), {"outcome": None}, "outcome: bat_giu"),
        ((*WAY_TO_CLOSED, "reopen"), {"reason": " "}, "reason"),
        (("note",), {"reason": ""}, "reason"),
    ],
)
def test_a_step_that_lacks_what_it_must_say_is_refused(post, way, said, lacks) -> None:
    for verb in way[:-1]:
        post.do(verb)
    deed = post.send(post.command(way[-1], **needs(Verb(way[-1]), {}) | said))
    assert deed.result is Result.INVALID
    assert lacks in deed.why


def test_what_is_dismissed_has_its_cause_as_its_outcome_unless_it_says_another(post) -> None:
    for verb in ("acknowledge", "assess"):
        post.do(verb)
    post.do("dismiss", cause=Cause.MOI_TRUONG)
    assert post.seen["inc-a"].outcome is Outcome.MOI_TRUONG
    post.do("reopen")
    assert post.seen["inc-a"].outcome is UNSET
    assert post.seen["inc-a"].cause is UNSET
    for verb in ("acknowledge", "assess"):
        post.do(verb)
    post.do("dismiss", cause=Cause.KHONG_RO, outcome=Outcome.QUAY_LAI)
    assert post.seen["inc-a"].outcome is Outcome.QUAY_LAI


def test_a_patrol_that_is_called_back_leaves_an_incident_to_be_assessed(post) -> None:
    for verb in WAY_TO_CLOSED[:3]:
        post.do(verb, assigned_to="patrol-1")
    assert post.do("assess").state == "assessing"


def test_who_hands_over_says_to_whom_and_they_acknowledge_it(post) -> None:
    post.do("acknowledge")
    post.do("hand_over", assigned_to="cong-an-xa")
    assert post.seen["inc-a"].assigned_to == "cong-an-xa"
    assert post.do("acknowledge", actor="Minh").state == "acknowledged"
    assert post.seen["inc-a"].acted_by == "Minh"


def test_a_rescue_is_marked_with_whatever_step_and_waits_no_longer_than_what_is_critical(
    post,
) -> None:
    post.do("note", rescue=True)
    assert post.seen["inc-a"].rescue is True
    post.pass_to(60.0)
    assert post.seen["inc-a"].overdue.step == "acknowledge"
    post.do("note", rescue=False)
    assert post.seen["inc-a"].rescue is UNSET
    assert post.seen["inc-a"].overdue is UNSET


def test_a_time_in_the_future_is_refused(post) -> None:
    command = replace(post.command("acknowledge"), captured_at=NOON.after(61.0))
    assert "lies in the future" in post.send(command).why


# -- who came first --------------------------------------------------------------------------


def test_of_two_who_take_an_incident_on_at_once_one_is_told_who_was_faster(post) -> None:
    first = post.command("acknowledge", actor="Lan")
    second = post.command("acknowledge", actor="Minh")
    assert post.send(first).result is Result.APPLIED
    refused = post.send(second)
    assert refused.result is Result.STALE
    assert refused.why == (
        "incident inc-a is acknowledged at version 1, not 0; the last step was Lan's"
    )
    assert post.seen["inc-a"].acted_by == "Lan"


def test_a_command_that_comes_again_is_answered_again_and_changes_nothing(post) -> None:
    command = post.command("acknowledge")
    first, seen = post.send(command), post.seen["inc-a"]
    assert post.send(command) == first
    assert post.seen["inc-a"] == seen
    assert seen.version == 1


def test_a_command_about_nothing_is_answered(post) -> None:
    deed = post.do("acknowledge", "nothing")
    assert (deed.result, deed.version, deed.evidence_sha256) == (Result.UNKNOWN, 0, "")
    assert "no incident inc-nothing" in deed.why


@given(st.lists(st.tuples(st.sampled_from(list(Verb)), st.integers(0, 4)), max_size=30))
def test_whatever_is_sent_versions_count_what_was_applied(sent) -> None:
    post = Post()
    post.told()
    applied = 0
    for verb, version in sent:
        deed = post.do(verb, version=version)
        applied += deed.result is Result.APPLIED
        assert deed.version == version_of(post.seen["inc-a"]) == applied
        assert deed.state == post.seen["inc-a"].state
        assert decode_as(encode(deed), Deed) == deed


# -- evidence that changes meanwhile ---------------------------------------------------------


def test_an_incident_that_nobody_acted_on_says_nothing_of_people(post) -> None:
    assert (
        json.loads(encode(post.seen["inc-a"]))
        .keys()
        .isdisjoint(
            {
                "version",
                "acted_by",
                "acted_at",
                "outcome",
                "cause",
                "overdue",
                "withdrawn",
                "rescue",
            }
        )
    )


def test_more_people_seen_later_change_the_count_and_not_the_work(post) -> None:
    post.do("acknowledge")
    (seen,) = post.hear(IncidentChanged(incident(headcount=5, headcount_max=5)))
    assert (seen.headcount, seen.state, seen.version) == (5, "acknowledged", 1)


def test_what_the_evidence_takes_back_while_people_work_on_it_stays_and_is_marked(post) -> None:
    post.do("acknowledge")
    (seen,) = post.hear(IncidentChanged(incident(state="withdrawn")))
    assert (seen.state, seen.withdrawn) == ("acknowledged", True)
    assert post.do("assess").result is Result.APPLIED
    (seen,) = post.hear(IncidentChanged(incident()))
    assert (seen.state, seen.withdrawn) == ("assessing", UNSET)


def test_a_note_leaves_an_incident_to_the_evidence(post) -> None:
    post.do("note")
    (seen,) = post.hear(IncidentChanged(incident(state="withdrawn")))
    assert (seen.state, seen.version, seen.withdrawn) == ("withdrawn", 1, UNSET)


def test_work_goes_with_the_alert_to_the_incident_that_late_data_make_of_it(post) -> None:
    post.do("acknowledge")
    post.hear(IncidentChanged(incident(state="withdrawn")))
    new, old = post.hear(IncidentChanged(incident("b", alert_name="a")))
    assert (new.incident_id, new.state, new.version) == ("inc-b", "acknowledged", 1)
    assert (old.state, old.continued_as) == ("withdrawn", "inc-b")
    refused = post.do("assess", version=1)
    assert (refused.result, refused.why) == (Result.ILLEGAL, "incident inc-a goes on as inc-b")
    assert post.do("assess", "b").state == "assessing"
    # And back again.
    post.hear(IncidentChanged(incident("b", alert_name="a", state="withdrawn")))
    back, _ = post.hear(IncidentChanged(incident()))
    assert (back.incident_id, back.state, back.version) == ("inc-a", "assessing", 2)


def test_an_incident_keeps_its_work_though_it_is_told_with_another_alert(post) -> None:
    """As after a restart that reads less of the journal than the first life had seen."""
    post.do("acknowledge")
    (seen,) = post.hear(AlertIssued(alert("z")), IncidentChanged(incident(alert_name="z")))
    assert (seen.state, seen.alert_ids) == ("acknowledged", ("alr-z",))


def test_an_approach_that_turned_back_was_ended_by_the_system_until_somebody_reopens_it() -> None:
    post = Post()
    (seen,) = post.told(state="no_threat", kind=AlertKind.APPROACH, ended_at=NOON.after(9))
    assert (seen.acted_by, seen.outcome, seen.version) == ("system", Outcome.QUAY_LAI, UNSET)
    assert seen.acted_at == NOON.after(9)
    assert post.do("close").state == "closed"
    assert (post.seen["inc-a"].acted_by, post.seen["inc-a"].outcome) == ("Lan", Outcome.QUAY_LAI)
    assert post.do("reopen").state == "reopened"
    assert post.seen["inc-a"].outcome is UNSET


@pytest.mark.parametrize("first", ["note", "end"])
def test_who_only_noted_something_ended_nothing(post, first) -> None:
    """The tally took it for their word that it was a true alarm which turned back."""
    post.told("a", kind=AlertKind.APPROACH)
    if first == "note":
        post.do("note")
    post.told("a", kind=AlertKind.APPROACH, state="no_threat", ended_at=NOON.after(60.0))
    if first == "end":
        post.do("note")
    seen = post.seen["inc-a"]
    assert (seen.state, seen.outcome, seen.version) == ("no_threat", Outcome.QUAY_LAI, 1)
    assert (seen.acted_by, seen.acted_at) == ("system", NOON.after(60.0))


# -- too long --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("severity", "limit_s"),
    [("low", 1800.0), ("medium", 600.0), ("high", 180.0), ("critical", 60.0)],
)
def test_what_nobody_acknowledges_is_overdue_the_sooner_the_more_severe(severity, limit_s) -> None:
    post = Post()
    post.hear(
        AlertIssued(alert(severity=Severity(severity))),
        IncidentChanged(incident(severity=Severity(severity))),
    )
    assert post.pass_to(limit_s - 0.5) == []
    (seen,) = post.pass_to(limit_s)
    assert (seen.overdue.step, seen.overdue.since) == ("acknowledge", NOON.after(limit_s))
    assert post.pass_to(limit_s + 9999.0) == []  # said once
    post.do("acknowledge")
    assert post.seen["inc-a"].overdue is UNSET


def test_each_step_has_its_time_and_assessing_does_not_begin_it_anew(post) -> None:
    post.now = NOON.after(10.0)
    post.do("acknowledge")
    post.now = NOON.after(100.0)
    post.do("assess")
    (seen,) = post.pass_to(610.0)
    assert (seen.overdue.step, seen.overdue.since) == ("decide", NOON.after(610.0))
    post.do("dispatch")
    assert post.pass_to(4209.5) == []
    (seen,) = post.pass_to(4210.0)
    assert seen.overdue.step == "arrive"
    post.do("arrive")
    assert post.pass_to(99_999.0) == []


def test_a_limit_of_nothing_never_ends() -> None:
    post = Post(escalation=replace(Rules().escalation, acknowledge_high_s=0.0))
    post.told()
    assert post.pass_to(1e6) == []


def test_when_the_clock_is_looked_at_changes_nothing(post) -> None:
    twin = Post()
    twin.told()
    post.pass_to(180.0)
    twin.pass_to(9999.0)  # nobody looked meanwhile
    assert post.seen == twin.seen


# -- memory ----------------------------------------------------------------------------------


def test_of_very_many_incidents_those_that_people_are_at_are_kept(monkeypatch) -> None:
    monkeypatch.setattr(workflow_module, "KEPT", 10)
    monkeypatch.setattr(workflow_module, "_SHED", 5)
    post = Post()
    for number in range(30):
        post.told(str(number), opened_at=NOON.after(number))
        if number == 0:
            post.do("acknowledge", "0")
    assert post.do("assess", "0").result is Result.APPLIED
    assert post.do("acknowledge", "1").result is Result.UNKNOWN
    assert post.do("acknowledge", "29").result is Result.APPLIED
    assert len(post.workflow._told) <= 10
    assert post.workflow._holder.keys() == post.workflow._raised_s.keys()


@given(st.data())
def test_whatever_the_evidence_says_and_people_do_every_incident_can_be_seen(data) -> None:
    post, alerts, standing = Post(), {}, {}
    names, verbs = st.sampled_from("abcd"), st.sampled_from(list(Verb))
    for _ in range(data.draw(st.integers(1, 25))):
        name = data.draw(names)
        match data.draw(st.sampled_from(["told", "withdrawn", "do", "pass"])):
            case "told":
                # An alert stands for one incident at a time, as the telling has it.
                of = alerts.setdefault(name, data.draw(st.sampled_from("ab")))
                before = standing.get(of, name)
                if before != name:
                    post.hear(IncidentChanged(incident(before, alert_name=of, state="withdrawn")))
                standing[of] = name
                post.hear(IncidentChanged(incident(name, alert_name=of)))
            case "withdrawn" if name in alerts:
                of = alerts[name]
                post.hear(IncidentChanged(incident(name, alert_name=of, state="withdrawn")))
            case "do":
                post.do(data.draw(verbs), name, version=data.draw(st.integers(0, 3)))
            case "pass":
                post.pass_to((post.now.seconds_since(NOON)) + 400.0)
        for one in post.workflow._told.values():
            assert State(post.workflow._seen(one).state)
    other = Post()
    other.workflow.remember(list(post.seen.values()), list(post.workflow._deeds.values()))
    for name in post.seen:
        one, twin = (life.workflow._seen(life.workflow._told[name]) for life in (post, other))
        assert (one.state, one.version) == (twin.state, twin.version)


def test_another_life_goes_on_with_what_was_kept_of_this_one(post) -> None:
    command = post.command("acknowledge")
    deeds = [post.send(command), post.do("note"), post.do("assess")]
    post.told("b")
    other = Post()
    other.workflow.remember(list(post.seen.values()), deeds)
    other.seen = dict(post.seen)
    assert other.send(command) == deeds[0]
    assert other.do("dispatch").version == 4
    assert other.do("acknowledge", "b").result is Result.APPLIED
    (seen,) = other.hear(IncidentChanged(incident(headcount=2, headcount_max=2)))
    assert (seen.state, seen.version) == ("dispatched", 4)


# -- in the engine ---------------------------------------------------------------------------


def line(engine_command: CommandMessage, received_at: UtcTime) -> dict:
    return {
        "received_at": received_at.rfc3339(),
        "topic": "tuanbien/v1/ha-giang/maps/commands",
        "payload": json.loads(encode(engine_command)),
    }


def with_a_command(make, run, sector, *, at_s: float) -> list[dict]:
    """A crossing at 20 s, which somebody acknowledges."""
    walker = make.walker([(0.0, 10.0, -24.0), (60.0, 10.0, 48.0)])
    lines = make.world([walker]).messages()
    (crossed,) = run(sector, lines).standing
    post = Post()
    command = replace(
        post.command("acknowledge"),
        incident_id=crossed.incident_id,
        captured_at=make.start.after(at_s),
    )
    told = line(command, make.start.after(at_s))
    return sorted([*lines, told], key=lambda one: one["received_at"])


def test_the_engine_takes_commands_as_they_come(make, run, sector) -> None:
    outcome = run(sector, with_a_command(make, run, sector, at_s=40.0))
    (seen,) = outcome.standing
    assert (seen.state, seen.version, seen.acted_by) == ("acknowledged", 1, "Lan")
    too_early = run(sector, with_a_command(make, run, sector, at_s=3.0))
    assert [one.state for one in too_early.standing] == ["new"]


def test_late_data_undo_nothing_that_people_did(make, run, sector) -> None:
    lines = with_a_command(make, run, sector, at_s=40.0)
    held = [one for one in lines if "2" in one["payload"].get("message_id", "")[-1:]]
    for one in held:
        if "detections" in one["topic"]:
            one["received_at"] = make.start.after(70.0).rfc3339()
    lines.sort(key=lambda one: one["received_at"])
    seen = run(sector, lines).incidents.values()
    assert [one.state for one in seen if one.version == 1] == ["acknowledged"]


def test_a_snapshot_holds_the_work_of_people(make, run, sector) -> None:
    outcome = run(sector, with_a_command(make, run, sector, at_s=40.0))
    twin = Engine.restored(sector, outcome.engine.snapshot())
    (seen,) = outcome.standing
    again = replace(
        Post().command("assess", message_id="second"),
        incident_id=seen.incident_id,
        expected_version=1,
    )
    now = make.start.after(400.0)
    events = [twin.step(again, received_at=now), outcome.engine.step(again, received_at=now)]
    assert events[0] == events[1]
    assert any(isinstance(one, CommandAnswered) for one in events[0])
    assert loaded(dumped(twin, sector), sector)
