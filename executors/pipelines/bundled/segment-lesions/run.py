"""segment-lesions 1.0.0: find lesions with a model of segment-lesions-train.

Usage: python run.py --model model.npz --t1w IMAGE [IMAGE ...] --flair IMAGE [...] [--threshold 0.5] [--least-ml 0]
       [--out out]

Writes for each scan a map of probabilities and a mask on the grid of the FLAIR image, a JSON file with volume, count
and a table of the lesions, and one report for each participant.
Exit codes: 0 done; 65 a file cannot be read (said on standard error; the other scans are still done); 2 usage.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
from pathlib import Path

sys.dont_write_bytecode = True  # the folder of the pipeline is read-only, and its digest certified
for library in ("OMP", "OPENBLAS", "MKL"):
    os.environ.setdefault(f"{library}_NUM_THREADS", "1")  # sums depend on the number of threads

from images import UnreadableImageError, participant  # noqa: E402
from report import overlay, render  # noqa: E402
from scans import CONTRASTS, load_scan, pair  # noqa: E402
from segmentation import Segmentation, Segmenter, labelled_path  # noqa: E402

NAME, VERSION = "segment-lesions", "1.0.0"
BAD_DATA = 65


def main(arguments: list[str] | None = None) -> int:
    """Find the lesions of every scan given; see the module's text."""
    options = _parse(arguments)
    try:
        segmenter = Segmenter.load(options.model, threshold=options.threshold, least_ml=options.least_ml)
    except UnreadableImageError as error:
        print(f"{NAME}: {error}", file=sys.stderr)
        return BAD_DATA
    reports: dict[str, list[tuple[Segmentation, bytes]]] = {}
    failed = False
    groups = pair(options.t1w, options.flair)
    for number, (name, paths) in enumerate(groups, start=1):
        try:
            found = examine(segmenter, name, paths)
            write(found, options.out)
        except UnreadableImageError as error:
            print(f"{NAME}: {error}", file=sys.stderr)
            failed = True
            continue
        reports.setdefault(participant(found.image.path), []).append((found, overlay(found)))
        print(f"{number}/{len(groups)} {name}", flush=True)
    for label, segmentations in reports.items():
        (options.out / f"{label}.html").write_text(render(label, segmentations, f"{NAME} {VERSION}"), encoding="utf-8")
    return BAD_DATA if failed else 0


def _parse(arguments: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog=NAME, description=__doc__.partition("\n")[0])
    parser.add_argument("--model", type=Path, required=True, help="model.npz of segment-lesions-train")
    parser.add_argument("--t1w", type=Path, nargs="+", required=True, metavar="IMAGE")
    parser.add_argument("--flair", type=Path, nargs="+", required=True, metavar="IMAGE")
    parser.add_argument("--threshold", type=float, default=0.5, help="probability from which a voxel is lesion")
    parser.add_argument("--least-ml", type=float, default=0.0, help="smaller bodies are no lesions")
    parser.add_argument("--out", type=Path, default=Path("out"), help="folder to write into (default: %(default)s)")
    options = parser.parse_args(arguments)
    if not 0 < options.threshold < 1:
        parser.error("the threshold is a probability between 0 and 1")
    if not 0 <= options.least_ml < 1000:
        parser.error("the least volume lies between 0 and 1000 ml")
    return options


def examine(segmenter: Segmenter, name: str, paths: dict[str, Path]) -> Segmentation:
    """Read one scan and find its lesions.

    Raises:
        UnreadableImageError: An image cannot be read, or one of the two is missing.
    """
    for contrast in CONTRASTS:
        if contrast not in paths:
            given = next(iter(paths.values()))
            raise UnreadableImageError(f"{given.name}: the {contrast} image of the same session is missing.")
    return segmenter.find(load_scan(name, paths, voxel_mm=segmenter.voxel_mm))


def write(found: Segmentation, out: Path) -> None:
    """Write the files of one scan.

    Raises:
        UnreadableImageError: Another scan of this call has the same name in the output.
    """
    source = found.image.path
    told = out / labelled_path(source, "mask", ".json")
    if told.exists():
        raise UnreadableImageError(f"{source.name}: two images are called so; give them one at a time.")
    told.parent.mkdir(parents=True, exist_ok=True)
    (out / labelled_path(source, "probseg", ".nii.gz")).write_bytes(found.probability_nifti())
    (out / labelled_path(source, "mask", ".nii.gz")).write_bytes(found.mask_nifti())
    content = {**found.told(), "GeneratedBy": {"Name": NAME, "Version": VERSION}}
    told.write_text(json.dumps(content, indent=2, allow_nan=False) + "\n", encoding="utf-8")


if __name__ == "__main__":
    sys.exit(main())
