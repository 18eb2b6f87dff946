"""``sillage token`` and ``sillage grant``: who may do what."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from sillage.cli.datasets import Cursor, Id, Limit
from sillage.cli.output import short
from sillage.cli.session import session_of
from sillage.client import segment

group = typer.Typer(help="Tokens: create, list, revoke.", no_args_is_help=True)
Role = Annotated[str, typer.Argument(help="counter, reader, contributor, steward, operator, auditor or administrator.")]
Dataset = Annotated[str | None, typer.Option(help="Only on this dataset; unset: the whole catalogue.")]
Minimum = Annotated[
    int | None,
    typer.Option(min=1, help="For a counter: the fewest participants that are told; unset: as the settings say."),
]


def add_to(app: typer.Typer) -> None:
    """Put the commands on the command line."""
    app.add_typer(group, name="token")
    app.command()(grant)


@group.command()
def create(
    context: typer.Context,
    name: Annotated[str, typer.Argument(metavar="NAME", help="Whom it is for.")],
    role: Annotated[str | None, typer.Option(help="First role.")] = None,
    dataset: Dataset = None,
    minimum: Minimum = None,
    days: Annotated[int, typer.Option(min=1, max=3650, help="Days until it expires.")] = 365,
) -> None:
    """Make an agent with a token; the token is shown this once."""
    session = session_of(context)
    with session.client() as client:
        asked = {"name": name, "role": role, "dataset": dataset, "minimum": minimum, "days": days}
        body = client.post("principals", asked)
    session.output.answer(body, lambda people: people.fields(body))


@group.command("list")
def list_(context: typer.Context, cursor: Cursor = None, limit: Limit = 100) -> None:
    """List tokens, without their secrets."""
    session = session_of(context)
    with session.client() as client:
        body = client.get("tokens", cursor=cursor, limit=limit)
    session.output.answer(body, lambda people: people.listing(body, ["id", "label", "expires", "revoked"]))


@group.command()
def revoke(context: typer.Context, id: Id) -> None:
    """Revoke a token."""
    session = session_of(context)
    with session.client() as client:
        body: dict[str, Any] = client.request("DELETE", f"/api/v1/tokens/{segment(id)}").json()
    session.output.answer(body, lambda people: people.say(f"revoked: {short(body['id'])}"))


def grant(
    context: typer.Context,
    agent: Annotated[str, typer.Argument(metavar="AGENT", help="Id of the agent.")],
    role: Role,
    dataset: Dataset = None,
    minimum: Minimum = None,
    withdraw: Annotated[bool, typer.Option(help="Take the role back instead.")] = False,
) -> None:
    """Give an agent a role on a dataset or on the whole catalogue."""
    session = session_of(context)
    body = {"agent": agent, "role": role, "dataset": dataset, "minimum": minimum}
    with session.client() as client:
        if withdraw:
            client.request("DELETE", "/api/v1/grants", json=body)
        else:
            body = client.post("grants", body)
    session.output.answer(body, lambda people: people.say(f"{'taken back' if withdraw else 'granted'}: {role}"))
