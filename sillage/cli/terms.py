"""``sillage terms``: load, find, show."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from sillage.cli.output import People, counted
from sillage.cli.session import session_of
from sillage.client import segment

group = typer.Typer(help="Terms and ontologies: load, find, show.", no_args_is_help=True)


def add_to(app: typer.Typer) -> None:
    """Put the group on the command line."""
    app.add_typer(group, name="terms")


@group.command()
def load(
    context: typer.Context,
    file: Annotated[Path, typer.Argument(metavar="FILE", help="OBO, OWL (RDF/XML, OWL/XML) or Turtle/SKOS.")],
) -> None:
    """Load an ontology; queries use it at once."""
    session = session_of(context)
    with session.client() as client, session.output.progress(f"Loading {file} ..."):
        body = client.load_terms(file)
    session.output.answer(body, lambda people: people.say(f"{body['label']}: {body['terms']} terms loaded"))


@group.command()
def find(
    context: typer.Context,
    text: Annotated[str, typer.Argument(metavar="TEXT")],
    limit: Annotated[int, typer.Option(min=1, max=1000)] = 20,
) -> None:
    """Find terms by label, synonym, CURIE or cross-reference."""
    session = session_of(context)
    with session.client() as client:
        body = client.get("terms", q=text, limit=limit)
    session.output.answer(body, lambda people: people.table(body["items"], ["curie", "label", "vocabulary"]))


@group.command()
def show(context: typer.Context, term: Annotated[str, typer.Argument(metavar="TERM")]) -> None:
    """Show a term: parents, children, synonyms, uses."""
    session = session_of(context)
    with session.client() as client:
        body = client.get(f"terms/{segment(term)}")
    session.output.answer(body, lambda people: _term(people, body))


def _term(people: People, body: dict[str, Any]) -> None:
    if body.get("notice"):
        people.say(body["notice"])
    people.say(f"{body['curie']}  {body['label']}")
    if body.get("definition"):
        people.say(body["definition"])
    for title in ("parents", "children"):
        people.say(f"{title}: " + (", ".join(f"{t['label']} ({t['curie']})" for t in body[title]) or "none"))
    people.say(f"synonyms: {', '.join(body['synonyms']) or 'none'}")
    people.say(f"cross-references: {', '.join(body['xrefs']) or 'none'}")
    uses = "an unknown number of" if body["uses"] is None else body["uses"]
    people.say(f"used by {counted(uses, 'participant')}, itself or through {body['descendants']} narrower terms")
