"""Evidence packs: everything that an auditor needs about one result, to be verified offline and without us."""

from __future__ import annotations

import tempfile
from collections.abc import Iterable, Sequence
from pathlib import Path

from api.access import Permission, Principal
from api.catalogue import Catalogue
from api.operations import lineage, records
from api.operations.input_files import host_path
from catalog.model import Record
from executors.model import utc_now
from ontology.errors import SillageError
from ontology.identifiers import last_part
from provenance.evidence import PackEntry, PackFile, Report, build_pack

MAX_CONTENT = 64 * 1024 * 1024


def pack(catalogue: Catalogue, principal: Principal, reference: str) -> tuple[bytes, str]:
    """Return the evidence pack of a result and its file name.

    It holds the full upstream PROV, the ledger entries of every record in it with inclusion proofs and salted
    bodies, a signed checkpoint, the result's own files when the caller may read them, and the verifier. The entries
    of the certificates in force, with their signed envelopes, are among them, and so are their revocations.
    """
    subject = records.find(catalogue, principal, reference)
    found = lineage.upstream(catalogue, principal, subject.id)
    owners = [*_records_of(found), *_certificates_of(found)]
    records.note_access(catalogue, principal, "evidence.export", subject.id, {"records": len(owners)})
    checkpoint = catalogue.repository.checkpoint()
    size = int(checkpoint.split("\n")[1])
    with tempfile.TemporaryDirectory(prefix="sillage-evidence-") as folder:
        target = Path(folder) / "pack.zip"
        build_pack(
            target,
            subject=subject.id,
            document=found.document(),
            entries=list(_entries(catalogue, owners, size)),
            checkpoint=checkpoint,
            verifier_key=catalogue.repository.verifier_key(),
            report=_report(subject, found),
            files=_files(catalogue, principal, subject),
        )
        return target.read_bytes(), f"evidence-{last_part(subject.id)[:8]}.zip"


def _records_of(found: lineage.Upstream) -> list[str]:
    """Return the records whose entries belong in the pack: files stand in the bodies of their owners."""
    records_ = [found.records[node.id] for node in found.nodes if node.id in found.records]
    return sorted({str(r.document["part_of"]) if r.type == "File" else r.id for r in records_})


def _certificates_of(found: lineage.Upstream) -> list[str]:
    """Return the certificates that were in force when the tasks of a lineage started: nothing derives from them."""
    said = [record.document.get("certificate") or {} for record in found.records.values() if record.type == "Task"]
    inside = {node.id for node in found.nodes}
    return sorted({one["id"] for one in said if one.get("state") == "certified" and one["id"] not in inside})


def _report(subject: Record, found: lineage.Upstream) -> Report:
    title = subject.document.get("label") or subject.document.get("path") or subject.id
    return Report(title=str(title), nodes=found.nodes, edges=found.edges, made=utc_now())


def _entries(catalogue: Catalogue, subjects: Sequence[str], size: int) -> Iterable[PackEntry]:
    repository = catalogue.repository
    sequences: dict[int, None] = {}
    for iri in subjects:
        for version in repository.versions(iri):
            if version.sequence < size:
                sequences[version.sequence] = None
    for sequence in sorted(sequences):
        entry = repository.entries(after=sequence - 1, limit=1).items[0]
        stored = repository.body(sequence)
        yield PackEntry(
            entry=entry,
            proof=repository.inclusion_proof(sequence, size),
            salt=stored.salt if stored else None,
            body=stored.body if stored else None,
        )


def _files(catalogue: Catalogue, principal: Principal, subject: Record) -> list[PackFile]:
    """Return the result's own files, where they are here, small enough, and the caller may read data."""
    if not principal.may(Permission.READ_DATA, subject):
        return []
    repository = catalogue.repository
    if subject.type == "File":
        files = [subject]
    else:
        files = [repository.get(file["id"]) for file in subject.document.get("files") or []]
    found = []
    for file in files:
        if (file.document.get("size") or 0) > MAX_CONTENT:
            continue
        try:
            path = host_path(catalogue, file)
        except SillageError:
            continue
        found.append(PackFile(id=file.id, path=file.document["path"], source=path))
    return found
