"""Train the U-Net on patches, one half of them about a lesion, with the sum of Dice loss and cross-entropy.

A voxel in a hundred is lesion or fewer: drawn evenly, patches would teach that there are none. Dice loss weighs the
lesions by what of them is found, cross-entropy keeps its gradient where none is found yet (Isensee et al. 2021).
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from taught import Taught
from unet import Design, probabilities

THRESHOLD = 0.5
VALIDATION_PATCHES = 4

Patches = tuple[NDArray[np.float32], NDArray[np.float32]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Recipe:
    """How to train.

    Attributes:
        seed: Of everything random.
        epochs: Times that fresh patches are drawn from every scan.
        patches: Patches drawn from a scan in an epoch.
        batch: Patches in a step.
        rate: Highest learning rate, of a cosine that ends at zero.
        about_lesions: Part of the patches that are drawn about a lesion, where there is one.
        shift: Largest change of the intensity's scale.
        noise: Standard deviation of the noise added, in units of the brain's mean.
    """

    seed: int
    epochs: int = 12
    patches: int = 8
    batch: int = 4
    rate: float = 4e-3
    about_lesions: float = 0.5
    shift: float = 0.1
    noise: float = 0.02


@dataclass(frozen=True, slots=True, kw_only=True)
class Epoch:
    """What an epoch came to.

    Attributes:
        loss: Mean of its steps.
        dice: Of its patches together.
        validation_dice: Of the same patches of the held-out scans after every epoch; None when there are none.
        steps_per_s: How quick it was; not part of the result.
    """

    loss: float
    dice: float
    validation_dice: float | None
    steps_per_s: float

    def told(self) -> str:
        """Return a line for people."""
        held = "" if self.validation_dice is None else f", of held-out scans {self.validation_dice:.3f}"
        return f"loss {self.loss:.4f}, Dice {self.dice:.3f}{held}"


class Overlap:
    """Counts for the Dice coefficient of many patches together."""

    def __init__(self) -> None:
        self._both = self._either = 0

    def add(self, found: torch.Tensor, known: torch.Tensor) -> None:
        """Count in the voxels of a batch."""
        self._both += int((found & known).sum())
        self._either += int(found.sum()) + int(known.sum())

    def dice(self) -> float:
        """Return twice what is common over the sum; nothing found of nothing there is one."""
        return float(f"{2 * self._both / self._either:.6g}") if self._either else 1.0


def train(
    network: torch.nn.Module,
    scans: list[Taught],
    held: list[Taught],
    design: Design,
    recipe: Recipe,
    device: torch.device,
) -> Iterator[Epoch]:
    """Train in place; yields each epoch as it ends."""
    dice = np.random.default_rng(recipe.seed)
    steps = recipe.epochs * -(-len(scans) * recipe.patches // recipe.batch)
    optimiser = torch.optim.AdamW(network.parameters(), lr=recipe.rate, weight_decay=1e-4)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, recipe.rate, total_steps=steps, pct_start=0.2)
    unseen = _draw(np.random.default_rng([recipe.seed, 1]), held, design, recipe, VALIDATION_PATCHES) if held else None
    for _ in range(recipe.epochs):
        network.train()
        given, wanted = _disturb(dice, _draw(dice, scans, design, recipe, recipe.patches), recipe)
        overlap, losses, began = Overlap(), [], time.perf_counter()
        for chosen in np.array_split(dice.permutation(len(given)), -(-len(given) // recipe.batch)):
            losses.append(_step(network, optimiser, (given[chosen], wanted[chosen]), overlap, device))
            schedule.step()
        speed = len(losses) / (time.perf_counter() - began)
        yield Epoch(
            loss=float(f"{np.mean(losses):.6g}"),
            dice=overlap.dice(),
            validation_dice=_judge(network, unseen, recipe.batch, device) if unseen else None,
            steps_per_s=speed,
        )
    network.eval()


def _step(
    network: torch.nn.Module, optimiser: torch.optim.Optimizer, batch: Patches, overlap: Overlap, device: torch.device
) -> float:
    given, wanted = (torch.from_numpy(part).to(device) for part in batch)
    logits = network(given)
    loss = dice_and_entropy(logits, wanted)
    optimiser.zero_grad(set_to_none=True)
    loss.backward()
    optimiser.step()
    overlap.add(logits.detach() > 0, wanted > 0.5)
    return float(loss.item())


def dice_and_entropy(logits: torch.Tensor, wanted: torch.Tensor) -> torch.Tensor:
    """Return one minus the soft Dice coefficient of the whole batch, plus the binary cross-entropy.

    The Dice is taken over the batch: a patch without a lesion has none of its own.
    """
    chance = torch.sigmoid(logits)
    common = (chance * wanted).sum()
    soft = (2 * common + 1) / (chance.sum() + wanted.sum() + 1)
    return 1 - soft + torch.nn.functional.binary_cross_entropy_with_logits(logits, wanted)


def _judge(network: torch.nn.Module, patches: Patches, batch: int, device: torch.device) -> float:
    network.eval()
    overlap = Overlap()
    with torch.inference_mode():
        for start in range(0, len(patches[0]), batch):
            given, wanted = (torch.from_numpy(part[start : start + batch]).to(device) for part in patches)
            overlap.add(network(given) > 0, wanted > 0.5)
    return overlap.dice()


def validate(network: torch.nn.Module, held: list[Taught], design: Design, device: torch.device) -> list[float | None]:
    """Return the Dice coefficient of each whole scan; None where there is no lesion and none is found."""
    found = []
    for scan in held:
        made = probabilities(network, design, scan.channels, scan.brain, device=device) >= THRESHOLD
        either = int(made.sum()) + int(scan.lesion.sum())
        found.append(float(f"{2 * int((made & scan.lesion).sum()) / either:.6g}") if either else None)
    return found


def _draw(dice: np.random.Generator, scans: list[Taught], design: Design, recipe: Recipe, count: int) -> Patches:
    """Draw patches from every scan: about a lesion, or anywhere in the brain."""
    given, wanted = [], []
    for scan in scans:
        margins = [(0, max(0, design.patch - n)) for n in scan.brain.shape]
        channels, lesion = np.pad(scan.channels, [(0, 0), *margins]), np.pad(scan.lesion, margins)
        places = np.argwhere(scan.brain)
        marked = np.argwhere(scan.lesion)
        about = round(count * recipe.about_lesions) if len(marked) else 0
        centres = [marked[dice.integers(0, len(marked), about)]] if about else []
        centres.append(places[dice.integers(0, len(places), count - about)])
        jitter = dice.integers(-(design.patch // 4), design.patch // 4 + 1, (count, 3))
        corners = np.concatenate(centres) + jitter - design.patch // 2
        for corner in np.clip(corners, 0, np.array(lesion.shape) - design.patch):
            box = tuple(slice(at, at + design.patch) for at in corner.tolist())
            given.append(channels[(slice(None), *box)])
            wanted.append(lesion[box])
    return np.stack(given), np.stack(wanted)[:, None].astype(np.float32)


def _disturb(dice: np.random.Generator, patches: Patches, recipe: Recipe) -> Patches:
    """Mirror every other patch left to right, scale the intensities, add noise inside the brain."""
    given, wanted = (part.copy() for part in patches)
    count, channels = given.shape[:2]
    mirrored = dice.random(count) < 0.5
    given[mirrored], wanted[mirrored] = given[mirrored, :, ::-1], wanted[mirrored, :, ::-1]
    scale = dice.uniform(1 - recipe.shift, 1 + recipe.shift, (count, channels, 1, 1, 1)).astype(np.float32)
    noise = dice.standard_normal(given.shape, dtype=np.float32) * np.float32(recipe.noise)
    return np.where(given > 0, given * scale + noise, 0).astype(np.float32), wanted
