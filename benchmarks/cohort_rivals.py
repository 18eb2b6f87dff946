"""Other engines that hold the same world, each in the form that suits it, and answer the same questions with a count.

SQLite and DuckDB have one table of participants, one of their diagnoses and one of acquisitions, with the indexes that
the questions want. tantivy has a document for each participant, with the series that it has and each pair of series and
field strength as tokens of their own, because it cannot relate two attributes of one nested thing; and a document for
each acquisition, for the questions on one acquisition, which it answers by counting acquisitions.
"""

from __future__ import annotations

import csv
import sqlite3
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.cohort_world import World


@dataclass(frozen=True, slots=True)
class Wanted:
    """One acquisition that is asked for."""

    suffix: str
    tesla: float | None = None
    echo_time: float | None = None

    def cql2(self) -> str:
        """Return it as CQL2."""
        parts = [f"suffix = '{self.suffix}'"]
        parts += [f"magnetic_field_strength >= {self.tesla}"] if self.tesla is not None else []
        parts += [f"echo_time <= {self.echo_time}"] if self.echo_time is not None else []
        return f"has({' AND '.join(parts)})"

    def sql(self) -> str:
        """Return it as SQL on alias ``a``."""
        parts = [f"a.suffix = '{self.suffix}'"]
        parts += [f"a.tesla >= {self.tesla}"] if self.tesla is not None else []
        parts += [f"a.echo_time <= {self.echo_time}"] if self.echo_time is not None else []
        return " AND ".join(parts)


@dataclass(frozen=True, slots=True)
class Question:
    """A cohort: participants of an age, a sex and a diagnosis, with such acquisitions; None asks nothing.

    ``covered`` are those of the world's diagnoses that lie under the term.
    """

    ages: tuple[float, float] | None
    sex: str | None
    term: str | None
    covered: tuple[int, ...]
    images: tuple[Wanted, ...]

    @property
    def about_one(self) -> bool:
        """Whether it is about one acquisition and nothing else."""
        return len(self.images) == 1 and not (self.ages or self.sex or self.term)

    def cql2(self) -> str:
        """Return it as CQL2."""
        parts = [f"under(diagnosis, '{self.term}')"] if self.term else []
        parts += [f"age BETWEEN {self.ages[0]} AND {self.ages[1]}"] if self.ages else []
        parts += [f"sex = '{self.sex}'"] if self.sex else []
        return " AND ".join(parts + [image.cql2() for image in self.images]) or "TRUE"

    def sql(self) -> str:
        """Return it as joins in SQL, in that of three forms which SQLite answers soonest."""
        if self.about_one:
            return f"SELECT COUNT(DISTINCT a.participant) FROM acquisition a WHERE {self.images[0].sql()}"
        parts = [f"p.age BETWEEN {self.ages[0]} AND {self.ages[1]}"] if self.ages else []
        parts += [f"p.sex = '{self.sex}'"] if self.sex else []
        if self.term:
            covered = ", ".join(map(str, self.covered))
            parts.append(f"p.id IN (SELECT d.participant FROM diagnosis d WHERE d.term IN ({covered}))")
        # Few participants are each looked up; of many, it is quicker to find everybody with such an acquisition.
        start = "p.id IN (SELECT a.participant FROM acquisition a WHERE"
        if self.term or self.ages:
            start = "EXISTS (SELECT 1 FROM acquisition a WHERE a.participant = p.id AND"
        parts += [f"{start} {image.sql()})" for image in self.images]
        return "SELECT COUNT(*) FROM participant p WHERE " + (" AND ".join(parts) or "1 = 1")


def write_tables(world: World, folder: Path) -> None:
    """Write the world as three CSV files."""
    with (
        (folder / "participant.csv").open("w", newline="") as people,
        (folder / "diagnosis.csv").open("w", newline="") as diagnoses,
        (folder / "acquisition.csv").open("w", newline="") as images,
    ):
        participant, diagnosis, acquisition = (csv.writer(file) for file in (people, diagnoses, images))
        for person in world.people():
            participant.writerow((person.number, person.age, person.sex, person.site, person.mmse))
            diagnosis.writerows((person.number, found) for found in person.diagnoses)
            acquisition.writerows(
                (person.number, i.suffix, i.tesla, i.maker, i.echo_time, i.task, i.session) for i in person.images
            )


TABLES = (
    "CREATE TABLE participant (id INTEGER PRIMARY KEY, age REAL, sex TEXT, site INTEGER, mmse INTEGER)",
    "CREATE TABLE diagnosis (participant INTEGER, term INTEGER)",
    "CREATE TABLE acquisition (participant INTEGER, suffix TEXT, tesla REAL, maker TEXT, echo_time REAL, task TEXT,"
    " session TEXT)",
)
INDEXES = (
    "CREATE INDEX participant_age ON participant (age, sex)",
    "CREATE INDEX participant_sex ON participant (sex, age)",
    "CREATE INDEX diagnosis_term ON diagnosis (term, participant)",
    "CREATE INDEX acquisition_participant ON acquisition (participant, suffix, tesla, echo_time)",
    "CREATE INDEX acquisition_suffix ON acquisition (suffix, tesla, echo_time, participant)",
    "ANALYZE",
)


def sqlite_engine(folder: Path) -> Callable[[Question], int]:
    """Return SQLite's answers from a file that is made when it is not there."""
    path = folder / "joins.sqlite"
    fresh = not path.exists()
    db = sqlite3.connect(path)
    if fresh:
        db.execute("PRAGMA journal_mode = OFF")
        for statement in TABLES:
            db.execute(statement)
        for table, width in (("participant", 5), ("diagnosis", 2), ("acquisition", 7)):
            marks = ", ".join("?" * width)
            db.executemany(f"INSERT INTO {table} VALUES ({marks})", _rows(folder / f"{table}.csv"))
        for statement in INDEXES:
            db.execute(statement)
        db.commit()
    db.execute("PRAGMA cache_size = -1000000")
    db.execute("PRAGMA mmap_size = 8000000000")
    return lambda question: int(db.execute(question.sql()).fetchone()[0])


def _rows(path: Path) -> Iterator[Sequence[Any]]:
    with path.open(newline="") as file:
        for row in csv.reader(file):
            yield [value or None for value in row]


def duckdb_engine(folder: Path) -> Callable[[Question], int]:
    """Return DuckDB's answers, from a file that is made when it is not there."""
    import duckdb

    path = folder / "tables.duckdb"
    fresh = not path.exists()
    db = duckdb.connect(str(path))
    if fresh:
        for statement in TABLES:
            db.execute(statement.replace(" PRIMARY KEY", ""))
            table = statement.split()[2]
            db.execute(f"COPY {table} FROM '{folder / table}.csv' (HEADER false, NULLSTR '')")
    return lambda question: int(db.execute(question.sql()).fetchall()[0][0])


class Tantivy:
    """tantivy's answers: of participants, and of acquisitions where the question is about one alone."""

    def __init__(self, world: World, folder: Path) -> None:
        import tantivy

        self.tantivy = tantivy
        builder = tantivy.SchemaBuilder()
        for name in ("kind", "sex", "term", "suffix", "series"):
            builder.add_text_field(name, tokenizer_name="raw", fast=False)
        for name in ("age", "tesla", "echo_time"):
            builder.add_float_field(name, indexed=True, fast=True)
        self.schema = builder.build()
        path = folder / "tantivy"
        fresh = not path.exists()
        path.mkdir(exist_ok=True)
        self.index = tantivy.Index(self.schema, path=str(path))
        if fresh:
            self._fill(world)
        self.index.reload()
        self.searcher = self.index.searcher()

    def _fill(self, world: World) -> None:
        writer = self.index.writer(heap_size=500_000_000, num_threads=1)
        document = self.tantivy.Document
        for person in world.people():
            facts: dict[str, Any] = {"kind": ["person"], "term": [str(found) for found in person.diagnoses]}
            facts |= {"sex": [person.sex]} if person.sex else {}
            facts |= {"age": [person.age]} if person.age is not None else {}
            facts["suffix"] = sorted({i.suffix for i in person.images})
            facts["series"] = sorted({f"{i.suffix} {i.tesla}" for i in person.images})
            writer.add_document(document(**facts))
            for i in person.images:
                writer.add_document(
                    document(kind=["image"], suffix=[i.suffix], tesla=[i.tesla], echo_time=[i.echo_time])
                )
        writer.commit()
        writer.wait_merging_threads()

    def __call__(self, question: Question) -> int:
        """Return how many documents fulfil a question."""
        clauses = self._image(question.images[0]) if question.about_one else self._person(question)
        joined = self.tantivy.Query.boolean_query([(self.tantivy.Occur.Must, clause) for clause in clauses])
        return int(self.searcher.search(joined, limit=1, count=True).count)

    def _word(self, field: str, value: str) -> Any:
        return self.tantivy.Query.term_query(self.schema, field, value)

    def _between(self, field: str, low: float | None, high: float | None) -> Any:
        kind = self.tantivy.FieldType.Float
        return self.tantivy.Query.range_query(self.schema, field, kind, low, high)

    def _image(self, image: Wanted) -> list[Any]:
        clauses = [self._word("kind", "image"), self._word("suffix", image.suffix)]
        clauses += [self._between("tesla", image.tesla, None)] if image.tesla is not None else []
        return clauses + ([self._between("echo_time", None, image.echo_time)] if image.echo_time is not None else [])

    def _person(self, question: Question) -> list[Any]:
        clauses = [self._word("kind", "person")]
        clauses += [self._word("sex", question.sex)] if question.sex else []
        clauses += [self._between("age", *question.ages)] if question.ages else []
        if question.term:
            clauses.append(self._any("term", [str(place) for place in question.covered]))
        for image in question.images:
            if image.tesla is None:
                clauses.append(self._word("suffix", image.suffix))
            else:
                strong = [tesla for tesla in (1.5, 3.0, 7.0) if tesla >= image.tesla]
                clauses.append(self._any("series", [f"{image.suffix} {tesla}" for tesla in strong]))
        return clauses

    def _any(self, field: str, values: Sequence[str]) -> Any:
        return self.tantivy.Query.boolean_query(
            [(self.tantivy.Occur.Should, self._word(field, value)) for value in values]
        )
