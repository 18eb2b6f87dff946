"""The declaration that an output holds measures."""

from __future__ import annotations

from typing import Any

import pytest

from executors.pipelines.block_rules import extension_problems
from executors.pipelines.extension import MeasuresRule, hints_of


def document(rule: Any) -> dict[str, Any]:
    return {
        "inputs": [],
        "output-files": [{"id": "out"}],
        "custom": {"sillage": {"outputs": {"out": {} if rule is None else {"measures": rule}}}},
    }


@pytest.mark.parametrize(
    ("rule", "meant"),
    [
        (None, None),
        (False, None),
        (True, MeasuresRule()),
        ({}, MeasuresRule()),
        (
            {"member": "measures", "units": {"brain_ml": "mL"}},
            MeasuresRule(member="measures", units={"brain_ml": "mL"}),
        ),
    ],
)
def test_an_output_may_hold_measures(rule: Any, meant: MeasuresRule | None) -> None:
    assert extension_problems(document(rule)) == []
    assert hints_of(document(rule))["out"].measures == meant


@pytest.mark.parametrize(
    ("rule", "field"),
    [
        ("yes", "measures"),
        ({"unit": {}}, "measures/unit"),
        ({"member": 3}, "measures/member"),
        ({"units": ["mL"]}, "measures/units"),
        ({"units": {"a": 1}}, "measures/units"),
    ],
)
def test_a_malformed_declaration_is_named(rule: Any, field: str) -> None:
    (problem,) = extension_problems(document(rule))
    assert problem[0] == f"/custom/sillage/outputs/out/{field}"
