import hashlib
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dcis_node.canonical import canonical_json, digest

PLAIN = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)


def test_the_form_is_fixed_for_ever():
    assert canonical_json({"b": [1, 2.5], "a": "é"}) == b'{"a":"\\u00e9","b":[1,2.5]}'
    assert digest({}) == hashlib.sha256(b"{}").hexdigest()


@given(PLAIN)
def test_what_was_read_back_has_the_same_digest(values):
    assert digest(json.loads(canonical_json(values))) == digest(values)


def test_a_figure_that_is_not_finite_is_refused():
    with pytest.raises(ValueError):
        canonical_json({"auc": float("nan")})
