import pytest
from hypothesis import given
from hypothesis import strategies as st

from libs.storage.store import check_key

part = st.text(st.characters(exclude_characters="/\0", exclude_categories=["Cs"]), min_size=1, max_size=40).filter(
    lambda text: text not in {".", ".."}
)


@given(st.lists(part, min_size=1, max_size=5).map("/".join))
def test_any_unicode_in_normal_form_is_a_key(key: str) -> None:
    assert check_key(key) == key


@given(st.lists(part | st.sampled_from(["", ".", "..", "a\0"]), min_size=1, max_size=5))
def test_nothing_else_is(parts: list[str]) -> None:
    if {"", ".", "..", "a\0"} & set(parts):
        with pytest.raises(ValueError, match="is not a key"):
            check_key("/".join(parts))
