"""``sillage cohort``: find, freeze, show, diff."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from sillage.cli import cohort_objects, search
from sillage.cli.datasets import Cursor, Id, Limit
from sillage.cli.output import People, counted, short
from sillage.cli.session import session_of
from sillage.client import segment

group = typer.Typer(help="Cohorts: find participants, freeze the answer, compare.", no_args_is_help=True)
Query = Annotated[str, typer.Argument(metavar="CQL2", help="Query; see docs/reference/query-language.md.")]


def add_to(app: typer.Typer) -> None:
    """Put the group on the command line."""
    search.add_to(group)
    cohort_objects.add_to(group)
    app.add_typer(group, name="cohort")


@group.command()
def find(
    context: typer.Context,
    query: Query,
    facets: Annotated[str, typer.Option(help="Properties to count, separated by commas.")] = "",
    histograms: search.Histograms = "",
    trees: search.Trees = "",
    explain: Annotated[bool, typer.Option("--explain", help="Say why each participant matches.")] = False,
    cursor: Cursor = None,
    limit: Limit = 50,
) -> None:
    """Find participants across datasets."""
    session = session_of(context)
    with session.client() as client:
        body = client.find_cohort(
            query,
            facets=search.names_of(facets),
            histograms=search.names_of(histograms),
            trees=search.names_of(trees),
            explain=explain,
            cursor=cursor,
            limit=limit,
        )
    session.output.answer(body, lambda people: _answer(people, body))


@group.command()
def freeze(
    context: typer.Context,
    query: Query,
    label: Annotated[str | None, typer.Option(help="A name for people.")] = None,
) -> None:
    """Freeze the present answer as a cohort that can be cited, run on and compared."""
    session = session_of(context)
    with session.client() as client:
        body = client.freeze_cohort(query, label=label)
    session.output.answer(
        body,
        lambda people: people.say(
            f"Frozen: {counted(body['count'], 'participant')}, id {body['id']}\ndigest {body['digest']}"
        ),
    )


@group.command("list")
def list_(context: typer.Context, cursor: Cursor = None, limit: Limit = 100) -> None:
    """List the frozen cohorts."""
    session = session_of(context)
    with session.client() as client:
        body = client.get("cohorts", cursor=cursor, limit=limit)
    session.output.answer(body, lambda people: people.listing(body, ["id", "label", "count", "query", "created"]))


@group.command()
def show(context: typer.Context, id: Id) -> None:
    """Show a frozen cohort with its members."""
    session = session_of(context)
    with session.client() as client:
        body = client.get(f"cohorts/{segment(id)}")
    session.output.answer(body, lambda people: people.fields(body))


@group.command()
def diff(context: typer.Context, id: Id) -> None:
    """Say exactly what has changed since a cohort was frozen."""
    session = session_of(context)
    with session.client() as client:
        body = client.get(f"cohorts/{segment(id)}/diff")
    session.output.answer(body, lambda people: _diff(people, body))


def _answer(people: People, body: dict[str, Any]) -> None:
    for notice in body.get("notices", []):
        people.say(notice)
    rows = [{**item, "id": short(item["id"]), "dataset": short(item["dataset"])} for item in body["items"]]
    for row in rows:
        row["why"] = "; ".join(_reason(reason) for reason in row["explanation"])
    people.table(rows, ["id", "label", "dataset", *(["why"] if any(row["why"] for row in rows) else [])])
    for name, values in body["facets"].items():
        people.say(f"\n{name}: " + ", ".join(f"{v['label'] or v['value']} ({v['count']})" for v in values))
    more = f"; the next page: --cursor {body['next']}" if body["next"] else ""
    search.draw(people, body)
    people.say(f"{search.how_many(body)}{more}")


def _reason(reason: dict[str, Any]) -> str:
    chain = reason.get("chain") or []
    if reason.get("property") is None or reason.get("value") is None:
        # A number of acquisitions, or the absence of something: the condition itself says it best.
        return f"{reason['condition']}" + (f" ({reason['value']})" if reason.get("value") is not None else "")
    text = f"{reason['property']} = {reason.get('label') or reason['value']}"
    if len(chain) > 1:
        text += " (" + " is a ".join(term["label"] for term in chain) + ")"
    return text


def _diff(people: People, body: dict[str, Any]) -> None:
    for title in ("added", "removed", "changed", "withdrawn"):
        people.say(f"{title}: {len(body[title])}")
        for item in body[title][:50]:
            people.say(f"  {item if isinstance(item, str) else item.get('participant')}")
