"""Lesion segmentation from masks to a model to masks, on drawn heads."""

from __future__ import annotations

import json
import shutil
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from subprocess import CompletedProcess
from types import ModuleType

import nibabel
import numpy as np
import pytest

pytest.importorskip("torch", reason="the extra `pipelines` is not installed")

BUNDLED = Path(__file__).parents[3] / "executors" / "pipelines" / "bundled"
NAMES = ("segment-lesions-train", "segment-lesions", "segment-lesions-evaluate")
Importer = Callable[[str, str], ModuleType]
Run = Callable[..., CompletedProcess[str]]


@dataclass(frozen=True)
class Drawn:
    """Where drawn people and their masks lie: three, the last one healthy."""

    root: Path

    def arguments(self, *, masks: bool = True) -> list[str]:
        found = {flag: sorted(map(str, self.root.rglob(f"*{ending}.nii.gz"))) for flag, ending in self._kinds(masks)}
        return [text for flag, paths in found.items() for text in (flag, *paths)]

    @staticmethod
    def _kinds(masks: bool) -> list[tuple[str, str]]:
        return [("--t1w", "T1w"), ("--flair", "FLAIR"), *([("--lesions", "mask")] if masks else [])]


@pytest.fixture(scope="session")
def drawn(tmp_path_factory: pytest.TempPathFactory) -> Drawn:
    return Drawn(BUNDLED / "segment-lesions-train" / "reference" / "inputs")


SHORT = ["--epochs", "2", "--patches", "4", "--width", "2", "--voxel-mm", "5", "--seed", "1"]


@pytest.fixture(scope="session")
def trained(drawn: Drawn, run_here: Run, tmp_path_factory: pytest.TempPathFactory) -> Path:
    work = tmp_path_factory.mktemp("trained")
    done = run_here("segment-lesions-train", *drawn.arguments(), *SHORT, cwd=work)
    assert (done.returncode, done.stderr) == (0, "")
    return work / "out"


@pytest.fixture
def imported(bundled: Path) -> Iterator[Importer]:
    """Import a module of a pipeline by its short name, and forget it afterwards."""
    import importlib

    before, path = dict(sys.modules), list(sys.path)
    written = sys.dont_write_bytecode
    short = {module.stem for name in NAMES for module in (bundled / name).glob("*.py")}
    for module in short:
        sys.modules.pop(module, None)

    def get(name: str, module: str) -> ModuleType:
        sys.path.insert(0, str(bundled / name))
        return importlib.import_module(module)

    yield get
    sys.path[:] = path
    sys.dont_write_bytecode = written
    for module in short:
        sys.modules.pop(module, None)
    sys.modules.update({module: before[module] for module in short if module in before})


def test_training_says_what_it_did(trained: Path) -> None:
    told = json.loads((trained / "training.json").read_text())
    assert [len(told[name]) for name in ("loss", "dice", "validation_dice")] == [2, 2, 2]
    assert [scan["name"] for scan in told["trained_on"]] == ["sub-ref1", "sub-ref2", "sub-ref3"]
    assert told["trained_on"][0]["files"][2] == "sub-ref1_desc-lesion_mask.nii.gz"
    assert [scan["lesion_voxels"] > 0 for scan in told["trained_on"]] == [True, True, False]
    assert (told["validated_on"], told["left_out"], told["recipe"]["seed"], told["threads"]) == ([], [], 1, 1)
    assert told["determinism"]["mixed_precision"] is False


def test_training_again_writes_the_same_bytes(trained: Path, drawn: Drawn, run_here: Run, tmp_path: Path) -> None:
    done = run_here("segment-lesions-train", *drawn.arguments(), *SHORT, cwd=tmp_path)
    assert done.returncode == 0
    for name in ("model.npz", "training.json"):
        assert (tmp_path / "out" / name).read_bytes() == (trained / name).read_bytes()


def test_the_network_learns_a_bright_ball(imported: Importer) -> None:
    unet, training, taught = (imported("segment-lesions-train", name) for name in ("unet", "training", "taught"))
    dice = np.random.default_rng(3)
    scans = []
    for number in range(3):
        lesion = np.zeros((20, 20, 20), dtype=bool)
        x, y, z = dice.integers(5, 13, 3)
        lesion[x : x + 4, y : y + 4, z : z + 4] = True
        channels = np.stack([np.full(lesion.shape, 0.9), np.where(lesion, 1.6, 0.8)])
        channels = (channels + dice.normal(0, 0.02, channels.shape)).astype(np.float32)
        brain = np.ones(lesion.shape, dtype=bool)
        scans.append(
            taught.Taught(name=str(number), channels=channels, brain=brain, lesion=lesion, files=(), mask_ml=0)
        )
    design = unet.Design(contrasts=("T1w", "FLAIR"), voxel_mm=3.0, patch=16, width=4)
    device = unet.settle(seed=1, threads=1)
    network = unet.UNet(design).to(device)
    recipe = training.Recipe(seed=1, epochs=12, patches=8)
    epochs = list(training.train(network, scans[:2], scans[2:], design, recipe, device))
    assert epochs[-1].loss < 0.95 * epochs[0].loss
    assert epochs[-1].validation_dice > 0.7
    (whole,) = training.validate(network, scans[2:], design, device)
    assert whole > 0.7


def test_patches_cover_a_brain_of_any_size_and_nothing_else(imported: Importer) -> None:
    import torch

    unet = imported("segment-lesions", "unet")
    design = unet.Design(contrasts=("T1w", "FLAIR"), voxel_mm=3.0, patch=8, width=1)

    class Always(torch.nn.Module):
        def forward(self, given: torch.Tensor) -> torch.Tensor:
            return torch.zeros_like(given[:, :1])

    for shape, low, high in (((5, 20, 9), (0, 3, 2), (5, 18, 9)), ((8, 8, 8), (0, 0, 0), (8, 8, 8))):
        brain = np.zeros(shape, dtype=bool)
        brain[tuple(slice(a, b) for a, b in zip(low, high, strict=True))] = True
        channels = np.zeros((2, *shape), dtype=np.float32)
        made = unet.probabilities(Always(), design, channels, brain, device=torch.device("cpu"))
        assert np.allclose(made, np.where(brain, 0.5, 0))
    assert not unet.probabilities(Always(), design, channels, ~brain, device=torch.device("cpu")).any()


def test_lesions_are_listed_by_size_and_the_small_ones_dropped(imported: Importer) -> None:
    segmentation = imported("segment-lesions", "segmentation")
    chance = np.zeros((10, 10, 10), dtype=np.float32)
    chance[1:3, 1:3, 1:3] = 0.6
    chance[3, 3, 3] = 0.95  # touches by a corner: one lesion
    chance[7, 7, 7] = 0.5
    affine = np.diag([2.0, 2.0, 5.0, 1.0])
    mask, lesions = segmentation.part(chance, 0.5, affine, least_ml=0)
    assert (int(mask.sum()), [lesion.voxels for lesion in lesions]) == (10, [9, 1])
    assert lesions[0].volume_ml == pytest.approx(9 * 0.02)
    assert lesions[0].peak == pytest.approx(0.95)
    assert lesions[1].centre_mm == (14.0, 14.0, 35.0)
    mask, lesions = segmentation.part(chance, 0.5, affine, least_ml=0.021)
    assert (int(mask.sum()), len(lesions)) == (9, 1)


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        (
            "/inputs/1/sub-01/ses-2/anat/sub-01_ses-2_FLAIR.nii.gz",
            "sub-01/ses-2/anat/sub-01_ses-2_label-lesion_mask.json",
        ),
        ("sub-01/anat/sub-01_acq-x_desc-n_FLAIR.nii", "sub-01/anat/sub-01_acq-x_label-lesion_desc-n_mask.json"),
    ],
)
def test_results_are_named_as_bids_does(imported: Importer, given: str, expected: str) -> None:
    labelled = imported("segment-lesions", "segmentation").labelled_path
    assert str(labelled(Path(given), "mask", ".json")) == expected


def test_results_lie_on_the_grid_of_the_flair(trained: Path, drawn: Drawn, run_here: Run, tmp_path: Path) -> None:
    # A model that knows little finds lesions everywhere above a low threshold: the mask is not empty.
    model = ["--model", trained / "model.npz", "--threshold", "0.01"]
    done = run_here("segment-lesions", *model, *drawn.arguments(masks=False), cwd=tmp_path)
    assert (done.returncode, done.stderr) == (0, "")
    flair = nibabel.load(next(drawn.root.rglob("sub-ref1_FLAIR.nii.gz")))
    folder = tmp_path / "out" / "sub-ref1" / "anat"
    mask, chance = (nibabel.load(folder / f"sub-ref1_label-lesion_{end}.nii.gz") for end in ("mask", "probseg"))
    for image in (mask, chance):
        assert image.shape == flair.shape
        assert np.allclose(image.affine, flair.affine)
    assert mask.get_data_dtype() == np.uint8
    told = json.loads((folder / "sub-ref1_label-lesion_mask.json").read_text())
    inside = np.asarray(mask.dataobj) > 0
    assert told["measures"]["lesion_ml"] == pytest.approx(inside.sum() * 0.216, abs=1e-3)
    assert told["measures"]["lesion_count"] == len(told["lesions"]) > 0
    assert np.asarray(chance.dataobj)[inside].min() >= 0.01 - 0.0006
    page = (tmp_path / "out" / "sub-ref1.html").read_text()
    assert "data:image/png;base64," in page
    assert "Lesions of sub-ref1" in page


def test_a_scan_without_flair_or_mask_is_left_out(drawn: Drawn, run_here: Run, tmp_path: Path) -> None:
    people = tmp_path / "people"
    shutil.copytree(drawn.root, people)
    next(people.rglob("sub-ref2_FLAIR.nii.gz")).unlink()
    next(people.rglob("sub-ref3*mask.nii.gz")).unlink()
    done = run_here("segment-lesions-train", *Drawn(people).arguments(), *SHORT, cwd=tmp_path)
    assert (done.returncode, done.stderr) == (0, "")
    told = json.loads((tmp_path / "out" / "training.json").read_text())
    assert [scan["name"] for scan in told["trained_on"]] == ["sub-ref1"]
    assert {entry["name"]: entry["reason"] for entry in told["left_out"]} == {
        "sub-ref2": "no FLAIR",
        "sub-ref3": "no mask",
    }


@pytest.mark.parametrize("harm", ["cut", "empty", "constant", "probabilities", "no lesion"])
def test_what_cannot_be_learnt_from_is_said_in_one_line(
    drawn: Drawn, imported: Importer, tmp_path: Path, capsys: pytest.CaptureFixture[str], harm: str
) -> None:
    people = tmp_path / "people"
    shutil.copytree(drawn.root, people)
    flair, mask = next(people.rglob("sub-ref1_FLAIR.nii.gz")), next(people.rglob("sub-ref1*mask.nii.gz"))
    image = nibabel.load(mask)
    if harm == "cut":
        flair.write_bytes(flair.read_bytes()[:2000])
    elif harm == "empty":
        flair.write_bytes(b"")
    elif harm == "constant":
        nibabel.save(nibabel.Nifti1Image(np.ones(image.shape, np.uint8), image.affine), flair)
    elif harm == "probabilities":
        chance = np.linspace(0, 1, int(np.prod(image.shape)), dtype=np.float32).reshape(image.shape)
        nibabel.save(nibabel.Nifti1Image(chance, image.affine), mask)
    else:
        for path in people.rglob("*mask.nii.gz"):
            nibabel.save(nibabel.Nifti1Image(np.zeros(image.shape, np.uint8), image.affine), path)
    run = imported("segment-lesions-train", "run")
    assert run.main([*Drawn(people).arguments(), *SHORT, "--out", str(tmp_path / "out")]) == 65
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("segment-lesions-train: ")
    wanted = {"probabilities": mask.name, "no lesion": "no mask has a lesion"}.get(harm, flair.name)
    assert wanted in line
    assert not (tmp_path / "out").exists()


def test_a_model_of_something_else_is_refused(
    drawn: Drawn,
    trained: Path,
    imported: Importer,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    damaged, other = tmp_path / "damaged.npz", tmp_path / "other.npz"
    damaged.write_bytes((trained / "model.npz").read_bytes()[:5000])
    about = json.dumps({"format": "sillage-patch-autoencoder/1"}).encode()
    np.savez(other, about=np.frombuffer(about, dtype=np.uint8))
    run = imported("segment-lesions", "run")
    for model in (damaged, other, tmp_path / "missing.npz"):
        assert run.main(["--model", str(model), *drawn.arguments(masks=False), "--out", str(tmp_path / "out")]) == 65
        assert capsys.readouterr().err.startswith(f"segment-lesions: {model.name}: ")
    assert not (tmp_path / "out").exists()


def test_one_bad_scan_does_not_stop_the_others(
    drawn: Drawn,
    trained: Path,
    imported: Importer,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    people = tmp_path / "people"
    shutil.copytree(drawn.root, people)
    next(people.rglob("sub-ref1_FLAIR.nii.gz")).write_bytes(b"no image at all")
    next(people.rglob("sub-ref2_FLAIR.nii.gz")).unlink()
    arguments = ["--model", str(trained / "model.npz"), *Drawn(people).arguments(masks=False)]
    run = imported("segment-lesions", "run")
    assert run.main([*arguments, "--out", str(tmp_path / "out")]) == 65
    first, second = capsys.readouterr().err.splitlines()
    assert "sub-ref1_FLAIR.nii.gz" in first
    assert "sub-ref2_T1w.nii.gz: the FLAIR image of the same session is missing" in second
    assert [path.name for path in (tmp_path / "out").glob("*.html")] == ["sub-ref3.html"]


@pytest.mark.parametrize("wrong", [["--epochs", "0"], ["--voxel-mm", "9"], ["--width", "0"], ["--seed", "-1"]])
def test_wrong_usage_is_told(imported: Importer, capsys: pytest.CaptureFixture[str], wrong: list[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        imported("segment-lesions-train", "run").main(["--t1w", "a", "--flair", "b", "--lesions", "c", *wrong])
    assert caught.value.code == 2
    assert "error" in capsys.readouterr().err
