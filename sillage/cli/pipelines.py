"""``sillage pipeline``: register, list, show. Certificates and versions are in modules of their own."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Any

import typer

from ontology.errors import InvalidRequestError
from sillage.cli.datasets import Cursor, Id, Limit
from sillage.cli.output import People
from sillage.cli.session import session_of
from sillage.client import segment

group = typer.Typer(help="Pipelines: register, show, certify, deprecate.", no_args_is_help=True)


def add_to(app: typer.Typer) -> None:
    """Put the group on the command line."""
    app.add_typer(group, name="pipeline")


@group.command()
def register(
    context: typer.Context,
    descriptor: Annotated[
        str,
        typer.Argument(metavar="DESCRIPTOR", help="Boutiques descriptor, its folder, or a bundled pipeline's name."),
    ],
) -> None:
    """Register a version of a pipeline; files beside the descriptor that it names travel with it."""
    session = session_of(context)
    path = Path(descriptor)
    path = path / "descriptor.json" if path.is_dir() and (path / "descriptor.json").is_file() else path
    with session.client() as client:
        if path.is_file():
            document = _read(path)
            extension = (document.get("custom") or {}).get("sillage") or {}
            folder = path.parent / extension["files"] if extension.get("files") else None
            body = client.register_pipeline(document, folder)
        elif "/" in descriptor or path.suffix == ".json":
            raise InvalidRequestError(f"there is no descriptor at {path}", field="DESCRIPTOR")
        else:
            body = client.post("pipelines", {"descriptor": {}, "bundled": descriptor})
    session.output.answer(
        body, lambda people: people.say(f"Registered: {body['name']} {body['semver']}, id {body['id']}")
    )


@group.command("list")
def list_(context: typer.Context, cursor: Cursor = None, limit: Limit = 100) -> None:
    """List the registered pipelines."""
    session = session_of(context)
    with session.client() as client:
        body = client.get("pipelines", cursor=cursor, limit=limit)
    session.output.answer(body, lambda people: people.listing(body, ["id", "name", "description"]))


@group.command()
def show(
    context: typer.Context,
    id: Id,
    version: Annotated[str | None, typer.Option(help="Version; unset: newest.")] = None,
) -> None:
    """Show a pipeline, or one version of it with its descriptor and environment."""
    session = session_of(context)
    tail = f"/versions/{segment(version)}" if version else ""
    with session.client() as client:
        body = client.get(f"pipelines/{segment(id)}{tail}")
    session.output.answer(body, lambda people: _shown(people, body))


def _shown(people: People, body: dict[str, Any]) -> None:
    versions = body.get("versions")
    people.fields({name: value for name, value in body.items() if name != "versions"})
    if versions:
        rows = [{**one, "deprecated": (one["deprecation"] or {}).get("reason", "")} for one in versions]
        people.table(rows, ["semver", "created", "deprecated", "id"])


def _read(path: Path) -> dict[str, Any]:
    try:
        document = json.loads(path.read_text(encoding="utf-8"))
    except (UnicodeDecodeError, ValueError, RecursionError) as error:
        raise InvalidRequestError(f"{path} is not JSON: {error}", field="DESCRIPTOR") from error
    if not isinstance(document, dict):
        raise InvalidRequestError(f"{path} is not a JSON object", field="DESCRIPTOR")
    return document
