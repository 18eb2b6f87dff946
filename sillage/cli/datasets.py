"""``sillage dataset``: register, revise, withdraw, look."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from sillage.cli.output import People, counted, short
from sillage.cli.session import session_of
from sillage.client import segment

group = typer.Typer(help="Datasets: register, revise, withdraw, look.", no_args_is_help=True)
Id = Annotated[str, typer.Argument(metavar="ID", help="Id, or an unambiguous prefix of it.")]
Cursor = Annotated[str | None, typer.Option(help="The `next` of the page before.")]
Limit = Annotated[int, typer.Option(min=1, max=1000, help="At most so many.")]


def add_to(app: typer.Typer) -> None:
    """Put the group on the command line."""
    app.add_typer(group, name="dataset")


@group.command()
def register(
    context: typer.Context,
    path: Annotated[Path, typer.Argument(metavar="PATH", help="Folder of the dataset.")],
    reader: Annotated[str, typer.Option(help="auto or bids.")] = "auto",
    in_place: Annotated[bool, typer.Option(help="Make it a DataLad dataset where it lies.")] = False,
    public: Annotated[bool, typer.Option(help="Let anybody read its metadata.")] = False,
) -> None:
    """Register a dataset: take its data in, read it whole, map it to terms, version it."""
    session = session_of(context)
    where = path if session.url else path.resolve()
    with session.client() as client, session.output.progress(f"Registering {path} ..."):
        body = client.register_dataset(where, reader=reader, in_place=in_place, public=public)
    session.output.answer(body, lambda people: _registered(people, body))


@group.command()
def revise(
    context: typer.Context,
    id: Id,
    path: Annotated[Path | None, typer.Argument(metavar="[PATH]", help="Where its present state lies.")] = None,
) -> None:
    """Read a dataset again: changes become new versions, what vanished is withdrawn."""
    session = session_of(context)
    where = None if path is None else str(path if session.url else path.resolve())
    with session.client() as client, session.output.progress("Reading again ..."):
        body = client.post(f"datasets/{segment(id)}/revise", {"path": where})
    session.output.answer(body, lambda people: _registered(people, body))


@group.command()
def withdraw(
    context: typer.Context, id: Id, reason: Annotated[str, typer.Option(help="Why; goes on the ledger.")]
) -> None:
    """Withdraw a dataset; a tombstone with the reason stays."""
    session = session_of(context)
    with session.client() as client:
        body = client.post(f"datasets/{segment(id)}/withdraw", {"reason": reason})
    session.output.answer(body, lambda people: people.say(f"Withdrawn: {short(body['id'])}"))


@group.command("list")
def list_(context: typer.Context, cursor: Cursor = None, limit: Limit = 100) -> None:
    """List the datasets that you may read."""
    session = session_of(context)
    with session.client() as client:
        body = client.get("datasets", cursor=cursor, limit=limit)
    columns = ["id", "title", "dataset_type", "participants", "acquisitions", "files", "license"]
    session.output.answer(body, lambda people: people.listing(body, columns))


@group.command()
def show(context: typer.Context, id: Id) -> None:
    """Show a dataset, or any other record by its id."""
    session = session_of(context)
    with session.client() as client:
        body = client.show(id)
    session.output.answer(body, lambda people: people.fields(body))


@group.command()
def versions(context: typer.Context, id: Id) -> None:
    """List the versions of a dataset's data."""
    session = session_of(context)
    with session.client() as client:
        body = client.get(f"datasets/{segment(id)}/versions")
    session.output.answer(body, lambda people: people.listing(body, ["id", "name", "commit", "created"]))


@group.command()
def participants(context: typer.Context, id: Id, cursor: Cursor = None, limit: Limit = 100) -> None:
    """List a dataset's participants."""
    session = session_of(context)
    with session.client() as client:
        body = client.get(f"datasets/{segment(id)}/participants", cursor=cursor, limit=limit)
    session.output.answer(body, lambda people: people.listing(body, ["id", "label", "version"]))


@group.command()
def report(context: typer.Context, id: Id) -> None:
    """Say what was mapped to terms, what was not, and what is wrong with the dataset."""
    session = session_of(context)
    with session.client() as client:
        body = client.get(f"datasets/{segment(id)}/report")
    session.output.answer(body, lambda people: _report(people, body))


def _registered(people: People, body: dict[str, Any]) -> None:
    people.say(
        f"{body.get('title') or 'Dataset'}: {counted(body['participants'], 'participant')}, "
        f"{counted(body['acquisitions'], 'acquisition')}, {counted(body['files'], 'file')} (version {body['version']})"
    )
    people.say(f"id {body['id']}")
    _problems(people, body["problems"])
    for source in body["sources"]:
        people.say(
            f"It says that it was made of {source['title']}, which is here. If the same label means the same person in "
            f"both, say so: sillage dataset derived-from {short(body['id'])} {short(source['dataset'])}"
        )
    people.say(f"What was mapped and what was not: sillage dataset report {short(body['id'])}")


def _report(people: People, body: dict[str, Any]) -> None:
    for title in ("mapped", "unmapped"):
        people.say(f"{title.capitalize()}:")
        rows = [
            {"property": name, "value": value, "count": count}
            for name, values in body[title].items()
            for value, count in values.items()
        ]
        people.table(rows, ["property", "value", "count"])
        if not rows:
            people.say("  nothing")
    _problems(people, body["problems"])


def _problems(people: People, problems: list[dict[str, Any]]) -> None:
    if problems:
        people.say(f"{counted(len(problems), 'problem')} (kept as found; nothing was guessed):")
        people.table(problems[:20], ["path", "field", "detail"])
        if len(problems) > 20:
            people.say(f"... and {len(problems) - 20} more; --json shows all")
