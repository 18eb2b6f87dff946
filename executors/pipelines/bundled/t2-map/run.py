"""t2-map 1.0.0: relaxation times of every voxel from the echoes of a multi-echo scan, with the goodness of each fit.

Usage: python run.py --images IMAGE [IMAGE ...] [--echo-times SECONDS [SECONDS ...]] [--noise rician|offset|none]
       [--noise-sd VALUE] [--longest 3] [--skip-echoes 0] [--tissues brain|none] [--out out]

Images are the echoes of MESE (T2) or MEGRE (T2*), one file each with its sidecar, or one file with all echoes.
Exit codes: 0 done; 65 an input cannot be read (said on standard error; the others are still done); 2 usage.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
from pathlib import Path
from typing import Any

sys.dont_write_bytecode = True  # the folder of the pipeline is read-only, and its digest certified
for library in ("OMP", "OPENBLAS", "MKL"):
    os.environ.setdefault(f"{library}_NUM_THREADS", "1")  # sums depend on the number of threads

import numpy as np  # noqa: E402
from echoes import Train, group, load_train  # noqa: E402
from fitting import NOISES  # noqa: E402
from images import UnreadableImageError, nifti_bytes, participant, source_path  # noqa: E402
from maps import STATUS, Choices, Maps, estimate  # noqa: E402
from report import render  # noqa: E402

NAME, VERSION = "t2-map", "1.0.0"
BAD_DATA = 65
ALGORITHM = {
    "rician": "One exponential, expectation of a Rician magnitude, least squares (Levenberg-Marquardt)",
    "offset": "One exponential with a constant that is not negative, least squares (Levenberg-Marquardt)",
    "none": "One exponential, least squares (Levenberg-Marquardt)",
}
REFERENCE = "Gudbjartsson H, Patz S (1995). MRM 34:910. doi:10.1002/mrm.1910340618"


def main(arguments: list[str] | None = None) -> int:
    """Map every scan that was given; see the module's text."""
    options = _parse(arguments)
    groups, left_out = group(options.images)
    for name in left_out:
        print(f"{name}: no magnitude, left out", flush=True)
    failed = False
    reports: dict[str, list[Maps]] = {}
    for number, (name, paths) in enumerate(groups, start=1):
        try:
            maps = examine(name, paths, options)
            write(maps, options.out)
        except UnreadableImageError as error:
            print(f"{NAME}: {error}", file=sys.stderr)
            failed = True
            continue
        reports.setdefault(participant(paths[0]), []).append(maps)
        print(f"{number}/{len(groups)} {name}", flush=True)
    if not groups:
        print(f"{NAME}: no magnitude image was given.", file=sys.stderr)
    for label, found in reports.items():
        (options.out / f"{label}.html").write_text(render(label, found, f"{NAME} {VERSION}"), encoding="utf-8")
    return BAD_DATA if failed or not groups else 0


def _parse(arguments: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog=NAME, description=__doc__.partition("\n")[0])
    parser.add_argument("--images", type=Path, nargs="+", required=True, metavar="IMAGE")
    parser.add_argument("--echo-times", type=float, nargs="+", metavar="SECONDS", help="instead of the sidecars'")
    parser.add_argument("--noise", choices=NOISES, default="rician", help="how noise meets the fit")
    parser.add_argument("--noise-sd", type=float, help="known beforehand; read from the air otherwise")
    parser.add_argument("--longest", type=float, default=3, help="longest T2 told, in last echo times")
    parser.add_argument("--skip-echoes", type=int, default=0, help="leave out as many of the first")
    parser.add_argument("--tissues", choices=("brain", "none"), default="brain", help="where summaries are taken")
    parser.add_argument("--out", type=Path, default=Path("out"), help="folder to write into (default: %(default)s)")
    options = parser.parse_args(arguments)
    if not 0 < options.longest <= 1000 or options.skip_echoes < 0:
        parser.error("the longest T2 is told in last echo times, above zero; echoes to skip are counted from zero")
    if options.noise_sd is not None and not 0 <= options.noise_sd < float("inf"):
        parser.error("the noise is a standard deviation: zero or more")
    return options


def examine(name: str, paths: list[Path], options: argparse.Namespace) -> Maps:
    """Read the echoes of one scan and fit them.

    Raises:
        UnreadableImageError: They cannot be read, or do not fit together.
    """
    train = load_train(name, paths, times=options.echo_times, skip=options.skip_echoes)
    least = 4 if options.noise == "offset" else 2
    if len(train.times) < least:
        raise UnreadableImageError(f"{name}: a constant beside the decay needs at least {least} echoes.")
    sigma, tissues = options.noise_sd, options.tissues == "brain"
    return estimate(train, Choices(noise=options.noise, sigma=sigma, longest=options.longest, tissues=tissues))


def write(maps: Maps, out: Path) -> None:
    """Write the maps of one scan with their sidecars.

    Raises:
        UnreadableImageError: Another scan of this call has the same name in the output.
    """
    train = maps.train
    source = Path(source_path(train.paths[0]))
    folder = out / source.parent
    target = folder / f"{train.name}_{maps.letter}map.json"
    if target.exists():
        raise UnreadableImageError(f"{train.name}: two scans are called so; give them one at a time.")
    folder.mkdir(parents=True, exist_ok=True)
    about = _about(train)
    fit = {"EstimationAlgorithm": ALGORITHM[maps.model.noise], "EstimationReference": REFERENCE, **about}
    model = {"EchoTime": train.times.tolist(), "echo_times_from": train.told_by}
    measures = {"measures": maps.measures(), "remarks": list(maps.remarks)}
    # A microsecond is less than any fit tells, and makes the file smaller.
    _save(maps, folder, f"{maps.letter}map", np.round(maps.relaxation, 6), {"Units": "s", **fit, **model, **measures})
    _save(maps, folder, "M0map", maps.amplitude, {"Units": "arbitrary", **fit, **model})
    if maps.goodness is not None and maps.residual is not None:
        # Not the suffix of a map of times: who asks for those must not get these.
        ending = f"_{train.suffix}" if train.suffix else ""
        words = {"Units": "arbitrary", **about}
        told = {"Description": "Part of the variance of the echoes that the fit explains (R squared)", **words}
        _save(maps, folder, f"desc-rsquared{ending}", maps.goodness, told)
        told = {"Description": "Standard deviation of the residuals, in units of the signal", **words}
        _save(maps, folder, f"desc-residual{ending}", maps.residual, told)
    told = {"Description": "What became of the fit", "Labels": {str(k): text for k, text in STATUS.items()}, **about}
    _save(maps, folder, "desc-fit_dseg", maps.status, told)


def _about(train: Train) -> dict[str, Any]:
    return {
        "Sources": [source_path(path) for path in train.paths],
        # Scalp and eyes are fitted as well.
        "SkullStripped": False,
        "GeneratedBy": {"Name": NAME, "Version": VERSION},
    }


def _save(maps: Maps, folder: Path, ending: str, data: np.ndarray, told: dict[str, Any]) -> None:
    stored = data.astype(np.uint8) if data.dtype == np.int8 else data
    base = folder / f"{maps.train.name}_{ending}"
    base.with_name(f"{base.name}.nii.gz").write_bytes(nifti_bytes(stored, maps.train.affine))
    text = json.dumps(told, indent=2, allow_nan=False, ensure_ascii=False) + "\n"
    base.with_name(f"{base.name}.json").write_text(text, encoding="utf-8")


if __name__ == "__main__":
    sys.exit(main())
