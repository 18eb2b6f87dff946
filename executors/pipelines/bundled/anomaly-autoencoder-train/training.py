"""Train the patch auto-encoder to remove coarse noise from healthy brains, and learn what error is normal.

A denoising auto-encoder that has learnt to take away blobs of any sign puts healthy tissue where a lesion is,
so that the lesion stays in the residual (Kascenas, Pugeault and O'Neil 2022, PMLR 172:653).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch
from network import Design, patch_corners, reconstruct, windows
from numpy.typing import NDArray
from residuals import mean_known, residual_spread, smooth_residual
from scans import TISSUES, Scan


@dataclass(frozen=True, slots=True, kw_only=True)
class Recipe:
    """How to train.

    Attributes:
        seed: Of everything random.
        epochs: Times that fresh patches are drawn from every scan.
        patches: Patches drawn from a scan in an epoch.
        batch: Patches in a step.
        rate: Highest learning rate, of a cosine that ends at zero.
        noise: Standard deviation of the strongest coarse noise, in units of the brain's mean.
        dropout: How often the second contrast is hidden from the network.
    """

    seed: int
    epochs: int = 30
    patches: int = 384
    batch: int = 128
    rate: float = 1.5e-3
    noise: float = 0.4
    dropout: float = 0.15


def train(
    network: torch.nn.Module, scans: list[Scan], design: Design, recipe: Recipe, device: torch.device
) -> Iterator[float]:
    """Train in place; yields the mean loss of each epoch as it ends."""
    dice = np.random.default_rng(recipe.seed)
    places = [patch_corners(scan.brain, design.patch, 1) for scan in scans]
    steps = recipe.epochs * -(-len(scans) * recipe.patches // recipe.batch)
    optimiser = torch.optim.AdamW(network.parameters(), lr=recipe.rate, weight_decay=1e-4, fused=True)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, recipe.rate, total_steps=steps, pct_start=0.15)
    network.train()
    for _ in range(recipe.epochs):
        clean, known = _draw(dice, scans, places, design, recipe.patches)
        losses = []
        for chosen in np.array_split(dice.permutation(len(clean)), -(-len(clean) // recipe.batch)):
            target, weight = clean[chosen], known[chosen]
            given = _disturb(dice, target, recipe)
            losses.append(_step(network, optimiser, [given, target, weight], device))
            schedule.step()
        yield float(np.mean(losses))
    network.eval()


def _step(
    network: torch.nn.Module,
    optimiser: torch.optim.Optimizer,
    arrays: list[NDArray[np.float32]],
    device: torch.device,
) -> float:
    given, target, weight = (torch.from_numpy(a).flatten(1).to(device) for a in arrays)
    loss = (weight * (network(given) - target) ** 2).sum() / weight.sum()
    optimiser.zero_grad(set_to_none=True)
    loss.backward()
    optimiser.step()
    return float(loss.item())


def _draw(
    dice: np.random.Generator, scans: list[Scan], places: list[NDArray[np.int64]], design: Design, count: int
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Draw patches from every scan, mirrored left to right every other time, with the weight of each channel."""
    drawn, known = [], []
    for scan, corners in zip(scans, places, strict=True):
        x, y, z = corners[dice.integers(0, len(corners), count)].T
        patches = windows(scan.channels, design.patch)[x, y, z]
        mirrored = dice.random(count) < 0.5
        patches[mirrored] = patches[mirrored, :, ::-1]
        drawn.append(patches)
        present = np.array(scan.present, dtype=np.float32).reshape(1, -1, 1, 1, 1)
        known.append(np.broadcast_to(present, patches.shape))
    clean = np.concatenate(drawn)
    scale = dice.uniform(0.96, 1.04, (len(clean), len(design.contrasts), 1, 1, 1)).astype(np.float32)
    return clean * scale, np.concatenate(known)


def _disturb(dice: np.random.Generator, clean: NDArray[np.float32], recipe: Recipe) -> NDArray[np.float32]:
    """Add coarse noise of a random strength inside the brain, and hide the second contrast now and then."""
    count, channels, edge = clean.shape[:3]
    coarse = dice.standard_normal((count, channels, *[edge // 2] * 3), dtype=np.float32)
    for axis in (2, 3, 4):
        coarse = np.repeat(coarse, 2, axis=axis)
    strength = dice.uniform(0, recipe.noise, (count, channels, 1, 1, 1)).astype(np.float32)
    given = np.where(clean > 0, clean + strength * coarse, clean)
    if channels > 1:
        given[dice.random(count) < recipe.dropout, 1:] = 0
    return given.astype(np.float32)


def calibrate(
    network: torch.nn.Sequential, scans: list[Scan], design: Design, device: torch.device
) -> NDArray[np.float32]:
    """Return how the residuals of healthy scans are spread: contrast by tissue by (centre, body, tail).

    What no scan can tell, because the contrast was never acquired, is not a number.
    """
    found = np.full((len(scans), len(design.contrasts), len(TISSUES), 3), np.nan, dtype=np.float32)
    for row, scan in zip(found, scans, strict=True):
        made = reconstruct(network, design, scan.channels, scan.brain, device=device)
        for channel in np.flatnonzero(scan.present):
            rest = smooth_residual(scan.channels[channel] - made[channel], scan.brain)
            for tissue in range(len(TISSUES)):
                spread = residual_spread(rest, scan.tissues == tissue + 1)
                row[channel, tissue] = spread.centre, spread.body, spread.tail
    return mean_known(found)
