"""image-qc as a program: files written, bad input told apart, the same bytes twice."""

from __future__ import annotations

import gzip
import hashlib
import json
from pathlib import Path

import nibabel
import numpy as np
import pytest


def _save(path: Path, data: np.ndarray, mm: float = 3.0) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    nibabel.save(nibabel.Nifti1Image(data, np.diag([mm, mm, mm, 1.0])), path)
    return path


def _digests(folder: Path) -> dict[str, str]:
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    return {str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


def test_a_run_writes_measures_and_a_report_and_nothing_else(tmp_path: Path, phantom, run_pipeline, qc) -> None:
    data, _ = phantom()
    anat = tmp_path / "inputs" / "study" / "sub-01" / "anat"
    t1w = _save(anat / "sub-01_T1w.nii.gz", data.astype(np.int16))
    with_gaps = np.stack([data, data + 2], axis=-1)
    with_gaps[0, 0, 0, 0] = np.nan
    flair = _save(anat / "sub-01_FLAIR.nii.gz", with_gaps)
    work = tmp_path / "work"
    work.mkdir()
    done = run_pipeline("image-qc", "--images", t1w, flair, cwd=work)
    assert (done.returncode, done.stderr) == (0, "")
    written = _digests(work)
    assert sorted(written) == [
        "out/sub-01.html",
        "out/sub-01/anat/sub-01_desc-qc_FLAIR.json",
        "out/sub-01/anat/sub-01_desc-qc_T1w.json",
    ]
    told = json.loads((work / "out/sub-01/anat/sub-01_desc-qc_T1w.json").read_text())
    assert told["measures"]["snr_wm"] == pytest.approx(50, rel=0.05)
    assert told["Sources"] == ["sub-01/anat/sub-01_T1w.nii.gz"]
    other = json.loads((work / "out/sub-01/anat/sub-01_desc-qc_FLAIR.json").read_text())
    assert (other["volumes"], other["measures"]["not_finite"]) == (2, 1)
    assert other["remarks"] == ["some stored values are no numbers"]
    page = (work / "out/sub-01.html").read_text()
    assert page.count("data:image/png;base64,") == 2
    assert "http" not in page.replace("http-equiv", "")
    # Again in this process, from elsewhere: the same bytes.
    assert qc("run").main(["--images", str(flair), str(t1w), "--out", str(tmp_path / "again" / "out")]) == 0
    assert _digests(tmp_path / "again") == written


def _cut(path: Path) -> None:
    _save(path, np.random.default_rng(1).integers(0, 900, (20, 20, 20)).astype(np.int16))
    path.write_bytes(path.read_bytes()[:5000])


@pytest.mark.parametrize(
    ("make", "told"),
    [
        (lambda path: path.write_bytes(b""), "the file is empty"),
        (lambda path: path.write_text("not an image"), "not a NIfTI image"),
        (lambda path: path.write_bytes(gzip.compress(b"not an image" * 99)), "not a NIfTI image"),
        (_cut, "damaged or cut short"),
        (lambda path: None, "no such file"),
        (lambda path: _save(path, np.full((9, 9, 9), 3, dtype=np.int16)), "one value"),
        (lambda path: _save(path, np.ones((9, 9), dtype=np.int16)), "no volume"),
    ],
)
def test_a_file_that_is_no_image_is_named(tmp_path: Path, qc, capsys, make, told: str) -> None:
    bad = tmp_path / "sub-02_T1w.nii.gz"
    make(bad)
    assert qc("run").main(["--images", str(bad), "--out", str(tmp_path / "out")]) == 65
    error = capsys.readouterr().err
    assert error.startswith("image-qc: sub-02_T1w.nii.gz: ")
    assert told in error
    assert error.count("\n") == 1


def test_one_bad_image_does_not_stop_the_others(tmp_path: Path, phantom, run_pipeline) -> None:
    good = _save(tmp_path / "sub-01" / "anat" / "sub-01_T1w.nii.gz", phantom()[0])
    bad = tmp_path / "sub-01" / "anat" / "sub-01_FLAIR.nii.gz"
    bad.write_bytes(b"")
    done = run_pipeline("image-qc", "--images", bad, good, cwd=tmp_path)
    assert done.returncode == 65
    assert "Traceback" not in done.stderr
    assert (tmp_path / "out/sub-01/anat/sub-01_desc-qc_T1w.json").is_file()
    assert not (tmp_path / "out/sub-01/anat/sub-01_desc-qc_FLAIR.json").exists()


def test_two_images_of_one_name_are_not_mixed_up(tmp_path: Path, qc, capsys, phantom) -> None:
    paths = [_save(tmp_path / site / "sub-01" / "anat" / "sub-01_T1w.nii", phantom()[0]) for site in "ab"]
    assert qc("run").main(["--images", *map(str, paths), "--out", str(tmp_path / "out")]) == 65
    assert "one at a time" in capsys.readouterr().err


def test_a_fine_image_is_measured_on_its_own_grid(tmp_path: Path, qc, phantom) -> None:
    data, _ = phantom()
    fine = np.repeat(np.repeat(np.repeat(data, 2, axis=0), 2, axis=1), 2, axis=2)
    image = qc("images").load_image(_save(tmp_path / "sub-01_T1w.nii.gz", fine, mm=1.0))
    regions = qc("metrics").find_regions(image, "T1w")
    assert regions.brain.shape == fine.shape
    true = 4 / 3 * np.pi * 34**3 / 1000
    assert qc("metrics").measure(image, regions)["brain_ml"] == pytest.approx(true, rel=0.08)
