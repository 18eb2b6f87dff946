"""Train the siamese form: patches of two people at the same place are to have codes that point the same way.

After Alaverdyan et al. (2020): both twins share their weights, each reconstructs its patch, and the cosine between
their codes is pulled up. What differs between healthy people is so forgotten; what no healthy one has is not.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch
from codes import code, distance_map
from network import Design, Model, patch_corners, windows
from normal import Box, Cells, Codes, Normal, cells_of
from numpy.typing import NDArray
from residuals import mean_known, residual_spread, smooth_residual
from scans import TISSUES, Scan


@dataclass(frozen=True, slots=True, kw_only=True)
class PairRecipe:
    """How to train on pairs.

    Attributes:
        seed: Of everything random.
        epochs: Times that fresh pairs are drawn from every scan.
        patches: Pairs drawn for a scan in an epoch.
        batch: Pairs in a step.
        rate: Highest learning rate, of a cosine that ends at zero.
        pull: Weight of the cosine beside the mean squared error of the reconstruction.
        dropout: How often the second contrast is hidden from both.
    """

    seed: int
    epochs: int = 30
    patches: int = 512
    batch: int = 128
    rate: float = 2e-3
    pull: float = 0.01
    dropout: float = 0.15


def siamese_design(contrasts: tuple[str, ...], voxel_mm: float) -> Design:
    """Return the design of this form: smaller patches, because its map is no finer than they are."""
    return Design(contrasts=contrasts, voxel_mm=voxel_mm, patch=4, hidden=160, latent=16, form="siamese")


def train_pairs(
    network: torch.nn.Sequential, scans: list[Scan], design: Design, recipe: PairRecipe, device: torch.device
) -> Iterator[float]:
    """Train in place on at least two scans; yields the mean loss of each epoch as it ends."""
    dice = np.random.default_rng(recipe.seed)
    boxes = [Box.around(scan.brain) for scan in scans]
    lattices = [patch_corners(scan.brain, design.patch, 1) for scan in scans]
    steps = recipe.epochs * -(-len(scans) * recipe.patches // recipe.batch)
    optimiser = torch.optim.AdamW(network.parameters(), lr=recipe.rate, weight_decay=1e-4, fused=True)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, recipe.rate, total_steps=steps, pct_start=0.15)
    network.train()
    for _ in range(recipe.epochs):
        drawn = [_pairs(dice, (scans, boxes, lattices), number, design, recipe.patches) for number in range(len(scans))]
        pairs = np.concatenate([pair for pair, _ in drawn])
        known = np.concatenate([present for _, present in drawn])
        losses = []
        for chosen in np.array_split(dice.permutation(len(pairs)), -(-len(pairs) // recipe.batch)):
            given, target, weight = _shown(dice, pairs[chosen], known[chosen], recipe)
            losses.append(_step(network, optimiser, (given, target, weight), recipe.pull, device))
            schedule.step()
        yield float(np.mean(losses))
    network.eval()


def _pairs(
    dice: np.random.Generator,
    people: tuple[list[Scan], list[Box], list[NDArray[np.int64]]],
    number: int,
    design: Design,
    count: int,
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Draw patches of one person with their twins at the same places of others, and which contrasts both have."""
    scans, boxes, lattices = people
    corners = lattices[number][dice.integers(0, len(lattices[number]), count)]
    places = boxes[number].places(corners, design.patch)
    partners = (number + dice.integers(1, len(scans), count)) % len(scans)
    pairs = np.zeros((count, 2, len(design.contrasts), *[design.patch] * 3), dtype=np.float32)
    known = np.zeros((count, len(design.contrasts)), dtype=np.float32)
    x, y, z = corners.T
    pairs[:, 0] = windows(scans[number].channels, design.patch)[x, y, z]
    for other in np.unique(partners):
        rows = np.flatnonzero(partners == other)
        last = np.array(scans[other].brain.shape) - design.patch
        x, y, z = np.clip(boxes[other].corners(places[rows], design.patch), 0, last).T
        pairs[rows, 1] = windows(scans[other].channels, design.patch)[x, y, z]
        known[rows] = np.array(scans[number].present) & np.array(scans[other].present)
    return pairs, known


def _shown(
    dice: np.random.Generator, pairs: NDArray[np.float32], known: NDArray[np.float32], recipe: PairRecipe
) -> tuple[NDArray[np.float32], NDArray[np.float32], NDArray[np.float32]]:
    """Return what the twins see, what they are to reconstruct, and how much each contrast counts."""
    scale = dice.uniform(0.96, 1.04, (len(pairs), 2, pairs.shape[2], 1, 1, 1)).astype(np.float32)
    weight = np.broadcast_to(known[:, None, :, None, None, None], pairs.shape)
    target = pairs * scale * weight
    given = target.copy()
    given[dice.random(len(pairs)) < recipe.dropout, :, 1:] = 0
    return given, target, np.ascontiguousarray(weight)


def _step(
    network: torch.nn.Sequential,
    optimiser: torch.optim.Optimizer,
    arrays: tuple[NDArray[np.float32], ...],
    pull: float,
    device: torch.device,
) -> float:
    given, target, weight = (torch.from_numpy(a).flatten(2).to(device) for a in arrays)
    codes = network[:3](given)
    made = network[3:](codes)
    rebuilt = (weight * (made - target) ** 2).sum() / weight.sum()
    likeness = torch.nn.functional.cosine_similarity(codes[:, 0], codes[:, 1], dim=1).mean()
    loss = rebuilt + pull * (1 - likeness)
    optimiser.zero_grad(set_to_none=True)
    loss.backward()
    optimiser.step()
    return float(loss.item())


def learn_normal(
    network: torch.nn.Sequential, scans: list[Scan], design: Design, device: torch.device
) -> dict[int, Normal]:
    """Return where the codes of healthy people lie, once for each last contrast that a scan may have."""
    found = {}
    for channel in range(len(design.contrasts)):
        there = [scan for scan in scans if scan.present[channel]]

        def read(there: list[Scan] = there, channel: int = channel) -> Iterator[tuple[Cells, Codes]]:
            for scan in there:
                coded = code(network, design, scan, channel=channel, stride=2, device=device)
                yield cells_of(coded.places), coded.codes

        if there:
            found[channel] = Normal.learn(read)
    return found


def calibrate_distances(model: Model, scans: list[Scan], device: torch.device) -> NDArray[np.float32]:
    """Return how the distances of healthy scans are spread: last contrast by tissue by (centre, body, tail)."""
    found = np.full((len(scans), len(model.design.contrasts), len(TISSUES), 3), np.nan, dtype=np.float32)
    for row, scan in zip(found, scans, strict=True):
        for channel in model.normal:
            if not scan.present[channel]:
                continue
            distances = distance_map(model, scan, channel=channel, device=device)
            rest = smooth_residual(distances, scan.brain)
            for tissue in range(len(TISSUES)):
                spread = residual_spread(rest, scan.tissues == tissue + 1)
                row[channel, tissue] = spread.centre, spread.body, spread.tail
    return mean_known(found)
