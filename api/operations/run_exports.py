"""Runs for other tools: as a Workflow Run RO-Crate, with the small files that the caller may read, and as BIDS-Prov."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from typing_extensions import override

from api.access import Permission, Principal
from api.catalogue import Catalogue
from api.media import EXPORTS
from api.operations import batch_prov, lineage, records
from api.operations.input_files import host_path
from executors.model import utc_now
from ontology.errors import InvalidRequestError, NotAcceptableError, SillageError
from ontology.identifiers import last_part
from provenance import formats
from provenance.bids_prov import bids_prov
from provenance.crate import CrateFile, run_crate_metadata, write_crate
from provenance.model import ProvDocument
from provenance.record import ProvNode
from provenance.runs import Runs

MAX_FILE = 1024 * 1024
MAX_CONTENT = 16 * 1024 * 1024
"""Bytes of one file, and of all together, whose content goes into a crate; the others are described."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Exported:
    """Provenance as bytes.

    Attributes:
        content: The bytes.
        file_name: Name for a download; None where it is not one.
        next: Cursor of the next page of a batch; None where this is all.
    """

    content: bytes
    file_name: str | None = None
    next: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class _OfBatch(lineage.Upstream):
    """The runs of a batch, of which PROV says more than nodes and edges do."""

    told: ProvDocument

    @override
    def document(self) -> ProvDocument:
        return self.told


def export(
    catalogue: Catalogue,
    principal: Principal,
    reference: str,
    *,
    format: str,
    cursor: str | None = None,
    limit: int | None = None,
) -> Exported:
    """Return the provenance of a record in any format that is offered; that of a batch page by page.

    Args:
        catalogue: The catalogue.
        principal: Who asks.
        reference: The record.
        format: One of PROV, or of :data:`api.media.EXPORTS`.
        cursor: Of a batch, the ``next`` of the page before.
        limit: Of a batch, tasks on a page.

    Raises:
        NotAcceptableError: There is no such format, or no run that it could tell of.
        InvalidRequestError: A page was asked for of what has none, or the cursor is not one of ours.
    """
    subject = records.find(catalogue, principal, reference)
    if subject.type == "TaskBatch":
        page = batch_prov.page_of(catalogue, principal, subject, cursor=cursor, limit=limit)
        return _of_batch(catalogue, principal, page, format)
    if cursor is not None or limit is not None:
        raise InvalidRequestError("only the provenance of a batch has pages", field="cursor" if cursor else "limit")
    if format not in EXPORTS:
        return Exported(content=lineage.export(catalogue, principal, reference, format=format))
    content, name = _of_runs(
        catalogue, principal, subject.id, lineage.upstream(catalogue, principal, reference), format
    )
    return Exported(content=content, file_name=name)


def _of_batch(catalogue: Catalogue, principal: Principal, page: batch_prov.BatchPage, format: str) -> Exported:
    batch = page.batch
    told = {"format": format, "runs": len(page.tasks), "cursor": page.next}
    if format not in EXPORTS:
        records.note_access(catalogue, principal, "prov.export", batch.id, told)
        content = formats.write(batch_prov.document_of(catalogue, principal, page), format)
        return Exported(content=content, next=page.next)
    own = ProvNode(id=batch.id, type=batch.type, label=batch.document["label"])
    told_of = batch_prov.document_of(catalogue, principal, page)
    found = _OfBatch(nodes=[own, *page.nodes(whole=True)], edges=page.edges(), records=page.shared, told=told_of)
    content, name = _of_runs(catalogue, principal, batch.id, found, format)
    return Exported(content=content, file_name=name, next=page.next)


def _of_runs(
    catalogue: Catalogue, principal: Principal, subject: str, found: lineage.Upstream, format: str
) -> tuple[bytes, str | None]:
    runs = Runs(found.nodes, found.edges)
    if not runs.tasks:
        raise NotAcceptableError(
            "no run led to this record, so that there is none to tell of in this format",
            field="format",
            next_step="Ask for a PROV format such as json.",
        )
    records.note_access(catalogue, principal, "prov.export", subject, {"format": format, "runs": len(runs.tasks)})
    if format == "bids-prov":
        return bids_prov(found.nodes, found.edges), None
    return _crate(catalogue, principal, subject, found, packed=format == "ro-crate")


def _crate(
    catalogue: Catalogue, principal: Principal, subject: str, found: lineage.Upstream, *, packed: bool
) -> tuple[bytes, str | None]:
    files = list(_contents(catalogue, principal, found)) if packed else []
    node = next(node for node in found.nodes if node.id == subject)
    metadata = run_crate_metadata(
        subject=subject,
        title=f"Run: {node.label or subject}",
        made=utc_now(),
        nodes=found.nodes,
        edges=found.edges,
        files=files,
        texts={"prov.json": ("Provenance (W3C PROV, PROV-JSON)", "application/json")} if packed else {},
    )
    if not packed:
        return metadata, None
    texts = {"prov.json": formats.write(found.document(), "json")}
    return write_crate(metadata, texts, files), f"run-{last_part(subject)[:8]}.zip"


def _contents(catalogue: Catalogue, principal: Principal, found: lineage.Upstream) -> Iterator[CrateFile]:
    """Yield the files of the runs that are here, small, and whose data the caller may read."""
    runs = Runs(found.nodes, found.edges)
    wanted = {file.id: None for task in runs.tasks for file in [*runs.outputs(task), *runs.inputs(task)]}
    left = MAX_CONTENT
    for id, file in catalogue.repository.get_many(list(wanted)).items():
        size = file.document.get("size")
        if size is None or size > min(MAX_FILE, left) or not principal.may(Permission.READ_DATA, file):
            continue
        try:
            source = host_path(catalogue, file)
        except SillageError:
            continue
        left -= size
        yield CrateFile(id=id, name=f"data/{last_part(id)[:8]}/{file.document['path']}", source=source)
