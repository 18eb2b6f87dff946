"""``sillage model register, list, show, check``: trained models, and whom they have seen."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from sillage.cli.datasets import Cursor, Limit
from sillage.cli.output import People, counted, short
from sillage.cli.session import session_of
from sillage.client import segment
from sillage.exits import Exit

group = typer.Typer(help="Models: register, list, show, check.", no_args_is_help=True)

Model = Annotated[str, typer.Argument(metavar="MODEL", help="Id of a model, or of a file with its weights.")]
NAMED = 20


def add_to(app: typer.Typer) -> None:
    """Put the commands on the command line."""
    app.add_typer(group, name="model")


@group.command()
def register(
    context: typer.Context,
    file: Annotated[str, typer.Argument(metavar="FILE", help="File with the weights, or its id.")],
    architecture: Annotated[str, typer.Option(help="What kind of model it is.")],
    framework: Annotated[str | None, typer.Option(help="What it was made with.")] = None,
    trained_on: Annotated[
        list[str] | None, typer.Option(metavar="COHORT", help="Whom it was trained on; repeatable.")
    ] = None,
    ancestor: Annotated[
        list[str] | None, typer.Option(metavar="MODEL", help="Model that it began from; repeatable.")
    ] = None,
    training_data_unknown: Annotated[
        bool, typer.Option("--training-data-unknown", help="It is not known whom all it was trained on.")
    ] = False,
) -> None:
    """Register a model that was not trained here, and say whom it was trained on."""
    session = session_of(context)
    path = Path(file).expanduser()
    asked = {
        "file": str(path.absolute()) if path.exists() else file,
        "architecture": architecture,
        "framework": framework,
        "trained_on": trained_on or [],
        "ancestors": ancestor or [],
        "training_data_unknown": training_data_unknown,
    }
    with session.client() as client:
        body = client.post("models", asked)
    session.output.answer(body, lambda people: people.say(f"Registered: {body['label']}, id {body['id']}"))


@group.command("list")
def list_(context: typer.Context, cursor: Cursor = None, limit: Limit = 100) -> None:
    """List models."""
    session = session_of(context)
    with session.client() as client:
        body = client.get("models", cursor=cursor, limit=limit)
    columns = ["id", "label", "participants", "training_data", "ancestors", "created"]
    session.output.answer(body, lambda people: people.listing(body, columns))


@group.command()
def show(context: typer.Context, id: Model) -> None:
    """Show a model: whom it was trained on in numbers, what is behind it, and what it was used on."""
    session = session_of(context)
    with session.client() as client:
        body = client.get(f"models/{segment(id)}")
    session.output.answer(body, lambda people: _shown(people, body))


@group.command()
def check(
    context: typer.Context,
    id: Model,
    cohort: Annotated[str, typer.Option(metavar="ID", help="The people whom it is to be used on.")],
    limit: Limit = 100,
) -> int:
    """Tell who of a cohort was in the training of a model; exits 1 when somebody was."""
    session = session_of(context)
    with session.client() as client:
        body = client.get(f"models/{segment(id)}/leakage", cohort=cohort, limit=limit)
    session.output.answer(body, lambda people: _checked(people, body))
    return Exit.NO if body["state"] == "shared" else Exit.DONE


def _shown(people: People, body: dict[str, Any]) -> None:
    made = " ".join(str(body[name]) for name in ("framework", "framework_version") if body[name])
    people.fields(
        {
            "model": body["label"],
            "architecture": body["architecture"],
            "framework": made or "not known",
            "weights": f"SHA-256 {body['digest']}, file {body['file']}",
            "trained on": _training(body),
            "seen in all": _seen(body),
            "id": body["id"],
        }
    )
    for run in body["trainings"]:
        people.say(f"Trained by {run['pipeline_name']} {run['pipeline_version']}, task {run['task']}")
    people.table([{**each, "id": short(each["id"])} for each in body["behind"]], ["id", "label", "training_data"])
    if body["applied"]["total"]:
        people.say(f"Used by {counted(body['applied']['total'], 'task')}:")
        rows = [{**each, "id": short(each["id"])} for each in body["applied"]["items"]]
        people.table(rows, ["id", "state", "leakage", "label"])


def _training(body: dict[str, Any]) -> str:
    count = counted(body["participants"], "participant")
    return count if body["training_data"] == "known" else f"{count}, and others who are not known"


def _seen(body: dict[str, Any]) -> str:
    count = counted(body["people"], "participant")
    behind = len(body["behind"]) + body["behind_hidden"]
    through = f", with the {counted(behind, 'model')} that it began from" if behind else ""
    return f"{count}{through}" + (", and others who are not known" if body["unknown"] else "")


def _checked(people: People, body: dict[str, Any]) -> None:
    people.say(f"{body['state']}: {body['reason']}")
    for item in body["items"][:NAMED]:
        who = item["participant"]["label"]
        way = " -> ".join(f"{node['type']} {node['label']}" for node in item["path"])
        people.say(f"  {who} ({item['relation']}): {way}")
    if len(body["items"]) > NAMED or body["truncated"]:
        people.say("  ...; all of them: --json --limit N")
