"""What is typed can be read as it was written, by whoever reads it later."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import TypeAdapter, ValidationError

from maps.typed import Typed

TEXT = TypeAdapter(Typed)


@pytest.mark.parametrize(
    "text", ["Khe Đá: hai người, một em bé\n- đã báo đồn 2\t(anh Tú)", "", "🚶 → 西", "שלום"]
)
def test_what_people_write_is_taken_as_it_is(text: str) -> None:
    assert TEXT.validate_python(text) == text


@given(st.text(), st.sampled_from("\x00\x07\x1b\x7f\x85\u202e\u2066"), st.text())
def test_what_nobody_can_read_is_refused_by_its_number(before: str, one: str, after: str) -> None:
    with pytest.raises(ValidationError, match=r"U\+[0-9A-F]{4}"):
        TEXT.validate_python(before + one + after)
