"""The two sites of the synthetic study, each with its own spelling of the same facts."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from sillage.demo.study.people import DIAGNOSES, Person, Roster
from sillage.demo.study.scanners import ACHIEVA, AVANTO, PRISMA, SIGNA, Scanner

Row = dict[str, str]

_EDSS = {
    "LongName": "Expanded Disability Status Scale",
    "Description": "Kurtzke EDSS, 0 (no disability) to 10, in steps of one half",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Table:
    """A phenotype table (BIDS 1.10, phenotypic and assessment data): name, data dictionary, one row of it."""

    name: str
    dictionary: dict[str, Any]
    row: Callable[[Person], Row]


@dataclass(frozen=True, slots=True, kw_only=True)
class Site:
    """One dataset of the study.

    Attributes:
        folder: Name of the dataset's folder.
        title: ``Name`` of the dataset description.
        keywords: ``Keywords`` of the dataset description.
        roster: Whom the site recruits.
        scanners: What it scans them with.
        institution: Where they stand.
        overrides: Whether the first scanner's whole sidecar stands at the dataset's top and the others override it;
            otherwise only what all scanners share stands there.
        row: One line of ``participants.tsv``.
        dictionary: ``participants.json``.
        phenotype: The assessment.
        scans: Whether acquisition times are kept in ``*_scans.tsv``.
    """

    folder: str
    title: str
    keywords: tuple[str, ...]
    roster: Roster
    scanners: tuple[Scanner, ...]
    institution: str
    overrides: bool
    row: Callable[[Person], Row]
    dictionary: dict[str, Any]
    phenotype: Table
    scans: bool

    def top_sidecar(self, suffix: str) -> dict[str, Any]:
        """Return the sidecar at the dataset's top, inherited by all images of a suffix."""
        first, *others = (scanner.sidecar(suffix) for scanner in self.scanners)
        if not self.overrides:
            first = {name: value for name, value in first.items() if all(o.get(name) == value for o in others)}
        return {"InstitutionName": self.institution, **first}

    def own_sidecar(self, person: Person, suffix: str) -> dict[str, Any]:
        """Return what one image's sidecar says beyond the inherited (BIDS 1.10, the inheritance principle)."""
        inherited = self.top_sidecar(suffix)
        said = self.scanners[person.scanner].sidecar(suffix)
        own = {name: value for name, value in said.items() if inherited.get(name) != value}
        if person.moved and suffix == "T1w":
            own["ImageComments"] = "restless, not repeated"
        return own


def _text(value: float | int | str | None) -> str:
    return "n/a" if value is None else str(value)


def _northern_row(person: Person) -> Row:
    return {
        "age": str(person.age),
        "sex": person.sex,
        "handedness": person.hand,
        "diagnosis": person.diagnosis,
    }


def _edss_row(person: Person) -> Row:
    # One assessment was never entered.
    edss = None if person.number == 12 else person.edss
    return {"edss": _text(edss), "disease_duration": _text(person.duration)}


def _coastal_row(person: Person) -> Row:
    """Write a row as people type it: a stray comma, a unit in the number, a slip of the pen, a blank."""
    row = {
        "Age": str(person.age),
        "gender": {"F": "female", "M": "male"}[person.sex],
        "hand": person.hand[0].upper(),
        "dx": DIAGNOSES[person.diagnosis].name,
        "EDSS": _text(person.edss),
    }
    slips = {
        3: {"gender": f"{person.sex},"},
        5: {"hand": "unknown"},
        8: {"dx": "Multiple Sclerossis"},
        12: {"gender": "n/a"},
        15: {"hand": "n/a"},
        17: {"Age": "n/a"},
    }
    return row | slips.get(person.number, {})


def _mmse_row(person: Person) -> Row:
    return {"mmse_total": "n/a" if person.number == 6 else str(person.mmse)}


NORTH = Site(
    folder="northern-ms-study",
    title="Northern multiple sclerosis imaging study (synthetic)",
    keywords=("multiple sclerosis", "FLAIR", "synthetic data", "MNI152"),
    roster=Roster(
        first_label=1,
        width=2,
        diagnoses=("HC", "RRMS", "RRMS", "HC", "SPMS", "RRMS", "HC", "PPMS", "RRMS", "HC", "RRMS"),
        scanners=(0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0),
        without_flair=frozenset({9, 16}),
        moved=frozenset({13}),
    ),
    scanners=(PRISMA, AVANTO),
    institution="Northern University Hospital (fictional)",
    overrides=True,
    row=_northern_row,
    dictionary={
        "age": {"LongName": "Age", "Description": "Age at the first scan", "Units": "year"},
        "sex": {
            "LongName": "Sex",
            "Description": "Sex as registered at birth",
            "Levels": {
                "F": {"Description": "female", "TermURL": "http://purl.obolibrary.org/obo/PATO_0000383"},
                "M": {"Description": "male", "TermURL": "http://purl.obolibrary.org/obo/PATO_0000384"},
            },
        },
        "handedness": {
            "LongName": "Handedness",
            "Description": "Hand used for writing",
            "Levels": {"right": "Right-handed", "left": "Left-handed", "ambidextrous": "Ambidextrous"},
        },
        "diagnosis": {
            "LongName": "Diagnosis",
            "Description": "Course of the disease by the 2013 revision of Lublin; HC for healthy controls",
            "Levels": {
                code: {"Description": entry.name} | ({"TermURL": entry.term} if entry.term else {})
                for code, entry in DIAGNOSES.items()
                if code != "MS"
            },
        },
    },
    phenotype=Table(
        name="edss",
        dictionary={
            "MeasurementToolMetadata": {"Description": "Neurological examination on the day of the scan"},
            "edss": _EDSS,
            "disease_duration": {"Description": "Time since the first symptom", "Units": "year"},
        },
        row=_edss_row,
    ),
    scans=True,
)

COAST = Site(
    folder="coastal-neuro-registry",
    title="Coastal neurology registry (synthetic)",
    keywords=("multiple sclerosis", "registry", "synthetic data", "MNI152"),
    roster=Roster(
        first_label=101,
        width=3,
        diagnoses=("RRMS", "HC", "MS", "HC", "RRMS", "PPMS", "HC", "SPMS", "MS", "HC"),
        scanners=(0, 1, 0, 0, 1, 1, 0, 1, 0, 0, 0, 0, 1),
        without_flair=frozenset({4, 14}),
        moved=frozenset({6}),
    ),
    scanners=(ACHIEVA, SIGNA),
    institution="Coastal Neurology Clinic (fictional)",
    overrides=False,
    row=_coastal_row,
    dictionary={
        "Age": {"Description": "Age in whole years", "Units": "year"},
        "gender": {"Description": "As written in the file of the clinic"},
        "hand": {
            "Description": "Preferred hand",
            "Levels": {"R": "right", "L": "left", "A": "ambidextrous", "unknown": "not asked"},
        },
        "dx": {"LongName": "Diagnosis", "Description": "Diagnosis as written by the neurologist"},
        "EDSS": _EDSS,
    },
    phenotype=Table(
        name="mmse",
        dictionary={
            "MeasurementToolMetadata": {"Description": "Mini-Mental State Examination"},
            "mmse_total": {"Description": "Total score, 0 (severe impairment) to 30 (none)"},
        },
        row=_mmse_row,
    ),
    scans=False,
)

SITES = (NORTH, COAST)
