"""``sillage trace``, ``prov``, ``evidence``, ``verify`` and ``audit``: what made this, and can it be proved?"""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Annotated, Any

import httpx
import typer

from ontology.errors import InvalidRequestError, NotFoundError, NotInstalledError
from sillage.cli.attested import is_envelope, verify_certificate
from sillage.cli.datasets import Id, Limit
from sillage.cli.output import People, notice, short
from sillage.cli.session import session_of
from sillage.client import Client, segment
from sillage.exits import Exit

group = typer.Typer(help="The ledger: list entries, prove one, sign a checkpoint.", no_args_is_help=True)


def add_to(app: typer.Typer) -> None:
    """Put the commands on the command line."""
    for command in (trace, prov, prov_read, evidence, verify):
        app.command()(command)
    app.add_typer(group, name="audit")


def trace(
    context: typer.Context,
    id: Id,
    up: Annotated[bool, typer.Option("--up", help="What it rests on (the default).")] = False,
    down: Annotated[bool, typer.Option("--down", help="What rests on it.")] = False,
    depth: Annotated[int | None, typer.Option(min=0, help="At most so many steps.")] = None,
) -> None:
    """Trace a result up to what it rests on, or anything down to what rests on it."""
    if up and down:
        raise InvalidRequestError("--up and --down exclude each other", field="--down")
    session = session_of(context)
    with session.client() as client:
        body = client.get(f"lineage/{segment(id)}", direction="down" if down else "up", depth=depth)
    session.output.answer(body, lambda people: _lineage(people, body))


def prov(
    context: typer.Context,
    id: Id,
    format: Annotated[str, typer.Option(help="json, n, turtle, trig, jsonld, xml, ro-crate or bids-prov.")] = "json",
    output: Annotated[Path | None, typer.Option("-o", "--output", help="File; unset: standard output.")] = None,
    cursor: Annotated[str | None, typer.Option(help="Of a batch: the page to begin with.")] = None,
    limit: Annotated[int | None, typer.Option(min=1, max=1000, help="Of a batch: tasks on a page.")] = None,
) -> None:
    """Export the full upstream provenance: as W3C PROV, Workflow Run RO-Crate (zip) or BIDS-Prov.

    That of a large batch has pages, each a document by itself: -o FILE writes them all, as FILE, FILE-2 and so on.
    """
    session = session_of(context)
    if output is not None and not output.parent.is_dir():
        raise InvalidRequestError(f"{output.parent} is not a folder", field="--output")
    with session.client() as client:
        pages = _pages(client, id, {"format": format, "cursor": cursor, "limit": limit})
        if output is None:
            content, following = next(pages)
            sys.stdout.buffer.write(content)
            sys.stdout.flush()
            if following:
                notice(f"There are more tasks; the next page: --cursor {following}; all of them: -o FILE")
            return
        written = [_write_page(output, number, content) for number, (content, _) in enumerate(pages, start=1)]
    body = {**written[0], "format": format, "pages": written}
    session.output.answer(body, lambda people: _written(people, written))


def _pages(client: Client, id: str, asked: dict[str, Any]) -> Iterator[tuple[bytes, str | None]]:
    """Yield the pages of a provenance, each with the cursor of the next."""
    while True:
        wanted = {name: value for name, value in asked.items() if value is not None}
        answer = client.request("GET", f"/api/v1/prov/{segment(id)}", params=wanted)
        address = answer.links.get("next", {}).get("url")
        following = httpx.URL(address).params["cursor"] if address else None
        yield answer.content, following
        if following is None:
            return
        asked = {**asked, "cursor": following}


def _write_page(output: Path, number: int, content: bytes) -> dict[str, Any]:
    path = output if number == 1 else output.with_stem(f"{output.stem}-{number}")
    path.write_bytes(content)
    return {"path": str(path), "size": len(content)}


def _written(people: People, pages: Sequence[dict[str, Any]]) -> None:
    for page in pages:
        people.say(f"{page['path']}: {page['size']} bytes")


def prov_read(
    context: typer.Context,
    file: Annotated[Path, typer.Argument(metavar="FILE", help="PROV, NIDM-Results, run record or GeneratedBy.")],
) -> None:
    """Tell what a provenance record of others says. Needs no catalogue, and changes nothing."""
    session = session_of(context)
    if not file.is_file():
        raise NotFoundError(f"no file {file}", field="FILE")
    from provenance.readers import read_foreign

    told = read_foreign(file.read_bytes(), file.name)
    body = {"kind": told.kind, **told.summary}
    session.output.answer(body, lambda people: people.fields(body))


def evidence(
    context: typer.Context,
    id: Id,
    output: Annotated[Path, typer.Option("-o", "--output", help="The pack to write (zip).")],
) -> None:
    """Write the evidence pack of a result: everything an auditor needs, verifiable offline and without us."""
    session = session_of(context)
    if not output.parent.is_dir():
        raise InvalidRequestError(f"{output.parent} is not a folder", field="--output")
    with session.client() as client, session.output.progress("Gathering evidence ..."):
        size = client.download(f"evidence/{segment(id)}", output)
    body = {"path": str(output), "size": size}
    session.output.answer(body, lambda people: people.say(f"{output}: {size} bytes; check it: sillage verify {output}"))


def verify(
    context: typer.Context,
    file: Annotated[Path, typer.Argument(metavar="FILE", help="Evidence pack, or certificate.")],
    key: Annotated[
        str | None, typer.Option(help="Key that you trust, or its file; unset: the one that came along.")
    ] = None,
) -> int:
    """Verify an evidence pack or a certificate; needs no catalogue. Exits 1 when anything in it was changed."""
    session = session_of(context)
    if not file.is_file():
        raise NotFoundError(f"no file {file}", field="FILE")
    if key is not None and Path(key).is_file():
        key = Path(key).read_text(encoding="utf-8", errors="replace")
    if is_envelope(file):
        return verify_certificate(session, file, key)
    try:
        from provenance.evidence import verify_pack
    except ModuleNotFoundError as error:
        raise NotInstalledError(f"verify needs {error.name}", next_step='pip install "sillage[server]"') from error
    problems = [{"where": problem.where, "detail": problem.detail} for problem in verify_pack(file, key=key)]
    body = {"valid": not problems, "problems": problems}
    session.output.answer(body, lambda people: _verdict(people, body, str(file)))
    return Exit.NO if problems else Exit.DONE


@group.command("list")
def list_(
    context: typer.Context,
    after: Annotated[int, typer.Option(min=-1, help="Start after this sequence number.")] = -1,
    subject: Annotated[str | None, typer.Option(help="Only entries about this record.")] = None,
    action: Annotated[str | None, typer.Option(help="Only this action, e.g. task.complete or participant.*")] = None,
    by: Annotated[str | None, typer.Option(help="Only entries by this agent.")] = None,
    limit: Limit = 100,
) -> None:
    """List ledger entries, oldest first."""
    session = session_of(context)
    with session.client() as client:
        body = client.get("audit/entries", after=after, subject=subject, action=action, by=by, limit=limit)
    rows = [
        {**item, "subject": short(item["subject"]), "principal": short(item["principal"])} for item in body["items"]
    ]
    columns = ["sequence", "time", "action", "subject", "version", "principal"]
    session.output.answer(body, lambda people: people.table(rows, columns))


@group.command()
def proof(context: typer.Context, sequence: Annotated[int, typer.Argument(min=0)]) -> None:
    """Prove that an entry is in the ledger (RFC 9162)."""
    session = session_of(context)
    with session.client() as client:
        body = client.get(f"audit/proof/{sequence}")
    session.output.answer(body, lambda people: people.fields(body))


@group.command()
def checkpoint(
    context: typer.Context,
    since: Annotated[int | None, typer.Option(min=1, help="Prove that so many first entries are unchanged.")] = None,
) -> None:
    """Sign the present state of the ledger; keep it elsewhere, and no truncation can hide."""
    session = session_of(context)
    with session.client() as client:
        body = client.get("audit/checkpoint", since=since)
    session.output.answer(body, lambda people: people.say(body["checkpoint"]))


def _lineage(people: People, body: dict[str, Any]) -> None:
    rows = [{**node, "id": short(node["id"])} for node in body["nodes"]]
    people.table(rows, ["depth", "type", "id", "label"])
    more = " (cut short)" if body["truncated"] else ""
    people.say(f"{len(body['nodes'])} nodes, {len(body['edges'])} edges{more}")


def _verdict(people: People, body: dict[str, Any], name: str) -> None:
    if body["valid"]:
        people.say(f"{name}: valid; nothing was changed")
        return
    people.say(f"{name}: NOT valid")
    people.table(body["problems"], ["where", "detail"])
