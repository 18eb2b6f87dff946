"""image-qc 1.2.0: measures of image quality, one JSON file for each image and one report for each participant.

Usage: python run.py --images IMAGE [IMAGE ...] [--out out]

Exit codes: 0 done; 65 an image cannot be read (said on standard error; the others are still done); 2 usage.
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

from images import (  # noqa: E402
    Image,
    UnreadableImageError,
    derived_path,
    load_image,
    participant,
    source_path,
    stem,
    suffix,
)
from metrics import find_regions, measure, remarks  # noqa: E402
from pictures import histogram, montage  # noqa: E402
from report import Section, render  # noqa: E402

NAME, VERSION = "image-qc", "1.2.0"
BAD_DATA = 65


def main(arguments: list[str] | None = None) -> int:
    """Measure every image that was given; see the module's text."""
    parser = argparse.ArgumentParser(prog=NAME, description=__doc__.partition("\n")[0])
    parser.add_argument("--images", type=Path, nargs="+", required=True, metavar="IMAGE")
    parser.add_argument("--out", type=Path, default=Path("out"), help="folder to write into (default: %(default)s)")
    options = parser.parse_args(arguments)
    reports: dict[str, list[Section]] = {}
    failed = False
    for number, path in enumerate(sorted(options.images), start=1):
        try:
            section = examine(load_image(path), options.out)
        except UnreadableImageError as error:
            print(f"{NAME}: {error}", file=sys.stderr)
            failed = True
            continue
        reports.setdefault(participant(path), []).append(section)
        print(f"{number}/{len(options.images)} {path.name}", flush=True)
    for label, sections in reports.items():
        (options.out / f"{label}.html").write_text(render(label, sections, f"{NAME} {VERSION}"), encoding="utf-8")
    return BAD_DATA if failed else 0


def examine(image: Image, out: Path) -> Section:
    """Measure one image, write its JSON file and return its part of the report.

    Raises:
        UnreadableImageError: Another image of this call has the same name in the output.
    """
    target = out / derived_path(image.path, "qc", ".json")
    if target.exists():
        raise UnreadableImageError(f"{image.path.name}: two images are called so; give them one at a time.")
    regions = find_regions(image, suffix(image.path))
    measures = measure(image, regions)
    told = remarks(measures)
    content = {
        "Sources": [source_path(image.path)],
        "GeneratedBy": {"Name": NAME, "Version": VERSION},
        "shape": list(image.data.shape),
        "spacing_mm": [round(mm, 4) for mm in image.spacing],
        "volumes": image.volumes,
        "measures": measures,
        "remarks": told,
    }
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_text(json.dumps(content, indent=2, allow_nan=False) + "\n", encoding="utf-8")
    return Section(
        name=stem(image.path),
        shape=image.data.shape,
        spacing=image.spacing,
        measures=measures,
        remarks=told,
        montage=montage(image),
        histogram=histogram(image, regions),
    )


if __name__ == "__main__":
    sys.exit(main())
