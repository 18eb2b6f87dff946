"""``sillage doi``: reserve, mint, hide."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from sillage.cli.datasets import Cursor, Id, Limit
from sillage.cli.output import People
from sillage.cli.session import session_of
from sillage.client import segment

group = typer.Typer(help="DOIs: reserve, mint, hide.", no_args_is_help=True)


def add_to(app: typer.Typer) -> None:
    """Put the group on the command line."""
    app.add_typer(group, name="doi")


@group.command()
def reserve(context: typer.Context, id: Id) -> None:
    """Reserve a DOI (draft) for a dataset, a version, a cohort or a pipeline version."""
    session = session_of(context)
    with session.client() as client:
        body = client.post("identifiers", {"subject": id})
    session.output.answer(body, lambda people: _identifier(people, body))


@group.command()
def mint(context: typer.Context, id: Id) -> None:
    """Make a reserved DOI findable."""
    session = session_of(context)
    with session.client() as client:
        body = client.post(f"identifiers/{segment(id)}/publish")
    session.output.answer(body, lambda people: _identifier(people, body))


@group.command()
def hide(context: typer.Context, id: Id, reason: Annotated[str | None, typer.Option(help="Why.")] = None) -> None:
    """Take a DOI out of the index; its landing page stays."""
    session = session_of(context)
    with session.client() as client:
        body = client.post(f"identifiers/{segment(id)}/hide", {"reason": reason} if reason else {})
    session.output.answer(body, lambda people: _identifier(people, body))


@group.command("list")
def list_(context: typer.Context, cursor: Cursor = None, limit: Limit = 100) -> None:
    """List the DOIs of this catalogue."""
    session = session_of(context)
    with session.client() as client:
        body = client.get("identifiers", cursor=cursor, limit=limit)
    session.output.answer(body, lambda people: people.listing(body, ["doi", "state", "resolvable", "subject"]))


def _identifier(people: People, body: dict[str, Any]) -> None:
    note = "" if body["resolvable"] else " (test prefix or not published: it does not resolve)"
    people.say(f"{body['doi']}: {body['state']}{note}\nlanding page: /doi/{body['doi']}")
