"""The words under which an incident is found: of its texts, folded, and of what one filters by.

One index of words answers both full text and filters: it intersects any of them, however rare
each is, without looking at incidents that are none of them. Pure.

    "Khe Lạnh, 29A-123.45"  ->  khe lanh 29a 123 45 29a12345
    state new               ->  state=3f1c…  (no text has "=" in it)
"""

import re
import unicodedata
from collections.abc import Iterable, Iterator, Mapping, Sequence
from enum import StrEnum
from functools import lru_cache
from hashlib import blake2b
from itertools import accumulate, chain
from typing import Final

import msgspec

from edge.messages import Alert, Deed, Incident, RefusedError, Result

# Of an incident: a flood of notes is kept, but not found by all that it says.
MOST_WORDS: Final = 4096
MOST_CHARS: Final = 262_144  # in all of them; PostgreSQL refuses a row of a million
MOST_ASKED_CHARS: Final = 200
_WORD_CHARS: Final = 64  # longer words are alike if they begin alike
_ID_CHARS: Final = 8  # of an id: what people read out
_RUN: Final = re.compile(r"[^\W_]+")


class Facet(StrEnum):
    """What one filters by, besides time."""

    SECTOR = "sector"
    KIND = "kind"
    SEVERITY = "severity"
    STATE = "state"
    TRAIL = "trail"
    UNIT = "unit"  # that owns it, or that it is assigned to
    ASSIGNED_TO = "assigned_to"
    OUTCOME = "outcome"
    OVERDUE = "overdue"
    SIMULATED = "simulated"


def folded(text: str) -> str:
    """Return a text in small letters without diacritics: "Khe Lạnh" and "khe lanh" are one."""
    plain = unicodedata.normalize("NFKD", text.casefold().replace("đ", "d"))
    return "".join(letter for letter in plain if not unicodedata.combining(letter))


def wanted_of(text: str) -> list[list[list[str]]]:
    """Return what a search asks for: all of these, each as any one of several lists of words.

    What is written with marks in it is found as one word too: 29A-123.45 by 29A12345.

    Raises:
        RefusedError: There is no word in it, or it is too long.
    """
    if len(text) > MOST_ASKED_CHARS:
        msg = f"text is {len(text)} characters long; {MOST_ASKED_CHARS} is the most"
        raise RefusedError(msg)
    asked = []
    for runs in _pieces(text):
        said = [_word(run) for run in runs]
        asked.append([said] if len(said) == 1 else [said, [_word("".join(runs))]])
    if not asked:
        msg = f"text {text!r} has no letter or digit to look for"
        raise RefusedError(msg)
    return asked


@lru_cache(maxsize=8192)
def facet_word(facet: Facet, value: str, *, sector: str) -> str:
    """Return the word of a filter: of one sector, so that a store of many finds its own alone."""
    digest = blake2b(f"{sector}\0{value}".encode(), digest_size=6)
    return f"{facet.value}={digest.hexdigest()}"


def facets_of(incident: Incident) -> Mapping[Facet, Sequence[str]]:
    """Return what an incident is found by when one filters."""
    assigned_to = incident.assigned_to or None
    outcome = incident.outcome or None
    return {
        Facet.SECTOR: [incident.sector],
        Facet.KIND: [incident.kind.value],
        Facet.SEVERITY: [incident.severity.value],
        Facet.STATE: [incident.state],
        Facet.TRAIL: [incident.place.trail_id] if incident.place.trail_id else [],
        Facet.UNIT: [one for one in (incident.unit, assigned_to) if one],
        Facet.ASSIGNED_TO: [assigned_to] if assigned_to else [],
        Facet.OUTCOME: [outcome.value] if outcome else [],
        Facet.OVERDUE: [yes_or_no(incident.overdue is not msgspec.UNSET)],
        Facet.SIMULATED: [yes_or_no(incident.simulated)],
    }


def yes_or_no(is_so: bool) -> str:  # noqa: FBT001 - it is all it says
    """Return the value of a filter that has but two."""
    return "yes" if is_so else "no"


def words_of(incident: Incident, alerts: Iterable[Alert], deeds: Iterable[Deed]) -> list[str]:
    """Return the words under which an incident is found, sorted.

    Args:
        incident: As it stands.
        alerts: Of it: their reasons and what they may match on a watchlist.
        deeds: What people did about it; what was refused is not looked for.
    """
    facets = {
        facet_word(facet, value, sector=incident.sector)
        for facet, values in facets_of(incident).items()
        for value in values
    }
    words = dict.fromkeys(facets)
    place = incident.place
    ids = (incident.incident_id, *incident.alert_ids)
    own = (place.text, place.trail_id, place.trail_name, place.marker, *incident.devices)
    texts = chain(
        *(_id_texts(one) for one in ids),
        (text for text in own if text),
        chain.from_iterable(map(_alert_texts, alerts)),
        chain.from_iterable(_deed_texts(one) for one in deeds if one.result is Result.APPLIED),
    )
    for text in texts:
        for runs in _pieces(text):
            words.update(dict.fromkeys(map(_word, runs)))
            if len(runs) > 1:
                words[_word("".join(runs))] = None
        if len(words) >= MOST_WORDS:
            break
    sizes = accumulate(map(len, words))
    fit = sum(size <= MOST_CHARS for size in sizes)
    return sorted(list(words)[: min(fit, MOST_WORDS)])


def _id_texts(name: str) -> tuple[str, str]:
    return name, name.rpartition("-")[2][:_ID_CHARS]


def _alert_texts(alert: Alert) -> Iterator[str]:
    yield from (reason.text for reason in alert.reasons)
    yield from alert.devices
    if alert.lead is not msgspec.UNSET:
        yield alert.lead.entry_id


def _deed_texts(deed: Deed) -> Iterator[str]:
    yield deed.reason
    yield deed.actor
    yield deed.assigned_to or ""


@lru_cache(maxsize=8192)  # devices, trails and people say the same names again and again
def _pieces(text: str) -> list[list[str]]:
    """Return the runs of letters and digits of each piece between blanks that has any."""
    return [runs for piece in folded(text).split() if (runs := _RUN.findall(piece))]


def _word(run: str) -> str:
    """Return a word as both databases keep it: ASCII, so that neither has a mind of its own."""
    short = run[:_WORD_CHARS]
    return short if short.isascii() else f"x{short.encode().hex()}"
