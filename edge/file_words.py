"""What is wrong in a device's or a sector's file: key, value, and what may stand there.

msgspec says "Expected `float` >= 1.0 - at `$.camera.fx`"; a technician reads
"camera.fx = -800.0: must be at least 1".
"""

import re
from collections.abc import Mapping
from enum import Enum
from typing import Any, Final, Literal, get_args, get_origin, get_type_hints

from msgspec import Struct

_AT: Final = re.compile(r"(?P<what>.*) - at `\$(?P<path>.*)`", re.DOTALL)
_STEP: Final = re.compile(r"\.([^.\[\]]+)|\[(\d+|\.\.\.)\]")
_BOUND: Final = re.compile(r"Expected `(?:int|float)` (?P<sign>[<>]=?) (?P<bound>.+)")
_TYPE: Final = re.compile(r"Expected `(?P<wanted>[^`]+)`, got `(?P<got>[^`]+)`")
_MISSING: Final = re.compile(r"Object missing required field `(?P<key>.+)`")
_UNKNOWN: Final = re.compile(r"Object contains unknown field `(?P<key>.+)`")
_SIGNS: Final = {">=": "at least", ">": "over", "<=": "at most", "<": "under"}
_TYPES: Final = {
    "int": "a whole number",
    "float": "a number",
    "str": "a text in quotation marks",
    "bool": "true or false",
    "array": "a list",
    "object": "a table",
    "null": "left out",
}
_AN_ID: Final = "must be 1 to 64 of a to z, 0 to 9 and -, and not begin with -"
# May hold a password.
_NEVER_SHOWN: Final = frozenset({"url", "video", "onvif_broker"})
_LONGEST: Final = 60


def in_words(error: str, tables: Mapping[str, Any], root: type[Struct], *, above: str = "") -> str:
    """Return a sentence for what msgspec said of `tables`, which should be a `root`.

    Args:
        error: What it said.
        tables: As read.
        root: What they should be.
        above: The key that they lie under.
    """
    under = [above] if above else []
    found = _AT.fullmatch(error)
    what, path = (found["what"], found["path"]) if found else (error, "")
    steps = [key or number for key, number in _STEP.findall(path)]
    if missing := _MISSING.fullmatch(what):
        return f"{'.'.join([*under, *steps, missing['key']])} is missing"
    if unknown := _UNKNOWN.fullmatch(what):
        known = ", ".join(_fields(_type_at(root, steps)))
        key = ".".join([*under, *steps, unknown["key"]])
        return f"{key} is an unknown key" + (f"; known are {known}" if known else "")
    shown = ".".join([*under, *filter(None, [_shown(path, steps, tables)])])
    return f"{shown}: {_rule(what, _type_at(root, steps))}".removeprefix(": ")


def _rule(what: str, wanted: object) -> str:
    if bound := _BOUND.fullmatch(what):
        return f"must be {_SIGNS[bound['sign']]} {float(bound['bound']):g}"
    if kind := _TYPE.fullmatch(what):
        names = [_TYPES.get(name.strip(), name) for name in kind["wanted"].split("|")]
        return "must be " + " or ".join(name for name in names if name != "left out")
    if "matching regex" in what:
        return _AN_ID
    if what.startswith("Invalid enum value"):
        return "must be one of " + ", ".join(_choices(wanted))
    return what


def _shown(path: str, steps: list[str], tables: Mapping[str, Any]) -> str:
    """Return the key, and its value where that is short and no secret."""
    name = path.removeprefix(".")
    value: Any = tables
    for step in steps:
        if isinstance(value, Mapping) and step in value:
            value = value[step]
        elif isinstance(value, list) and step.isdigit() and int(step) < len(value):
            value = value[int(step)]
        else:
            return name
    secret = not _NEVER_SHOWN.isdisjoint(steps)
    if secret or not isinstance(value, (str, int, float)) or len(repr(value)) > _LONGEST:
        return name
    return f"{name} = {value!r}"


def _type_at(root: type[Struct], steps: list[str]) -> object:
    """Return what a key is declared as, or None where that is no table of ours."""
    wanted: object = root
    for step in steps:
        table = _table(wanted)
        if table is None:
            return wanted if step.isdigit() else None
        wanted = get_type_hints(table).get(step)
    return wanted


def _table(wanted: object) -> type[Struct] | None:
    for kind in _kinds(wanted):
        if isinstance(kind, type) and issubclass(kind, Struct):
            return kind
    return None


def _kinds(wanted: object) -> list[object]:
    return [wanted, *get_args(wanted)]


def _fields(wanted: object) -> tuple[str, ...]:
    table = _table(wanted)
    return () if table is None else table.__struct_fields__


def _choices(wanted: object) -> list[str]:
    found: list[object] = []
    for kind in _kinds(wanted):
        if get_origin(kind) is Literal:
            found += get_args(kind)
        elif isinstance(kind, type) and issubclass(kind, Enum):
            found += [one.value for one in kind]
    return [repr(choice) for choice in found]
