"""Canonical JSON by either encoder equals the reference, byte for byte (RFC 8785), numbers above all."""

from __future__ import annotations

import pytest
import rfc8785
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ontology import canonical

NUMBERS = st.sampled_from(
    [3e-6, 1e-7, 1.5e-9, -3e-6, 2.5e-5, 1e-4, -0.0, 0.0, 34.0, 0.1, 1e15, 1e16, 1.5e16, 1e20, 1e21, 1e300, 5e-324]
)
DECOYS = st.sampled_from([":1e5,", ",1e-7,", "a.0,", 'x":1e-7,', "-0.0,", "[1e-7]", '",3e-6,"'])
SCALARS = (
    st.none()
    | st.booleans()
    | st.integers(-(2**53) + 1, 2**53 - 1)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text()
    | NUMBERS
    | DECOYS
)
VALUES = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=5) | st.dictionaries(st.text(max_size=4) | DECOYS, inner, max_size=5),
    max_leaves=30,
)


@pytest.mark.parametrize("encoder", ["_orjson_encode", "_standard_encode"])
@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(value=VALUES)
def test_both_encoders_equal_the_reference(value: object, encoder: str) -> None:
    if encoder == "_orjson_encode" and canonical.orjson is None:
        pytest.skip("orjson is not installed")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(canonical, "_encode", getattr(canonical, encoder))
        assert canonical.canonical_json(value) == rfc8785.dumps(value)  # type: ignore[arg-type]
