"""``sillage pipeline reference, certify, certificates, certificate, dependents, revoke``: may it be trusted?"""

from __future__ import annotations

import base64
import json
from pathlib import Path
from typing import Annotated, Any

import typer

from ontology.errors import InvalidRequestError, NotFoundError
from sillage.cli.datasets import Cursor, Limit
from sillage.cli.output import People, counted, short
from sillage.cli.pipelines import group
from sillage.cli.session import session_of
from sillage.client import FINAL, Client, segment
from sillage.exits import Exit

REFERENCE_FILE = "reference.json"
PARTS = ("inputs", "expected")
KEY_SUFFIX = ".pub"

Pipeline = Annotated[str, typer.Argument(metavar="PIPELINE", help="Name, name@version or id; a name: its newest.")]
Certificate = Annotated[str, typer.Argument(metavar="CERT", help="Id of a certificate.")]


def add_to(app: typer.Typer) -> None:
    """Do nothing: the commands joined the group ``pipeline`` when this module was loaded."""


@group.command()
def reference(
    context: typer.Context,
    pipeline: Pipeline,
    folder: Annotated[Path, typer.Argument(metavar="FOLDER", help="Folder with reference.json, inputs, expected.")],
) -> None:
    """Register a reference case: inputs, expected outputs, and a tolerance for each."""
    session = session_of(context)
    document, files = _read_case(folder)
    with session.client() as client:
        body = client.post(f"{_address(client, pipeline)}/references", {"reference": document, "files": files})
    outputs = counted(len(body["expected"]), "expected output")
    session.output.answer(
        body,
        lambda people: people.say(
            f"Registered: {body['label']}, {outputs}, for {body['pipeline_name']} {body['pipeline_version']}, "
            f"id {body['id']}"
        ),
    )


@group.command()
def certify(
    context: typer.Context,
    pipeline: Pipeline,
    reference: Annotated[str | None, typer.Option(metavar="ID", help="Reference case; unset: the newest.")] = None,
    runner: Annotated[str | None, typer.Option(help="Runner; unset: the catalogue's own.")] = None,
    days: Annotated[int | None, typer.Option(min=1, max=3650, help="Days that it holds.")] = None,
) -> int:
    """Run a reference case and issue a certificate when all is within tolerance; exits 1 when it is not."""
    session = session_of(context)
    with session.client() as client:
        asked = {"reference": reference, "runner": runner, "days": days}
        body = client.post(f"{_address(client, pipeline)}/certify", asked)
        with session.output.progress(f"Running the reference case of {body['pipeline_name']} ..."):
            body = body if body["state"] in FINAL else client.wait(body["id"])
    session.output.answer(body, lambda people: _verdict(people, body))
    return Exit.DONE if body["certification"]["report"]["passed"] else Exit.NO


@group.command()
def certificates(
    context: typer.Context,
    pipeline: Annotated[str | None, typer.Argument(metavar="PIPELINE", help="Only of this version.")] = None,
    cursor: Cursor = None,
    limit: Limit = 100,
) -> None:
    """List certificates, and what each counts for now."""
    session = session_of(context)
    with session.client() as client:
        body = client.get("certificates", pipeline=pipeline, cursor=cursor, limit=limit)
    columns = ["id", "pipeline_name", "pipeline_version", "state", "issued", "expires"]
    session.output.answer(body, lambda people: people.listing(body, columns))


@group.command()
def certificate(
    context: typer.Context,
    id: Certificate,
    output: Annotated[Path | None, typer.Option("-o", "--output", help="File for the signed envelope.")] = None,
) -> None:
    """Show a certificate, or write it to a file, its public key beside it, for `sillage verify` and other tools."""
    session = session_of(context)
    with session.client() as client:
        body = client.get(f"certificates/{segment(id)}")
    if output is None:
        session.output.answer(body, lambda people: _shown(people, body))
        return
    if not output.parent.is_dir():
        raise InvalidRequestError(f"{output.parent} is not a folder", field="--output")
    key = output.with_name(output.name + KEY_SUFFIX)
    output.write_text(json.dumps(body["envelope"]) + "\n", encoding="utf-8")
    key.write_text(body["public_key"], encoding="utf-8")
    written = {"path": str(output), "key": str(key), "id": body["id"], "digest": body["digest"]}
    session.output.answer(
        written, lambda people: people.say(f"{output}, and its key in {key}; check it: sillage verify {output}")
    )


@group.command()
def dependents(context: typer.Context, id: Certificate, cursor: Cursor = None, limit: Limit = 100) -> None:
    """List the tasks that started under a certificate, and what was derived from them."""
    session = session_of(context)
    with session.client() as client:
        body = client.get(f"certificates/{segment(id)}/dependents", cursor=cursor, limit=limit)
    session.output.answer(body, lambda people: _dependents(people, body))


@group.command()
def revoke(
    context: typer.Context,
    id: Certificate,
    reason: Annotated[str, typer.Option(help="Why; it is kept on the ledger.")],
) -> None:
    """Take a certificate back, and list every result that rests on it."""
    session = session_of(context)
    with session.client() as client:
        body = client.post(f"certificates/{segment(id)}/revoke", {"reason": reason})
        page = body["dependents"]
        while page["next"]:
            page = client.get(f"certificates/{segment(id)}/dependents", cursor=page["next"], limit=1000)
            body["dependents"]["items"] += page["items"]
        body["dependents"]["next"] = None
    session.output.answer(body, lambda people: _revoked(people, body))


def _address(client: Client, pipeline: str) -> str:
    """Return the address of a pipeline version; a pipeline stands for its newest."""
    found = client.get(f"pipelines/{segment(pipeline)}")
    version = client.show(found["current"]) if found["type"] == "Pipeline" else found
    return f"pipelines/{segment(version['name'])}/versions/{segment(version['tool_version'])}"


def _read_case(folder: Path) -> tuple[Any, dict[str, str]]:
    file = folder / REFERENCE_FILE
    if not file.is_file():
        raise NotFoundError(f"no {REFERENCE_FILE} in {folder}", field="FOLDER")
    try:
        document = json.loads(file.read_bytes())
    except (ValueError, RecursionError) as error:
        raise InvalidRequestError(f"{file} is not JSON: {error}", field=REFERENCE_FILE) from error
    if not isinstance(document, dict):
        raise InvalidRequestError(f"{file} is not a JSON object", field=REFERENCE_FILE)
    found = [path for part in PARTS for path in sorted((folder / part).rglob("*")) if path.is_file()]
    files = {path.relative_to(folder).as_posix(): base64.b64encode(path.read_bytes()).decode() for path in found}
    return document, files


def _verdict(people: People, body: dict[str, Any]) -> None:
    report = body["certification"]["report"]
    rows = [
        {**item, "passed": "yes" if item["passed"] else "NO", "found": item["detail"]} for item in report["comparisons"]
    ]
    people.table(rows, ["passed", "path", "kind", "found"])
    name = f"{body['pipeline_name']} {body['pipeline_version']}"
    if report["unexpected"]:
        people.say(f"Not compared: {', '.join(report['unexpected'])}")
    if report["certificate"]:
        people.say(f"{name} is certified: certificate {report['certificate']}")
        return
    people.say(f"{name} is NOT certified. {report['detail'] or ''}")
    people.say(f"The report is kept with the task {short(body['id'])}.")


def _shown(people: People, body: dict[str, Any]) -> None:
    said = (body["statement"] or {}).get("predicate") or {}
    hardware = said.get("hardware") or {}
    gpus = ", ".join(gpu["model"] for gpu in hardware.get("gpus") or ()) or "no GPU"
    people.fields(
        {
            "pipeline": f"{body['pipeline_name']} {body['pipeline_version']}",
            "now": f"{body['state']}: {body['reason']}",
            "issued": body["issued"],
            "expires": body["expires"],
            "certifier": body["certifier"],
            "hardware": f"{hardware.get('cpu_model')} ({hardware.get('machine')}), {gpus}",
            "environment": str((said.get("environment") or {}).get("digest") or "none"),
            "reference": str((said.get("reference") or {}).get("label")),
            "task": body["task"],
            "key": body["key"],
            "id": body["id"],
        }
    )
    rows = [{**item, "passed": "yes" if item["passed"] else "NO"} for item in said.get("comparisons") or ()]
    people.table(rows, ["passed", "path", "kind", "detail"])
    for note in body["notes"]:
        people.say(note)


def _dependents(people: People, body: dict[str, Any]) -> None:
    rows = [
        {**item, "id": short(item["id"]), "outputs": str(len(item["outputs"])), "derived": str(len(item["derived"]))}
        for item in body["items"]
    ]
    people.table(rows, ["id", "state", "label", "outputs", "derived"])
    more = f"; the next page: --cursor {body['next']}" if body.get("next") else ""
    people.say(f"{counted(body['total'], 'task')} started under it{more}")


def _revoked(people: People, body: dict[str, Any]) -> None:
    people.say(f"Revoked: {body['label']}")
    _dependents(people, body["dependents"])
    for result in {node["id"]: node for item in body["dependents"]["items"] for node in item["derived"]}.values():
        people.say(f"  {short(result['id'])}  {result['type']}  {result['label']}")
    standing = body["standing"]
    name = f"{body['pipeline_name']} {body['pipeline_version']}"
    people.say(f"{name} is now {standing['state']}: {standing['reason']}")
    if standing["state"] == "certified":
        people.say(f"by another certificate, {short(standing['id'])}; revoke that too if it is as wrong")
