"""What is wrong in a TOML table, by its key and value.

msgspec says "Expected `float` < 1.0 - at `$.crossing.min_probability`"; whoever wrote the table
reads "rules.crossing.min_probability = 1.5: must be under 1".
"""

import re
from collections.abc import Mapping
from typing import Any, Final

_AT: Final = re.compile(r"(?P<what>.*) - at `\$\.?(?P<path>.*)`", re.DOTALL)
_BOUND: Final = re.compile(r"Expected `(?:int|float)` (?P<sign>[<>]=?) (?P<bound>.+)")
_TYPE: Final = re.compile(r"Expected `(?P<wanted>[^`]+)`, got `[^`]+`")
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
_LONGEST: Final = 60  # of a value that is shown


def in_words(error: str, tables: Mapping[str, Any], above: str = "") -> str:
    """Return a sentence for what msgspec said of `tables`, which lie under the key `above`."""
    found = _AT.fullmatch(error)
    what, path = (found["what"], found["path"]) if found else (error, "")
    name = ".".join(part for part in (above, path) if part)
    for key, said in ((_UNKNOWN, "is an unknown key"), (_MISSING, "is missing")):
        if match := key.fullmatch(what):
            return f"{'.'.join(part for part in (name, match['key']) if part)} {said}"
    value: Any = tables
    for step in re.split(r"[.\[\]]+", path.rstrip("]")) if path else ():
        if isinstance(value, Mapping):
            value = value.get(step)
        else:
            value = value[int(step)] if isinstance(value, list) and step.isdigit() else None
    told = isinstance(value, str | int | float) and len(repr(value)) <= _LONGEST
    return f"{name} = {value!r}: {_rule(what)}" if told else f"{name}: {_rule(what)}".lstrip(": ")


def _rule(what: str) -> str:
    if bound := _BOUND.fullmatch(what):
        return f"must be {_SIGNS[bound['sign']]} {float(bound['bound']):g}"
    if kind := _TYPE.fullmatch(what):
        wanted = [_TYPES.get(one.strip(), one.strip()) for one in kind["wanted"].split("|")]
        return f"must be {' or '.join(one for one in wanted if one != 'left out')}"
    if "matching regex" in what:
        return "must be 1 to 64 of a to z, 0 to 9 and -, and not begin with -"
    if what.startswith("Invalid enum value"):
        return "is none of the words that may stand there (docs/sector.md)"
    return what
