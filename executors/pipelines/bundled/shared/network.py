"""The patch auto-encoder in its two forms, and the file it is kept in.

``denoising`` is judged by what it cannot reconstruct; ``siamese`` by how far its latent code lies from those of
other people at the same place. The file is a NumPy archive without pickles and without dates: same weights, same bytes.
"""

from __future__ import annotations

import io
import json
import os
import zipfile
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")  # what deterministic cuBLAS asks for

import numpy as np
import torch
from images import UnreadableImageError
from normal import Normal
from numpy.typing import NDArray
from scans import TISSUES

FORMS = ("denoising", "siamese")
FORMAT = "sillage-patch-autoencoder/2"
# The first format had no forms: its models are denoising ones.
READABLE = ("sillage-patch-autoencoder/1", FORMAT)


@dataclass(frozen=True, slots=True, kw_only=True)
class Design:
    """What must be known to build the network and feed it.

    Attributes:
        contrasts: Channels, in order.
        voxel_mm: Spacing of the grid.
        patch: Edge of a patch in voxels.
        hidden: Units of the outer layers.
        latent: Units of the bottleneck.
        form: One of :data:`FORMS`.
    """

    contrasts: tuple[str, ...]
    voxel_mm: float
    patch: int = 6
    hidden: int = 384
    latent: int = 64
    form: str = "denoising"

    @property
    def size(self) -> int:
        """Numbers in one patch."""
        return len(self.contrasts) * self.patch**3


@dataclass(frozen=True, slots=True, kw_only=True)
class Model:
    """What the trainer leaves behind.

    Attributes:
        design: How the network is built and fed.
        network: With its weights.
        norms: What is normal: contrast by tissue by (centre, body, tail).
        normal: Where the codes of healthy people lie, by the last contrast given; of a siamese network alone.
        taught: SHA-256 of the T1w images that it was trained or calibrated on.
    """

    design: Design
    network: torch.nn.Sequential
    norms: NDArray[np.float32]
    normal: Mapping[int, Normal]
    taught: tuple[str, ...] = ()


def build(design: Design) -> torch.nn.Sequential:
    """Return an untrained network: patch, hidden, bottleneck, hidden, patch."""
    return torch.nn.Sequential(
        torch.nn.Linear(design.size, design.hidden),
        torch.nn.GELU(),
        torch.nn.Linear(design.hidden, design.latent),
        torch.nn.Linear(design.latent, design.hidden),
        torch.nn.GELU(),
        torch.nn.Linear(design.hidden, design.size),
    )


def settle(seed: int, threads: int) -> torch.device:
    """Fix everything that could make two runs differ, and return the device: a GPU when there is one."""
    torch.manual_seed(seed)
    torch.set_num_threads(threads)
    if not torch.cuda.is_available():
        # What is used here is deterministic on a CPU; the switch itself costs a second of imports.
        return torch.device("cpu")
    torch.use_deterministic_algorithms(True)
    torch.backends.cudnn.benchmark = False
    torch.backends.cuda.matmul.allow_tf32 = False
    return torch.device("cuda")


def describe_device(device: torch.device) -> dict[str, Any]:
    """Return what is worth recording of the device."""
    _report(device)
    gpu = torch.cuda.get_device_name(device) if device.type == "cuda" else None
    return {"device": device.type, "gpu": gpu, "cuda": torch.version.cuda if gpu else None, "torch": torch.__version__}


def _report(device: torch.device) -> None:
    """Tell who runs this what only a running program knows, where it asks (variable ``SILLAGE_REPORT``)."""
    target = os.environ.get("SILLAGE_REPORT")
    if not target:
        return
    on_gpu = device.type == "cuda"
    told = {
        "frameworks": {
            "torch": torch.__version__,
            "cuda": torch.version.cuda if on_gpu else None,
            "cudnn": torch.backends.cudnn.version() if on_gpu else None,
        },
        "device": device.type,
        "determinism": {
            "deterministic_algorithms": torch.are_deterministic_algorithms_enabled(),
            "cudnn_benchmark": torch.backends.cudnn.benchmark,
            "tf32": torch.backends.cuda.matmul.allow_tf32,
            "threads": torch.get_num_threads(),
            "seed": torch.initial_seed(),
        },
    }
    Path(target).write_text(json.dumps(told), encoding="utf-8")


def save_model(path: Path, model: Model) -> None:
    """Write a model: the design as JSON, the weights, and what is normal."""
    weights = {f"weight/{name}": value.cpu().numpy() for name, value in model.network.state_dict().items()}
    about = json.dumps(
        {"format": FORMAT, "design": asdict(model.design), "taught": sorted(model.taught)}, sort_keys=True
    )
    arrays = {"about": np.frombuffer(about.encode(), dtype=np.uint8), **weights}
    for channel, normal in model.normal.items():
        arrays |= {f"normal/{channel}/{name}": value for name, value in normal.arrays().items()}
    np.savez(path, norms=model.norms, **arrays)


def load_model(path: Path) -> Model:
    """Read a model that :func:`save_model` wrote.

    Raises:
        UnreadableImageError: It is no such file, or damaged.
    """
    try:
        with np.load(io.BytesIO(path.read_bytes()), allow_pickle=False) as archive:
            about = json.loads(bytes(archive["about"]))
            if about["format"] not in READABLE:
                raise UnreadableImageError(f"{path.name}: a model of format {about['format']}, not {FORMAT}.")
            design = Design(**{**about["design"], "contrasts": tuple(about["design"]["contrasts"])})
            norms = archive["norms"]
            normal = {k: Normal.read(archive, f"normal/{k}/") for k in (0, 1) if f"normal/{k}/means" in archive}
            weights = {name.removeprefix("weight/"): archive[name] for name in archive.files if name[:7] == "weight/"}
        network = build(design)
        network.load_state_dict({name: torch.from_numpy(value) for name, value in weights.items()})
    except (OSError, ValueError, KeyError, TypeError, RuntimeError, EOFError, zipfile.BadZipFile) as error:
        raise UnreadableImageError(f"{path.name}: not a model of the trainer ({type(error).__name__}).") from error
    if design.form not in FORMS or (design.form == "siamese" and 0 not in normal):
        raise UnreadableImageError(f"{path.name}: a model of the form {design.form!r} that is not whole.")
    if norms.shape != (len(design.contrasts), len(TISSUES), 3):
        raise UnreadableImageError(f"{path.name}: the norms of the model are not those of its contrasts.")
    taught = tuple(about.get("taught", ()))
    return Model(design=design, network=network.eval(), norms=norms, normal=normal, taught=taught)


def encode(network: torch.nn.Sequential, patches: NDArray[np.float32], *, device: torch.device) -> NDArray[np.float32]:
    """Return the latent codes of patches: the first half of the network."""
    flat = np.ascontiguousarray(patches).reshape(len(patches), -1)
    with torch.inference_mode():
        codes: NDArray[np.float32] = network[:3](torch.from_numpy(flat).to(device)).cpu().numpy()
    return codes


def windows(volume: NDArray[np.float32], patch: int) -> NDArray[np.float32]:
    """Return a view of all patches of a stack of channels: position first, then channel and voxels."""
    view = np.lib.stride_tricks.sliding_window_view(volume, (patch, patch, patch), axis=(1, 2, 3))
    return np.moveaxis(view, 0, 3)


def reconstruct(
    network: torch.nn.Sequential,
    design: Design,
    channels: NDArray[np.float32],
    brain: NDArray[np.bool_],
    *,
    device: torch.device,
) -> NDArray[np.float32]:
    """Return what the network makes of a scan: the mean over patches that overlap by half."""
    patch = design.patch
    corners = patch_corners(brain, patch, patch // 2)
    x, y, z = corners.T
    given = np.ascontiguousarray(windows(channels, patch)[x, y, z]).reshape(len(corners), -1)
    with torch.inference_mode():
        made = network(torch.from_numpy(given).to(device)).cpu().numpy()
    made = made.reshape(-1, len(design.contrasts), patch, patch, patch)
    total = np.zeros_like(channels)
    count = np.zeros(brain.shape, dtype=np.float32)
    for (a, b, c), block in zip(corners.tolist(), made, strict=True):
        box = np.s_[a : a + patch, b : b + patch, c : c + patch]
        total[(slice(None), *box)] += block
        count[box] += 1
    return np.divide(total, np.maximum(count, 1), dtype=np.float32)


def patch_corners(brain: NDArray[np.bool_], patch: int, stride: int) -> NDArray[np.int64]:
    """Return the first voxels of a lattice of patches that hold at least one voxel in eight of brain."""
    sums = np.pad(brain.astype(np.int32), ((1, 0), (1, 0), (1, 0))).cumsum(0).cumsum(1).cumsum(2)
    for axis in range(3):
        high = np.take(sums, np.arange(patch, sums.shape[axis]), axis=axis)
        low = np.take(sums, np.arange(sums.shape[axis] - patch), axis=axis)
        sums = high - low
    places = [np.unique(np.append(np.arange(0, n, stride), n - 1)) for n in sums.shape]
    lattice = np.stack(np.meshgrid(*places, indexing="ij"), axis=-1).reshape(-1, 3)
    chosen: NDArray[np.int64] = lattice[sums[tuple(lattice.T)] >= patch**3 // 8]
    return chosen
