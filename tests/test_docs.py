"""What a user can set or call is written down."""

import re
from pathlib import Path

import msgspec

from edge import device_file

ROOT = Path(__file__).parents[1]


def test_every_key_of_a_device_file_is_documented() -> None:
    text = (ROOT / "docs" / "device.md").read_text(encoding="utf-8")
    tables = {
        field.name: field.type for field in msgspec.structs.fields(device_file.DeviceFile)
    } | {"sigma": device_file.SigmaConfig}
    missing = [
        f"{table}.{field.name}"
        for table, table_type in tables.items()
        for field in msgspec.structs.fields(table_type)
        if f"`{field.name}`" not in text
    ]
    assert missing == []


def test_every_make_target_named_in_the_readme_exists() -> None:
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    for target in set(re.findall(r"^make (\w+)|`make (\w+)", readme, re.MULTILINE)):
        name = "".join(target)
        assert re.search(rf"^{name}:", makefile, re.MULTILINE), name


def test_every_file_linked_from_the_documents_exists() -> None:
    for document in (ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))):
        for link in re.findall(r"\]\(([^)#:]+)\)", document.read_text(encoding="utf-8")):
            assert (document.parent / link).exists(), f"{document.name}: {link}"
