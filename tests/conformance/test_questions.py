"""The questions of ``docs/howto/questions.md``, as they stand there, over real datasets and a generated study."""

from __future__ import annotations

import json
import re
import shutil
from collections import Counter
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from api.catalogue import create
from sillage.client import Client

PAGE = Path(__file__).resolve().parents[2] / "docs" / "howto" / "questions.md"
REAL = (
    *("7t_trt", "asl003", "ds001", "ds003", "ds114", "genetics_ukbb"),
    *("micr_SPIM", "pet001", "pheno004", "qmri_mp2rage", "synthetic"),
)

Answer = dict[str, Counter[str]]
"""Title of a dataset to the participants found in it."""


def queries() -> list[str]:
    """Return the queries of the page, in their order."""
    blocks = re.findall(r"^```cql2\n(.*?)^```", PAGE.read_text(encoding="utf-8"), re.DOTALL | re.MULTILINE)
    return [" ".join(block.split()) for block in blocks]


def real_queries() -> list[str]:
    """Return those that can be asked of the real datasets: a measure that no result there has is refused."""
    return [query for query in queries() if "measure(" not in query]


class Study:
    """A dataset in the making."""

    def __init__(self, root: Path, described: Mapping[str, Any]) -> None:
        self.root = root
        self.write("dataset_description.json", {"BIDSVersion": "1.10.0", "License": "CC-BY-4.0", **described})

    def write(self, path: str, content: Any = "") -> None:
        target = self.root / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(content if isinstance(content, str) else json.dumps(content), encoding="utf-8")

    def image(self, path: str, **sidecar: Any) -> None:
        self.write(f"{path}.nii.gz", path)
        self.write(f"{path}.json", sidecar)

    def session(self, label: str, session: str, moment: str, serial: str) -> None:
        """Write a T1w at 3 T with its date and scanner."""
        start = f"{label}/{session}"
        name = f"anat/{label}_{session}_T1w"
        self.image(f"{start}/{name}", MagneticFieldStrength=3, Manufacturer="Siemens", DeviceSerialNumber=serial)
        self.write(f"{start}/{label}_{session}_scans.tsv", f"filename\tacq_time\n{name}.nii.gz\t{moment}\n")

    def diffusion(self, label: str, directions: int, b_values: tuple[int, ...]) -> None:
        """Write a series with so many directions on each shell, and one volume without weighting."""
        self.image(f"{label}/dwi/{label}_dwi")
        around = [(number / directions, 1 - number / directions, 0.5) for number in range(directions)]
        vectors = [(0.0, 0.0, 0.0)] + [vector for _ in b_values for vector in around]
        weights = [0] + [b for b in b_values for _ in around]
        self.write(f"{label}/dwi/{label}_dwi.bval", " ".join(map(str, weights)))
        rows = [" ".join(str(vector[axis]) for vector in vectors) for axis in range(3)]
        self.write(f"{label}/dwi/{label}_dwi.bvec", "\n".join(rows))


def write_generated(root: Path) -> tuple[Path, Path]:
    """Write a study with a case for every question, and what a pipeline made of two of its participants."""
    study = Study(root / "study", {"Name": "Generated"})
    study.write(
        "participants.tsv",
        "participant_id\tage\tdx\tgenetic_id\tmmse_total\n"
        "sub-01\t14\tASD\tg1\tn/a\n"
        "sub-02\t16\tautism\tn/a\tn/a\n"
        "sub-03\t12\tTD\tn/a\tn/a\n"
        "sub-04\t13\ttypically developing\tn/a\tn/a\n"
        "sub-05\t71\tcontrol\tg5\t29\n"
        "sub-06\t74\tAlzheimer disease\tn/a\t21\n",
    )
    for label, tesla in (("sub-01", 3), ("sub-02", 3), ("sub-03", 2.89), ("sub-04", 1.5)):
        study.image(f"{label}/anat/{label}_T1w", MagneticFieldStrength=tesla)
    study.session("sub-05", "ses-1", "1877-06-15T13:45:30", "17")
    study.session("sub-05", "ses-2", "1878-06-15T09:00:00", "17")
    study.session("sub-06", "ses-1", "1877-06-15T13:45:30", "17")
    study.session("sub-06", "ses-2", "1879-06-15T09:00:00", "99")
    study.diffusion("sub-01", 30, (1000, 2500))
    study.diffusion("sub-02", 64, (1000,))
    study.diffusion("sub-03", 64, (1000, 2000))
    generated_by = [{"Name": "fMRIPrep", "Version": "23.1.3"}]
    made = Study(root / "made", {"Name": "Made", "DatasetType": "derivative", "GeneratedBy": generated_by})
    for label, moved in (("sub-05", 0.2), ("sub-06", 0.9)):
        made.image(f"{label}/func/{label}_task-rest_desc-preproc_bold", RepetitionTime=2, fd_mean=moved)
    return study.root, made.root


def answers(client: Client, query: str, titles: Mapping[str, str]) -> Answer:
    found: Answer = {}
    cursor = None
    while True:
        page = client.find_cohort(query, cursor=cursor)
        for item in page["items"]:
            found.setdefault(titles[item["dataset"]], Counter())[item["label"]] += 1
        cursor = page["next"]
        if cursor is None:
            assert page["count"] == sum(sum(labels.values()) for labels in found.values())
            return found


@pytest.fixture(scope="module")
def generated(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Answer]]:
    root = tmp_path_factory.mktemp("generated")
    create(root / "catalog", title="Generated")
    with Client(catalog=root / "catalog") as client:
        titles = {client.register_dataset(path)["id"]: path.name for path in write_generated(root)}
        yield {query: answers(client, query, titles) for query in queries()}


@pytest.fixture(scope="module")
def real(shared_data: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Answer]]:
    root = tmp_path_factory.mktemp("real")
    create(root / "catalog", title="Real")
    annotated = root / "neurobagel"
    shutil.copytree(shared_data / "bids" / "synthetic", annotated, ignore=shutil.ignore_patterns("derivatives"))
    for scans in annotated.glob("**/*_scans.tsv"):
        scans.unlink()  # they are of the other study, and its dates are drawn by chance
    for ending in ("tsv", "json"):
        shutil.copyfile(
            shared_data / "neurobagel" / f"example_synthetic.{ending}", annotated / f"participants.{ending}"
        )
    folders = [shared_data / "bids" / name for name in REAL]
    folders += [annotated, shared_data / "bids" / "synthetic" / "derivatives" / "fmriprep"]
    with Client(catalog=root / "catalog") as client:
        titles = {client.register_dataset(path)["id"]: path.name for path in folders}
        yield {query: answers(client, query, titles) for query in real_queries()}


GENERATED: dict[str, dict[str, list[str]]] = {
    "under(diagnosis, 'autism": {"study": ["sub-01"]},
    "genetic_data": {},
    "mmse IS NOT NULL": {"study": ["sub-05", "sub-06"]},
    "under(assessment, 'Montreal": {},
    "under(assessment, 'mood": {},
    "has(under(task": {},
    "follow_up_same_scanner": {"study": ["sub-05"]},
    "follow_up >= 1": {"study": ["sub-05", "sub-06"]},
    "under(diagnosis, 'healthy": {"study": ["sub-03"]},
    "species IS NOT NULL": {},
    "under(species": {},
    "has(under(tracer, ": {},
    "has(under(tracer_radionuclide": {},
    "has(diffusion_directions >= 64 AND": {"study": ["sub-03"]},
    "has(diffusion_directions >= 64)": {"study": ["sub-02", "sub-03"]},
    "derived(pipeline = 'fMRIPrep' AND version = '1.0.6'": {},
    "derived(pipeline = 'fMRIPrep' AND version = '23.1.3'": {"made": ["sub-05"]},
    "age BETWEEN 40": {},
    "dataset.license": {},
}
"""Beginning of a query to who is found in the generated study."""

REAL_COUNTS: dict[str, dict[str, int]] = {
    "genetic_data": {"genetics_ukbb": 14},
    "under(assessment, 'Montreal": {"neurobagel": 5},
    "under(assessment, 'mood": {"7t_trt": 22},
    "has(under(task": {"genetics_ukbb": 8},
    "follow_up >= 1": {"neurobagel": 3},
    "species IS NOT NULL": {"micr_SPIM": 1},
    "under(species": {"micr_SPIM": 1},
    "has(under(tracer, ": {"pet001": 1},
    "has(under(tracer_radionuclide": {"pet001": 1},
    "has(diffusion_directions >= 64)": {"ds114": 10, "genetics_ukbb": 14},
    "derived(pipeline = 'fMRIPrep' AND version = '1.0.6'": {"fmriprep": 5},
    "age BETWEEN 40": {"neurobagel": 1, "synthetic": 1},
}
"""Beginning of a query to how many are found in each real dataset; a query that is not here finds nobody."""

UNTRUE = {"follow_up >= 1": "synthetic"}
"""Where a real dataset's answer is left out of the comparison: its dates are drawn by chance, as it says itself."""


def expected_of(table: Mapping[str, Any], query: str) -> Any:
    begun = [found for beginning, found in table.items() if query.startswith(beginning)]
    assert len(begun) <= 1
    return begun[0] if begun else {}


def test_every_question_has_an_answer_to_compare_with() -> None:
    unknown = [query for query in queries() if not any(query.startswith(beginning) for beginning in GENERATED)]
    unused = [begun for begun in {**GENERATED, **REAL_COUNTS} if not any(q.startswith(begun) for q in queries())]
    assert (unknown, unused) == ([], [])


@pytest.mark.parametrize("query", queries())
def test_the_generated_study_answers(generated: dict[str, Answer], query: str) -> None:
    found = {title: sorted(labels) for title, labels in generated[query].items()}
    assert found == expected_of(GENERATED, query)


@pytest.mark.parametrize("query", [query for query in real_queries() if not query.startswith("dataset.license")])
def test_real_datasets_answer(real: dict[str, Answer], query: str) -> None:
    found = {title: len(labels) for title, labels in real[query].items() if UNTRUE.get(query[:14]) != title}
    assert found == expected_of(REAL_COUNTS, query)


def test_licences_are_known_however_they_are_written(real: dict[str, Answer]) -> None:
    (query,) = (query for query in queries() if query.startswith("dataset.license"))
    assert set(real[query]) == {"asl003", "ds003", "genetics_ukbb", "pheno004"}
