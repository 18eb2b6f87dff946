"""A synthetic BIDS study of any size, as a DataLad dataset: text in git, images in the annex, all content here.

The files are those of a real study: sidecars of some forty members that differ from file to file (times and
identifiers of the acquisition), shared ones at the root, tables of events, gradients, sessions and scans.
Images are a few bytes, each of its own content: registration reads none of them.
"""

from __future__ import annotations

import hashlib
import json
import os
import random
import subprocess
from pathlib import Path

from catalog.versions.annex import link_target, object_path, sha256e_key

PER_SESSION = 45
_COMMON: dict[str, object] = {
    "Manufacturer": "Siemens",
    "ManufacturersModelName": "Prisma",
    "InstitutionName": "An Institute",
    "InstitutionAddress": "1 Some Street, A City, A Country",
    "DeviceSerialNumber": "45193",
    "StationName": "MR1",
    "BodyPartExamined": "BRAIN",
    "PatientPosition": "HFS",
    "SoftwareVersions": "syngo MR E11",
    "MRAcquisitionType": "3D",
    "ScanningSequence": "GR_IR",
    "SequenceVariant": "SK_SP_MP",
    "ScanOptions": "IR",
    "ImageType": ["ORIGINAL", "PRIMARY", "M", "ND", "NORM"],
    "NonlinearGradientCorrection": False,
    "ReceiveCoilName": "HeadNeck_64",
    "ReceiveCoilActiveElements": "HC1-7;NC1",
    "PulseSequenceDetails": "%SiemensSeq%_tfl",
    "ConversionSoftware": "dcm2niix",
    "ConversionSoftwareVersion": "v1.0.20230411",
    "SliceThickness": 1,
    "SAR": 0.0516,
    "PercentPhaseFOV": 93.75,
    "PercentSampling": 100,
    "BaseResolution": 256,
    "DwellTime": 3e-06,
    "PixelBandwidth": 240,
    "ImageOrientationPatientDICOM": [0.0261769, 0.999657, 0, 0, 0, -1],
}
_PROTOCOLS = {"bold": (0.03, 52), "dwi": (0.089, 90), "FLAIR": (0.39, 120), "T2w": (0.41, 120), "asl": (0.012, 90)}
_SUFFIXES = ("T1w", "T2w", "FLAIR", "dwi", "bold", "sbref", "phasediff", "magnitude1", "magnitude2", "epi", "asl")


class Study:
    """Writes the study into a folder.

    Args:
        root: The folder, to be made.
        participants: How many; each has two sessions of :data:`PER_SESSION` files.
        shared: Put what sidecars say once at the root, as hand-made datasets do, and only times and identifiers
            beside the images; else every sidecar says everything, as converters write them.
    """

    def __init__(self, root: Path, participants: int, *, shared: bool = False) -> None:
        self._root = root
        self._participants = participants
        self._shared = shared
        self._random = random.Random(2026)
        self.files = 0

    def write(self) -> str:
        """Write all files, commit them, and return the commit."""
        self._root.mkdir(parents=True)
        self._git("init", "-q")
        self._text("dataset_description.json", json.dumps({"Name": "Study", "BIDSVersion": "1.10.0"}))
        self._text("README", "A synthetic study for measuring.\n")
        for suffix in _SUFFIXES if self._shared else ("T1w",):
            common = _COMMON if self._shared else {}
            self._text(f"{suffix}.json", json.dumps(common | {"MagneticFieldStrength": 3, "RepetitionTime": 2.3}))
        self._text("task-rest_bold.json", json.dumps({"TaskName": "rest", "RepetitionTime": 0.8, "EchoTime": 0.03}))
        self._text("task-nback_bold.json", json.dumps({"TaskName": "nback", "RepetitionTime": 0.8}))
        rows = ["participant_id\tage\tsex\tgroup\thandedness"]
        for number in range(self._participants):
            sex, group = self._random.choice("MF"), self._random.choice(["patient", "control"])
            rows.append(f"sub-{number:04d}\t{self._random.randint(18, 80)}\t{sex}\t{group}\tR")
            self._participant(f"sub-{number:04d}")
        self._text("participants.tsv", "\n".join(rows) + "\n")
        self._text("participants.json", json.dumps({"age": {"Units": "years"}, "sex": {"Levels": {"M": "male"}}}))
        return self._commit()

    def _participant(self, sub: str) -> None:
        self._text(f"{sub}/{sub}_sessions.tsv", "session_id\tweight\nses-1\t70\nses-2\t71\n")
        for ses in ("ses-1", "ses-2"):
            self._session(f"{sub}/{ses}", f"{sub}_{ses}")

    def _session(self, folder: str, name: str) -> None:
        for suffix in ("T1w", "T2w", "FLAIR"):
            self._image(f"{folder}/anat/{name}_{suffix}")
        self._image(f"{folder}/dwi/{name}_dwi", slices=60)
        self._text(f"{folder}/dwi/{name}_dwi.bval", " ".join(["0"] + ["1000"] * 64) + "\n")
        self._text(f"{folder}/dwi/{name}_dwi.bvec", "\n".join([" ".join(["0.577"] * 65)] * 3) + "\n")
        for task, run in (("rest", 1), ("rest", 2), ("nback", 1), ("nback", 2)):
            stem = f"{folder}/func/{name}_task-{task}_run-{run}"
            self._image(f"{stem}_bold", slices=60)
            self._image(f"{stem}_sbref")
            self._text(f"{stem}_events.tsv", "onset\tduration\ttrial_type\n" + "1.0\t0.5\tgo\n" * 40)
        for suffix in ("phasediff", "magnitude1", "magnitude2"):
            self._image(f"{folder}/fmap/{name}_{suffix}")
        for direction in ("AP", "PA"):
            self._image(f"{folder}/fmap/{name}_dir-{direction}_epi")
        self._image(f"{folder}/perf/{name}_asl", slices=20)
        self._image(f"{folder}/perf/{name}_m0scan")
        self._text(f"{folder}/perf/{name}_aslcontext.tsv", "volume_type\n" + "control\nlabel\n" * 20)

    def _image(self, stem: str, slices: int = 0) -> None:
        made = self._random
        protocol = _PROTOCOLS.get(stem.rpartition("_")[2], (0.00298, 9))
        said: dict[str, object] = ({} if self._shared else _COMMON) | {
            "SeriesInstanceUID": f"1.3.12.2.1107.5.2.43.{made.randrange(10**9)}.{made.randrange(10**9)}",
            "AcquisitionTime": f"{made.randrange(8, 20):02d}:{made.randrange(60):02d}:{made.random() * 60:09.6f}",
            "AcquisitionNumber": made.randrange(1, 40),
            "SeriesNumber": made.randrange(1, 40),
            "EchoTime": protocol[0],
            "FlipAngle": protocol[1],
            "ShimSetting": [made.randrange(-9000, 9000) for _ in range(8)],
            "TxRefAmp": round(200 + made.random() * 100, 4),
        }
        if slices:
            said["SliceTiming"] = [round(made.random() * 0.8, 4) for _ in range(slices)]
        self._text(f"{stem}.json", json.dumps(said, indent=1))
        self._annexed(f"{stem}.nii.gz", made.randbytes(64))

    def _text(self, path: str, content: str) -> None:
        target = self._root / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(content)
        self.files += 1

    def _annexed(self, path: str, content: bytes) -> None:
        key = sha256e_key(path, sha256=hashlib.sha256(content).hexdigest(), size=len(content))
        place = object_path(self._root / ".git" / "annex" / "objects", key)
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_bytes(content)
        target = self._root / path
        target.parent.mkdir(parents=True, exist_ok=True)
        os.symlink(link_target(path, key), target)
        self.files += 1

    def _commit(self) -> str:
        (self._root / ".datalad").mkdir()
        (self._root / ".datalad" / "config").write_text(
            '[datalad "dataset"]\n\tid = 00000000-0000-4000-8000-000000000000\n'
        )
        self._git("add", "-A")
        self._git("-c", "user.name=benchmark", "-c", "user.email=b@example.org", "commit", "-q", "-m", "A study")
        return self._git("rev-parse", "HEAD").strip()

    def _git(self, *arguments: str) -> str:
        done = subprocess.run(
            ["git", *arguments], cwd=self._root, check=True, capture_output=True, text=True, timeout=600
        )
        return done.stdout
