"""anomaly-autoencoder 1.1.0: show where a brain differs from what a model of healthy brains expects.

Usage: python run.py --model model.npz --t1w IMAGE [IMAGE ...] [--flair IMAGE ...] [--threshold 3.5] [--out out]

Writes for each scan the anomaly map (z-scores), its JSON file with the abnormal part of each tissue and a picture;
and one report for each participant. Works on FLAIR where there is one, otherwise on T1w.
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

from detection import Detector, Finding  # noqa: E402
from images import UnreadableImageError, derived_path, participant  # noqa: E402
from report import overlay, render  # noqa: E402
from scans import load_scan, pair  # noqa: E402

NAME, VERSION = "anomaly-autoencoder", "1.1.0"
BAD_DATA = 65


def main(arguments: list[str] | None = None) -> int:
    """Find the anomalies of every scan given; see the module's text."""
    options = _parse(arguments)
    try:
        detector = Detector.load(options.model, threshold=options.threshold)
    except UnreadableImageError as error:
        print(f"{NAME}: {error}", file=sys.stderr)
        return BAD_DATA
    reports: dict[str, list[tuple[Finding, bytes]]] = {}
    failed = False
    groups = pair(options.t1w, options.flair)
    for number, (name, paths) in enumerate(groups, start=1):
        try:
            finding = examine(detector, name, paths)
            picture = write(finding, options.out)
        except UnreadableImageError as error:
            print(f"{NAME}: {error}", file=sys.stderr)
            failed = True
            continue
        reports.setdefault(participant(finding.image.path), []).append((finding, picture))
        print(f"{number}/{len(groups)} {name}", flush=True)
    for label, findings in reports.items():
        (options.out / f"{label}.html").write_text(render(label, findings, f"{NAME} {VERSION}"), encoding="utf-8")
    return BAD_DATA if failed else 0


def _parse(arguments: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog=NAME, description=__doc__.partition("\n")[0])
    parser.add_argument("--model", type=Path, required=True, help="model.npz of anomaly-autoencoder-train")
    parser.add_argument("--t1w", type=Path, nargs="+", required=True, metavar="IMAGE")
    parser.add_argument("--flair", type=Path, nargs="*", default=[], metavar="IMAGE")
    parser.add_argument("--threshold", type=float, default=3.5, help="z-score that counts as abnormal")
    parser.add_argument("--out", type=Path, default=Path("out"), help="folder to write into (default: %(default)s)")
    options = parser.parse_args(arguments)
    if not 0 < options.threshold < 100:
        parser.error("the threshold is a z-score between 0 and 100")
    return options


def examine(detector: Detector, name: str, paths: dict[str, Path]) -> Finding:
    """Read one scan and find its anomalies.

    Raises:
        UnreadableImageError: An image cannot be read, or the T1w is missing.
    """
    if "T1w" not in paths:
        raise UnreadableImageError(f"{paths['FLAIR'].name}: the T1w image of the same session is missing.")
    return detector.find(load_scan(name, paths, voxel_mm=detector.voxel_mm))


def write(finding: Finding, out: Path) -> bytes:
    """Write the files of one scan and return its picture.

    Raises:
        UnreadableImageError: Another scan of this call has the same name in the output.
    """
    source = finding.image.path
    target = {kind: out / derived_path(source, "anomaly", kind) for kind in (".nii.gz", ".json")}
    if target[".json"].exists():
        raise UnreadableImageError(f"{source.name}: two images are called so; give them one at a time.")
    drawn = derived_path(source, "anomaly", ".png")
    # Beside the folder of the data type, where other BIDS applications keep their pictures.
    target[".png"] = out / drawn.parent.parent / "figures" / drawn.name
    for path in target.values():
        path.parent.mkdir(parents=True, exist_ok=True)
    picture = overlay(finding)
    target[".nii.gz"].write_bytes(finding.nifti())
    target[".png"].write_bytes(picture)
    content = {**finding.told(), "GeneratedBy": {"Name": NAME, "Version": VERSION}}
    target[".json"].write_text(json.dumps(content, indent=2, allow_nan=False) + "\n", encoding="utf-8")
    return picture


if __name__ == "__main__":
    sys.exit(main())
