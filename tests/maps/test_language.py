"""Every visible word stands in both languages, and none is left over."""

import re
from pathlib import Path

import pytest

from edge.messages import (
    AlertKind,
    Direction,
    Outcome,
    Result,
    Scene,
    SensorKind,
    Severity,
    TrackState,
    Verb,
)
from fusion.events import HeldBecause
from fusion.rulebook import GroupsRule
from fusion.sector import load_sector
from fusion.sector_file import LINE_STATUS, TRAIL_KINDS, ZONE_KINDS
from fusion.situation.blind_hours import BlindHours
from fusion.situation.device_record import Cause
from fusion.situation.tips import AGREES
from maps.export.telling import FIGURES
from maps.figures.reading import Figures, Watch
from maps.figures.tables import of_figures, of_watch
from maps.incident_export import COLUMNS
from maps.language import LANGUAGES, chosen, words
from maps.pages import PAGES
from maps.people.account_rules import Refusal
from maps.people.log_in import Why
from maps.people.roles import Role
from maps.picture import Health
from maps.problem_page import PROBLEMS

ROOT = Path(__file__).parents[2]
STATIC = ROOT / "maps" / "static"
SECTOR = Path(__file__).parent / "sector" / "sector.toml"
INCIDENT_STATES = (
    *("new", "acknowledged", "assessing", "no_threat", "dispatched", "on_scene"),
    *("resolved", "closed", "handed_over", "reopened", "withdrawn"),
)
FIGURE_TABLES = [
    *of_figures(Figures([], {}, {}, {}, 0, 0, [], 0), load_sector(SECTOR)),
    *of_watch(Watch(BlindHours(), {}, 0.0, [], (), 0, 0)),
]
COMPUTED = {  # keys that the page puts together: `kind.${about.kind}`
    "kind": [kind.value for kind in AlertKind],
    "severity": [severity.value for severity in Severity],
    "direction": [direction.value for direction in Direction],
    "incident": INCIDENT_STATES,
    "outcome": [outcome.value for outcome in Outcome],
    "overdue": ["acknowledge", "decide", "arrive"],
    "lead": ["plate", "plate_but_for_mistakes", "vehicle", "other_readings"],
    "track": [state.value for state in TrackState],
    "scene": [scene.value for scene in Scene],
    "sensor": [kind.value for kind in SensorKind],
    "health": [health.value for health in Health],
    "zone": ZONE_KINDS,
    "trail": TRAIL_KINDS,
    "page": [*(name for name, _ in PAGES), "incident", *PROBLEMS.values()],
    "people": [f"refused_{reason.value}" for reason in Refusal],
    "problem": [*PROBLEMS.values()],
    "login": [*(why.value for why in Why), "old_page", "ended", "no_role", "oidc", "away"],
    "password": [
        *("short", "long", "name", "common", "differs", "same", "wrong", "too_many", "title"),
    ],
    "role": [role.value for role in Role],
    "sound": ["on", "off", "waiting"],
    "border": [*LINE_STATUS, "home_left", "home_right"],
    "step": [verb.value for verb in Verb],
    "verb": [verb.value for verb in Verb],
    "held": [why.value for why in HeldBecause],
    "related": ["follows", "led_to", "continued_as", "grouped_with", "took_over"],
    "presence": ["here", "typing"],
    "log": [
        *(f"col_{name}" for name in COLUMNS),
        *(f"overdue_{step}" for step in ("acknowledge", "decide", "arrive")),
        *("cut", "since", "until", "kind", "severity", "state", "trail", "unit", "outcome"),
        *("overdue", "simulated", "search", "people", "when", "who", "where"),
    ],
    "case": [
        *(f"overdue_{step}" for step in ("acknowledge", "decide", "arrive")),
        *(f"refused_{result.value}" for result in Result if result is not Result.APPLIED),
    ],
    "figures": [
        *("now", "times", "precision", "stopping", "console", "places", "watching", "rounds"),
        *(f"table_{table.name}" for table in FIGURE_TABLES),
        *(
            f"col_{column.name}"
            for table in FIGURE_TABLES
            for column in table.columns
            if not column.name.startswith("hour_")
        ),
    ],
    "export": [
        *(f"figure_{name}" for name in FIGURES),
        *("crops_missing", "no_ways", "ways_cut"),
    ],
    "compass": ["n", "ne", "e", "se", "s", "sw", "w", "nw"],
    "state": ["connecting", "live", "partial", "blind", "lost", "broker", "fusion", "chain"],
}


def sources() -> str:
    scripts = [path for path in STATIC.rglob("*.js") if "vendor" not in path.parts]
    files = [*scripts, *(ROOT / "maps" / "templates").glob("*.html")]
    return "\n".join(path.read_text(encoding="utf-8") for path in files)


def reason_codes() -> set[str]:
    texts = [path.read_text(encoding="utf-8") for path in (ROOT / "fusion").rglob("*.py")]
    said = {code for text in texts for code in re.findall(r'\bcode="([a-z_]+)"', text)}
    of_devices = {f"device_{cause.value}" for cause in Cause}
    of_groups = {f"group_of_{most}" for most in GroupsRule().thresholds}
    others = {"line_undemarcated", "line_river", "drop_off", "pick_up", AGREES, "chain_broken"}
    return said | of_devices | of_groups | others


def computed_keys() -> set[str]:
    keys = {f"{head}.{tail}" for head, tails in COMPUTED.items() for tail in tails}
    return keys | {f"reason.{code}" for code in reason_codes()}


def test_both_languages_have_the_same_keys() -> None:
    assert list(words("vi")) == list(words("en"))


@pytest.mark.parametrize("language", LANGUAGES)
def test_no_text_is_empty(language) -> None:
    assert all(text.strip() for text in words(language).values())


def test_both_languages_fill_in_the_same_values() -> None:
    for key, text in words("vi").items():
        assert set(re.findall(r"\{(\w+)\}", text)) == set(
            re.findall(r"\{(\w+)\}", words("en")[key])
        ), key


def test_every_key_that_the_page_names_has_words() -> None:
    named = set(re.findall(r"""word(?:Or)?\("([a-z_.]+)\"""", sources()))
    named |= set(re.findall(r'words\["([a-z_.]+)"\]', sources()))
    named |= set(re.findall(r'"(border\.side_\w+)"', sources()))
    assert len(named) > 50
    assert named | computed_keys() <= set(words("vi"))


def test_no_words_are_left_over() -> None:
    named = set(re.findall(r'"([a-z]+\.[a-z_]+)"', sources())) | computed_keys()
    left = {key for key in words("vi") if key not in named and not key.startswith("label.")}
    assert left == set()


def test_nobody_is_called_a_criminal_and_no_class_of_object_an_identity() -> None:
    vietnamese = " ".join(words("vi").values()).lower()
    assert "tội phạm" not in vietnamese
    assert "nhận dạng" not in vietnamese
    assert "nghi vấn" in words("vi")["kind.crossing"].lower()
    assert "intruder" not in " ".join(words("en").values()).lower()


def test_an_unknown_language_is_vietnamese() -> None:
    assert [chosen(asked) for asked in (None, "en", "vi", "xx")] == ["vi", "en", "vi", "vi"]


def test_text_from_messages_never_becomes_html() -> None:
    """Leaflet and the DOM run strings as HTML; every place that could is held to elements."""
    code = re.sub(r"//.*", "", sources())
    for risky in ("innerHTML", "outerHTML", "insertAdjacentHTML", "document.write", "eval("):
        assert risky not in code
    for call in re.findall(r"(?:bindPopup|bindTooltip|setContent)\((.{0,20})", code):
        assert call.startswith(("() =>", "describe")), call
