"""``sillage run`` and ``sillage task``: submit, watch, cancel, retry."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from ontology.errors import InvalidRequestError
from sillage.cli.datasets import Cursor, Id, Limit
from sillage.cli.output import People, short
from sillage.cli.session import session_of
from sillage.client import FINAL, Client, segment
from sillage.exits import Exit

group = typer.Typer(help="Tasks: list, show, logs, cancel, retry.", no_args_is_help=True)


def add_to(app: typer.Typer) -> None:
    """Put the commands on the command line."""
    app.command()(run)
    app.add_typer(group, name="task")


def run(
    context: typer.Context,
    pipeline: Annotated[str, typer.Argument(metavar="PIPELINE", help="Name, name@version or id.")],
    cohort: Annotated[str | None, typer.Option(help="Run over the members of this cohort.")] = None,
    input: Annotated[
        list[str] | None,
        typer.Option(metavar="NAME=ID", help="Id of a file, image, output or task; or a path. Repeatable."),
    ] = None,
    select: Annotated[
        list[str] | None,
        typer.Option(metavar="NAME=CQL2", help="Condition on images for an input; repeatable."),
    ] = None,
    choose: Annotated[
        list[str] | None,
        typer.Option(metavar="NAME=RULE", help="Of several images: one, all, first, last, each; repeatable."),
    ] = None,
    param: Annotated[list[str] | None, typer.Option(metavar="K=V", help="Parameter, repeatable.")] = None,
    runner: Annotated[str | None, typer.Option(help="Runner; unset: the catalogue's own.")] = None,
    detach: Annotated[bool, typer.Option(help="Do not wait (a service does the work).")] = False,
) -> int:
    """Run a pipeline and wait for it; exits 1 when a task fails."""
    session = session_of(context)
    inputs: dict[str, list[str]] = {}
    for name, value in _pairs(input, "--input"):
        inputs.setdefault(name, []).append(_reference(value))
    parameters = dict(_pairs(param, "--param"))
    rules = {"select": dict(_pairs(select, "--select")), "choose": dict(_pairs(choose, "--choose"))}
    with session.client() as client:
        body = client.run(pipeline, cohort=cohort, inputs=inputs, parameters=parameters, runner=runner, **rules)
        if not detach:
            with session.output.progress(f"Running {pipeline} ..."):
                body = _wait(client, body)
    session.output.answer(body, lambda people: _finished(people, body))
    return Exit.DONE if detach or body["state"] == "COMPLETE" else Exit.NO


@group.command("list")
def list_(
    context: typer.Context,
    cursor: Cursor = None,
    limit: Limit = 100,
    state: Annotated[str | None, typer.Option(help="Only tasks in this state.")] = None,
) -> None:
    """List tasks."""
    session = session_of(context)
    with session.client() as client:
        body = client.get("tasks", cursor=cursor, limit=limit, state=state)
    session.output.answer(
        body, lambda people: people.listing(body, ["id", "state", "pipeline_name", "label", "created"])
    )


@group.command()
def show(context: typer.Context, id: Id) -> None:
    """Show a task or a batch, with inputs, outputs and the record of the run."""
    session = session_of(context)
    with session.client() as client:
        body = client.get(f"tasks/{segment(id)}")
    session.output.answer(body, lambda people: people.fields(body))


@group.command()
def logs(
    context: typer.Context,
    id: Id,
    follow: Annotated[bool, typer.Option("-f", "--follow", help="Go on until the task ends.")] = False,
    stream: Annotated[str, typer.Option(help="stdout or stderr.")] = "stdout",
) -> None:
    """Print what a task wrote."""
    session = session_of(context)
    lines: list[str] = []
    with session.client() as client:
        for line in client.stream(f"tasks/{segment(id)}/logs", stream=stream, follow=follow or None):
            lines.append(line)
            if follow:
                session.output.answer(line, lambda people, line=line: people.say(line))  # type: ignore[misc]
    if not follow:
        body = {"id": id, "stream": stream, "text": "\n".join(lines)}
        session.output.answer(body, lambda people: people.say(body["text"]))


@group.command()
def cancel(context: typer.Context, id: Id) -> None:
    """Cancel a task: its process tree and its work folder are gone afterwards."""
    session = session_of(context)
    with session.client() as client:
        body = client.post(f"tasks/{segment(id)}/cancel")
    session.output.answer(body, lambda people: people.say(f"{short(body['id'])}: {body['state']}"))


@group.command()
def retry(context: typer.Context, id: Id) -> int:
    """Run a failed task again as a new attempt, and wait for it."""
    session = session_of(context)
    with session.client() as client:
        body = client.post(f"tasks/{segment(id)}/retry")
        with session.output.progress("Running again ..."):
            body = _wait(client, body)
    session.output.answer(body, lambda people: _finished(people, body))
    return Exit.DONE if body["state"] == "COMPLETE" else Exit.NO


def _wait(client: Client, body: dict[str, Any]) -> dict[str, Any]:
    return body if body["state"] in FINAL else client.wait(body["id"])


def _reference(value: str) -> str:
    """Return an id as it is, and what is a path here as one that any process of this machine understands."""
    written_as_path = value.startswith((".", "/", "~")) and "/" in value
    return str(Path(value).expanduser().absolute()) if written_as_path else value


def _pairs(options: list[str] | None, name: str) -> list[tuple[str, str]]:
    pairs = []
    for option in options or []:
        key, equals, value = option.partition("=")
        if not key or not equals:
            raise InvalidRequestError(f"{name} {option!r} is not NAME=VALUE", field=name)
        pairs.append((key, value))
    return pairs


def _finished(people: People, body: dict[str, Any]) -> None:
    if body["type"] == "TaskBatch":
        people.table([{**item, "id": short(item["id"])} for item in body["items"]], ["id", "state", "label", "reason"])
        people.say(f"{body['state']}: {body['complete']} of {body['total']} tasks complete, id {body['id']}")
        return
    people.say(f"{body['state']}: {body.get('pipeline_name')} {body.get('pipeline_version')}, id {body['id']}")
    if body.get("reason"):
        people.say(body["reason"])
    people.table([{**o, "id": short(o["id"])} for o in body.get("outputs", [])], ["id", "path", "size", "sha256"])
