"""``sillage run`` and ``sillage task``: submit, watch, cancel, retry."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from pathlib import Path
from typing import Annotated, Any

import typer

from ontology.errors import InvalidRequestError
from sillage.cli.batch_sums import shown, summed
from sillage.cli.datasets import Cursor, Id, Limit
from sillage.cli.live_view import LiveView
from sillage.cli.output import People, short
from sillage.cli.run_notices import tell_remarks, tell_waiting
from sillage.cli.run_plan import planned
from sillage.cli.session import Session, session_of
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
        typer.Option(metavar="NAME=ID", help="Id of a file, image, output, model or task; or a path. Repeatable."),
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
    reuse: Annotated[bool, typer.Option(help="Take over the outputs of identical work that is done.")] = False,
    allow_leakage: Annotated[
        str | None,
        typer.Option(metavar="REASON", help="Why a model may be used on people whom it was trained on."),
    ] = None,
    resource: Annotated[
        list[str] | None,
        typer.Option(metavar="NAME=N", help="What each task may use: cpu_cores, ram_gb, gpus, wall_s; repeatable."),
    ] = None,
    plan: Annotated[bool, typer.Option("--plan", help="Say what would be run, and start nothing.")] = False,
    detach: Annotated[
        bool, typer.Option("--no-wait", "--detach", help="Do not wait (a service does the work).")
    ] = False,
) -> int:
    """Run a pipeline and wait for it; exits 1 when a task fails. With --plan nothing is started."""
    session = session_of(context)
    asked: dict[str, Any] = {
        "cohort": cohort,
        "inputs": _by_name(input),
        "parameters": named_values(param, "--param"),
        "select": named_values(select, "--select"),
        "choose": named_values(choose, "--choose"),
        "runner": runner,
        "reuse": reuse,
        "allow_leakage": allow_leakage,
        "resources": named_values(resource, "--resource"),
    }
    if plan:
        with session.client() as client:
            return _plan(session, client.plan(pipeline, **asked))
    return _run(session, pipeline, asked, detach=detach)


def _run(session: Session, pipeline: str, asked: dict[str, Any], *, detach: bool) -> int:
    with session.client() as client:
        body = client.run(pipeline, **asked)
        told = tell_remarks(body)
        if not detach:
            with session.output.progress(f"Running {pipeline} ...") as tell:
                body = _wait(client, body, tell)
    if detach:
        tell_waiting(session, body)
    session.output.answer(body, lambda people: _finished(people, body, told=told))
    return Exit.DONE if detach or body["state"] == "COMPLETE" else Exit.NO


def _by_name(options: list[str] | None) -> dict[str, list[str]]:
    inputs: dict[str, list[str]] = {}
    for name, value in _pairs(options, "--input"):
        inputs.setdefault(name, []).append(_reference(value))
    return inputs


def _plan(session: Session, plan: dict[str, Any]) -> int:
    session.output.answer(plan, lambda people: planned(people, plan))
    return Exit.DONE if plan["starts"] else Exit.NO


@group.command("list")
def list_(
    context: typer.Context,
    cursor: Cursor = None,
    limit: Limit = 100,
    state: Annotated[str | None, typer.Option(help="Only tasks in this state.")] = None,
    pipeline: Annotated[str | None, typer.Option(help="Only tasks of this pipeline version.")] = None,
    batch: Annotated[str | None, typer.Option(help="Only tasks of this batch.")] = None,
    batches: Annotated[bool, typer.Option("--batches", help="List batches instead of tasks.")] = False,
) -> None:
    """List tasks, or batches."""
    session = session_of(context)
    wanted = {"state": state, "pipeline": pipeline, "batch": batch, "type": "TaskBatch" if batches else None}
    with session.client() as client:
        body = client.get("tasks", cursor=cursor, limit=limit, **wanted)
    columns = ["id", "state", "pipeline_name", "label", "created"]
    if batches:
        columns[2:3] = ["complete", "total"]
    session.output.answer(body, lambda people: people.listing(body, columns))


@group.command()
def show(context: typer.Context, id: Id) -> None:
    """Show a task, with inputs, outputs and the record of the run; or a batch, summed up."""
    session = session_of(context)
    with session.client() as client:
        body = client.get(f"tasks/{segment(id)}")
    tell = shown if body["type"] == "TaskBatch" else People.fields
    session.output.answer(body, lambda people: tell(people, body))


@group.command()
def items(
    context: typer.Context,
    id: Id,
    cursor: Cursor = None,
    limit: Limit = 100,
    state: Annotated[str | None, typer.Option(help="Only items in this state, or REFUSED.")] = None,
    leakage: Annotated[str | None, typer.Option(help="Only items of this leakage: clean, unknown, shared.")] = None,
    relation: Annotated[str | None, typer.Option(help="Only items so related to a training.")] = None,
    reason: Annotated[str | None, typer.Option(help="Only items that ended for this reason.")] = None,
) -> None:
    """List the items of a batch, one for each participant."""
    session = session_of(context)
    wanted = {"state": state, "leakage": leakage, "relation": relation, "reason": reason}
    with session.client() as client:
        body = client.get(f"tasks/{segment(id)}/items", cursor=cursor, limit=limit, **wanted)
    columns = ["item", "participant", "detail"] if state == "REFUSED" else ["id", "item", "state", "label", "reason"]
    session.output.answer(body, lambda people: people.listing(body, columns))


@group.command()
def logs(
    context: typer.Context,
    id: Id,
    follow: Annotated[bool, typer.Option("-f", "--follow", help="Go on until the task ends.")] = False,
    stream: Annotated[str, typer.Option(help="stdout, stderr or both.")] = "stdout",
) -> None:
    """Print what a task wrote."""
    session = session_of(context)
    streams = ("stdout", "stderr") if stream == "both" else (stream,)
    if not set(streams) <= {"stdout", "stderr"}:
        raise InvalidRequestError(f"{stream!r} is neither stdout nor stderr nor both", field="--stream")
    if follow:
        with session.client() as client:
            _follow(client, session, id, streams)
        return
    with session.client() as client:
        lines = [line for each in streams for line in client.stream(f"tasks/{segment(id)}/logs", stream=each)]
    body = {"id": id, "stream": stream, "text": "\n".join(lines)}
    session.output.answer(body, lambda people: people.say(body["text"]))


def _follow(client: Client, session: Session, id: str, streams: Sequence[str]) -> None:
    for name, data in client.events(id):
        if name == "log" and data["stream"] in streams:
            for line in data["text"].splitlines():
                session.output.answer(line, lambda people, line=line: people.say(line))  # type: ignore[misc]


@group.command()
def watch(context: typer.Context, id: Id) -> int:
    """Follow a task or batch until it ends: state, what it uses, and its last lines; exits 1 when it failed."""
    session = session_of(context)
    with session.client() as client:
        with session.output.progress("Looking ...") as tell:
            view = LiveView()
            for name, data in client.events(id):
                view.take(name, data)
                tell(view.text())
        body = client.get(f"tasks/{segment(id)}")
    session.output.answer(body, lambda people: _finished(people, body))
    return Exit.DONE if body["state"] == "COMPLETE" else Exit.NO


@group.command()
def cancel(context: typer.Context, id: Id) -> None:
    """Cancel a task or a batch: its processes and work folders are gone afterwards."""
    session = session_of(context)
    with session.client() as client:
        body = client.post(f"tasks/{segment(id)}/cancel")
        with session.output.progress("Stopping ...") as tell:
            body = _wait(client, body, tell)
    session.output.answer(body, lambda people: people.say(f"{short(body['id'])}: {body['state']}"))


@group.command()
def retry(
    context: typer.Context,
    id: Annotated[str | None, typer.Argument(metavar="ID", help="A task, or a batch.")] = None,
    failed: Annotated[str | None, typer.Option(metavar="BATCH", help="All of this batch that failed.")] = None,
    detach: Annotated[bool, typer.Option("--no-wait", help="Do not wait (a service does the work).")] = False,
) -> int:
    """Run a failed task, or what failed of a batch, again as new attempts, and wait for it."""
    session = session_of(context)
    if (id is None) == (failed is None):
        raise InvalidRequestError("give either the ID of a task or --failed BATCH", field="ID")
    with session.client() as client:
        body = client.post(f"tasks/{segment(failed or id or '')}/retry")
        if not detach:
            with session.output.progress("Running again ...") as tell:
                body = _wait(client, body, tell)
    if detach:
        tell_waiting(session, body)
    session.output.answer(body, lambda people: _finished(people, body))
    return Exit.DONE if detach or body["state"] == "COMPLETE" else Exit.NO


def _wait(client: Client, body: dict[str, Any], tell: Callable[[str], None]) -> dict[str, Any]:
    """Wait for the end of a task or batch, telling meanwhile how far it is."""
    if body["state"] in FINAL:
        return body
    view = LiveView()
    for name, data in client.events(body["id"], logs=False):
        view.take(name, data)
        tell(view.text())
    return client.wait(body["id"])


def named_values(options: list[str] | None, name: str) -> dict[str, str]:
    """Return options that are NAME=VALUE as a mapping; the last one of a name counts.

    Raises:
        InvalidRequestError: One is something else.
    """
    return dict(_pairs(options, name))


def _pairs(options: list[str] | None, name: str) -> list[tuple[str, str]]:
    pairs = []
    for option in options or []:
        key, equals, value = option.partition("=")
        if not key or not equals:
            raise InvalidRequestError(f"{name} {option!r} is not NAME=VALUE", field=name)
        pairs.append((key, value))
    return pairs


def _reference(value: str) -> str:
    """Return an id as it is, and what is a path here as one that any process of this machine understands."""
    path = Path(value).expanduser()
    is_path = "/" in value and (value.startswith((".", "/", "~")) or path.is_file())
    return str(path.absolute()) if is_path else value


def _finished(people: People, body: dict[str, Any], *, told: Collection[str] = ()) -> None:
    if body["type"] == "TaskBatch":
        people.table([{**item, "id": short(item["id"])} for item in body["items"]], ["id", "state", "label", "reason"])
        if body["next"]:
            people.say(f"... the first {len(body['items'])}; all: sillage task items {short(body['id'])}")
        people.table(body["refused"], ["item", "participant", "detail"])
        summed(people, body)
        reused = f", {body['reused_count']} of them reused" if body["reused_count"] else ""
        refused = f", {body['refused_count']} could not be run" if body["refused_count"] else ""
        done = f"{body['complete']} of {body['total']} tasks complete{reused}{refused}"
        people.say(f"{body['state']}: {done}, id {body['id']}")
        return
    people.say(f"{body['state']}: {body.get('pipeline_name')} {body.get('pipeline_version')}, id {body['id']}")
    if body.get("reused"):
        people.say(f"Not run: its outputs are those of {body['reused']}, which did the same.")
    if body.get("not_reused"):
        people.say(f"Nothing was reused: {body['not_reused']}.")
    if body.get("reason"):
        people.say(body["reason"])
    for remark in body.get("remarks") or ():
        if remark not in told:
            people.say(remark)
    people.table([{**o, "id": short(o["id"])} for o in body.get("outputs", [])], ["id", "path", "size", "sha256"])
