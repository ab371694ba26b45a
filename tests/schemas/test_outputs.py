"""Keys of touchpoints as text: one text for one key, and back."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.outputs import touchpoint_key, touchpoint_ref
from schemas.touchpoint import TouchpointKey

_parts = st.text(st.sampled_from("a/%2F5")) | st.text(max_size=8)
_keys = st.builds(TouchpointKey, _parts, _parts, _parts)


@given(_keys)
def test_a_key_comes_back_from_its_text(key: TouchpointKey) -> None:
    assert touchpoint_key(touchpoint_ref(key)) == key


@pytest.mark.parametrize(
    ("key", "ref"),
    [
        (("default", "crm", "4711"), "default/crm/4711"),
        (("default", "crm/eu", "4711"), "default/crm%2Feu/4711"),
        (("default", "crm", "100%"), "default/crm/100%25"),
        (("default", "crm", "%2F"), "default/crm/%252F"),
    ],
)
def test_what_would_be_mistaken_is_escaped(key: tuple[str, str, str], ref: str) -> None:
    assert touchpoint_ref(TouchpointKey(*key)) == ref
