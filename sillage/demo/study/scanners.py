"""The scanners of the synthetic study: what their sidecars say, and what their physics does to an image."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True, slots=True, kw_only=True)
class Scanner:
    """A scanner with its two protocols.

    Attributes:
        manufacturer: As DICOM (0008,0070) has it.
        model: As DICOM (0008,1090) has it.
        tesla: Field strength.
        t1w: Sidecar members of the T1w protocol.
        flair: Sidecar members of the FLAIR protocol.
        noise: Standard deviation of the noise, as a part of the white matter's signal on T1w.
        bias: Standard deviation of the logarithm of the receive field.
        gain: Stored value of a signal of one.
        contrast: How far grey matter stands from white matter on T1w; 1 is the template's own.
        flair_slice_mm: Slice thickness of the FLAIR; None for that of the T1w.
    """

    manufacturer: str
    model: str
    tesla: float
    t1w: dict[str, Any] = field(hash=False)
    flair: dict[str, Any] = field(hash=False)
    noise: float
    bias: float
    gain: float
    contrast: float = 1.0
    flair_slice_mm: float | None = None

    def sidecar(self, suffix: str) -> dict[str, Any]:
        """Return the members that the sidecar of an image from this scanner has (BIDS 1.10, MRI, section 2)."""
        timing = self.t1w if suffix == "T1w" else self.flair
        return {
            "Manufacturer": self.manufacturer,
            "ManufacturersModelName": self.model,
            "MagneticFieldStrength": self.tesla,
            **timing,
        }


PRISMA = Scanner(
    manufacturer="Siemens",
    model="MAGNETOM Prisma",
    tesla=3.0,
    t1w={
        "MRAcquisitionType": "3D",
        "ScanningSequence": "GR/IR",
        "PulseSequenceType": "MPRAGE",
        "EchoTime": 0.00298,
        "RepetitionTime": 2.3,
        "InversionTime": 0.9,
        "FlipAngle": 9,
    },
    flair={
        "MRAcquisitionType": "3D",
        "ScanningSequence": "SE/IR",
        "PulseSequenceType": "SPACE-FLAIR",
        "EchoTime": 0.388,
        "RepetitionTime": 5.0,
        "InversionTime": 1.8,
        "FlipAngle": 120,
    },
    noise=0.022,
    bias=0.09,
    gain=820.0,
)

AVANTO = Scanner(
    manufacturer="Siemens",
    model="MAGNETOM Avanto",
    tesla=1.5,
    t1w={**PRISMA.t1w, "EchoTime": 0.00393, "RepetitionTime": 2.2, "InversionTime": 1.0, "FlipAngle": 8},
    flair={**PRISMA.flair, "EchoTime": 0.353, "RepetitionTime": 6.0, "InversionTime": 2.2},
    noise=0.04,
    bias=0.05,
    gain=610.0,
    contrast=0.9,
)

ACHIEVA = Scanner(
    manufacturer="Philips Medical Systems",
    model="Achieva dStream",
    tesla=3.0,
    t1w={
        "MRAcquisitionType": "3D",
        "ScanningSequence": "GR/IR",
        "PulseSequenceType": "TFE",
        "EchoTime": 0.0037,
        "RepetitionTime": 0.0081,
        "InversionTime": 1.01,
        "FlipAngle": 8,
    },
    flair={
        "MRAcquisitionType": "2D",
        "ScanningSequence": "SE/IR",
        "PulseSequenceType": "TSE-FLAIR",
        "EchoTime": 0.125,
        "RepetitionTime": 11.0,
        "InversionTime": 2.8,
        "FlipAngle": 90,
    },
    noise=0.026,
    bias=0.1,
    gain=1350.0,
    contrast=0.95,
    flair_slice_mm=4.0,
)

SIGNA = Scanner(
    manufacturer="GE MEDICAL SYSTEMS",
    model="SIGNA HDxt",
    tesla=1.5,
    t1w={
        "MRAcquisitionType": "3D",
        "ScanningSequence": "GR/IR",
        "PulseSequenceType": "BRAVO",
        "EchoTime": 0.0042,
        "RepetitionTime": 0.0095,
        "InversionTime": 0.45,
        "FlipAngle": 12,
    },
    flair={
        "MRAcquisitionType": "2D",
        "ScanningSequence": "SE/IR",
        "PulseSequenceType": "T2FLAIR",
        "EchoTime": 0.121,
        "RepetitionTime": 8.8,
        "InversionTime": 2.2,
        "FlipAngle": 90,
    },
    noise=0.042,
    bias=0.06,
    gain=2100.0,
    contrast=0.9,
    flair_slice_mm=4.0,
)
