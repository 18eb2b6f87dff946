"""The measures of segment-lesions-evaluate against definitions counted out voxel by voxel."""

from __future__ import annotations

import itertools
import json
import math
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType

import nibabel
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

pytest.importorskip("monai", reason="the extra `pipelines` is not installed")

SPACINGS = st.tuples(*[st.sampled_from([0.5, 1.0, 1.2, 3.0])] * 3)
SHAPES = st.tuples(*[st.integers(4, 7)] * 3)


@pytest.fixture(scope="module")
def modules(bundled: Path) -> Iterator[dict[str, ModuleType]]:
    """Import the evaluator's modules by their short names, for as long as these tests run."""
    import importlib
    import sys

    names = ("images", "lesion_masks", "scores", "run")
    hidden = {name: sys.modules.pop(name) for name in names if name in sys.modules}
    before = sys.dont_write_bytecode
    sys.path.insert(0, str(bundled / "segment-lesions-evaluate"))
    yield {name: importlib.import_module(name) for name in names}
    sys.path.remove(str(bundled / "segment-lesions-evaluate"))
    sys.dont_write_bytecode = before
    for name in names:
        sys.modules.pop(name, None)
    sys.modules.update(hidden)


def _neighbours(voxel: tuple[int, ...], *, faces: bool) -> Iterator[tuple[int, ...]]:
    for step in itertools.product((-1, 0, 1), repeat=3):
        if any(step) and (not faces or sum(map(abs, step)) == 1):
            yield tuple(a + b for a, b in zip(voxel, step, strict=True))


def _voxels(mask: np.ndarray) -> set[tuple[int, ...]]:
    return {tuple(int(n) for n in voxel) for voxel in np.argwhere(mask)}


def _lesions(mask: np.ndarray) -> list[set[tuple[int, ...]]]:
    left, bodies = _voxels(mask), []
    while left:
        body, waiting = set(), [left.pop()]
        while waiting:
            voxel = waiting.pop()
            body.add(voxel)
            for near in _neighbours(voxel, faces=False):
                if near in left:
                    left.remove(near)
                    waiting.append(near)
        bodies.append(body)
    return bodies


def _surface(mask: np.ndarray, spacing: tuple[float, ...]) -> np.ndarray:
    inside = _voxels(mask)
    edge = [voxel for voxel in inside if any(near not in inside for near in _neighbours(voxel, faces=True))]
    return np.array(sorted(edge)) * np.array(spacing)


def _distances(one: np.ndarray, other: np.ndarray) -> np.ndarray:
    return np.array([min(math.dist(a, b) for b in other) for a in one])


def _percentile(values: np.ndarray, percent: float) -> float:
    ordered = sorted(values)
    place = (len(ordered) - 1) * percent / 100
    low = math.floor(place)
    high = min(low + 1, len(ordered) - 1)
    return ordered[low] + (place - low) * (ordered[high] - ordered[low])


@st.composite
def _pairs(draw: st.DrawFn) -> tuple[np.ndarray, np.ndarray, tuple[float, float, float]]:
    shape = draw(SHAPES)
    sparse = st.integers(0, draw(st.sampled_from([1, 4, 12]))).map(lambda n: n == 1)
    masks = [draw(arrays(bool, shape, elements=sparse, fill=st.just(False))) for _ in range(2)]
    return masks[0], masks[1], draw(SPACINGS)


def _mask(
    modules: dict[str, ModuleType], data: np.ndarray, spacing: tuple[float, float, float], **more: object
) -> object:
    affine = np.diag([*spacing, 1.0]) if "affine" not in more else more["affine"]
    image = modules["images"].Image(
        data=data.astype(np.float32), affine=affine, spacing=spacing, path=Path("m.nii"), volumes=1, not_finite=0
    )
    return modules["lesion_masks"].LesionMask(data=data, image=image)


@settings(max_examples=60, deadline=None)
@given(pair=_pairs())
def test_scores_are_what_counting_gives(
    modules: dict[str, ModuleType], pair: tuple[np.ndarray, np.ndarray, tuple[float, float, float]]
) -> None:
    found, known, spacing = pair
    scores = modules["scores"].compare(_mask(modules, found, spacing), _mask(modules, known, spacing))
    inside, wanted = _voxels(found), _voxels(known)
    both = len(inside & wanted)
    ml = math.prod(spacing) / 1000
    assert scores.dice == (pytest.approx(2 * both / (len(inside) + len(wanted))) if inside or wanted else None)
    assert scores.sensitivity == (pytest.approx(both / len(wanted)) if wanted else None)
    assert scores.ppv == (pytest.approx(both / len(inside)) if inside else None)
    assert scores.volume_difference_ml == pytest.approx((len(inside) - len(wanted)) * ml)
    percent = 100 * abs(len(inside) - len(wanted)) / len(wanted) if wanted else None
    assert scores.volume_difference_percent == (None if percent is None else pytest.approx(percent))
    _lesion_wise(scores, _lesions(found), _lesions(known), inside, wanted)
    if not inside or not wanted:
        assert (scores.hd95_mm, scores.assd_mm) == (None, None)
        return
    there, back = (_surface(mask, spacing) for mask in (found, known))
    away, home = _distances(there, back), _distances(back, there)
    assert scores.hd95_mm == pytest.approx(max(_percentile(away, 95), _percentile(home, 95)), rel=1e-5, abs=1e-6)
    assert scores.assd_mm == pytest.approx((away.sum() + home.sum()) / (len(away) + len(home)), rel=1e-5, abs=1e-6)


def _lesion_wise(scores: object, found: list, known: list, inside: set, wanted: set) -> None:
    touched = sum(bool(body & inside) for body in known)
    right = sum(bool(body & wanted) for body in found)
    assert (scores.lesions_found, scores.lesions_known) == (len(found), len(known))
    recall = touched / len(known) if known else None
    precision = right / len(found) if found else None
    assert (scores.lesion_recall, scores.lesion_precision) == (recall, precision)
    if recall is None and precision is None:
        assert scores.lesion_f1 is None
    elif recall and precision:
        assert scores.lesion_f1 == pytest.approx(2 / (1 / recall + 1 / precision))
    else:
        assert scores.lesion_f1 == 0


def _save(path: Path, data: np.ndarray, spacing: tuple[float, ...] = (1.0, 1.0, 1.0)) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    nibabel.save(nibabel.Nifti1Image(data, np.diag([*spacing, 1.0])), path)
    return path


def _ball(shape: tuple[int, ...] = (10, 10, 10), radius: float = 3.0) -> np.ndarray:
    centre = np.array(shape).reshape(3, 1, 1, 1) / 2
    return (np.sqrt(((np.indices(shape) - centre) ** 2).sum(axis=0)) <= radius).astype(np.uint8)


def _evaluate(modules: dict[str, ModuleType], out: Path, masks: list[Path], references: list[Path]) -> int:
    arguments = ["--masks", *map(str, masks), "--references", *map(str, references), "--out", str(out)]
    code: int = modules["run"].main(arguments)
    return code


def test_a_set_has_a_line_for_each_scan_and_means_of_what_is_defined(
    modules: dict[str, ModuleType], tmp_path: Path
) -> None:
    empty = np.zeros((10, 10, 10), np.uint8)
    pairs = {
        "sub-1": (_ball(), _ball()),
        "sub-2_ses-b": (_ball(), empty),
        "sub-3": (empty, empty),
        "sub-4": (empty, _ball()),
    }
    masks = [_save(tmp_path / "m" / f"{name}_label-lesion_mask.nii.gz", a) for name, (a, _) in pairs.items()]
    known = [_save(tmp_path / "r" / f"{name}_desc-x_mask.nii.gz", b * 3) for name, (_, b) in pairs.items()]
    assert _evaluate(modules, tmp_path / "out", masks, known) == 0
    heading, *lines = (tmp_path / "out" / "evaluation.tsv").read_text().splitlines()
    rows = {line.split("\t")[0]: dict(zip(heading.split("\t"), line.split("\t"), strict=True)) for line in lines}
    assert list(rows) == ["sub-1", "sub-2_ses-b", "sub-3", "sub-4"]
    assert (rows["sub-1"]["dice"], rows["sub-1"]["hd95_mm"], rows["sub-1"]["lesion_f1"]) == ("1", "0", "1")
    assert (rows["sub-2_ses-b"]["dice"], rows["sub-2_ses-b"]["sensitivity"]) == ("0", "n/a")
    assert set(list(rows["sub-3"].values())[1:9]) == {"n/a"}
    assert (rows["sub-4"]["dice"], rows["sub-4"]["ppv"], rows["sub-4"]["hd95_mm"]) == ("0", "n/a", "n/a")
    told = json.loads((tmp_path / "out" / "evaluation.json").read_text())["measures"]
    assert (told["scans"], told["scans_both_empty"], told["scans_mask_empty"], told["scans_reference_empty"]) == (
        4,
        1,
        1,
        1,
    )
    assert (told["dice_mean"], told["dice_scans"]) == (pytest.approx(1 / 3, abs=1e-6), 3)
    assert (told["hd95_mm_mean"], told["hd95_mm_scans"]) == (0, 1)


def _with_other_size(root: Path) -> tuple[list[Path], list[Path]]:
    return [_save(root / "sub-1_mask.nii.gz", _ball())], [_save(root / "r" / "sub-1_mask.nii.gz", _ball((10, 10, 9)))]


def _with_other_spacing(root: Path) -> tuple[list[Path], list[Path]]:
    known = _save(root / "r" / "sub-1_mask.nii.gz", _ball(), (1.0, 1.0, 1.2))
    return [_save(root / "sub-1_mask.nii.gz", _ball())], [known]


def _with_probabilities(root: Path) -> tuple[list[Path], list[Path]]:
    chance = np.linspace(0, 1, 1000, dtype=np.float32).reshape(10, 10, 10)
    return [_save(root / "sub-1_mask.nii.gz", chance)], [_save(root / "r" / "sub-1_mask.nii.gz", _ball())]


def _with_volumes(root: Path) -> tuple[list[Path], list[Path]]:
    several = np.stack([_ball()] * 2, axis=3)
    return [_save(root / "sub-1_mask.nii.gz", several)], [_save(root / "r" / "sub-1_mask.nii.gz", _ball())]


def _with_nobody(root: Path) -> tuple[list[Path], list[Path]]:
    return [_save(root / "sub-1_mask.nii.gz", _ball())], [_save(root / "r" / "sub-2_mask.nii.gz", _ball())]


def _with_two(root: Path) -> tuple[list[Path], list[Path]]:
    masks = [_save(root / f"sub-1_desc-{k}_mask.nii.gz", _ball()) for k in "ab"]
    return masks, [_save(root / "r" / "sub-1_mask.nii.gz", _ball())]


def _cut_short(root: Path) -> tuple[list[Path], list[Path]]:
    mask = _save(root / "sub-1_mask.nii.gz", _ball())
    mask.write_bytes(mask.read_bytes()[:-30])
    return [mask], [_save(root / "r" / "sub-1_mask.nii.gz", _ball())]


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (_with_other_size, ["10x10x10 voxels, its reference sub-1_mask.nii.gz 10x10x9"]),
        (_with_other_spacing, ["voxels lie elsewhere than those of its reference"]),
        (_with_probabilities, ["no mask: it has 1000 values from 0 to 1"]),
        (_with_volumes, ["a mask is one volume of numbers"]),
        (_with_nobody, ["there is no reference of sub-1", "there is no mask of sub-2"]),
        (_with_two, ["is of the scan sub-1 too"]),
        (_cut_short, ["cut short"]),
    ],
)
def test_what_cannot_be_compared_is_said_in_one_line(
    modules: dict[str, ModuleType],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    make: Callable[[Path], tuple[list[Path], list[Path]]],
    said: list[str],
) -> None:
    assert _evaluate(modules, tmp_path / "out", *make(tmp_path)) == 65
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == len(said)
    assert all(text in line for text, line in zip(said, lines, strict=True))
    assert not (tmp_path / "out").exists()


def test_masks_come_onto_another_grid_by_what_they_fill(modules: dict[str, ModuleType]) -> None:
    fine = np.zeros((24, 24, 24), dtype=bool)
    fine[6:12, 6:12, 6:12] = True
    mask = _mask(modules, fine, (1.0, 1.0, 1.0))
    affine = np.diag([3.0, 3.0, 3.0, 1.0])
    affine[:3, 3] = 1.0  # the first coarse voxel holds the first three fine ones
    coarse = modules["lesion_masks"].onto_grid(mask, affine, (8, 8, 8))
    wanted = np.zeros((8, 8, 8), dtype=bool)
    wanted[2:4, 2:4, 2:4] = True
    assert np.array_equal(coarse, wanted)
    assert np.array_equal(modules["lesion_masks"].onto_grid(mask, np.eye(4), (24, 24, 24)), fine)
