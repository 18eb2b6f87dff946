"""The synthetic study: valid, deterministic, with the people and the dirt that the story needs."""

from __future__ import annotations

import csv
import hashlib
import json
import shutil
import subprocess
import sys
from pathlib import Path

import nibabel
import numpy as np
import pytest

from ontology.errors import ConflictError, InvalidRequestError
from sillage.demo.study import make_study
from sillage.demo.study.people import DIAGNOSES, draw_people
from sillage.demo.study.sites import COAST, NORTH, SITES

pytest.importorskip("nilearn", reason="the extra `demo` is not installed")


@pytest.fixture(scope="module")
def study(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    return make_study(tmp_path_factory.mktemp("study"), voxel_mm=6)


def _rows(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8") as table:
        return list(csv.DictReader(table, delimiter="\t"))


def _sidecar(dataset: Path, participant: str, suffix: str) -> dict[str, object]:
    merged = json.loads((dataset / f"{suffix}.json").read_text())
    own = dataset / participant / "anat" / f"{participant}_{suffix}.json"
    return merged | (json.loads(own.read_text()) if own.exists() else {})


def _digests(folder: Path) -> dict[str, str]:
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    return {str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


def test_the_story_finds_its_cohort(study: list[Path]) -> None:
    """Multiple sclerosis, 30 to 50 years, FLAIR at 3 T and T1w: counted by hand from the files."""
    found = []
    for dataset, columns in zip(study, (("diagnosis", "age"), ("dx", "Age")), strict=True):
        for row in _rows(dataset / "participants.tsv"):
            label, (dx, age) = row["participant_id"], (row[column] for column in columns)
            ill = dx in ("RRMS", "SPMS", "PPMS") or dx.endswith("multiple sclerosis")
            has = {s for s in ("T1w", "FLAIR") if (dataset / label / "anat" / f"{label}_{s}.nii.gz").exists()}
            strong = has == {"T1w", "FLAIR"} and _sidecar(dataset, label, "FLAIR")["MagneticFieldStrength"] >= 3
            if ill and strong and age != "n/a" and 30 <= int(age) <= 50:
                found.append(label)
    assert 8 <= len(found) <= 10
    assert any(label.startswith("sub-1") and len(label) == 7 for label in found), "from both sites"


def test_forty_two_people_two_spellings(study: list[Path]) -> None:
    north, coast = (_rows(dataset / "participants.tsv") for dataset in study)
    assert (len(north), len(coast)) == (22, 20)
    assert list(north[0]) == ["participant_id", "age", "sex", "handedness", "diagnosis"]
    assert list(coast[0]) == ["participant_id", "Age", "gender", "hand", "dx", "EDSS"]
    for dataset, rows in zip(study, (north, coast), strict=True):
        folders = {path.name for path in dataset.glob("sub-*")}
        assert folders == {row["participant_id"] for row in rows}
        described = json.loads((dataset / "participants.json").read_text())
        assert set(described) == set(rows[0]) - {"participant_id"}
    levels = json.loads((study[0] / "participants.json").read_text())["diagnosis"]["Levels"]
    assert {row["diagnosis"] for row in north} == set(levels) == {"HC", "RRMS", "SPMS", "PPMS"}
    assert levels["RRMS"]["TermURL"] == "http://purl.obolibrary.org/obo/DOID_2378"


def test_the_dirt_is_there(study: list[Path]) -> None:
    coast = _rows(study[1] / "participants.tsv")
    assert {"M,", "n/a"} <= {row["gender"] for row in coast}
    assert {"unknown", "n/a"} <= {row["hand"] for row in coast}
    assert "Multiple Sclerossis" in {row["dx"] for row in coast}
    assert "n/a" in {row["Age"] for row in coast}
    assert "n/a" in {row["edss"] for row in _rows(study[0] / "phenotype" / "edss.tsv")}


def test_sidecars_inherit_and_override(study: list[Path]) -> None:
    north, coast = study
    assert _sidecar(north, "sub-01", "T1w")["ManufacturersModelName"] == "MAGNETOM Prisma"
    assert not (north / "sub-01" / "anat" / "sub-01_T1w.json").exists()
    other = _sidecar(north, "sub-08", "FLAIR")
    assert (other["MagneticFieldStrength"], other["Manufacturer"]) == (1.5, "Siemens")
    assert "Manufacturer" not in json.loads((coast / "T1w.json").read_text())
    assert {_sidecar(coast, path.name, "T1w")["MagneticFieldStrength"] for path in coast.glob("sub-*")} == {1.5, 3.0}


def test_some_have_no_flair(study: list[Path]) -> None:
    for dataset in study:
        people = list(dataset.glob("sub-*"))
        assert len(list(dataset.rglob("*_T1w.nii.gz"))) == len(people)
        assert len(list(dataset.rglob("*_FLAIR.nii.gz"))) == len(people) - 2


def test_images_are_sound(study: list[Path]) -> None:
    for path in study[0].rglob("sub-0[12]_*.nii.gz"):
        image = nibabel.load(path)
        assert image.get_data_dtype() == np.int16
        assert np.allclose(image.affine, image.get_qform())
        assert np.allclose(image.header.get_zooms(), 6)
        assert nibabel.aff2axcodes(image.affine) == ("R", "A", "S")
        data = np.asarray(image.dataobj)
        middle = tuple(n // 2 for n in data.shape)
        assert data[middle] > 10 * np.median(data[:3])


def test_lesions_are_bright_on_flair(study: list[Path]) -> None:
    """The brightest voxels deep in the brain are those of the ill."""

    def peak(dataset: Path, participant: str) -> float:
        data = np.asarray(nibabel.load(dataset / participant / "anat" / f"{participant}_FLAIR.nii.gz").dataobj)
        x, y, z = (n // 2 for n in data.shape)
        deep = data[x - 6 : x + 6, y - 8 : y + 8, z - 2 : z + 5].astype(float)
        return float(np.percentile(deep, 99.5) / np.median(deep))

    peaks: dict[bool, list[float]] = {True: [], False: []}
    for row in _rows(study[0] / "participants.tsv"):
        if (study[0] / row["participant_id"] / "anat" / f"{row['participant_id']}_FLAIR.nii.gz").exists():
            peaks[row["diagnosis"] == "HC"].append(peak(study[0], row["participant_id"]))
    assert np.mean(peaks[False]) > 1.15 * np.mean(peaks[True])


def test_one_seed_one_study(tmp_path: Path) -> None:
    for name, seed in (("a", 1), ("b", 1), ("c", 2)):
        make_study(tmp_path / name, seed=seed, participants=(3, 2), voxel_mm=8)
    assert _digests(tmp_path / "a") == _digests(tmp_path / "b")
    assert _digests(tmp_path / "a") != _digests(tmp_path / "c")


def test_progress_counts_everybody(tmp_path: Path) -> None:
    seen: list[tuple[int, int]] = []
    make_study(tmp_path, participants=(2, 1), voxel_mm=8, progress=lambda done, total: seen.append((done, total)))
    assert seen == [(1, 3), (2, 3), (3, 3)]


def test_people_fit_their_diagnosis() -> None:
    for site in SITES:
        people = draw_people(site.roster, 200, seed=9)
        assert people == draw_people(site.roster, 200, seed=9)
        assert len({person.label for person in people}) == 200
        for person in people:
            youngest, oldest = DIAGNOSES[person.diagnosis].ages
            assert youngest <= person.age <= oldest
            assert (person.edss is None) == (not person.ill)
            assert (person.lesions > 0) == person.ill
            assert person.duration is None or person.duration <= person.age - 15
    assert not {p.label for p in draw_people(NORTH.roster, 22, seed=1)} & {
        p.label for p in draw_people(COAST.roster, 20, seed=1)
    }


def test_a_folder_with_something_in_it_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "coastal-neuro-registry").mkdir()
    (tmp_path / "coastal-neuro-registry" / "mine.txt").write_text("mine")
    with pytest.raises(ConflictError):
        make_study(tmp_path)
    assert sorted(path.name for path in tmp_path.rglob("*")) == ["coastal-neuro-registry", "mine.txt"]


@pytest.mark.parametrize("wrong", [{"participants": (0, 3)}, {"participants": (3,)}, {"voxel_mm": 0.1}])
def test_numbers_out_of_range_are_refused(tmp_path: Path, wrong: dict[str, object]) -> None:
    with pytest.raises(InvalidRequestError):
        make_study(tmp_path, **wrong)
    assert not list(tmp_path.iterdir())


def test_the_command_prints_the_folders(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "sillage.demo.study", str(tmp_path / "s"), "--participants", "1", "1"]
    first = subprocess.run([*command, "--voxel-mm", "8"], capture_output=True, text=True, check=False)
    assert (first.returncode, first.stderr) == (0, "")
    assert first.stdout.split() == [str(tmp_path / "s" / site.folder) for site in SITES]
    again = subprocess.run(command, capture_output=True, text=True, check=False)
    assert again.returncode == 4
    assert "Traceback" not in again.stderr


def test_the_validator_finds_no_error(study: list[Path], tmp_path: Path) -> None:
    validator = shutil.which("bids-validator-deno") or Path(sys.executable).with_name("bids-validator-deno")
    if not Path(validator).exists():
        pytest.skip("bids-validator-deno (extra `demo`) is not installed")
    for dataset in study:
        done = subprocess.run(
            [validator, "--format", "json", str(dataset)], capture_output=True, text=True, check=False, cwd=tmp_path
        )
        assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-2000:]
