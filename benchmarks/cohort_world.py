"""A catalogue of any size for cohort benchmarks: skewed, incomplete, with diagnoses that go with age and sex.

Nothing is kept: a participant is drawn from its number, the same each time, as plain facts for other engines and as
records for ours. Sites differ in size by orders of magnitude, have scanners of their own and leave other columns out;
most acquisitions are few kinds of series; echo times vary by protocol; every acquisition has a time of its own.
"""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Final

import numpy as np

from catalog.model import Page, Put, Record
from catalog.search.testing import MemoryRepository
from provenance.ledger.entry import Entry

OBO: Final = "http://purl.obolibrary.org/obo/"
TIME: Final = "2026-01-01T00:00:00.000000Z"
SEXES: Final = {"F": ("PATO_0000383", "female"), "M": ("PATO_0000384", "male")}
DIAGNOSES: Final = (
    # DOID, label, share, mean age, deviation, share of women
    ("DOID_2377", "multiple sclerosis", 0.05, 38, 10, 0.72),
    ("DOID_2378", "relapsing-remitting multiple sclerosis", 0.03, 34, 8, 0.74),
    ("DOID_10652", "Alzheimer's disease", 0.06, 74, 8, 0.6),
    ("DOID_14330", "Parkinson's disease", 0.04, 66, 9, 0.4),
    ("DOID_5419", "schizophrenia", 0.04, 30, 9, 0.4),
    ("DOID_1470", "major depressive disorder", 0.07, 40, 14, 0.65),
    ("DOID_0060041", "autism spectrum disorder", 0.05, 14, 6, 0.22),
    ("DOID_1094", "attention deficit hyperactivity disorder", 0.05, 12, 4, 0.3),
    ("DOID_1826", "epilepsy", 0.03, 32, 15, 0.5),
    ("DOID_8986", "narcolepsy", 0.001, 28, 10, 0.5),
)
SERIES: Final = (
    ("T1w", "anat", 0.25),
    ("bold", "func", 0.35),
    ("dwi", "dwi", 0.12),
    ("T2w", "anat", 0.1),
    ("FLAIR", "anat", 0.08),
    ("asl", "perf", 0.05),
    ("pet", "pet", 0.04),
    ("UNIT1", "anat", 0.01),
)
TASKS: Final = ("rest", "nback", "faces", "motor", "stroop", "movie")
MAKERS: Final = ("Siemens", "Philips", "GE")
_SUFFIXES: Final = tuple(series[0] for series in SERIES)
_SHARES: Final = tuple(series[2] for series in SERIES)
_TYPE_OF: Final = {series[0]: series[1] for series in SERIES}


@dataclass(frozen=True, slots=True)
class Image:
    """One acquisition's facts."""

    number: int
    suffix: str
    session: str | None
    tesla: float
    maker: str
    echo_time: float
    task: str | None
    time: str


@dataclass(frozen=True, slots=True)
class Person:
    """One participant's facts."""

    number: int
    site: int
    age: float | None
    sex: str | None
    diagnoses: tuple[int, ...]
    mmse: int | None
    handedness: str | None
    note: str | None
    images: tuple[Image, ...]


class World:
    """A catalogue of ``size`` participants, about eight acquisitions each."""

    def __init__(self, size: int) -> None:
        self.size = size
        self.sites = max(3, min(600, size // 500))

    def person(self, number: int) -> Person:
        """Draw a participant."""
        rng = random.Random(number)
        site = min(self.sites - 1, int(rng.paretovariate(0.9)) - 1)
        diagnoses, age, women = self._health(rng)
        sex = None if rng.random() < 0.03 else ("F" if rng.random() < women else "M")
        old = age > 55
        return Person(
            number=number,
            site=site,
            age=None if rng.random() < 0.06 else age,
            sex=sex,
            diagnoses=diagnoses,
            mmse=max(0, min(30, int(rng.gauss(22 if 2 in diagnoses else 28, 3)))) if old and site % 3 else None,
            handedness=rng.choice(("right", "right", "right", "left", None)) if site % 2 else None,
            note=f"visit {rng.choice(('complete', 'aborted', 'repeated after motion'))}" if site % 5 == 0 else None,
            images=tuple(self._images(rng, number, site)),
        )

    def _health(self, rng: random.Random) -> tuple[tuple[int, ...], float, float]:
        for place, (_, _, share, mean, deviation, women) in enumerate(DIAGNOSES):
            if rng.random() < share:
                also = (5,) if place != 5 and rng.random() < 0.15 else ()
                return (place, *also), round(min(95.0, max(4.0, rng.gauss(mean, deviation))), 1), women
        return (), round(min(95.0, max(4.0, rng.lognormvariate(3.5, 0.45))), 1), 0.52

    def _images(self, rng: random.Random, number: int, site: int) -> Iterator[Image]:
        sessions = 1 if rng.random() < 0.8 else rng.choice((2, 3))
        tesla = (3.0, 3.0, 1.5, 7.0, 3.0)[site % 5]
        count = min(40, 2 + int(rng.expovariate(1 / 6)))
        for place in range(count):
            suffix = rng.choices(_SUFFIXES, _SHARES)[0]
            yield Image(
                number=place,
                suffix=suffix,
                session=f"ses-{rng.randrange(sessions) + 1}" if sessions > 1 else None,
                tesla=1.5 if tesla == 3.0 and rng.random() < 0.05 else tesla,
                maker=MAKERS[site % 3],
                echo_time=round(rng.choice((0.003, 0.03, 0.09, 0.1, 0.35)) + site % 7 / 1000, 4),
                task=TASKS[min(5, int(rng.expovariate(1)))] if suffix == "bold" else None,
                time=f"20{10 + number % 15:02}-{1 + place % 12:02}-{1 + number % 28:02}T{number % 24:02}:{place:02}:00",
            )

    def people(self) -> Iterator[Person]:
        """Draw everybody."""
        return map(self.person, range(self.size))


def dataset_iri(site: int) -> str:
    """Return the IRI of a site's dataset."""
    return f"urn:uuid:{site:08x}-0000-4000-8000-00000000000d"


def person_iri(number: int) -> str:
    """Return the IRI of a participant."""
    return f"urn:uuid:{number * 2654435761 % 2**32:08x}-0000-4000-8000-{number:012x}"


def image_iri(number: int, place: int) -> str:
    """Return the IRI of an acquisition."""
    return f"urn:uuid:{number * 2654435761 % 2**32:08x}-{place:04x}-4001-8000-{number:012x}"


def _value(value: Any, source: str = "participants.tsv", **more: Any) -> list[dict[str, Any]]:
    return [] if value is None else [{"value": value, "original": str(value), "source": source, **more}]


def participant_document(person: Person) -> dict[str, Any]:
    """Return a participant as the catalogue keeps it."""
    properties = {
        "age": _value(person.age, unit="a"),
        "sex": _value(person.sex, term=OBO + SEXES[person.sex][0], label=SEXES[person.sex][1]) if person.sex else [],
        "diagnosis": [
            _value(DIAGNOSES[d][1], term=OBO + DIAGNOSES[d][0], label=DIAGNOSES[d][1])[0] for d in person.diagnoses
        ],
        "mmse": _value(person.mmse, "phenotype/mmse.tsv"),
        "handedness": _value(person.handedness),
        "note": _value(person.note),
    }
    sessions = sorted({image.session for image in person.images if image.session})
    return {
        "label": f"sub-{person.number:07}",
        "dataset": dataset_iri(person.site),
        "properties": {name: values for name, values in properties.items() if values},
        "sessions": [{"label": session, "properties": {}} for session in sessions],
    }


def acquisition_document(person: Person, image: Image) -> dict[str, Any]:
    """Return an acquisition as the catalogue keeps it."""
    metadata = {
        "MagneticFieldStrength": image.tesla,
        "Manufacturer": image.maker,
        "EchoTime": image.echo_time,
        "RepetitionTime": 2.0 if image.suffix == "bold" else 0.008,
        "AcquisitionDateTime": image.time,
    }
    entities = {"task": image.task} if image.task else {}
    return {
        "label": f"sub-{person.number:07}_{image.number:02}_{image.suffix}",
        "dataset": dataset_iri(person.site),
        "participant": person_iri(person.number),
        "session": image.session,
        "suffix": image.suffix,
        "datatype": _TYPE_OF[image.suffix],
        "derived": False,
        "bids_entities": entities,
        "properties": {},
        "metadata": metadata,
    }


class WorldRepository(MemoryRepository):
    """A world as a repository that an index can follow; what is put besides comes after it."""

    def __init__(self, world: World) -> None:
        super().__init__()
        self.world = world

    @cached_property
    def _ends(self) -> Any:
        """Entry after the last of each participant's, in order."""
        counts = np.array([1 + len(person.images) for person in self.world.people()])
        return self.world.sites + np.cumsum(counts)

    @property
    def _drawn(self) -> int:
        return int(self._ends[-1])

    @property
    def sequence(self) -> int:
        """Sequence number of the newest entry."""
        return self._drawn + len(self._entries) - 1

    def records_since(self, sequence: int, *, limit: int = 10_000) -> Sequence[Record]:
        """Return records after an entry: those that are drawn, then those that were put."""
        found: list[Record] = []
        if sequence < self.world.sites:
            found += [self._dataset(site) for site in range(max(0, sequence + 1), self.world.sites)]
        number = int(np.searchsorted(self._ends, sequence + 1, "right"))
        while len(found) < limit and number < self.world.size:
            found += [record for record in self._of(number) if record.sequence > sequence]
            number += 1
        found = found[:limit]
        if len(found) < limit:
            put = super().records_since(sequence - self._drawn, limit=limit - len(found))
            found += [self._moved(record) for record in put]
        return found

    def _moved(self, record: Record) -> Record:
        return _record(record.id, record.type, record.sequence + self._drawn, dict(record.document), record.withdrawn)

    def _dataset(self, site: int) -> Record:
        document = {"label": f"site-{site:03}", "title": f"Study of site {site}", "license": "CC0-1.0"}
        return _record(dataset_iri(site), "Dataset", site, document)

    def _of(self, number: int) -> Iterator[Record]:
        person = self.world.person(number)
        start = int(self._ends[number]) - len(person.images) - 1
        yield _record(person_iri(number), "Participant", start, participant_document(person))
        for image in person.images:
            document = acquisition_document(person, image)
            yield _record(image_iri(number, image.number), "Acquisition", start + 1 + image.number, document)

    def entries(
        self,
        *,
        after: int = -1,
        limit: int = 100,
        subject: str | None = None,
        action: str | None = None,
        principal: str | None = None,
    ) -> Page[Entry]:
        """Return stand-ins for the entries, as far as an index asks: one that is told from others by its number."""
        numbers = range(after + 1, min(after + 1 + limit, self.sequence + 1))
        items = [
            Entry(sequence=n, time=TIME, principal="urn:uuid:world", action="world.draw", subject=f"urn:entry:{n}")
            for n in numbers
        ]
        return Page(items, self.sequence + 1, None)

    def put_person(self, number: int) -> None:
        """Put one more participant, with its acquisitions."""
        person = self.world.person(number)
        self.put(
            Put(id=person_iri(number), type="Participant", document=participant_document(person)),
            *(
                Put(
                    id=image_iri(number, image.number),
                    type="Acquisition",
                    document=acquisition_document(person, image),
                )
                for image in person.images
            ),
        )


def _record(id: str, type: str, sequence: int, document: dict[str, Any], withdrawn: bool = False) -> Record:
    return Record(
        id=id,
        type=type,
        version=1,
        created=TIME,
        modified=TIME,
        sequence=sequence,
        document=document,
        withdrawn=withdrawn,
    )
