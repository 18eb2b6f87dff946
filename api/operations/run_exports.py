"""Runs for other tools: as a Workflow Run RO-Crate, with the small files that the caller may read, and as BIDS-Prov."""

from __future__ import annotations

from collections.abc import Iterator

from api.access import Permission, Principal
from api.catalogue import Catalogue
from api.media import EXPORTS
from api.operations import lineage, records
from api.operations.input_files import host_path
from executors.model import utc_now
from ontology.errors import NotAcceptableError, SillageError
from ontology.identifiers import last_part
from provenance import formats
from provenance.bids_prov import bids_prov
from provenance.crate import CrateFile, run_crate_metadata, write_crate
from provenance.runs import Runs

MAX_FILE = 1024 * 1024
MAX_CONTENT = 16 * 1024 * 1024
"""Bytes of one file, and of all together, whose content goes into a crate; the others are described."""


def export(catalogue: Catalogue, principal: Principal, reference: str, *, format: str) -> tuple[bytes, str | None]:
    """Return the provenance of a record in any format that is offered, and a file name where it is a download.

    Raises:
        NotAcceptableError: There is no such format, or no run that it could tell of.
    """
    if format not in EXPORTS:
        return lineage.export(catalogue, principal, reference, format=format), None
    found = lineage.upstream(catalogue, principal, reference)
    runs = Runs(found.nodes, found.edges)
    if not runs.tasks:
        raise NotAcceptableError(
            "no run led to this record, so that there is none to tell of in this format",
            field="format",
            next_step="Ask for a PROV format such as json.",
        )
    subject = records.find(catalogue, principal, reference).id
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
