"""segment-lesions-evaluate 1.0.0: how well masks agree with reference masks, as segmentation challenges measure it.

Usage: python run.py --masks MASK [MASK ...] --references MASK [MASK ...] [--out out]

Masks and references of one scan are known by participant, session and run in their names, and lie on one grid.
Writes ``evaluation.tsv``, one line for each scan, and ``evaluation.json`` with the means and medians over the scans.
Exit codes: 0 done; 65 a file cannot be read or has no partner (said on standard error; nothing is written, because a
mean over fewer scans than asked for is another number); 2 usage.
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

from images import UnreadableImageError  # noqa: E402
from lesion_masks import by_scan, load_mask  # noqa: E402
from scores import Scores, compare, summarise  # noqa: E402

NAME, VERSION = "segment-lesions-evaluate", "1.0.0"
BAD_DATA = 65


def main(arguments: list[str] | None = None) -> int:
    """Evaluate the masks given; see the module's text."""
    options = _parse(arguments)
    scored, problems = evaluate(options.masks, options.references)
    for problem in problems:
        print(f"{NAME}: {problem}", file=sys.stderr)
    if problems:
        return BAD_DATA
    options.out.mkdir(parents=True, exist_ok=True)
    (options.out / "evaluation.tsv").write_text(table(scored), encoding="utf-8")
    about = {
        "Description": "Agreement of lesion masks with reference masks",
        "measures": summarise(list(scored.values())),
        "scans": {name: scores.told() for name, scores in scored.items()},
        "GeneratedBy": {"Name": NAME, "Version": VERSION},
    }
    (options.out / "evaluation.json").write_text(json.dumps(about, indent=2, allow_nan=False) + "\n", encoding="utf-8")
    return 0


def _parse(arguments: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog=NAME, description=__doc__.partition("\n")[0])
    parser.add_argument("--masks", type=Path, nargs="+", required=True, metavar="MASK")
    parser.add_argument("--references", type=Path, nargs="+", required=True, metavar="MASK")
    parser.add_argument("--out", type=Path, default=Path("out"), help="folder to write into (default: %(default)s)")
    return parser.parse_args(arguments)


def evaluate(masks: list[Path], references: list[Path]) -> tuple[dict[str, Scores], list[str]]:
    """Compare every mask with the reference of the same scan.

    Returns:
        The scores by scan, and a line for each file that cannot be compared.
    """
    try:
        found, known = by_scan(masks), by_scan(references)
    except UnreadableImageError as error:
        return {}, [str(error)]
    problems = [f"{found[name].name}: there is no reference of {name}." for name in sorted(found.keys() - known.keys())]
    problems += [f"{known[name].name}: there is no mask of {name}." for name in sorted(known.keys() - found.keys())]
    scored: dict[str, Scores] = {}
    for name in sorted(found.keys() & known.keys()):
        try:
            scored[name] = compare(load_mask(found[name]), load_mask(known[name]))
            print(name, flush=True)
        except UnreadableImageError as error:
            problems.append(str(error))
    return scored, problems


def table(scored: dict[str, Scores]) -> str:
    """Return tab-separated values, one line for each scan; ``n/a`` where not defined (BIDS 1.10)."""
    rows = [["scan", *next(iter(scored.values())).told()]]
    for name, scores in scored.items():
        rows.append([name, *("n/a" if value is None else f"{value:.10g}" for value in scores.told().values())])
    return "".join("\t".join(row) + "\n" for row in rows)


if __name__ == "__main__":
    sys.exit(main())
