"""``python -m sillage.demo.study DIR``: write the synthetic study into a folder."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from ontology.errors import SillageError
from sillage.demo.study import make_study


def main(arguments: list[str] | None = None) -> int:
    """Write the study that the arguments ask for and print the folder of each dataset.

    Returns:
        The exit code: 0 done, 2 bad input, 4 the folder is taken, 5 the template is not installed.
    """
    parser = argparse.ArgumentParser(prog="python -m sillage.demo.study", description=__doc__)
    parser.add_argument("target", type=Path, help="folder to write the datasets into")
    parser.add_argument("--seed", type=int, default=20261121, help="same seed, same bytes (default: %(default)s)")
    parser.add_argument("--participants", type=int, nargs=2, default=(22, 20), metavar=("NORTH", "COAST"))
    parser.add_argument("--voxel-mm", type=float, default=3.0, help="edge of a voxel (default: %(default)s)")
    parser.add_argument("--lesion-masks", action="store_true", help="also write the lesions that were drawn")
    options = parser.parse_args(arguments)
    try:
        folders = make_study(
            options.target,
            seed=options.seed,
            participants=tuple(options.participants),
            voxel_mm=options.voxel_mm,
            lesion_masks=options.lesion_masks,
            progress=_show if sys.stderr.isatty() else None,
        )
    except SillageError as error:
        print(error.detail, error.next_step() or "", file=sys.stderr)
        return {"conflict": 4, "not-installed": 5}.get(error.code, 2)
    for folder in folders:
        print(folder)
    return 0


def _show(done: int, total: int) -> None:
    print(f"\r{done}/{total} participants", end="\n" if done == total else "", file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main())
