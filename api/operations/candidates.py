"""Which of several acquisitions that answer to an input are taken, and in which order they stand."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from catalog.model import Record
from executors.pipelines.extension import CHOICES, Selection
from ontology.errors import InvalidRequestError

_NUMBER = re.compile(r"(\d+)")


@dataclass(frozen=True, slots=True, kw_only=True)
class Choice:
    """What the caller says about an input beside what the descriptor says.

    Attributes:
        select: A further condition on the acquisition, in CQL2 text.
        choose: What is done with several, in place of what the descriptor says.
    """

    select: str | None = None
    choose: str | None = None

    def __post_init__(self) -> None:
        """Refuse a rule that there is not.

        Raises:
            InvalidRequestError: ``choose`` is none of those known.
        """
        if self.choose is not None and self.choose not in CHOICES:
            raise InvalidRequestError(
                f"{self.choose!r} is no rule for several candidates",
                field="choose",
                next_step=f"One of: {', '.join(CHOICES)}.",
            )

    def condition(self, rule: Selection) -> str | None:
        """Return the condition on an acquisition: the descriptor's, narrowed by the caller's."""
        said = [text for text in (rule.select, self.select) if text]
        return " AND ".join(f"({text})" for text in said) if len(said) > 1 else next(iter(said), None)

    def rule(self, rule: Selection) -> str:
        """Return what is done with several candidates."""
        return self.choose or rule.choose


def choices_document(select: Mapping[str, str], choose: Mapping[str, str]) -> dict[str, dict[str, str]]:
    """Return what the caller said of inputs, as a task's record keeps it."""
    said: dict[str, dict[str, str]] = {}
    for member, values in (("select", select), ("choose", choose)):
        for name, value in values.items():
            said.setdefault(name, {})[member] = value
    return said


def read_choices(document: Mapping[str, Mapping[str, str]]) -> dict[str, Choice]:
    """Return what the caller said of inputs, from a task's record.

    Raises:
        InvalidRequestError: A rule is none of those known.
    """
    return {name: Choice(**said) for name, said in document.items()}


def in_order(acquisitions: Sequence[Record]) -> list[Record]:
    """Return acquisitions by session, run and path; numbers in them count as numbers."""
    return sorted(acquisitions, key=lambda a: (_natural(a.document.get("session") or ""), _run(a), _path(a), a.id))


def _run(acquisition: Record) -> tuple[tuple[int, int, str], ...]:
    return _natural(str((acquisition.document.get("bids_entities") or {}).get("run", "")))


def _path(acquisition: Record) -> tuple[tuple[int, int, str], ...]:
    files = acquisition.document["files"]
    return _natural(files[0]["path"] if files else "")


def _natural(text: str) -> tuple[tuple[int, int, str], ...]:
    parts = (part for part in _NUMBER.split(text) if part)
    return tuple((1, int(part), "") if part.isdigit() else (0, 0, part) for part in parts)


def chosen(name: str, candidates: Sequence[Record], rule: str) -> list[Record]:
    """Return the acquisitions that are taken for an input; all of them for ``all`` and ``each``.

    Raises:
        InvalidRequestError: There are several, and the rule wants one.
    """
    ordered = in_order(candidates)
    if rule == "one" and len(ordered) > 1:
        raise InvalidRequestError(
            f"{len(ordered)} acquisitions answer to input {name!r}",
            field=name,
            next_step="Narrow it by --select, name one by --input, or say --choose first, last, all or each.",
        )
    if rule == "first":
        return ordered[:1]
    return ordered[-1:] if rule == "last" else ordered
