"""All that is known about one incident, as one answer: what its page shows.

    incident ─┬─ alerts ── predecessors (they were issued for another incident first)
              ├─ deeds, its own and its predecessors'
              ├─ held back: alerts about the same tracks that nobody was told of
              ├─ related: follows, led_to, continued_as, grouped_with, took_over
              └─ steps: what leads on from where it stands, and what each must say

Reads the store and decides nothing.
"""

from collections.abc import Iterable
from typing import Any, Final

from edge.messages import Alert, Cause, Incident, Outcome
from fusion.steps import next_steps
from maps.evidence import told as crop_told
from maps.feed import ReadStore
from maps.own_incidents import may_see
from maps.people.roles import Person, Role, steps_of

_MOST: Final = 200  # alerts, tracks or incidents of one kind
_MOST_HELD_BACK: Final = 2000  # looked at
_AROUND_S: Final = 900.0  # before it was opened and after it last changed: fusion's horizon


def case_file(store: ReadStore, incident: Incident, person: Person) -> dict[str, Any]:
    """Read what belongs to an incident, as far as somebody may see it.

    Raises:
        RefusedError: The store does not answer.
    """
    alerts = store.alerts_named(incident.alert_ids[-_MOST:])
    related = _related(store, incident, alerts, person)
    before = [one["incident_id"] for one in related if one["relation"] == "took_over"]
    deeds = [deed for name in (*before, incident.incident_id) for deed in store.deeds(name)]
    return {
        "incident": incident,
        "alerts": alerts,
        "deeds": sorted(deeds, key=lambda deed: deed.received_at),
        "held_back": _held_back(store, incident),
        "related": related,
        "tracks": store.tracks_named(incident.track_ids[-_MOST:]),
        "evidence": [
            crop_told(one)
            for one in store.crops_of(incident.track_ids[-_MOST:], sector=incident.sector)
        ],
        "history_url": f"/playback?incident={incident.incident_id}",
    }


def steps_for(person: Person, incident: Incident) -> dict[str, Any]:
    """Return the steps that lead on, whether this person may take each, and what they may say."""
    own = steps_of(person.role)
    return {
        "steps": [step._asdict() | {"may": step.verb in own} for step in next_steps(incident)],
        "choices": {"cause": list(Cause), "outcome": list(Outcome)},
    }


def _held_back(store: ReadStore, incident: Incident) -> list[Any]:
    """Return the alerts about its tracks that were held back while it lasted."""
    own = set(incident.track_ids)
    found = store.held_back(
        incident.opened_at.after(-_AROUND_S),
        incident.updated_at.after(_AROUND_S),
        sector=incident.sector,
        limit=_MOST_HELD_BACK,
    )
    return [one for one in found if own.intersection(one.track_ids)]


def _related(
    store: ReadStore, incident: Incident, alerts: Iterable[Alert], person: Person
) -> list[dict[str, Any]]:
    """Return the incidents that this one has to do with, and what; null: no longer kept.

    A partner is told nothing of what is not theirs, or is no longer kept so that nobody can tell.
    """
    grouped = [one.grouped_with for one in alerts if isinstance(one.grouped_with, str)]
    with_alerts = store.alerts_named(grouped[:_MOST]) if grouped else []
    said = {
        **{one.incident_id: "took_over" for one in alerts},
        **{one.incident_id: "grouped_with" for one in with_alerts},
    }
    for relation in ("follows", "led_to", "continued_as"):
        name = getattr(incident, relation)
        if isinstance(name, str):
            said[name] = relation
    said.pop(incident.incident_id, None)
    named = store.incidents_named(list(said)) if said else []
    found = {one.incident_id: one for one in named if may_see(person, one)}
    return [
        {"relation": relation, "incident_id": name, "incident": found.get(name)}
        for name, relation in said.items()
        if name in found or person.role is not Role.PARTNER
    ]
