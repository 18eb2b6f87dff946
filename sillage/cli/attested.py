"""``sillage verify`` of a certificate: the signature and what it says, with nothing but the file and a key."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from ontology.errors import NotInstalledError
from sillage.cli.output import People
from sillage.cli.session import Session
from sillage.exits import Exit

UNSEEN = "Whether it was revoked is not in the file: ask the catalogue that issued it."


def is_envelope(file: Path) -> bool:
    """Tell whether a file is JSON by its first character, as envelopes are; packs are ZIP archives."""
    with file.open("rb") as content:
        return content.read(64).lstrip()[:1] == b"{"


def verify_certificate(session: Session, file: Path, key: str | None) -> int:
    """Verify the envelope in a file, and say what it says.

    Raises:
        InvalidRequestError: ``key`` is no key.
        NotInstalledError: A library is missing.
    """
    try:
        from provenance.attestation import verify_envelope
    except ModuleNotFoundError as error:
        raise NotInstalledError(f"verify needs {error.name}", next_step='pip install "sillage[server]"') from error
    found = verify_envelope(file, key=key)
    statement = found.statement.to_json() if found.statement else None
    predicate = (statement or {}).get("predicate") or {}
    body = {
        "valid": not found.problems,
        "problems": [{"where": where, "detail": detail} for where, detail in found.problems],
        "key": found.key.id if found.key else None,
        "remarks": _remarks(predicate, own_key=found.own_key and found.key is not None),
        "statement": statement,
    }
    session.output.answer(body, lambda people: _verdict(people, body, file.name))
    return Exit.NO if found.problems else Exit.DONE


def _remarks(predicate: dict[str, Any], *, own_key: bool) -> list[str]:
    remarks = [UNSEEN]
    expires = predicate.get("expires")
    if isinstance(expires, str) and expires <= datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ"):
        remarks.insert(0, f"It expired on {expires[:10]}.")
    if own_key:
        remarks.insert(0, "The key came with it: anybody could have made both. Give the one that you trust by --key.")
    return remarks


def _verdict(people: People, body: dict[str, Any], name: str) -> None:
    people.say(f"{name}: {'valid; nothing was changed' if body['valid'] else 'NOT valid'}")
    people.table(body["problems"], ["where", "detail"])
    statement = body["statement"]
    if body["valid"] and statement:
        said = statement["predicate"]
        pipeline = said.get("pipeline") or {}
        if isinstance(pipeline, dict) and pipeline.get("name"):
            people.say(f"{pipeline['name']} {pipeline.get('version')}, certified until {said.get('expires')}")
        people.say(f"signed by the key {body['key']}")
    for remark in body["remarks"] if statement else []:
        people.say(remark)
