"""Comparing what a pipeline wrote with what it should have written, within tolerances that were fixed before."""

from __future__ import annotations

from executors.comparison.compare import compare
from executors.comparison.model import Tolerance, Verdict
from executors.comparison.reference import FORMAT, ExpectedOutput, ReferenceCase, parse_reference
from executors.comparison.rules import KINDS, rule_problems

__all__ = [
    "FORMAT",
    "KINDS",
    "ExpectedOutput",
    "ReferenceCase",
    "Tolerance",
    "Verdict",
    "compare",
    "parse_reference",
    "rule_problems",
]
