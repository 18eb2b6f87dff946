"""``sillage participant link, unlink, links``, and ``sillage dataset derived-from``: records of one person."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from ontology.errors import InvalidRequestError
from sillage.cli import datasets
from sillage.cli.output import People, counted, short
from sillage.cli.session import session_of
from sillage.client import Client, segment
from sillage.exits import Exit

group = typer.Typer(help="Participants: which records are one person.", no_args_is_help=True)

Named = Annotated[
    list[str] | None,
    typer.Argument(metavar="[A B]", help="Two participants: by id, or as DATASET/LABEL.", show_default=False),
]
Table = Annotated[
    Path | None,
    typer.Option("--from", metavar="TSV", help="Table of two columns, a pair a row, instead of A and B."),
]
SHOWN = 20
AT_ONCE = 1_000
HEAD = ["participant", "same_as"]
"""First row of a table that has a head."""


def add_to(app: typer.Typer) -> None:
    """Put the commands on the command line."""
    app.add_typer(group, name="participant")


@group.command()
def link(
    context: typer.Context,
    basis: Annotated[str, typer.Option(help="How it is known; name nobody in it.")],
    participants: Named = None,
    table: Table = None,
) -> int:
    """Say that two participants are one person; exits 1 when any pair was refused."""
    return _say(context, "identity-links", {"basis": basis}, _pairs(participants, table), done="linked")


@group.command()
def unlink(
    context: typer.Context,
    reason: Annotated[str, typer.Option(help="Why it is taken back; name nobody in it.")],
    participants: Named = None,
    table: Table = None,
) -> int:
    """Take back that two participants are one person; the ledger keeps that it was said."""
    pairs = _pairs(participants, table)
    return _say(context, "identity-links/retract", {"reason": reason}, pairs, done="retracted")


@group.command()
def links(
    context: typer.Context,
    id: Annotated[str, typer.Argument(metavar="ID", help="Participant: id, or an unambiguous prefix of it.")],
) -> None:
    """List with whom a participant is said to be one person."""
    session = session_of(context)
    with session.client() as client:
        body = client.get(f"participants/{segment(id)}/identity-links")
    session.output.answer(body, lambda people: _links(people, body))


@datasets.group.command("derived-from")
def derived_from(
    context: typer.Context,
    derivative: Annotated[str, typer.Argument(metavar="DERIVATIVE", help="Dataset that another tool made.")],
    sources: Annotated[list[str], typer.Argument(metavar="SOURCE...", help="Datasets that it was made of.")],
    basis: Annotated[str | None, typer.Option(help="How it is known that the labels mean the same people.")] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only tell who would be linked.")] = False,
    retract: Annotated[str | None, typer.Option(metavar="REASON", help="Take it back instead, and say why.")] = None,
) -> int:
    """Link a derivative's participants to those with the same label in its sources; exits 1 when somebody is left."""
    if retract is not None and (basis is not None or dry_run):
        raise InvalidRequestError("--retract goes with neither --basis nor --dry-run", field="--retract")
    session = session_of(context)
    path, body = f"datasets/{segment(derivative)}/derived-from", {"sources": sources}
    with session.client() as client:
        if retract is not None:
            found = client.post(f"{path}/retract", {**body, "reason": retract})
        else:
            said = {"basis": basis} if basis is not None else {}
            found = client.post(path, {**body, **said, "dry_run": dry_run})
    session.output.answer(found, lambda people: _derived(people, found))
    return Exit.NO if found.get("unmatched") or found.get("ambiguous") else Exit.DONE


def _say(context: typer.Context, path: str, said: dict[str, Any], pairs: list[tuple[str, str]], *, done: str) -> int:
    session = session_of(context)
    with session.client() as client, session.output.progress("Writing ..."):
        body = _sent(client, path, said, pairs, done)
    session.output.answer(body, lambda people: _outcomes(people, body, done))
    return Exit.NO if body["refused"] else Exit.DONE


def _sent(client: Client, path: str, said: dict[str, Any], pairs: list[tuple[str, str]], done: str) -> dict[str, Any]:
    """Send pairs in requests of a bounded size; return one answer for all."""
    whole: dict[str, Any] = {done: 0, "known": 0, "refused": 0, "items": []}
    for start in range(0, len(pairs), AT_ONCE):
        answer = client.post(path, {**said, "pairs": [list(pair) for pair in pairs[start : start + AT_ONCE]]})
        for name in whole:
            whole[name] += answer[name]
    return whole


def _pairs(participants: list[str] | None, table: Path | None) -> list[tuple[str, str]]:
    """Return the pairs that a command names: two, or those of a table.

    Raises:
        InvalidRequestError: Neither or both are given, or the table is not one of two columns.
    """
    if bool(participants) == (table is not None):
        raise InvalidRequestError("give two participants, or a table with --from", field="participants")
    if table is not None:
        return _rows(table)
    if participants is None or len(participants) != 2:
        raise InvalidRequestError("it takes two participants", field="participants")
    return [(participants[0], participants[1])]


def _rows(table: Path) -> list[tuple[str, str]]:
    """Return the rows of a table, without :data:`HEAD` if it begins with that.

    Raises:
        InvalidRequestError: It is not text, holds no pair, or a row is not two columns.
    """
    try:
        lines = table.read_text(encoding="utf-8-sig").splitlines()
    except UnicodeDecodeError as error:
        raise InvalidRequestError("the table is not text in UTF-8", field="--from") from error
    rows = [[cell.strip() for cell in line.split("\t")] for line in lines if line.strip()]
    for number, row in enumerate(rows, start=1):
        if len(row) != 2 or not all(row):
            raise InvalidRequestError(
                f"row {number} of the table does not have two columns with something in each",
                field="--from",
                next_step="Separate the two participants of a pair by one tab.",
            )
    pairs = [(row[0], row[1]) for row in rows[1 if rows[:1] == [HEAD] else 0 :]]
    if not pairs:
        raise InvalidRequestError("the table holds no pair", field="--from")
    return pairs


def _outcomes(people: People, body: dict[str, Any], done: str) -> None:
    said = [f"{counted(body[done], 'pair')} {done}"]
    said += [f"{body['known']} as before"] if body["known"] else []
    said += [f"{body['refused']} refused"] if body["refused"] else []
    people.say(", ".join(said))
    refused = [item for item in body["items"] if item["outcome"] == "refused"]
    for item in refused[:SHOWN]:
        people.say(f"  {' and '.join(short(name) for name in item['participants'])}: {item['problem']['detail']}")
    if len(refused) > SHOWN:
        people.say(f"  ... and {len(refused) - SHOWN} more; --json shows all")


def _links(people: People, body: dict[str, Any]) -> None:
    rows = [
        {
            "participant": short(item["participant"]),
            "label": item["label"],
            "dataset": short(item["dataset"]),
            "as": item["as"] + (", withdrawn" if item["withdrawn"] else ""),
            "since": item["stated"]["time"][:10],
            "basis": item["basis"],
        }
        for item in body["items"]
    ]
    people.table(rows, ["participant", "label", "dataset", "as", "since", "basis"])
    if not rows:
        people.say("nobody that you may see")


def _derived(people: People, body: dict[str, Any]) -> None:
    if "retracted" in body:
        people.say(f"{counted(body['retracted'], 'participant')} no longer linked")
        return
    known = f", {body['known']} were before" if body["known"] else ""
    people.say(f"{counted(body['linked'], 'participant')} {'would be ' if body['dry_run'] else ''}linked{known}")
    for name, why in (
        ("unmatched", "whose label is in no source"),
        ("ambiguous", "whose label is in several sources; name one source at a time"),
        ("unused", "of the sources, of whom it has nothing"),
    ):
        found = body[name]
        if found:
            labels = ", ".join(str(each["label"]) for each in found[:SHOWN])
            more = f" and {len(found) - SHOWN} more" if len(found) > SHOWN else ""
            people.say(f"{counted(len(found), 'participant')} {why}: {labels}{more}")
