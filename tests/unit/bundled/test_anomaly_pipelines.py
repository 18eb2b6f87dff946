"""The anomaly auto-encoder from training to map, on a small synthetic study."""

from __future__ import annotations

import csv
import hashlib
import json
from dataclasses import dataclass
from pathlib import Path

import nibabel
import numpy as np
import pytest

pytest.importorskip("torch", reason="the extra `pipelines` is not installed")
pytest.importorskip("nilearn", reason="the extra `demo` is not installed")


@dataclass(frozen=True)
class Trained:
    """A study, who in it is healthy, and a model trained on some of them."""

    healthy: list[Path]
    ill: list[Path]
    taught: list[Path]
    model: Path


def _images(people: list[Path], suffix: str) -> list[str]:
    paths = (folder / f"{folder.parent.name}_{suffix}.nii.gz" for folder in people)
    return [str(path) for path in paths if path.exists()]


def _people(dataset: Path, column: str, healthy: str) -> tuple[list[Path], list[Path]]:
    with (dataset / "participants.tsv").open() as table:
        rows = list(csv.DictReader(table, delimiter="\t"))
    parted: dict[bool, list[Path]] = {True: [], False: []}
    for row in rows:
        parted[row[column] == healthy].append(dataset / row["participant_id"] / "anat")
    return parted[True], parted[False]


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory, run_here) -> Trained:
    from sillage.demo.study import make_study

    work = tmp_path_factory.mktemp("anomaly")
    north, coast = make_study(work / "study", participants=(11, 4), seed=5)
    healthy, ill = _people(north, "diagnosis", "HC")
    more, _ = _people(coast, "dx", "healthy control")
    taught = healthy[:-1] + more
    arguments = ["--t1w", *_images(taught, "T1w"), "--flair", *_images(taught, "FLAIR"), "--epochs", "12"]
    done = run_here("anomaly-autoencoder-train", *arguments, cwd=work)
    assert (done.returncode, done.stderr) == (0, "")
    assert sorted(path.name for path in (work / "out").iterdir()) == ["model.npz", "training.json"]
    return Trained(healthy, ill, taught, work / "out" / "model.npz")


def _tissue(out: Path, tissue: str) -> list[float]:
    return [json.loads(path.read_text())["tissues"][tissue]["abnormal_percent"] for path in sorted(out.rglob("*.json"))]


def test_training_learns_and_says_what_it_did(trained: Trained) -> None:
    told = json.loads(trained.model.with_name("training.json").read_text())
    assert len(told["loss"]) == 12
    assert told["loss"][-1] < 0.5 * told["loss"][0]
    assert told["device"] in ("cpu", "cuda")
    assert told["recipe"]["seed"] == 1
    names = [entry["name"] for entry in told["trained_on"] + told["calibrated_on"]]
    assert sorted(names) == sorted(folder.parent.name for folder in trained.taught)


def test_training_again_writes_the_same_bytes(trained: Trained, trainer, tmp_path: Path) -> None:
    few = trained.taught[:2]
    short = ["--t1w", *_images(few, "T1w"), "--flair", *_images(few, "FLAIR"), "--epochs", "2", "--out"]
    digests = set()
    for turn in "ab":
        assert trainer("run").main([*short, str(tmp_path / turn)]) == 0
        digests.add(hashlib.sha256((tmp_path / turn / "model.npz").read_bytes()).hexdigest())
    assert len(digests) == 1


def test_lesions_light_up_in_the_ill_and_not_in_the_healthy(trained: Trained, detector, tmp_path: Path) -> None:
    run = detector("run")
    for group, everybody in (("ill", trained.ill), ("healthy", trained.healthy)):
        people = [person for person in everybody if _images([person], "FLAIR")]
        arguments = ["--model", str(trained.model), "--t1w", *_images(people, "T1w")]
        arguments += ["--flair", *_images(people, "FLAIR"), "--out", str(tmp_path / group)]
        assert run.main(arguments) == 0
    ill, healthy = _tissue(tmp_path / "ill", "wm"), _tissue(tmp_path / "healthy", "wm")
    assert len(ill) >= 5
    assert np.mean(ill) > 3 * np.mean(healthy)
    assert np.median(ill) > max(healthy)


def test_a_run_writes_map_measures_picture_and_report(trained: Trained, run_pipeline, detector, tmp_path: Path) -> None:
    person = next(folder for folder in trained.ill if _images([folder], "FLAIR"))
    label = person.parent.name
    files = ["--t1w", *_images([person], "T1w"), "--flair", *_images([person], "FLAIR")]
    done = run_pipeline("anomaly-autoencoder", "--model", trained.model, *files, cwd=tmp_path)
    assert (done.returncode, done.stderr) == (0, "")
    stem = f"out/{label}/anat/{label}_desc-anomaly_FLAIR"
    written = {str(path.relative_to(tmp_path)) for path in tmp_path.rglob("*") if path.is_file()}
    picture = f"out/{label}/figures/{label}_desc-anomaly_FLAIR.png"
    assert written == {f"out/{label}.html", f"{stem}.nii.gz", f"{stem}.json", picture}
    scores = nibabel.load(tmp_path / f"{stem}.nii.gz")
    flair = nibabel.load(_images([person], "FLAIR")[0])
    assert scores.shape == flair.shape
    assert np.allclose(scores.affine, flair.affine)
    told = json.loads((tmp_path / f"{stem}.json").read_text())
    assert told["brain"]["brighter_voxels"] > told["brain"]["darker_voxels"]
    brightest = flair.get_fdata() > np.percentile(flair.get_fdata(), 99.9)
    values = scores.get_fdata()
    assert values[brightest].mean() > 1.5 > 10 * abs(values[values != 0].mean())
    # Again, in this process: the same bytes.
    again = tmp_path / "again"
    assert detector("run").main(["--model", str(trained.model), *files, "--out", str(again / "out")]) == 0
    for path in written:
        assert (again / path).read_bytes() == (tmp_path / path).read_bytes(), path


def test_without_flair_the_t1w_is_judged(trained: Trained, detector, tmp_path: Path) -> None:
    t1w = _images(trained.ill[:1], "T1w")
    assert detector("run").main(["--model", str(trained.model), "--t1w", *t1w, "--out", str(tmp_path)]) == 0
    told = json.loads(next(tmp_path.rglob("*.json")).read_text())
    assert told["contrast"] == "T1w"
    assert told["Sources"] == [f"{trained.ill[0].parent.name}/anat/{Path(t1w[0]).name}"]


def test_bad_files_are_named(trained: Trained, detector, tmp_path: Path, capsys) -> None:
    t1w = _images(trained.healthy[:1], "T1w")
    broken = tmp_path / "model.npz"
    broken.write_bytes(trained.model.read_bytes()[:1000])
    run = detector("run").main
    assert run(["--model", str(broken), "--t1w", *t1w, "--out", str(tmp_path / "o")]) == 65
    assert "anomaly-autoencoder: model.npz: not a model" in capsys.readouterr().err
    lonely = str(tmp_path / "sub-09_FLAIR.nii.gz")
    assert run(["--model", str(trained.model), "--t1w", *t1w, "--flair", lonely, "--out", str(tmp_path / "o")]) == 65
    assert "sub-09_FLAIR.nii.gz: the T1w image of the same session is missing" in capsys.readouterr().err
    assert next((tmp_path / "o").rglob("*_desc-anomaly_T1w.json"))


def test_training_refuses_what_it_cannot_read(trainer, tmp_path: Path, capsys) -> None:
    empty = tmp_path / "sub-01_T1w.nii.gz"
    empty.write_bytes(b"")
    assert trainer("run").main(["--t1w", str(empty), "--out", str(tmp_path / "out")]) == 65
    assert "sub-01_T1w.nii.gz: the file is empty" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


def test_another_grid_gives_the_same_answer(trained: Trained, detector, tmp_path: Path) -> None:
    """A FLAIR that is turned and flipped in storage is the same FLAIR."""
    person = next(folder for folder in trained.ill if _images([folder], "FLAIR"))
    image = nibabel.load(_images([person], "FLAIR")[0])
    turned = tmp_path / "in" / Path(_images([person], "FLAIR")[0]).name
    turned.parent.mkdir()
    t1w = turned.with_name(turned.name.replace("FLAIR", "T1w"))
    t1w.write_bytes(Path(_images([person], "T1w")[0]).read_bytes())
    nibabel.save(image.as_reoriented(np.array([[1, -1], [2, 1], [0, -1]])), turned)
    run = detector("run").main
    maps = []
    for name, flair in (("plain", _images([person], "FLAIR")[0]), ("turned", str(turned))):
        out = tmp_path / name
        anat = Path(flair).with_name(t1w.name)
        assert run(["--model", str(trained.model), "--t1w", str(anat), "--flair", flair, "--out", str(out)]) == 0
        maps.append(nibabel.as_closest_canonical(nibabel.load(next(out.rglob("*.nii.gz")))).get_fdata())
    assert np.abs(maps[0] - maps[1]).max() < 0.05
