"""The siamese form and the latent map: places, distances and axes by brute force, and the programs end to end."""

from __future__ import annotations

import hashlib
import importlib
import importlib.util
import json
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType

import nibabel
import numpy as np
import pytest

pytest.importorskip("torch", reason="the extra `pipelines` is not installed")
if importlib.util.find_spec("umap") is None:
    pytest.skip("the extra `pipelines` is not installed", allow_module_level=True)

PHANTOMS = Path(__file__).parents[3] / "executors" / "pipelines" / "bundled" / "phantoms"
Importer = Callable[[str], ModuleType]


@pytest.fixture(scope="module")
def people(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[..., dict[str, list[str]]]]:
    """Write drawn people, all healthy but those given lesions, and return their images by input."""
    sys.path.insert(0, str(PHANTOMS))
    root = tmp_path_factory.mktemp("people")
    heads, drawn = importlib.import_module("heads"), importlib.import_module("people")

    def write(name: str, seeds: range, lesions: int = 0) -> dict[str, list[str]]:
        crowd = [heads.Person(seed=seed, edge=34, mm=6.0, lesions=lesions) for seed in seeds]
        found = drawn.write_people(root / name, crowd)
        return {contrast: [str(root / name / path) for path in paths] for contrast, paths in found.items()}

    yield write
    sys.path.remove(str(PHANTOMS))
    for module in ("heads", "people", "cases"):
        sys.modules.pop(module, None)


def _arguments(images: dict[str, list[str]]) -> list[str]:
    return ["--t1w", *images["t1w"], "--flair", *images["flair"]]


@pytest.fixture(scope="module")
def siamese(people, run_here, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Train the siamese form on six people."""
    work = tmp_path_factory.mktemp("siamese")
    arguments = [*_arguments(people("healthy", range(1, 7))), "--form", "siamese", "--epochs", "6"]
    done = run_here("anomaly-autoencoder-train", *arguments, cwd=work)
    assert (done.returncode, done.stderr) == (0, "")
    return work / "out" / "model.npz"


def test_a_place_is_the_same_in_brains_of_another_size(detector) -> None:
    normal = detector("normal")
    small, large = np.zeros((30, 30, 30), dtype=bool), np.zeros((60, 60, 60), dtype=bool)
    small[5:25, 5:25, 5:25] = True
    large[10:50, 10:50, 10:50] = True
    one, other = normal.Box.around(small), normal.Box.around(large)
    corners = np.array([[5, 5, 5], [12, 13, 14], [20, 21, 22]])
    places = one.places(corners, 4)
    assert np.array_equal(one.corners(places, 4), corners)
    assert np.abs(other.corners(places, 4) + 1.5 - 2 * (corners + 1.5)).max() <= 1.5
    assert (normal.cells_of(np.array([[-9.0, 0, 0], [9, 0, 0], [-1, -1, -1]])) >= 0).all()
    assert normal.cells_of(np.array([[1.0, 1, 1]])) == [normal.CELLS**3 - 1]


def test_normal_codes_are_those_of_a_loop_over_cells(detector) -> None:
    normal = detector("normal")
    dice = np.random.default_rng(3)
    scans = []
    for _ in range(4):
        cells = dice.integers(1000, 1012, 400)
        scans.append((cells, (dice.normal(0, 1 + cells[:, None] % 3, (400, 5)) + cells[:, None]).astype(np.float32)))
    learnt = normal.Normal.learn(lambda: iter(scans))
    cells = np.concatenate([cells for cells, _ in scans])
    codes = np.concatenate([codes for _, codes in scans]).astype(np.float64)
    within = np.zeros((5, 5))
    for cell in range(1000, 1012):
        mine = codes[cells == cell]
        assert np.allclose(learnt.means[cell], mine.mean(axis=0), rtol=1e-5)
        for code in mine - mine.mean(axis=0):
            within += np.outer(code, code)
    within /= len(codes) - 12
    within += np.eye(5) * normal.RIDGE * np.trace(within) / 5
    assert np.allclose(learnt.precision, np.linalg.inv(within), rtol=1e-4)
    found = learnt.distances(cells, codes.astype(np.float32))
    row = 17
    away = codes[row] - learnt.means[cells[row]]
    squared = away @ np.linalg.inv(within) @ away / 5 / learnt.scales[cells[row]]
    assert found[row] == pytest.approx(np.sqrt(squared), rel=1e-3)
    assert np.sqrt((found**2).mean()) == pytest.approx(1, abs=0.1)
    # A cell that nobody was seen in knows what its neighbour knows.
    assert np.array_equal(learnt.means[999], learnt.means[1000])


def test_axes_are_those_of_a_library(detector, latent) -> None:
    from sklearn.decomposition import PCA

    codes = np.random.default_rng(1).normal(size=(80, 6)) * np.arange(1, 7)
    axes = latent("embedding").principal_axes(codes, 3)
    theirs = PCA(3, svd_solver="full").fit(codes)
    assert np.allclose(np.abs(axes.place(codes)), np.abs(theirs.transform(codes)), atol=1e-4)
    assert np.allclose(axes.explained, theirs.explained_variance_ratio_, atol=1e-3)
    assert np.abs(axes.directions).max(axis=1) == pytest.approx(axes.directions.max(axis=1))
    # More axes than there is to see: the others say nothing.
    assert latent("embedding").principal_axes(codes[:2], 4).directions.shape == (4, 6)


def test_training_on_pairs_again_writes_the_same_bytes(people, trainer, tmp_path: Path) -> None:
    few = _arguments(people("few", range(1, 4)))
    digests = set()
    for turn in "ab":
        arguments = [*few, "--form", "siamese", "--epochs", "1", "--out", str(tmp_path / turn)]
        assert trainer("run").main(arguments) == 0
        digests.add(hashlib.sha256((tmp_path / turn / "model.npz").read_bytes()).hexdigest())
    assert len(digests) == 1
    told = json.loads((tmp_path / "a" / "training.json").read_text())
    assert told["design"]["form"] == "siamese"


def test_one_person_has_no_twin(people, trainer, tmp_path: Path, capsys) -> None:
    alone = _arguments(people("alone", range(1, 2)))
    assert trainer("run").main([*alone, "--form", "siamese", "--out", str(tmp_path / "out")]) == 65
    assert "one scan has no partner" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


def test_the_siamese_form_ranks_lesions_above_other_white_matter(
    siamese: Path, people, detector, tmp_path: Path
) -> None:
    heads = sys.modules["heads"]
    ill = people("ill", range(21, 23), 6)
    arguments = ["--model", str(siamese), *_arguments(ill), "--out", str(tmp_path)]
    assert detector("run").main(arguments) == 0
    for seed, path in zip((21, 22), sorted(tmp_path.rglob("*.nii.gz")), strict=True):
        truth = heads.anatomy(heads.Person(seed=seed, edge=34, mm=6.0, lesions=6))
        scores = np.asarray(nibabel.load(path).dataobj)
        assert scores.min() >= 0
        assert scores[truth == heads.LESION].mean() > 1.5 * scores[truth == heads.WHITE].mean()
    told = json.loads(next(tmp_path.rglob("*.json")).read_text())
    assert told["form"] == "siamese"
    # A distance has no sign.
    assert "darker_voxels" not in told["brain"]
    assert "farther from normal" in next(tmp_path.glob("*.html")).read_text()


def test_a_latent_map_marks_the_training_and_is_the_same_twice(siamese: Path, people, latent, tmp_path: Path) -> None:
    known, others = people("healthy", range(1, 7)), people("others", range(41, 43), 6)
    images = {contrast: [*known[contrast], *others[contrast]] for contrast in ("t1w", "flair")}
    arguments = ["--model", str(siamese), *_arguments(images), "--points", "160", "--seed", "4", "--out"]
    written = []
    for turn in "ab":
        assert latent("run").main([*arguments, str(tmp_path / turn)]) == 0
        written.append({path.name: path.read_bytes() for path in sorted((tmp_path / turn).iterdir())})
    assert written[0] == written[1]
    assert sorted(written[0]) == [
        "latent-map.html",
        "latent-map.json",
        "latent-map_patches.tsv",
        "latent-map_scans.tsv",
    ]
    heading, *scans = (line.split("\t") for line in written[0]["latent-map_scans.tsv"].decode().splitlines())
    assert heading == ["scan", "group", "patches", "pca1", "pca2", "distance"]
    # Both folders have a sub-01; who is known is told by the image.
    assert sorted(row[1] for row in scans) == ["judged"] * 2 + ["trained on"] * 6
    assert len({row[0] for row in scans}) == 8
    patches = [line.split("\t") for line in written[0]["latent-map_patches.tsv"].decode().splitlines()]
    assert len(patches) - 1 == sum(int(row[2]) for row in scans) == 160
    assert np.isfinite(np.array([row[6:] for row in patches[1:]], dtype=float)).all()
    told = json.loads(written[0]["latent-map.json"])
    assert (told["trained_on"], told["scans"], told["contrasts"]) == (6, 8, ["T1w", "FLAIR"])


def test_a_latent_map_refuses_what_it_cannot_read(siamese: Path, people, latent, tmp_path: Path, capsys) -> None:
    images = people("few", range(1, 4))
    run = latent("run").main
    assert run(["--model", images["t1w"][0], "--t1w", *images["t1w"], "--out", str(tmp_path / "o")]) == 65
    assert "not a model of the trainer" in capsys.readouterr().err
    only = ["--model", str(siamese), "--t1w", images["t1w"][0], "--flair", images["flair"][1]]
    assert run([*only, "--out", str(tmp_path / "o")]) == 65
    assert "the T1w image of the same session is missing" in capsys.readouterr().err
    assert not (tmp_path / "o").exists()


def test_what_a_program_reports_of_its_framework(siamese: Path, latent, tmp_path: Path, monkeypatch) -> None:
    network = latent("network")
    monkeypatch.setenv("SILLAGE_REPORT", str(tmp_path / "report.json"))
    network.describe_device(network.settle(7, 1))
    told = json.loads((tmp_path / "report.json").read_text())
    assert told["frameworks"]["torch"]
    assert (told["determinism"]["threads"], told["determinism"]["seed"]) == (1, 7)
