"""``sillage pipeline deprecate, reinstate, codemeta``: what is said of a version beside itself."""

from __future__ import annotations

import json
from typing import Annotated

import typer

from ontology.errors import InvalidRequestError
from sillage.cli.pipelines import group
from sillage.cli.session import session_of
from sillage.client import segment

Version = Annotated[str, typer.Argument(metavar="NAME@VERSION", help="Version of a pipeline.")]


def add_to(app: typer.Typer) -> None:
    """Do nothing: the commands joined the group ``pipeline`` when this module was loaded."""


@group.command()
def deprecate(
    context: typer.Context,
    version: Version,
    reason: Annotated[str, typer.Option(help="Why it is no longer to be used.")],
    replaced_by: Annotated[str | None, typer.Option(metavar="NAME@VERSION", help="The version to use instead.")] = None,
) -> None:
    """Mark a version as no longer to be used; results made with it stay what they are."""
    session = session_of(context)
    with session.client() as client:
        body = client.post(f"{_address(version)}/deprecate", {"reason": reason, "replaced_by": replaced_by})
    session.output.answer(body, lambda people: people.say(f"Deprecated: {body['label']}"))


@group.command()
def reinstate(context: typer.Context, version: Version) -> None:
    """Take the mark of deprecation away again."""
    session = session_of(context)
    with session.client() as client:
        body = client.post(f"{_address(version)}/reinstate")
    session.output.answer(body, lambda people: people.say(f"In use again: {body['label']}"))


@group.command()
def codemeta(context: typer.Context, version: Version) -> None:
    """Print the description of a version's software (CodeMeta 3.0)."""
    session = session_of(context)
    with session.client() as client:
        body = client.get(f"{_address(version)}/codemeta")
    session.output.answer(body, lambda people: people.say(json.dumps(body, indent=2, ensure_ascii=False)))


def _address(reference: str) -> str:
    name, at, version = reference.rpartition("@")
    if not at or not name or not version:
        raise InvalidRequestError(f"{reference!r} is not NAME@VERSION", field="NAME@VERSION")
    return f"pipelines/{segment(name)}/versions/{segment(version)}"
