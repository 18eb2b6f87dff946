"""t2-map as a program: echoes put together, maps and measures written, what cannot be fitted told apart."""

from __future__ import annotations

import gzip
import hashlib
import json
from collections.abc import Callable, Sequence
from pathlib import Path

import nibabel
import numpy as np
import pytest

TIMES = (0.012, 0.024, 0.036, 0.048, 0.06, 0.072)
# Tubes of a phantom, left to right: T2 in seconds.
TUBES = (0.03, 0.06, 0.09, 0.12)
Writer = Callable[..., list[str]]


def _echoes(times: Sequence[float], *, sigma: float = 6.0, seed: int = 1) -> tuple[np.ndarray, np.ndarray]:
    """Return a phantom of four tubes in air, and its true T2."""
    shape = (48, 20, 10)
    x, y, _ = np.indices(shape)
    truth = np.zeros(shape)
    for k, t2 in enumerate(TUBES):
        truth[(x - 6 - 12 * k) ** 2 + (y - 10) ** 2 < 16] = t2
    clean = np.where(truth[..., None] > 0, 1000 * np.exp(-np.array(times) / np.maximum(truth, 1e-3)[..., None]), 0)
    real, other = np.random.default_rng(seed).normal(0, sigma, (2, *clean.shape))
    return np.hypot(clean + real, other).astype(np.float32), truth


def _save(path: Path, data: np.ndarray, *, shift: float = 0.0) -> str:
    path.parent.mkdir(parents=True, exist_ok=True)
    affine = np.diag([2.0, 2.0, 3.0, 1.0])
    affine[0, 3] = shift
    nibabel.save(nibabel.Nifti1Image(data, affine), path)
    return str(path)


@pytest.fixture
def anat(tmp_path: Path) -> Path:
    return tmp_path / "in" / "sub-01" / "anat"


@pytest.fixture
def write(anat: Path) -> Writer:
    """Write the echoes as BIDS does, with their sidecars, and return the paths of the images."""

    def writer(times: Sequence[float] = TIMES, *, suffix: str = "MESE", sidecars: bool = True) -> list[str]:
        data, _ = _echoes(times)
        paths = []
        for number, time in enumerate(times, start=1):
            path = anat / f"sub-01_echo-{number}_{suffix}.nii.gz"
            paths.append(_save(path, data[..., number - 1]))
            if sidecars:
                path.with_name(f"sub-01_echo-{number}_{suffix}.json").write_text(json.dumps({"EchoTime": time}))
        return paths

    return writer


def _map(out: Path, ending: str) -> np.ndarray:
    return np.asarray(nibabel.load(out / "sub-01" / "anat" / f"sub-01_{ending}.nii.gz").dataobj)


def _told(out: Path, ending: str = "T2map") -> dict[str, object]:
    return json.loads((out / "sub-01" / "anat" / f"sub-01_{ending}.json").read_text())


def _digests(folder: Path) -> dict[str, str]:
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    return {str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


def test_a_phantom_comes_back_with_its_times(tmp_path: Path, write: Writer, t2_map, run_pipeline) -> None:
    paths = write()
    work = tmp_path / "work"
    work.mkdir()
    done = run_pipeline("t2-map", "--images", *paths, "--tissues", "none", cwd=work)
    assert (done.returncode, done.stderr) == (0, "")
    out = work / "out"
    stems = ["M0map", "T2map", "desc-fit_dseg", "desc-residual_MESE", "desc-rsquared_MESE"]
    expected = [f"sub-01/anat/sub-01_{stem}.{kind}" for stem in stems for kind in ("json", "nii.gz")]
    written = _digests(out)
    assert sorted(written) == sorted(["sub-01.html", *expected])
    _, truth = _echoes(TIMES)
    found = _map(out, "T2map")
    for t2 in TUBES:
        assert np.median(found[truth == t2]) == pytest.approx(t2, rel=0.01)
    status = _map(out, "desc-fit_dseg")
    assert (status[truth > 0] == 1).all()
    assert (status > 0).sum() - (truth > 0).sum() < 3
    assert np.median(_map(out, "M0map")[truth > 0]) == pytest.approx(1000, rel=0.01)
    assert np.median(_map(out, "desc-rsquared_MESE")[truth > 0]) > 0.99
    told = _told(out)
    assert (told["Units"], told["EchoTime"], told["echo_times_from"]) == ("s", list(TIMES), "sidecar")
    assert told["Sources"][0] == "sub-01/anat/sub-01_echo-1_MESE.nii.gz"
    measures = told["measures"]
    assert measures["noise_sd"] == pytest.approx(6, rel=0.02)
    assert measures["residual_sd_median"] == pytest.approx(6, rel=0.1)
    assert measures["fitted_fraction"] == pytest.approx(1, abs=0.005)
    assert "http" not in (out / "sub-01.html").read_text()
    # Again, in this process, in another order: the same bytes.
    again = [*reversed(paths)]
    assert t2_map("run").main(["--images", *again, "--tissues", "none", "--out", str(tmp_path / "again")]) == 0
    assert _digests(tmp_path / "again") == written


def test_order_of_the_echo_times_counts_not_of_the_files(tmp_path: Path, write: Writer, t2_map) -> None:
    """A name says echo 1, its sidecar says that it was read last."""
    run = t2_map("run").main
    run(["--images", *write(), "--out", str(tmp_path / "plain")])
    assert run(["--images", *write(TIMES[::-1]), "--out", str(tmp_path / "turned")]) == 0
    assert _told(tmp_path / "turned")["EchoTime"] == list(TIMES)
    _, truth = _echoes(TIMES)
    assert np.median(_map(tmp_path / "turned", "T2map")[truth == 0.06]) == pytest.approx(0.06, rel=0.01)


def test_one_file_with_all_echoes_is_the_same(tmp_path: Path, anat: Path, write: Writer, t2_map) -> None:
    run = t2_map("run").main
    assert run(["--images", *write(), "--out", str(tmp_path / "parts")]) == 0
    whole = _save(tmp_path / "whole" / "sub-01" / "anat" / "sub-01_MESE.nii.gz", _echoes(TIMES)[0])
    given = ["--echo-times", *map(str, TIMES)]
    assert run(["--images", whole, *given, "--out", str(tmp_path / "given")]) == 0
    # The sidecar of a dataset's root counts for every file below it.
    (tmp_path / "whole" / "MESE.json").write_text(json.dumps({"EchoTime": TIMES}))
    assert run(["--images", whole, "--out", str(tmp_path / "told")]) == 0
    parts = _map(tmp_path / "parts", "T2map")
    for name, source in (("given", "parameter"), ("told", "sidecar")):
        assert np.array_equal(_map(tmp_path / name, "T2map"), parts)
        assert _told(tmp_path / name)["echo_times_from"] == source


def test_gradient_echoes_give_t2_star(tmp_path: Path, write: Writer, t2_map) -> None:
    paths = write(suffix="MEGRE")
    phase = paths[0].replace("_echo-1_", "_echo-1_part-phase_")
    Path(phase).write_bytes(Path(paths[0]).read_bytes())
    assert t2_map("run").main(["--images", *paths, phase, "--out", str(tmp_path)]) == 0
    assert (tmp_path / "sub-01" / "anat" / "sub-01_T2starmap.nii.gz").exists()
    assert "t2star_median" in _told(tmp_path, "T2starmap")["measures"]


def test_what_outlasts_the_echoes_is_flagged_and_not_told(tmp_path: Path, anat: Path, t2_map) -> None:
    """Fluid, a voxel that never decays, one that rises, one that is gone at once."""
    times = np.array(TIMES)
    data = np.zeros((12, 12, 8, len(times)), dtype=np.float32)
    data[:, :, 4:] = 1000 * np.exp(-times / 0.08)
    data[0, :, 4:] = 1000 * np.exp(-times / 1.8)
    data[1, :, 4:] = 1000
    data[2, :, 4:] = 1000 * times / times[-1]
    data[3, :, 4:] = 1e6 * np.exp(-times / 0.002)
    path = _save(anat / "sub-01_MESE.nii.gz", data)
    arguments = ["--images", path, "--echo-times", *map(str, TIMES), "--tissues", "none"]
    assert t2_map("run").main([*arguments, "--out", str(tmp_path / "out")]) == 0
    status, found = _map(tmp_path / "out", "desc-fit_dseg"), _map(tmp_path / "out", "T2map")
    assert [set(np.unique(status[k, :, 4:])) for k in range(5)] == [{2}, {3}, {3}, {4}, {1}]
    assert (status[:, :, :4] == 0).all()
    assert (found[status != 1] == 0).all()
    assert found[5, 5, 5] == pytest.approx(0.08, abs=1e-5)
    labels = _told(tmp_path / "out", "desc-fit_dseg")["Labels"]
    assert labels["2"] == "longer than the echo train"
    told = _told(tmp_path / "out")
    assert told["measures"]["unfitted_voxels"] == 4 * 12 * 4
    assert "no air" in told["remarks"][0]
    # The limit is the caller's.
    assert t2_map("run").main([*arguments, "--longest", "40", "--out", str(tmp_path / "far")]) == 0
    assert np.allclose(_map(tmp_path / "far", "T2map")[0, :, 4:], 1.8, rtol=1e-3)


def test_two_echoes_have_times_and_no_goodness(tmp_path: Path, write: Writer, t2_map) -> None:
    paths = write(TIMES[:2])
    assert t2_map("run").main(["--images", *paths, "--out", str(tmp_path)]) == 0
    assert not list(tmp_path.rglob("*rsquared*"))
    told = _told(tmp_path)
    assert told["measures"]["r_squared_median"] is None
    assert "goodness of the fit cannot be told" in told["remarks"][-1]


def test_single_slices_gaps_and_skipped_echoes(tmp_path: Path, anat: Path, t2_map) -> None:
    data = _echoes(TIMES)[0][:, :, 4:5]
    data[0, 0, 0, 0], data[1, 0, 0, 0] = np.nan, -5
    path = _save(anat / "sub-01_MESE.nii.gz", data)
    arguments = ["--images", path, "--echo-times", *map(str, TIMES), "--skip-echoes", "1"]
    assert t2_map("run").main([*arguments, "--out", str(tmp_path / "out")]) == 0
    told = _told(tmp_path / "out")
    assert told["EchoTime"] == list(TIMES[1:])
    assert told["measures"]["t2_median"] == pytest.approx(0.075, abs=0.03)
    # What is no number is told; the first echo, which held both, was skipped.
    assert (told["measures"]["not_finite"], told["measures"]["negative"]) == (0, 0)


def _without_sidecar(paths: list[str]) -> None:
    Path(paths[2]).with_name("sub-01_echo-3_MESE.json").unlink()


def _sidecar(text: str) -> Callable[[list[str]], None]:
    return lambda paths: Path(paths[2]).with_name("sub-01_echo-3_MESE.json").write_text(text)


@pytest.mark.parametrize(
    ("spoil", "reason"),
    [
        (_without_sidecar, "sub-01_echo-3_MESE.nii.gz: no sidecar gives its EchoTime"),
        (_sidecar('{"EchoTime": "36 ms"}'), "EchoTime is no number"),
        (_sidecar('{"EchoTime": true}'), "EchoTime is no number"),
        (_sidecar('{"EchoTime": [0.01, 0.02]}'), "1 volumes, but EchoTime has 2 values"),
        (_sidecar('{"EchoTime": 36}'), "36 s; BIDS counts in seconds"),
        (_sidecar('{"EchoTime": NaN}'), "not above zero"),
        (_sidecar('{"EchoTime": 0.012}'), "two echoes have the same echo time"),
        (_sidecar('{"EchoTime": -1}'), "not above zero"),
        (_sidecar("{"), "sub-01_echo-3_MESE.json: no JSON"),
        (_sidecar("[]"), "a sidecar is a JSON object"),
        (lambda paths: _save(Path(paths[3]), np.ones((48, 20, 9))), "echo-4_MESE.nii.gz: its grid is not that of"),
        (lambda paths: _save(Path(paths[3]), np.ones((48, 20, 10)), shift=4), "bring all echoes onto one grid"),
        (lambda paths: Path(paths[1]).write_bytes(b""), "the file is empty"),
        (lambda paths: Path(paths[1]).write_bytes(gzip.compress(b"no image" * 99)), "not a NIfTI image"),
        (lambda paths: paths.__delitem__(slice(1, None)), "a decay needs at least two"),
    ],
)
def test_echoes_that_do_not_fit_are_named(tmp_path: Path, write: Writer, t2_map, capsys, spoil, reason: str) -> None:
    paths = write()
    spoil(paths)
    assert t2_map("run").main(["--images", *paths, "--out", str(tmp_path / "out")]) == 65
    error = capsys.readouterr().err
    assert error.startswith("t2-map: sub-01")
    assert reason in error
    assert len(error.splitlines()) == 1
    assert not (tmp_path / "out").exists()


def test_one_bad_scan_does_not_spoil_the_others(tmp_path: Path, write: Writer, t2_map, capsys) -> None:
    good, bad = write(), write(TIMES[:3], suffix="MEGRE", sidecars=False)
    assert t2_map("run").main(["--images", *good, *bad, "--out", str(tmp_path / "out")]) == 65
    assert _told(tmp_path / "out")["measures"]["fitted_voxels"] > 100
    assert "MEGRE" in capsys.readouterr().err


def test_wrong_numbers_are_wrong_usage(write: Writer, t2_map, capsys, tmp_path: Path) -> None:
    paths = write(TIMES[:3])
    run = t2_map("run").main
    for wrong in (["--longest", "0"], ["--skip-echoes", "-1"], ["--noise-sd", "-2"], ["--noise", "loud"]):
        with pytest.raises(SystemExit) as stopped:
            run(["--images", *paths, *wrong])
        assert stopped.value.code == 2
    capsys.readouterr()
    assert run(["--images", *paths, "--noise", "offset", "--out", str(tmp_path)]) == 65
    assert "at least 4 echoes" in capsys.readouterr().err
    assert run(["--images", *paths, "--echo-times", "0.01", "--out", str(tmp_path)]) == 65
    assert "3 echoes, but 1 echo times were given" in capsys.readouterr().err
    phase = paths[0].replace("_MESE", "_part-phase_MESE")
    assert run(["--images", phase, "--out", str(tmp_path)]) == 65
    assert "no magnitude image" in capsys.readouterr().err


def test_tissues_of_a_head_are_told_apart(tmp_path: Path, anat: Path, t2_map) -> None:
    """Three shells in air: white matter around fluid, grey matter around both."""
    axis = np.arange(44) - 21.5
    away = np.sqrt(sum(a**2 for a in np.meshgrid(axis, axis, axis, indexing="ij", sparse=True)))
    times = np.arange(1, 9) * 0.015
    clean = np.zeros((*away.shape, len(times)))
    for outer, inner, amplitude, t2 in ((15, 12, 900, 0.095), (12, 5, 800, 0.07), (5, 0, 1000, 0.3)):
        clean[(away < outer) & (away >= inner)] = amplitude * np.exp(-times / t2)
    real, other = np.random.default_rng(2).normal(0, 8, (2, *clean.shape))
    path = _save(anat / "sub-01_MESE.nii.gz", np.hypot(clean + real, other).astype(np.float32))
    assert t2_map("run").main(["--images", path, "--echo-times", *map(str, times), "--out", str(tmp_path)]) == 0
    measures = _told(tmp_path)["measures"]
    for tissue, t2 in (("wm", 0.07), ("gm", 0.095), ("csf", 0.3)):
        assert measures[f"t2_median_{tissue}"] == pytest.approx(t2, rel=0.03)
