"""The pack as an RO-Crate (1.2): what each of its files is, as schema.org JSON-LD."""

from __future__ import annotations

import json
import mimetypes
from collections.abc import Sequence
from typing import Any

from provenance.evidence.report import Report

_CONTEXT = "https://w3id.org/ro/crate/1.2/context"
_VERSION = "https://w3id.org/ro/crate/1.2"
_DESCRIBED = {
    "README.txt": ("How to verify this pack", "text/plain"),
    "checkpoint.txt": ("Signed head of the ledger", "text/plain"),
    "entries.jsonl": ("Ledger entries with inclusion proofs", "application/jsonl"),
    "keys/checkpoint.pem": ("Public key of the ledger, as PEM", "application/x-pem-file"),
    "keys/checkpoint.vkey": ("Public key of the ledger, as a verifier key", "text/plain"),
    "manifest.json": ("Digest and size of every file", "application/json"),
    "prov.json": ("Provenance (W3C PROV, PROV-JSON)", "application/json"),
    "report.html": ("Report for people", "text/html"),
    "verify.py": ("Stand-alone verifier", "text/x-python"),
}


def crate_metadata(*, subject: str, report: Report, ledger: str, files: Sequence[tuple[str, str]]) -> bytes:
    """Return ``ro-crate-metadata.json``.

    Args:
        subject: IRI of the result.
        report: For title and date.
        ledger: Name of the ledger.
        files: Path in the pack and IRI of every content file.
    """
    parts = _parts(files)
    graph: list[dict[str, Any]] = [
        {
            "@id": "ro-crate-metadata.json",
            "@type": "CreativeWork",
            "about": {"@id": "./"},
            "conformsTo": {"@id": _VERSION},
        },
        {
            "@id": "./",
            "@type": "Dataset",
            "name": f"Evidence: {report.title}",
            "description": f"Provenance of {subject} with proof of inclusion in the ledger {ledger}.",
            "datePublished": report.made,
            "license": "The data keep the conditions of the datasets that they come from.",
            "mainEntity": {"@id": subject},
            "hasPart": [{"@id": part["@id"]} for part in parts],
        },
        {"@id": subject, "@type": "Thing", "name": report.title},
        *parts,
    ]
    return (json.dumps({"@context": _CONTEXT, "@graph": graph}, indent=1, ensure_ascii=False) + "\n").encode()


def _parts(files: Sequence[tuple[str, str]]) -> list[dict[str, Any]]:
    fixed = [
        {"@id": path, "@type": "File", "name": name, "encodingFormat": media}
        for path, (name, media) in _DESCRIBED.items()
    ]
    return fixed + [
        {
            "@id": path,
            "@type": "File",
            "name": path.rpartition("/")[2],
            "encodingFormat": mimetypes.guess_type(path)[0] or "application/octet-stream",
            "identifier": id,
        }
        for path, id in files
    ]
