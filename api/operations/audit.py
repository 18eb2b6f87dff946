"""Audit: the ledger's entries, proofs that an entry is in the tree, and signed checkpoints."""

from __future__ import annotations

from typing import Any

from api.access import Permission, Principal
from api.catalogue import Catalogue
from api.wire import entry_body


def entries(
    catalogue: Catalogue,
    principal: Principal,
    *,
    after: int = -1,
    limit: int = 100,
    subject: str | None = None,
    action: str | None = None,
    by: str | None = None,
) -> dict[str, Any]:
    """Return a page of ledger entries, oldest first."""
    principal.require(Permission.AUDIT)
    repository = catalogue.repository
    page = repository.entries(
        after=after,
        limit=limit,
        subject=repository.resolve(subject) if subject else None,
        action=action,
        principal=repository.resolve(by) if by else None,
    )
    return {"items": [entry_body(entry) for entry in page.items], "total": page.total, "next": page.next}


def proof(catalogue: Catalogue, principal: Principal, sequence: int) -> dict[str, Any]:
    """Return the inclusion proof of an entry under a fresh signed checkpoint (RFC 9162, section 2.1.3)."""
    principal.require(Permission.AUDIT)
    repository = catalogue.repository
    checkpoint = repository.checkpoint()
    size = int(checkpoint.split("\n")[1])
    entry = repository.entries(after=sequence - 1, limit=1).items
    path = repository.inclusion_proof(sequence, size)
    return {
        "entry": entry_body(entry[0]),
        "leaf_hash": entry[0].leaf_hash().hex(),
        "tree_size": size,
        "proof": [node.hex() for node in path],
        "checkpoint": checkpoint,
        "verifier_key": repository.verifier_key(),
    }


def checkpoint(catalogue: Catalogue, principal: Principal, *, since: int | None = None) -> dict[str, Any]:
    """Return a signed checkpoint, with the proof that the tree of ``since`` leaves is a prefix of it."""
    principal.require(Permission.AUDIT)
    repository = catalogue.repository
    note = repository.checkpoint()
    size = int(note.split("\n")[1])
    body: dict[str, Any] = {"checkpoint": note, "tree_size": size, "verifier_key": repository.verifier_key()}
    if since is not None:
        body["since"] = since
        body["consistency"] = [node.hex() for node in repository.consistency_proof(since, size)]
    return body
