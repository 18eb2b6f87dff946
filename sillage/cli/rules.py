"""``sillage rule``: pipelines that run by themselves on what comes in."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from sillage.cli.datasets import Cursor, Id, Limit
from sillage.cli.output import People, short
from sillage.cli.session import session_of
from sillage.cli.tasks import named_values
from sillage.client import segment

group = typer.Typer(help="Rules: pipelines that run by themselves on what comes in.", no_args_is_help=True)

Name = Annotated[str, typer.Argument(metavar="RULE", help="Name or id of a rule.")]


def add_to(app: typer.Typer) -> None:
    """Put the group on the command line."""
    app.add_typer(group, name="rule")


When = Annotated[str, typer.Option(metavar="CQL2", help="Condition on participants.")]
Param = Annotated[list[str] | None, typer.Option(metavar="K=V", help="Parameter, repeatable.")]
Select = Annotated[
    list[str] | None, typer.Option(metavar="NAME=CQL2", help="Condition on images for an input; repeatable.")
]
Choose = Annotated[
    list[str] | None,
    typer.Option(metavar="NAME=RULE", help="Of several images: one, all, first, last, each; repeatable."),
]


@group.command()
def add(
    context: typer.Context,
    name: Annotated[str, typer.Argument(metavar="NAME", help="Small letters, digits and hyphens.")],
    when: When,
    run: Annotated[str, typer.Option(metavar="PIPELINE", help="Name (its newest version then), series or version.")],
    param: Param = None,
    select: Select = None,
    choose: Choose = None,
    runner: Annotated[str | None, typer.Option(help="Runner; unset: the catalogue's own.")] = None,
    existing: Annotated[bool, typer.Option(help="Act on what is there already, too.")] = False,
    disabled: Annotated[bool, typer.Option("--disabled", help="Make it, and let it not act yet.")] = False,
) -> None:
    """Make a rule: when a version of a dataset comes in, whoever fulfils the condition is given to the pipeline."""
    session = session_of(context)
    body = {
        "name": name,
        "when": when,
        "pipeline": run,
        "parameters": named_values(param, "--param"),
        "select": named_values(select, "--select"),
        "choose": named_values(choose, "--choose"),
        "runner": runner,
        "existing": existing,
        "enabled": not disabled,
    }
    with session.client() as client:
        made = client.post("rules", body)
    session.output.answer(made, lambda people: people.say(f"Rule {made['name']}, id {made['id']}"))


@group.command()
def preview(
    context: typer.Context,
    when: When,
    run: Annotated[str | None, typer.Option(metavar="PIPELINE", help="Look also whether this can be run so.")] = None,
    param: Param = None,
    select: Select = None,
    choose: Choose = None,
) -> None:
    """Show whom a rule would fire for if every dataset came in now, and whom not; nothing is made."""
    session = session_of(context)
    body = {
        "when": when,
        "pipeline": run,
        "parameters": named_values(param, "--param"),
        "select": named_values(select, "--select"),
        "choose": named_values(choose, "--choose"),
    }
    with session.client() as client:
        found = client.post("rules/preview", body)
    session.output.answer(found, lambda people: _previewed(people, found))


def _previewed(people: People, found: dict[str, Any]) -> None:
    people.say(f"It would fire for {found['fires']:,} of {found['participants']:,} participants.")
    people.table(found["datasets"], ["title", "fires", "does_not_match"])
    if found["fails"]:
        people.table(found["fails"], ["condition", "participants"])
    if found["fails_as_a_whole"]:
        people.say(f"{found['fails_as_a_whole']:,} more meet each condition by itself, and not all in one.")


@group.command("list")
def list_(context: typer.Context, cursor: Cursor = None, limit: Limit = 100) -> None:
    """List the rules."""
    session = session_of(context)
    with session.client() as client:
        body = client.get("rules", cursor=cursor, limit=limit)
    session.output.answer(body, lambda people: people.listing(body, ["name", "enabled", "query", "pipeline"]))


@group.command()
def show(context: typer.Context, rule: Name) -> None:
    """Show a rule."""
    session = session_of(context)
    with session.client() as client:
        body = client.get(f"rules/{segment(rule)}")
    session.output.answer(body, lambda people: people.fields(body))


@group.command()
def enable(context: typer.Context, rule: Name) -> None:
    """Let a rule act."""
    _switch(context, rule, "enable")


@group.command()
def disable(context: typer.Context, rule: Name) -> None:
    """Let a rule act no more; what it started goes on."""
    _switch(context, rule, "disable")


def _switch(context: typer.Context, rule: str, verb: str) -> None:
    session = session_of(context)
    with session.client() as client:
        body = client.post(f"rules/{segment(rule)}/{verb}")
    session.output.answer(body, lambda people: people.say(f"{body['name']}: {verb}d"))


@group.command()
def evaluations(context: typer.Context, rule: Name, cursor: Cursor = None, limit: Limit = 100) -> None:
    """List what a rule did with each version of each dataset."""
    session = session_of(context)
    with session.client() as client:
        body = client.get(f"rules/{segment(rule)}/evaluations", cursor=cursor, limit=limit)
    session.output.answer(body, lambda people: people.listing(body, ["id", "label", "outcome", "task", "created"]))


@group.command()
def explain(context: typer.Context, rule: Name, evaluation: Id) -> None:
    """Show for whom a rule fired, for whom not, and which conditions these do not meet."""
    session = session_of(context)
    with session.client() as client:
        body = client.get(f"rules/{segment(rule)}/evaluations/{segment(evaluation)}")
    session.output.answer(body, lambda people: _explained(people, body))


def _explained(people: People, body: dict[str, Any]) -> None:
    people.say(f"{body['label']}: {body['outcome']}" + (f" ({body['detail']})" if body.get("detail") else ""))
    rows = [
        {
            "participant": short(member["participant"]),
            "outcome": member["outcome"],
            "does not meet": "; ".join(member.get("fails", [])),
        }
        for member in body["members"]
    ]
    people.table(rows, ["participant", "outcome", "does not meet"])
    if body.get("task"):
        people.say(f"Task: {body['task']}")
