"""The people of the synthetic study: drawn from a seeded generator, never from anyone real."""

from __future__ import annotations

import random
from dataclasses import dataclass

HEALTHY = "HC"

_DISEASE_IRI = "http://purl.obolibrary.org/obo/DOID_"


@dataclass(frozen=True, slots=True, kw_only=True)
class Diagnosis:
    """A diagnosis as each site writes it, with the term of the Disease Ontology it stands for.

    Attributes:
        code: The abbreviation that the northern site writes.
        name: The words that the coastal site writes.
        term: IRI of the disease; None for the healthy.
        ages: Youngest and oldest age drawn.
        edss: Least and greatest disability drawn (Kurtzke 1983; steps of one half).
        lesions: Fewest and most lesions drawn.
    """

    code: str
    name: str
    term: str | None
    ages: tuple[int, int]
    edss: tuple[float, float]
    lesions: tuple[int, int]


DIAGNOSES = {
    "HC": Diagnosis(code="HC", name="healthy control", term=None, ages=(20, 65), edss=(0, 0), lesions=(0, 0)),
    "RRMS": Diagnosis(
        code="RRMS",
        name="relapsing-remitting multiple sclerosis",
        term=_DISEASE_IRI + "2378",
        ages=(22, 54),
        edss=(1, 4),
        lesions=(14, 30),
    ),
    "SPMS": Diagnosis(
        code="SPMS",
        name="secondary progressive multiple sclerosis",
        term=_DISEASE_IRI + "0050783",
        ages=(38, 65),
        edss=(4, 7),
        lesions=(24, 44),
    ),
    "PPMS": Diagnosis(
        code="PPMS",
        name="primary progressive multiple sclerosis",
        term=_DISEASE_IRI + "0050784",
        ages=(40, 65),
        edss=(3, 6.5),
        lesions=(14, 26),
    ),
    "MS": Diagnosis(
        code="MS",
        name="multiple sclerosis",
        term=_DISEASE_IRI + "2377",
        ages=(24, 60),
        edss=(1, 5),
        lesions=(14, 34),
    ),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Person:
    """One participant, as drawn; what a table says of them may be dirtier.

    Attributes:
        label: BIDS label without ``sub-``.
        number: Position in the dataset, from 0.
        diagnosis: Key of :data:`DIAGNOSES`.
        age: Years.
        sex: ``F`` or ``M``.
        hand: ``right``, ``left`` or ``ambidextrous``.
        edss: Expanded Disability Status Scale; None for the healthy.
        duration: Years since the first symptom; None for the healthy.
        mmse: Mini-Mental State Examination, 0 to 30.
        lesions: Number of lesions drawn into the images.
        scanner: Which of the site's scanners.
        has_flair: Whether a FLAIR was acquired.
        moved: Whether the person moved in the scanner.
    """

    label: str
    number: int
    diagnosis: str
    age: int
    sex: str
    hand: str
    edss: float | None
    duration: float | None
    mmse: int
    lesions: int
    scanner: int
    has_flair: bool
    moved: bool

    @property
    def ill(self) -> bool:
        """Whether the person has multiple sclerosis."""
        return self.diagnosis != HEALTHY


@dataclass(frozen=True, slots=True, kw_only=True)
class Roster:
    """How a site recruits: each tuple is gone through again and again until everybody has a place.

    Attributes:
        first_label: Number of the first participant.
        width: Digits of a label.
        diagnoses: Keys of :data:`DIAGNOSES`.
        scanners: Indexes of the site's scanners.
        without_flair: Positions of those who left before the FLAIR.
        moved: Positions of those who moved.
    """

    first_label: int
    width: int
    diagnoses: tuple[str, ...]
    scanners: tuple[int, ...]
    without_flair: frozenset[int]
    moved: frozenset[int]


def draw_people(roster: Roster, count: int, *, seed: int) -> list[Person]:
    """Draw the participants of one site; the same arguments give the same people."""
    label = roster.first_label
    dice = (random.Random(f"{seed}/{label}/{number}") for number in range(count))  # noqa: S311
    return [_draw(roster, number, one) for number, one in enumerate(dice)]


def _draw(roster: Roster, number: int, dice: random.Random) -> Person:
    code = roster.diagnoses[number % len(roster.diagnoses)]
    diagnosis = DIAGNOSES[code]
    age = dice.randint(*diagnosis.ages)
    ill = code != HEALTHY
    least, most = diagnosis.edss
    # Multiple sclerosis meets about three women for one man.
    return Person(
        label=f"{roster.first_label + number:0{roster.width}d}",
        number=number,
        diagnosis=code,
        age=age,
        sex="F" if dice.random() < (0.7 if ill else 0.5) else "M",
        hand=dice.choices(("right", "left", "ambidextrous"), (88, 10, 2))[0],
        edss=least + 0.5 * dice.randint(0, round((most - least) * 2)) if ill else None,
        duration=round(dice.uniform(0.5, max(1.0, min(age - 18, 25))), 1) if ill else None,
        mmse=min(30, round(dice.gauss(28.3 if ill else 29.3, 1.2))),
        lesions=dice.randint(*diagnosis.lesions),
        scanner=roster.scanners[number % len(roster.scanners)],
        has_flair=number not in roster.without_flair,
        moved=number in roster.moved,
    )
