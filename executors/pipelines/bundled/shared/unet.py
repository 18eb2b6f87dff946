"""The U-Net that finds lesions, the file it is kept in, and how it is led over a scan.

Trainer and segmenter share it. The file is a NumPy archive without pickles and without dates: same weights, same
bytes. Every layer has a deterministic form on CPU and GPU, which pooling and interpolation in three dimensions lack.
"""

from __future__ import annotations

import io
import json
import zipfile
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from itertools import product
from pathlib import Path
from typing import Any

import network as determinism  # sets what deterministic cuBLAS asks for, before torch is imported
import numpy as np
import torch
from images import UnreadableImageError
from numpy.typing import NDArray
from torch import nn

FORMAT = "sillage-lesion-unet/1"
LEAST_PATCH = 8
MOST_CHANNELS = 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class Design:
    """What must be known to build the network and feed it.

    Attributes:
        contrasts: Channels, in order.
        voxel_mm: Spacing of the grid.
        patch: Edge of a patch in voxels, a multiple of four.
        width: Channels of the first level; each of the two below has twice as many.
    """

    contrasts: tuple[str, ...]
    voxel_mm: float
    patch: int = 24
    width: int = 8

    def check(self) -> None:
        """Refuse what no trainer writes.

        Raises:
            ValueError: A number is out of range.
        """
        if self.patch % 4 or self.patch < LEAST_PATCH or not 1 <= self.width <= MOST_CHANNELS:
            raise ValueError("patch or width")
        if not self.contrasts or not 0.1 <= self.voxel_mm <= 20:
            raise ValueError("contrasts or spacing")


class UNet(nn.Module):
    """Three levels (Ronneberger et al. 2015; Çiçek et al. 2016): strided convolutions down, transposed ones up."""

    def __init__(self, design: Design) -> None:
        super().__init__()
        one, two, three = design.width, 2 * design.width, 4 * design.width
        self.first = _level(len(design.contrasts), one)
        self.down_two = nn.Conv3d(one, two, 2, stride=2)
        self.second = _level(two, two)
        self.down_three = nn.Conv3d(two, three, 2, stride=2)
        self.third = _level(three, three)
        self.up_two = nn.ConvTranspose3d(three, two, 2, stride=2)
        self.second_again = _level(2 * two, two)
        self.up_one = nn.ConvTranspose3d(two, one, 2, stride=2)
        self.first_again = _level(2 * one, one)
        self.last = nn.Conv3d(one, 1, 1)

    def forward(self, given: torch.Tensor) -> torch.Tensor:
        """Return a logit for each voxel of a batch of patches (batch, channel, three axes)."""
        first = self.first(given)
        second = self.second(self.down_two(first))
        third = self.third(self.down_three(second))
        second = self.second_again(torch.cat([second, self.up_two(third)], dim=1))
        first = self.first_again(torch.cat([first, self.up_one(second)], dim=1))
        logits: torch.Tensor = self.last(first)
        return logits


def _level(given: int, made: int) -> nn.Sequential:
    # What the norms take away again has no gradient but rounding, and would drift: no biases before them.
    return nn.Sequential(
        nn.Conv3d(given, made, 3, padding=1, bias=False),
        nn.InstanceNorm3d(made, affine=True),
        nn.LeakyReLU(0.01),
        nn.Conv3d(made, made, 3, padding=1, bias=False),
        nn.InstanceNorm3d(made, affine=True),
        nn.LeakyReLU(0.01),
    )


def settle(seed: int, threads: int) -> torch.device:
    """Fix everything that could make two runs differ, and return the device: a GPU when there is one."""
    device = determinism.settle(seed, threads)
    if device.type == "cuda":
        torch.backends.cudnn.deterministic = True
        torch.backends.cudnn.allow_tf32 = False
    return device


def describe_device(device: torch.device) -> dict[str, Any]:
    """Return what is worth recording of the device, and the flags that make runs repeat."""
    gpu = device.type == "cuda"
    return {
        **determinism.describe_device(device),
        "determinism": {
            "deterministic_algorithms": torch.are_deterministic_algorithms_enabled() if gpu else True,
            "cudnn_deterministic": torch.backends.cudnn.deterministic if gpu else None,
            "cudnn_benchmark": torch.backends.cudnn.benchmark if gpu else None,
            "tf32": torch.backends.cudnn.allow_tf32 if gpu else None,
            "mixed_precision": False,
        },
    }


def save_model(path: Path, design: Design, network: nn.Module) -> None:
    """Write a model: the design as JSON, and the weights."""
    weights = {f"weight/{name}": value.cpu().numpy() for name, value in network.state_dict().items()}
    about = json.dumps({"format": FORMAT, "design": asdict(design)}, sort_keys=True)
    np.savez(path, about=np.frombuffer(about.encode(), dtype=np.uint8), **weights)


def load_model(path: Path) -> tuple[Design, UNet]:
    """Read a model that :func:`save_model` wrote.

    Raises:
        UnreadableImageError: It is no such file, or damaged.
    """
    try:
        with np.load(io.BytesIO(path.read_bytes()), allow_pickle=False) as archive:
            about = json.loads(bytes(archive["about"]))
            if about["format"] != FORMAT:
                raise UnreadableImageError(f"{path.name}: a model of format {about['format']}, not {FORMAT}.")
            design = Design(**{**about["design"], "contrasts": tuple(about["design"]["contrasts"])})
            design.check()
            weights = {name.removeprefix("weight/"): archive[name] for name in archive.files if name[:7] == "weight/"}
        network = UNet(design)
        network.load_state_dict({name: torch.from_numpy(value) for name, value in weights.items()})
    except (OSError, ValueError, KeyError, TypeError, RuntimeError, EOFError, zipfile.BadZipFile) as error:
        raise UnreadableImageError(f"{path.name}: not a model of the trainer ({type(error).__name__}).") from error
    return design, network.eval()


def probabilities(
    network: nn.Module,
    design: Design,
    channels: NDArray[np.float32],
    brain: NDArray[np.bool_],
    *,
    device: torch.device,
    batch: int = 8,
) -> NDArray[np.float32]:
    """Return how probable a lesion is in each voxel: the mean over patches that overlap by half.

    Where patches overlap, the middle of a patch counts more than its edge, which sees less around it. Outside the
    brain it is zero.
    """
    edge = design.patch
    margins = [(0, max(0, edge - n)) for n in brain.shape]
    padded, inside = np.pad(channels, [(0, 0), *margins]), np.pad(brain, margins)
    total = np.zeros(inside.shape, dtype=np.float32)
    weight = np.zeros(inside.shape, dtype=np.float32)
    trust = _trust(edge)
    boxes = list(_boxes(inside, edge))
    for start in range(0, len(boxes), batch):
        chosen = boxes[start : start + batch]
        given = np.stack([padded[(slice(None), *box)] for box in chosen])
        with torch.inference_mode():
            made = torch.sigmoid(network(torch.from_numpy(given).to(device))).cpu().numpy()[:, 0]
        for box, block in zip(chosen, made, strict=True):
            total[box] += block * trust
            weight[box] += trust
    mean = np.divide(total, weight, out=np.zeros_like(total), where=weight > 0)
    x, y, z = brain.shape
    return np.where(brain, mean[:x, :y, :z], 0).astype(np.float32)


def _boxes(inside: NDArray[np.bool_], edge: int) -> Iterator[tuple[slice, ...]]:
    """Yield a lattice of patches that cover the brain, each with some of it."""
    found = np.argwhere(inside)
    if not len(found):
        return
    low, high = found.min(axis=0), found.max(axis=0) + 1
    places = []
    for first, last, size in zip(low.tolist(), high.tolist(), inside.shape, strict=True):
        end = max(0, min(last, size) - edge)
        start = min(first, size - edge)
        places.append(sorted({*range(start, max(end, start), edge // 2), max(end, start)}))
    for corner in product(*places):
        box = tuple(slice(at, at + edge) for at in corner)
        if inside[box].any():
            yield box


def _trust(edge: int) -> NDArray[np.float32]:
    away = np.abs(np.arange(edge) - (edge - 1) / 2) / (edge / 2)
    line = np.exp(-2 * away**2)
    return (line[:, None, None] * line[:, None] * line).astype(np.float32)
