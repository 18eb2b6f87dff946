"""Looking at inputs before they are mounted: what is recorded is what was there, not what was promised."""

from __future__ import annotations

import hashlib
import os
import stat
import threading
from collections import OrderedDict
from dataclasses import dataclass

from executors.capture import ObservedInput
from executors.model import TaskInput, TaskSpec

_KEPT_DIGESTS = 100_000

Fingerprint = tuple[int, int, int, int, int]
"""Device, inode, size, time of modification, time of change: equal means unchanged on any local disk."""


class InputRefusedError(Exception):
    """An input that is not there, or is not what was promised.

    Attributes:
        reason: ``input-missing`` or ``input-changed``.
    """

    def __init__(self, reason: str, detail: str) -> None:
        super().__init__(detail)
        self.reason = reason


@dataclass(frozen=True, slots=True)
class Inspected:
    """The inputs as found, with what tells whether they stayed so."""

    observed: tuple[ObservedInput, ...]
    fingerprints: tuple[Fingerprint, ...]


class InputInspector:
    """Hashes inputs, and remembers the digests of files that have not changed since."""

    def __init__(self) -> None:
        self._digests: OrderedDict[Fingerprint, str] = OrderedDict()
        self._lock = threading.Lock()

    def inspect(self, spec: TaskSpec) -> Inspected:
        """Look at every input of a task.

        Raises:
            InputRefusedError: One is missing or differs from its digest or size.
        """
        observed, fingerprints = [], []
        for item in spec.inputs:
            seen, fingerprint = self._look(item)
            observed.append(seen)
            fingerprints.append(fingerprint)
        return Inspected(tuple(observed), tuple(fingerprints))

    def _look(self, item: TaskInput) -> tuple[ObservedInput, Fingerprint]:
        try:
            about = os.stat(item.host_path)
        except OSError as error:
            raise InputRefusedError("input-missing", f"The content of input {item.id} is not here.") from error
        fingerprint = _fingerprint(about)
        if stat.S_ISDIR(about.st_mode):
            return ObservedInput(id=item.id, path=item.path, sha256=None, size=None), fingerprint
        if not stat.S_ISREG(about.st_mode):
            raise InputRefusedError("input-missing", f"Input {item.id} is neither a file nor a folder.")
        digest = self._digest(item, fingerprint)
        if item.size not in (None, about.st_size) or item.sha256 not in (None, digest):
            raise InputRefusedError("input-changed", f"The content of input {item.id} is not what its digest says.")
        return ObservedInput(id=item.id, path=item.path, sha256=digest, size=about.st_size), fingerprint

    def _digest(self, item: TaskInput, fingerprint: Fingerprint) -> str:
        with self._lock:
            known = self._digests.get(fingerprint)
        if known is not None:
            return known
        try:
            with open(item.host_path, "rb", buffering=0) as stream:
                digest = hashlib.file_digest(stream, "sha256").hexdigest()
        except OSError as error:
            raise InputRefusedError("input-missing", f"The content of input {item.id} cannot be read.") from error
        with self._lock:
            self._digests[fingerprint] = digest
            while len(self._digests) > _KEPT_DIGESTS:
                self._digests.popitem(last=False)
        return digest


def promised(spec: TaskSpec) -> tuple[ObservedInput, ...]:
    """Return the inputs as a description promises them; no command begins unless they were found so."""
    return tuple(ObservedInput(id=item.id, path=item.path, sha256=item.sha256, size=item.size) for item in spec.inputs)


def changed_since(spec: TaskSpec, before: Inspected) -> str | None:
    """Return the id of an input that changed while the task ran; None when all stayed as they were.

    The time of change is left out: another link to the same file moves it.
    """
    for item, fingerprint in zip(spec.inputs, before.fingerprints, strict=True):
        try:
            if _fingerprint(os.stat(item.host_path))[:4] != fingerprint[:4]:
                return item.id
        except OSError:
            return item.id
    return None


def _fingerprint(about: os.stat_result) -> Fingerprint:
    return (about.st_dev, about.st_ino, about.st_size, about.st_mtime_ns, about.st_ctime_ns)
