"""segment-lesions-train 1.0.0: train a U-Net to find lesions, from images and masks of the lesions.

Usage: python run.py --t1w IMAGE [IMAGE ...] --flair IMAGE [...] --lesions MASK [...] [--epochs 12] [--patches 8]
       [--width 8] [--voxel-mm 3] [--seed 1] [--out out]

Images and masks of one scan are known by participant, session and run in their names. The mask of somebody without
lesions is empty. Writes ``model.npz`` for the pipeline segment-lesions, and ``training.json``: what was trained on,
and loss and Dice of each epoch.
Exit codes: 0 done; 65 a file cannot be read (said on standard error; nothing is written); 2 usage.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
from dataclasses import asdict
from pathlib import Path
from typing import Any

sys.dont_write_bytecode = True  # the folder of the pipeline is read-only, and its digest certified
for library in ("OMP", "OPENBLAS", "MKL"):
    os.environ.setdefault(f"{library}_NUM_THREADS", "1")  # sums depend on the number of threads

from images import UnreadableImageError  # noqa: E402
from lesion_masks import by_scan, load_mask, onto_grid, scan_name  # noqa: E402
from scans import CONTRASTS, load_scan, pair  # noqa: E402
from taught import Taught  # noqa: E402

NAME, VERSION = "segment-lesions-train", "1.0.0"
BAD_DATA = 65
# Every fifth scan is kept out of the training, to see how the network does on people whom it does not know.
HELD_OUT = 5


def main(arguments: list[str] | None = None) -> int:
    """Train on the images given; see the module's text."""
    options = _parse(arguments)
    scans, left_out, problems = load_all(options)
    for problem in problems:
        print(f"{NAME}: {problem}", file=sys.stderr)
    if problems:
        return BAD_DATA
    options.out.mkdir(parents=True, exist_ok=True)
    about = fit(scans, options)
    about["left_out"] = left_out
    (options.out / "training.json").write_text(json.dumps(about, indent=2, allow_nan=False) + "\n", encoding="utf-8")
    return 0


def _parse(arguments: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog=NAME, description=__doc__.partition("\n")[0])
    parser.add_argument("--t1w", type=Path, nargs="+", required=True, metavar="IMAGE")
    parser.add_argument("--flair", type=Path, nargs="+", required=True, metavar="IMAGE")
    parser.add_argument("--lesions", type=Path, nargs="+", required=True, metavar="MASK")
    parser.add_argument("--epochs", type=int, default=12)
    parser.add_argument("--patches", type=int, default=8, help="drawn from a scan in an epoch")
    parser.add_argument("--width", type=int, default=8, help="channels of the network's first level")
    parser.add_argument("--voxel-mm", type=float, default=3.0, help="spacing of the grid to work on")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--threads", type=int, default=1, help="part of the result: sums depend on it")
    parser.add_argument("--out", type=Path, default=Path("out"), help="folder to write into (default: %(default)s)")
    options = parser.parse_args(arguments)
    if min(options.epochs, options.patches, options.threads) < 1 or options.seed < 0:
        parser.error("epochs, patches and threads start at 1, the seed at 0")
    if not 1 <= options.width <= 64:
        parser.error("the network's first level has 1 to 64 channels")
    if not 0.5 <= options.voxel_mm <= 5:
        parser.error("the spacing of the grid lies between 0.5 and 5 mm")
    return options


def load_all(options: argparse.Namespace) -> tuple[list[Taught], list[dict[str, str]], list[str]]:
    """Read all scans with their masks.

    Returns:
        The scans, those left out with the reason, and a line for each file that cannot be read.
    """
    scans: list[Taught] = []
    left_out: list[dict[str, str]] = []
    problems: list[str] = []
    groups = pair(options.t1w, options.flair)
    try:
        masks = by_scan(options.lesions)
        by_scan(paths["T1w"] for _, paths in groups if "T1w" in paths)
    except UnreadableImageError as error:
        return [], [], [str(error)]
    for number, (name, paths) in enumerate(groups, start=1):
        mask = masks.pop(scan_name(next(iter(paths.values()))), None)
        missing = [contrast for contrast in CONTRASTS if contrast not in paths] + ["mask"] * (mask is None)
        if missing or mask is None:
            left_out.append({"name": name, "reason": f"no {' and no '.join(missing)}"})
            continue
        try:
            scans.append(load_one(name, paths, mask, voxel_mm=options.voxel_mm))
        except UnreadableImageError as error:
            problems.append(str(error))
        print(f"read {number}/{len(groups)}", flush=True)
    left_out += ({"name": name, "reason": "a mask without images"} for name in masks)
    if not scans and not problems:
        problems.append("there is no scan with a T1w image, a FLAIR image and a mask to train on.")
    if scans and not problems and not any(scan.lesion.any() for scan in scans):
        problems.append("no mask has a lesion; there is nothing to learn.")
    return scans, left_out, problems


def load_one(name: str, paths: dict[str, Path], mask: Path, *, voxel_mm: float) -> Taught:
    """Read one scan with its mask.

    Raises:
        UnreadableImageError: A file cannot be read.
    """
    known = load_mask(mask)
    scan = load_scan(name, paths, voxel_mm=voxel_mm)
    return Taught(
        name=name,
        channels=scan.channels,
        brain=scan.brain,
        lesion=onto_grid(known, scan.affine, scan.brain.shape) & scan.brain,
        files=tuple(path.name for path in (*paths.values(), mask)),
        mask_ml=float(known.data.sum()) * known.voxel_ml,
    )


def fit(scans: list[Taught], options: argparse.Namespace) -> dict[str, Any]:
    """Train, validate and write the model; returns what is to be told of it."""
    from training import Recipe, train, validate
    from unet import Design, UNet, describe_device, save_model, settle

    device = settle(options.seed, options.threads)
    held = scans[HELD_OUT - 1 :: HELD_OUT]
    taught = [scan for number, scan in enumerate(scans) if number % HELD_OUT != HELD_OUT - 1]
    design = Design(contrasts=CONTRASTS, voxel_mm=options.voxel_mm, width=options.width)
    recipe = Recipe(seed=options.seed, epochs=options.epochs, patches=options.patches)
    network = UNet(design).to(device)
    epochs = []
    for epoch in train(network, taught, held, design, recipe, device):
        epochs.append(epoch)
        speed = f", {epoch.steps_per_s:.1f} steps/s" if epoch.steps_per_s else ""
        print(f"epoch {len(epochs)}/{recipe.epochs}: {epoch.told()}{speed}", flush=True)
    validated = validate(network, held, design, device)
    save_model(options.out / "model.npz", design, network)
    return {
        "GeneratedBy": {"Name": NAME, "Version": VERSION},
        "design": asdict(design),
        "recipe": asdict(recipe),
        "parameters": sum(value.numel() for value in network.parameters()),
        "threads": options.threads,
        **describe_device(device),
        "trained_on": [scan.told() for scan in taught],
        "validated_on": [scan.told() | {"dice": dice} for scan, dice in zip(held, validated, strict=True)],
        "loss": [epoch.loss for epoch in epochs],
        "dice": [epoch.dice for epoch in epochs],
        "validation_dice": [epoch.validation_dice for epoch in epochs],
    }


if __name__ == "__main__":
    sys.exit(main())
