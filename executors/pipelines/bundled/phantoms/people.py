"""A few drawn people as images, and a small model that was trained on them."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path

from heads import Person, save, scan

BUNDLED = Path(__file__).parents[1]
SUFFIXES = ("T1w", "FLAIR")


def write_people(folder: Path, people: Sequence[Person]) -> dict[str, list[str]]:
    """Write both contrasts of everybody below ``inputs/``, and return their paths by contrast, in lower case."""
    found: dict[str, list[str]] = {suffix.lower(): [] for suffix in SUFFIXES}
    for number, person in enumerate(people, start=1):
        for suffix in SUFFIXES:
            path = f"inputs/sub-{number:02}/anat/sub-{number:02}_{suffix}.nii.gz"
            save(folder / path, scan(person, suffix), mm=person.mm)
            found[suffix.lower()].append(path)
    return found


def write_model(folder: Path, paths: dict[str, list[str]], target: Path) -> None:
    """Train a model with few weights on people, and write it: the pipelines read its size from the file."""
    sys.path[:0] = [str(BUNDLED / "shared"), str(BUNDLED / "anomaly-autoencoder-train")]
    import hashlib

    from network import Design, Model, build, save_model, settle
    from scans import CONTRASTS, load_scan, pair
    from training import Recipe, calibrate, train

    t1w, flair = ([folder / path for path in paths[suffix.lower()]] for suffix in SUFFIXES)
    scans = [load_scan(name, found, voxel_mm=6.0) for name, found in pair(t1w, flair)]
    device = settle(seed=1, threads=1)
    design = Design(contrasts=CONTRASTS, voxel_mm=6.0, patch=4, hidden=64, latent=12)
    network = build(design).to(device)
    for _ in train(network, scans, design, Recipe(seed=1, epochs=20), device):
        pass
    taught = tuple(hashlib.sha256(path.read_bytes()).hexdigest() for path in t1w)
    norms = calibrate(network, scans, design, device)
    target.parent.mkdir(parents=True, exist_ok=True)
    save_model(target, Model(design=design, network=network, norms=norms, normal={}, taught=taught))
