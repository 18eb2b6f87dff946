"""``sillage cohort``: combine, balance, split, export; what is made of frozen cohorts."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated, Any

import typer

from ontology.errors import InvalidRequestError
from sillage.cli.datasets import Cursor, Id, Limit
from sillage.cli.output import People, counted, short
from sillage.cli.session import session_of
from sillage.client import segment
from sillage.exits import Exit

OPERATIONS = ("union", "intersection", "difference")
Cohorts = Annotated[list[str], typer.Argument(metavar="ID...", help="Cohorts, by id.")]
Label = Annotated[str | None, typer.Option(help="A name for people.")]
Newest = Annotated[
    bool, typer.Option("--newest", help="Take who was frozen in several states as frozen last, instead of refusing.")
]


def add_to(group: typer.Typer) -> None:
    """Put the commands into the group ``cohort``."""
    for command in (union, intersection, difference, combine, balance, split, splits, check, materialise, export):
        group.command()(command)


def union(context: typer.Context, ids: Cohorts, label: Label = None, newest: Newest = False) -> None:
    """Freeze everybody who is in any of some cohorts."""
    _combine(context, "union", ids, label, newest)


def intersection(context: typer.Context, ids: Cohorts, label: Label = None, newest: Newest = False) -> None:
    """Freeze everybody who is in all of some cohorts."""
    _combine(context, "intersection", ids, label, newest)


def difference(context: typer.Context, ids: Cohorts, label: Label = None, newest: Newest = False) -> None:
    """Freeze everybody who is in the first cohort and in none of the others."""
    _combine(context, "difference", ids, label, newest)


def combine(
    context: typer.Context,
    op: Annotated[str, typer.Argument(metavar="OP", help="union, intersection or difference.")],
    ids: Cohorts,
    label: Label = None,
    newest: Newest = False,
) -> None:
    """Freeze the union, intersection or difference of cohorts."""
    _combine(context, op, ids, label, newest)


def balance(
    context: typer.Context,
    id: Annotated[str, typer.Argument(metavar="ID", help="A cohort, or a split.")],
    by: Annotated[str, typer.Option(help="Properties to compare, separated by commas.")] = "",
    against: Annotated[str | None, typer.Option(help="What divides the members; unset: dataset, site or sex.")] = None,
    html: Annotated[Path | None, typer.Option(help="Also write the report with drawings to this file.")] = None,
) -> None:
    """Say how alike the groups of a cohort, or the parts of a split, are."""
    session = session_of(context)
    with session.client() as client, session.output.progress("Comparing"):
        body = client.balance(id, by=_names(by), against=against)
        if html is not None:
            names = ",".join(found["name"] for found in body["properties"])
            client.download(f"cohorts/{segment(id)}/balance", html, format="html", by=names, against=body["against"])
    session.output.answer(body, lambda people: _balance(people, body))


def split(
    context: typer.Context,
    id: Id,
    part: Annotated[
        list[str] | None,
        typer.Option(metavar="NAME=FRACTION", help="A part; several times. Unset: train, validation, test."),
    ] = None,
    seed: Annotated[int, typer.Option(help="The same seed gives the same parts.")] = 0,
    stratify: Annotated[str, typer.Option(help="Properties to keep alike, separated by commas.")] = "",
    together: Annotated[
        str | None, typer.Option(help="Properties that keep people together, instead of family; `none` for nothing.")
    ] = None,
    label: Label = None,
) -> None:
    """Divide a cohort into parts; siblings, and records of one person, stay together."""
    session = session_of(context)
    kept = None if together is None else [] if together == "none" else _names(together)
    with session.client() as client, session.output.progress("Splitting"):
        body = client.split_cohort(
            id, _fractions(part), seed=seed, stratify=_names(stratify), together=kept, label=label
        )
    session.output.answer(body, lambda people: _split(people, body))


def splits(
    context: typer.Context,
    id: Annotated[str | None, typer.Argument(metavar="ID", help="A split to show; unset: all of them.")] = None,
    cursor: Cursor = None,
    limit: Limit = 100,
) -> None:
    """List the splits, or show one."""
    session = session_of(context)
    with session.client() as client:
        if id is not None:
            body = client.get(f"splits/{segment(id)}")
            session.output.answer(body, lambda people: _split(people, body))
            return
        listed = client.get("splits", cursor=cursor, limit=limit)
    session.output.answer(
        listed, lambda people: people.listing(listed, ["id", "label", "count", "seed", "algorithm", "created"])
    )


def check(context: typer.Context, id: Annotated[str, typer.Argument(metavar="ID", help="A split.")]) -> None:
    """Tell whether anybody who belongs together, as is known today, is in different parts of a split."""
    session = session_of(context)
    with session.client() as client:
        body = client.get(f"splits/{segment(id)}/check")
    session.output.answer(body, lambda people: _check(people, body))
    if not body["valid"]:
        raise typer.Exit(Exit.NO)


def materialise(
    context: typer.Context,
    id: Id,
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="Folder to make; not there yet, or empty.")],
    share: Annotated[
        bool, typer.Option("--share/--no-share", help="Share content, or leave it to `datalad get`.")
    ] = True,
) -> None:
    """Make a DataLad dataset of just a cohort's files, which shares their content with the catalogue's."""
    session = session_of(context)
    if session.url is not None:
        raise InvalidRequestError(
            "a cohort is materialised where the catalogue lies: its files are shared there, not sent",
            field="--url",
            next_step="Run it on that machine with --catalog DIR; or take the table with `sillage cohort export`.",
        )
    with session.client() as client, session.output.progress("Materialising"):
        body = client.materialise_cohort(id, folder.absolute(), share=share)
    session.output.answer(body, lambda people: _materialised(people, body))


def export(
    context: typer.Context,
    id: Id,
    format: Annotated[str, typer.Option(help="tsv, csv or jsonld.")] = "tsv",
    columns: Annotated[str, typer.Option(help="Properties to tell of each member, separated by commas.")] = "",
    output: Annotated[Path | None, typer.Option("-o", "--output", help="Where to; unset: standard output.")] = None,
) -> None:
    """Write a cohort as a table or as linked data, one row per member."""
    session = session_of(context)
    with session.client() as client:
        if output is None:
            wanted = {"format": format, "columns": columns}
            whole = client.request("GET", f"/api/v1/cohorts/{segment(id)}/export", params=wanted)
            # As bytes: CSV ends its lines as RFC 4180 says, on every system.
            sys.stdout.buffer.write(whole.content)
            return
        with session.output.progress("Exporting"):
            size = client.export_cohort(id, output, format=format, columns=_names(columns))
    body = {"path": str(output), "format": format, "size": size}
    session.output.answer(body, lambda people: people.say(f"{output}: {size} bytes"))


def _combine(context: typer.Context, op: str, ids: list[str], label: str | None, newest: bool) -> None:
    if op not in OPERATIONS:
        raise InvalidRequestError(f"{op!r} is not one of {', '.join(OPERATIONS)}", field="OP")
    session = session_of(context)
    with session.client() as client, session.output.progress("Combining"):
        body = client.combine_cohorts(op, ids, label=label, conflicts="newest" if newest else "refuse")
    session.output.answer(body, lambda people: _combined(people, body))


def _combined(people: People, body: dict[str, Any]) -> None:
    people.say(f"Frozen: {counted(body['count'], 'participant')}, id {body['id']}\ndigest {body['digest']}")
    for notice in body["notices"]:
        people.say(notice)


def _balance(people: People, body: dict[str, Any]) -> None:
    sizes = ", ".join(f"{group['label']} {group['count']}" for group in body["groups"])
    people.say(f"{body['count']} participants by {body['against']}: {sizes}")
    for notice in body["notices"]:
        people.say(notice)
    for found in body["properties"]:
        unit = f" ({found['unit']})" if found.get("unit") else ""
        people.say(f"\n{found['name']}{unit}: {_verdict(found)}")
        rows = [_row(found, head, group) for head, group in zip(body["groups"], found["groups"], strict=True)]
        people.table(rows, list(rows[0]) if rows else [])


def _row(found: dict[str, Any], head: dict[str, Any], group: dict[str, Any]) -> dict[str, str]:
    row = {"group": str(head["label"]), "n": str(group["count"] - group["missing"])}
    if found["kind"] == "number":
        names = ("mean", "sd", "min", "q1", "median", "q3", "max")
        row |= {name: "" if group[name] is None else f"{group[name]:.4g}" for name in names}
    else:
        known = group["count"] - group["missing"]
        counted = zip(found["categories"], group["counts"], strict=True)
        row |= {f"{name} ": f"{n} ({n / known:.0%})" if known else "0" for name, n in counted}
    return row | {"missing": str(group["missing"])}


def _verdict(found: dict[str, Any]) -> str:
    largest, tested = found["largest_difference"], found.get("association")
    said = "no standardised difference can be told" if largest is None else f"largest SMD {largest['smd']:.2f}"
    if tested:
        said += f", chi-square {tested['chi_square']:.2f} ({tested['degrees_of_freedom']} df), p = {tested['p']:.2g}"
        said += f", Cramer's V {tested['cramers_v']:.2f}"
    return said


def _split(people: People, body: dict[str, Any]) -> None:
    groups = body["groups"]
    people.say(f"Split {body['id']}: {body['count']} participants in {groups['count']} groups, seed {body['seed']}")
    rows = [{**part, "share": f"{part['count'] / body['count']:.1%}"} for part in body["parts"]]
    people.table(
        [{**row, "cohort": short(row["cohort"])} for row in rows], ["name", "fraction", "count", "share", "cohort"]
    )
    read = ", ".join(f"{name} ({count})" for name, count in body["together"]["properties"].items())
    people.say(f"kept together by: {read or 'no property'}; {body['together']['edges']} links between records")
    for notice in body.get("notices", []):
        people.say(notice)


def _check(people: People, body: dict[str, Any]) -> None:
    people.table(body["problems"], ["where", "detail"])
    if body["valid"]:
        people.say(f"nobody who belongs together is in different parts ({body['groups']} groups)")


def _materialised(people: People, body: dict[str, Any]) -> None:
    members, files = counted(body["participants"], "participant"), counted(body["files"], "file")
    people.say(f"{body['path']}: {members}, {files}, {body['bytes']} bytes")
    people.say(f"{body['shared']} share their content with the catalogue's datasets; DataLad id {body['datalad_id']}")
    if body["absent"]:
        people.say(f"{body['absent']} have their content elsewhere; get it: datalad get -d {body['path']} .")
    people.table(body["problems"], ["path", "detail"])


def _fractions(parts: list[str] | None) -> dict[str, float] | None:
    if not parts:
        return None
    found: dict[str, float] = {}
    for part in parts:
        name, _, fraction = part.partition("=")
        try:
            value = float(fraction)
        except ValueError:
            raise InvalidRequestError(f"{part!r} is not NAME=FRACTION", field="--part") from None
        if name in found:
            raise InvalidRequestError(f"part {name} is named twice", field="--part")
        found[name] = value
    return found


def _names(text: str) -> list[str]:
    return [name.strip() for name in text.split(",") if name.strip()]
