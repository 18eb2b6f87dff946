"""One output against the expected one: by the rule's kind, to a verdict with numbers."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Final

from executors.comparison.documents import compare_documents
from executors.comparison.images import compare_arrays, compare_labels
from executors.comparison.model import DifferentError, Verdict
from executors.comparison.tables import compare_tables

CHUNK: Final = 1 << 20


def compare(rule: Mapping[str, Any], found: Path | None, expected: Path | None) -> Verdict:
    """Compare an output with the expected file.

    Whatever is wrong with the output is a verdict and no error: it was written by what is being judged.

    Args:
        rule: A rule without problems (:func:`executors.comparison.rules.rule_problems`).
        found: The output; None when the task did not write it.
        expected: What it should be; None for the kind ``present``.

    Raises:
        OSError: The expected file cannot be read.
    """
    kind = rule["kind"]
    if found is None:
        return Verdict(kind=kind, passed=False, detail="the task did not write it")
    if kind != "present" and expected is not None:
        expected.stat()
    try:
        passed, detail, numbers = _COMPARISONS[kind](rule, found, expected)
    except DifferentError as error:
        return Verdict(kind=kind, passed=False, detail=error.detail, numbers=error.numbers)
    except (OSError, MemoryError) as error:
        return Verdict(kind=kind, passed=False, detail=f"it cannot be read ({type(error).__name__})")
    return Verdict(kind=kind, passed=passed, detail=detail, numbers=numbers)


Answer = tuple[bool, str, dict[str, Any]]


def _present(rule: Mapping[str, Any], found: Path, expected: Path | None) -> Answer:
    size = found.stat().st_size
    return True, f"it is there, with {size} bytes", {"size": size}


def _digest(rule: Mapping[str, Any], found: Path, expected: Path | None) -> Answer:
    there, wanted = _sha256(found), _sha256(expected)
    numbers = {"sha256": there, "expected_sha256": wanted}
    if there == wanted:
        return True, "the same bytes", numbers
    return False, f"other bytes: {there[:16]}... and not {wanted[:16]}...", numbers


def _sha256(path: Path | None) -> str:
    if path is None:
        raise DifferentError("there is nothing to compare it with")
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while chunk := file.read(CHUNK):
            digest.update(chunk)
    return digest.hexdigest()


_COMPARISONS: Mapping[str, Callable[[Mapping[str, Any], Path, Any], Answer]] = {
    "digest": _digest,
    "array": compare_arrays,
    "labels": compare_labels,
    "table": compare_tables,
    "json": compare_documents,
    "present": _present,
}
