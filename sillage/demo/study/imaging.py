"""What the scanners see: T1w and FLAIR signals of a head, with bias field, noise and movement."""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

from sillage.demo.study.anatomy import Anatomy, Volume, smooth_field
from sillage.demo.study.scanners import Scanner

# Signals of white matter, grey matter and fluid, and along a ray that leaves the brain
# (millimetres from it: fluid, skull, scalp, air). White matter on T1w is one.
_T1W_SHELL: Final = ([0, 2.5, 4, 7.5, 9.5, 12.5, 15], [0.28, 0.24, 0.10, 0.10, 0.80, 0.72, 0.0])
_FLAIR_SHELL: Final = ([0, 2.5, 4, 7.5, 9.5, 12.5, 15], [0.12, 0.10, 0.06, 0.06, 0.55, 0.50, 0.0])


def t1w_signal(head: Anatomy, scanner: Scanner) -> Volume:
    """Return the T1-weighted signal: white above grey above fluid, lesions slightly dark ("black holes")."""
    fluid = np.clip(head.brain - head.grey - head.white, 0, 1)
    grey = np.float32(1 - 0.36 * scanner.contrast)
    tissue = head.white + grey * head.grey + np.float32(0.26) * fluid
    # Half of the template itself keeps what the maps do not know: nuclei, vessels, the texture of the cortex.
    tissue = np.float32(0.6) * tissue + np.float32(0.4) * head.t1 * np.float32(1.12)
    tissue -= np.float32(0.16) * head.lesion
    return _with_shell(tissue, head, _T1W_SHELL)


def flair_signal(head: Anatomy) -> Volume:
    """Return the FLAIR signal: fluid is nulled, grey matter just above white, lesions bright."""
    fluid = np.clip(head.brain - head.grey - head.white, 0, 1)
    tissue = np.float32(0.56) * head.white + np.float32(0.80) * head.grey + np.float32(0.10) * fluid
    tissue += (np.float32(1.12) - tissue) * head.lesion
    return _with_shell(tissue, head, _FLAIR_SHELL)


def _with_shell(tissue: Volume, head: Anatomy, shell: tuple[list[float], list[float]]) -> Volume:
    around = np.interp(head.depth, *shell).astype(np.float32)
    return head.brain * tissue + (1 - head.brain) * around


def thicken_slices(signal: Volume, affine: NDArray[np.float64], slice_mm: float) -> tuple[Volume, NDArray[np.float64]]:
    """Average along the third axis into slices of another thickness; returns the signal and its affine."""
    mm = affine[2, 2]
    count = int(signal.shape[2] * mm // slice_mm)
    edges = np.arange(count + 1) * slice_mm / mm
    sums = np.concatenate([np.zeros((*signal.shape[:2], 1), np.float32), np.cumsum(signal, axis=2)], axis=2)
    whole = np.minimum(edges.astype(int), signal.shape[2] - 1)
    part = (edges - whole).astype(np.float32)
    at_edges = sums[:, :, whole] + part * (sums[:, :, whole + 1] - sums[:, :, whole])
    thick = np.diff(at_edges, axis=2) / np.float32(slice_mm / mm)
    placed = affine.copy()
    placed[2, 2] = slice_mm
    placed[2, 3] += (slice_mm - mm) / 2
    return thick, placed


def scan(dice: np.random.Generator, signal: Volume, scanner: Scanner, *, moved: bool) -> NDArray[np.int16]:
    """Turn a signal into the magnitude image that a scanner stores.

    The receive field multiplies the signal; movement leaves a displaced copy of the head along the phase axis
    (a Nyquist ghost); noise is Rician, as in any magnitude image (Gudbjartsson and Patz 1995).
    """
    received = signal * np.exp(np.float32(scanner.bias) * smooth_field(dice, signal.shape, 5)[0])
    if moved:
        half = signal.shape[1] // 2
        blurred = (received + np.roll(received, 1, axis=1) + np.roll(received, -1, axis=1)) / 3
        received = np.float32(0.86) * blurred + np.float32(0.14) * np.roll(received, half, axis=1)
    noise = dice.standard_normal((2, *signal.shape), dtype=np.float32) * np.float32(scanner.noise)
    magnitude = np.hypot(received + noise[0], noise[1])
    stored: NDArray[np.int16] = np.clip(np.rint(magnitude * scanner.gain), 0, 32767).astype(np.int16)
    return stored
