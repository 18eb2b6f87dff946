"""Participants: folders, ``participants.tsv``, ``sessions.tsv`` and phenotype tables (BIDS 1.11, "Data summary files").

The folders say who is there. Tables say more about them; a row about somebody without a folder is reported.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from catalog.readers.bids.mapping import Mapper, Values, add_value
from catalog.readers.bids.tables import MISSING, Table
from catalog.readers.problems import ProblemLog
from catalog.readers.reading import Document
from ontology.columns import Instrument

PARTICIPANT = "participant_id"
SESSION = "session_id"
_KEYS = frozenset({PARTICIPANT, SESSION})
_TOOL = "MeasurementToolMetadata"
_NO_INSTRUMENT = frozenset({"demographics", "demographic", "participants", "sessions", "medical_history", "medication"})
"""Tables of ``phenotype/`` that are named after what they hold, and not after a tool that measured it."""


@dataclass(slots=True)
class _Person:
    properties: Values = field(default_factory=dict)
    sessions: dict[str, Values] = field(default_factory=dict)


class People:
    """The participants of a dataset, filled table by table.

    Args:
        sessions: Label of each participant with a folder to the labels of its session folders.
        mapper: Turns cells into values.
        problems: Where odd rows are noted.
    """

    def __init__(self, sessions: Mapping[str, Sequence[str]], mapper: Mapper, problems: ProblemLog) -> None:
        self._people = {
            label: _Person(sessions={session: {} for session in sessions[label]}) for label in sorted(sessions)
        }
        self._mapper = mapper
        self._problems = problems

    def add_participants(self, table: Table, dictionary: Document) -> None:
        """Read ``participants.tsv``."""
        described = self._add_rows(table, dictionary)
        for label in self._people:
            if described and label not in described:
                self._problems.add(table.path, f"{label} has a folder and no row", PARTICIPANT)

    def add_phenotype(self, table: Table, dictionary: Document) -> None:
        """Read a table of ``phenotype/``: columns that are properties of their own, or ``<table>_<column>``."""
        name = table.path.rpartition("/")[2].partition(".")[0]
        self._add_rows(table, dictionary, measure=self._mapper.instrument(name, dictionary.get(_TOOL)))

    def add_sessions(self, table: Table, dictionary: Document, participant: str) -> None:
        """Read ``sub-<label>_sessions.tsv``."""
        person = self._people.get(participant)
        if person is None or SESSION not in table.columns:
            self._problems.add(table.path, f"has no column {SESSION}; it was not read", SESSION)
            return
        seen: set[str] = set()
        for row in table.records():
            session = _label(row[SESSION], "ses-")
            if session in seen:
                self._problems.add(table.path, f"{session} has more than one row; the first was read", SESSION)
                continue
            seen.add(session)
            self._check_prefix(row[SESSION], "ses-", table, SESSION)
            if session not in person.sessions:
                self._problems.add(table.path, f"{session} has a row and no folder", SESSION)
            self._add_cells(person, session, row, table, dictionary)

    def documents(self) -> list[Document]:
        """Return the participants as records hold them."""
        return [
            {
                "label": label,
                "properties": person.properties,
                "sessions": [
                    {"label": session, "properties": person.sessions[session]} for session in sorted(person.sessions)
                ],
            }
            for label, person in self._people.items()
        ]

    def _add_rows(self, table: Table, dictionary: Document, *, measure: Instrument | None = None) -> set[str]:
        """Read rows by participant and session; return the labels that had one."""
        key = self._key_column(table)
        if key is None:
            return set()
        seen: set[tuple[str, str | None]] = set()
        for row in table.records():
            label = _label(row[key], "sub-")
            session = _label(row[SESSION], "ses-") if row.get(SESSION, "") not in MISSING else None
            if (label, session) in seen:
                self._problems.add(table.path, f"{label} has more than one row; the first was read", key)
                continue
            seen.add((label, session))
            self._check_prefix(row[key], "sub-", table, key)
            person = self._people.get(label)
            if person is None:
                self._problems.add(table.path, f"{label} has a row and no folder; it was not read", key)
                continue
            cells = {column: cell for column, cell in row.items() if column != key}
            self._add_cells(person, session, cells, table, dictionary, measure=measure)
        return {label for label, _ in seen}

    def _add_cells(
        self,
        person: _Person,
        session: str | None,
        row: Mapping[str, str],
        table: Table,
        dictionary: Document,
        *,
        measure: Instrument | None = None,
    ) -> None:
        said = None if session is None else person.sessions.setdefault(session, {})
        for column, cell in row.items():
            if column in _KEYS or cell in MISSING:
                continue
            description = dictionary.get(column)
            named = self._named(column, measure, description) if measure else column
            about = None if measure and measure.text in _NO_INSTRUMENT else measure
            stated = self._mapper.cell(
                named, cell, source=table.path, description=description, session=session, table=about
            )
            for prop, value in stated:
                add_value(person.properties, prop, value)
                if said is not None:
                    add_value(said, prop, value)

    def _named(self, column: str, measure: Instrument, description: object) -> str:
        """Return the column's name, with its table's before it where it means nothing by itself."""
        if column.lower().startswith(measure.text.lower()) or self._mapper.knows(column, description):
            return column
        return f"{measure.text}_{column}"

    def _key_column(self, table: Table) -> str | None:
        if PARTICIPANT in table.columns:
            return PARTICIPANT
        first = table.columns[0]
        if table.rows and all(row[0].startswith("sub-") for row in table.rows):
            self._problems.add(table.path, f"has no column {PARTICIPANT}; the first column was taken for it", first)
            return first
        self._problems.add(table.path, f"has no column {PARTICIPANT}; it was not read", PARTICIPANT)
        return None

    def _check_prefix(self, found: str, prefix: str, table: Table, column: str) -> None:
        if not found.strip().startswith(prefix):
            self._problems.add(table.path, f"labels stand without {prefix}; it was added", column)


def _label(found: str, prefix: str) -> str:
    text = found.strip()
    return text if text.startswith(prefix) else prefix + text
