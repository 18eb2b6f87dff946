"""anomaly-autoencoder-train 1.1.0: train a patch auto-encoder on the brains of healthy participants.

Usage: python run.py --t1w IMAGE [IMAGE ...] [--flair IMAGE ...] [--form denoising|siamese] [--epochs 30] [--seed 1]
       [--out out]

Writes ``model.npz`` for the pipeline anomaly-autoencoder, and ``training.json``: what was trained on, and the loss.
Exit codes: 0 done; 65 an image cannot be read (said on standard error; nothing is written); 2 usage.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import sys
from collections.abc import Iterator
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

sys.dont_write_bytecode = True  # the folder of the pipeline is read-only, and its digest certified
for library in ("OMP", "OPENBLAS", "MKL"):
    os.environ.setdefault(f"{library}_NUM_THREADS", "1")  # sums depend on the number of threads

from images import UnreadableImageError  # noqa: E402
from scans import CONTRASTS, TISSUES, Scan, load_scan, pair  # noqa: E402

NAME, VERSION = "anomaly-autoencoder-train", "1.1.0"
BAD_DATA = 65
VOXEL_MM = 3.0
# Every fifth scan is kept out of the training to learn from it what residual is normal.
HELD_OUT = 5


def main(arguments: list[str] | None = None) -> int:
    """Train on the images given; see the module's text."""
    options = _parse(arguments)
    try:
        scans, skipped = load_all(options.t1w, options.flair)
        if options.form == "siamese" and len(scans) < 2:
            raise UnreadableImageError("the siamese form pairs people; one scan has no partner.")
    except UnreadableImageError as error:
        print(f"{NAME}: {error}", file=sys.stderr)
        return BAD_DATA
    options.out.mkdir(parents=True, exist_ok=True)
    about = fit(scans, options)
    about["skipped"] = skipped
    (options.out / "training.json").write_text(json.dumps(about, indent=2, allow_nan=False) + "\n", encoding="utf-8")
    return 0


def _parse(arguments: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog=NAME, description=__doc__.partition("\n")[0])
    parser.add_argument("--t1w", type=Path, nargs="+", required=True, metavar="IMAGE")
    parser.add_argument("--flair", type=Path, nargs="*", default=[], metavar="IMAGE")
    parser.add_argument("--form", choices=("denoising", "siamese"), default="denoising", help="how it judges")
    parser.add_argument("--epochs", type=int, default=30)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--threads", type=int, default=1, help="part of the result: sums depend on it")
    parser.add_argument("--out", type=Path, default=Path("out"), help="folder to write into (default: %(default)s)")
    options = parser.parse_args(arguments)
    if options.epochs < 1 or options.threads < 1:
        parser.error("epochs and threads start at 1")
    return options


def load_all(t1w: list[Path], flair: list[Path]) -> tuple[list[Scan], list[str]]:
    """Read all scans.

    Returns:
        The scans, and the names of those left out for want of a T1w image.

    Raises:
        UnreadableImageError: An image cannot be read, or there is none to train on.
    """
    scans, skipped = [], []
    groups = pair(t1w, flair)
    for number, (name, paths) in enumerate(groups, start=1):
        if "T1w" in paths:
            scans.append(load_scan(name, paths, voxel_mm=VOXEL_MM))
            print(f"read {number}/{len(groups)}", flush=True)
        else:
            skipped.append(name)
    if not scans:
        raise UnreadableImageError("there is no T1w image to train on.")
    return scans, skipped


def fit(scans: list[Scan], options: argparse.Namespace) -> dict[str, Any]:
    """Train, calibrate and write the model; returns what is to be told of it."""
    from network import describe_device, save_model, settle

    device = settle(options.seed, options.threads)
    held, taught = scans[HELD_OUT - 1 :: HELD_OUT], scans
    if options.form == "denoising" or len(scans) - len(held) >= 2:
        taught = [scan for number, scan in enumerate(scans) if number % HELD_OUT != HELD_OUT - 1]
    teach = _denoising if options.form == "denoising" else _siamese
    model, recipe, losses = teach(taught, held or taught, options, device)
    save_model(options.out / "model.npz", model)
    return {
        "GeneratedBy": {"Name": NAME, "Version": VERSION},
        "design": asdict(model.design),
        "recipe": asdict(recipe),
        "threads": options.threads,
        **describe_device(device),
        "trained_on": [_told(scan) for scan in taught],
        "calibrated_on": [_told(scan) for scan in held or taught],
        "loss": losses,
        "normal_spread": {
            contrast: {tissue: _number(value) for tissue, value in zip(TISSUES, values.tolist(), strict=True)}
            for contrast, values in zip(CONTRASTS, model.norms[:, :, 2], strict=True)
        },
    }


def _denoising(taught: list[Scan], held: list[Scan], options: argparse.Namespace, device: Any) -> tuple[Any, Any, Any]:
    from network import Design, Model, build
    from training import Recipe, calibrate, train

    design = Design(contrasts=CONTRASTS, voxel_mm=VOXEL_MM)
    recipe = Recipe(seed=options.seed, epochs=options.epochs)
    network = build(design).to(device)
    losses = _listen(train(network, taught, design, recipe, device), recipe.epochs)
    norms = calibrate(network, held, design, device)
    model = Model(design=design, network=network, norms=norms, normal={}, taught=_digests([*taught, *held]))
    return model, recipe, losses


def _siamese(taught: list[Scan], held: list[Scan], options: argparse.Namespace, device: Any) -> tuple[Any, Any, Any]:
    import numpy as np
    from network import Model, build
    from siamese import PairRecipe, calibrate_distances, learn_normal, siamese_design, train_pairs

    design = siamese_design(CONTRASTS, VOXEL_MM)
    recipe = PairRecipe(seed=options.seed, epochs=options.epochs)
    network = build(design).to(device)
    losses = _listen(train_pairs(network, taught, design, recipe, device), recipe.epochs)
    normal = learn_normal(network, taught, design, device)
    digests = _digests([*taught, *held])
    model = Model(design=design, network=network, norms=np.empty(0), normal=normal, taught=digests)
    return replace(model, norms=calibrate_distances(model, held, device)), recipe, losses


def _listen(losses: Iterator[float], epochs: int) -> list[float]:
    """Say how far the training is, and return the losses rounded to what is worth writing down."""
    heard = []
    for loss in losses:
        heard.append(float(f"{loss:.6g}"))
        print(f"epoch {len(heard)}/{epochs}: loss {loss:.5f}", flush=True)
    return heard


def _digests(scans: list[Scan]) -> tuple[str, ...]:
    """Return what tells the scans of a model again, whatever they are called."""
    paths = (scan.images["T1w"].path for scan in scans)
    return tuple({hashlib.sha256(path.read_bytes()).hexdigest() for path in paths})


def _told(scan: Scan) -> dict[str, Any]:
    contrasts = [contrast for contrast, there in zip(CONTRASTS, scan.present, strict=True) if there]
    return {"name": scan.name, "contrasts": contrasts}


def _number(value: float) -> float | None:
    return float(f"{value:.6g}") if value == value else None


if __name__ == "__main__":
    sys.exit(main())
