"""Every word on the pages, Vietnamese first: gettext catalogues with the same keys in each.

A msgid is a key (`page.incidents`), so that a text may be mended without touching the code.
"""

from collections.abc import Collection
from functools import cache
from pathlib import Path
from types import MappingProxyType
from typing import Final

from babel.messages.pofile import read_po

LANGUAGES: Final = ("vi", "en")
_FOLDER: Final = Path(__file__).parent / "locale"


@cache
def words(language: str) -> MappingProxyType[str, str]:
    """Return the words of one of `LANGUAGES` by key."""
    with (_FOLDER / language / "LC_MESSAGES" / "maps.po").open("rb") as file:
        catalogue = read_po(file, locale=language, abort_invalid=True)
    return MappingProxyType({str(one.id): str(one.string) for one in catalogue if one.id})


def words_under(language: str, heads: Collection[str]) -> dict[str, str]:
    """Return the words whose keys begin with one of these heads: what a page's scripts say."""
    return {key: text for key, text in words(language).items() if key.partition(".")[0] in heads}


def chosen(asked: str | None) -> str:
    """Return the language asked for, or Vietnamese."""
    return asked if asked in LANGUAGES else LANGUAGES[0]
