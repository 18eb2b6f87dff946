"""``sillage init``, ``serve``, ``status``, ``reindex``, ``check``, ``backup``, ``restore``, ``copy``."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Annotated, Any

import typer

from ontology.errors import IntegrityError, InvalidRequestError, NotInstalledError, SillageError
from sillage.cli.output import People
from sillage.cli.session import session_of
from sillage.client import Client, ProblemError
from sillage.exits import Exit

_SECONDS = 1.0
RepositoryUrl = Annotated[
    str | None,
    typer.Option(metavar="URL", help="Server for records and ledger (neo4j://, bolt://); otherwise SQLite in DIR."),
]
SearchUrl = Annotated[
    str | None,
    typer.Option(metavar="URL", help="Server for search (http://, https://); otherwise an index in DIR."),
]


def add_to(app: typer.Typer) -> None:
    """Put the commands on the command line."""
    for command in (init, serve, status, reindex, check, backup, restore, copy):
        app.command()(command)


def init(
    context: typer.Context,
    directory: Annotated[Path, typer.Argument(metavar="DIR", help="A new or empty folder.")],
    title: Annotated[str | None, typer.Option(help="Name of the catalogue.")] = None,
    repository: RepositoryUrl = None,
    search: SearchUrl = None,
) -> None:
    """Make a new catalogue: in its folder alone, or with records and search on servers."""
    session = session_of(context)
    try:
        from api.catalogue import create
    except ModuleNotFoundError as error:
        raise NotInstalledError(f"init needs {error.name}", next_step='pip install "sillage[server]"') from error
    body = create(directory, title=title, repository_url=repository, search_url=search)
    session.output.answer(body, lambda people: _made(people, body))


def serve(
    context: typer.Context,
    host: Annotated[str, typer.Option(help="Address to listen on.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=0, max=65535, help="Port; 0 takes a free one.")] = 8000,
) -> None:
    """Serve the catalogue over HTTP, pages included."""
    session = session_of(context)
    try:
        from api.server import serve as run_server
    except ModuleNotFoundError as error:
        raise NotInstalledError(f"serve needs {error.name}", next_step='pip install "sillage[server]"') from error
    run_server(session.directory(), host=host, port=port, announce=lambda text: People().say(text))


def status(context: typer.Context) -> None:
    """Say what the catalogue holds and whether its views are up to date."""
    session = session_of(context)
    with session.client() as client:
        body = client.get("status")
    session.output.answer(body, lambda people: people.fields(body))


def reindex(
    context: typer.Context,
    check: Annotated[bool, typer.Option("--check", help="Rebuild nothing: compare the index with the ledger.")] = False,
) -> int:
    """Rebuild the search index from the ledger; a service answers from the old one meanwhile."""
    session = session_of(context)
    what = "Comparing ..." if check else "Rebuilding ..."
    with session.client() as client, session.output.progress(what) as tell, _telling(client, tell):
        body = client.request("POST", "/api/v1/reindex", params={"check": check}).json()
    session.output.answer(body, lambda people: _verdict(people, body) if check else people.fields(body))
    return Exit.DONE if body.get("valid", True) else Exit.NO


@contextmanager
def _telling(client: Client, tell: Callable[[str], None]) -> Iterator[None]:
    """Ask once a second how far a rebuilding has come, and tell it."""
    ended = threading.Event()

    def ask() -> None:
        while not ended.wait(_SECONDS):
            with suppress(SillageError, ProblemError):
                rebuilt = client.get("status")["engines"]["search"].get("rebuilt")
                if rebuilt is not None:
                    tell(f"Rebuilding ... {100 * rebuilt:.0f} %")

    asking = threading.Thread(target=ask, name="sillage-progress", daemon=True)
    asking.start()
    try:
        yield
    finally:
        ended.set()
        asking.join()


def check(context: typer.Context) -> int:
    """Verify every invariant and every checksum; exits 1 when something is wrong."""
    session = session_of(context)
    try:
        with session.client() as client, session.output.progress("Checking ..."):
            body = client.post("check")
    except ProblemError as error:
        # So damaged that the catalogue cannot even be opened or its caller known: that is the answer.
        if error.code != IntegrityError.code:
            raise
        body = _damaged(str(error))
    except IntegrityError as error:
        body = _damaged(error.detail)
    session.output.answer(body, lambda people: _verdict(people, body))
    return Exit.DONE if body["valid"] else Exit.NO


def backup(
    context: typer.Context, file: Annotated[Path, typer.Argument(metavar="FILE", help="Archive to write (.tar).")]
) -> None:
    """Write a consistent copy of the catalogue (records, ledger, keys, terms; not the data) while it is in use."""
    session = session_of(context)
    if file.exists() or not file.parent.is_dir():
        raise InvalidRequestError(f"{file} exists, or its folder does not", field="FILE")
    with session.client() as client, session.output.progress("Copying ..."):
        size = client.download("backup", file)
    body = {"path": str(file), "size": size}
    session.output.answer(body, lambda people: people.say(f"{file}: {size} bytes"))


def restore(
    context: typer.Context,
    file: Annotated[Path, typer.Argument(metavar="FILE", help="Archive that `backup` wrote.")],
    directory: Annotated[Path, typer.Argument(metavar="DIR", help="A new or empty folder.")],
) -> None:
    """Make a catalogue from a backup; check it afterwards with `sillage check`."""
    session = session_of(context)
    try:
        from api.archive import restore as unpack
    except ModuleNotFoundError as error:
        raise NotInstalledError(f"restore needs {error.name}", next_step='pip install "sillage[server]"') from error
    body = unpack(file, directory)
    session.output.answer(body, lambda people: people.fields(body))


def copy(
    context: typer.Context,
    source: Annotated[Path, typer.Argument(metavar="SOURCE", help="Folder of a catalogue; it is only read.")],
    target: Annotated[Path, typer.Argument(metavar="TARGET", help="A new or empty folder, or an unfinished copy.")],
    repository: RepositoryUrl = None,
    search: SearchUrl = None,
    data: Annotated[
        str, typer.Option(metavar="link|copy|leave", help="The data: shared where possible, copied, or not brought.")
    ] = "link",
) -> None:
    """Copy a catalogue to another folder and other engines, with the same ledger; ends by comparing both.

    Given again after it broke off, it goes on. Accounts come from SILLAGE_REPOSITORY_USER, SILLAGE_REPOSITORY_PASSWORD,
    SILLAGE_SEARCH_USER and SILLAGE_SEARCH_PASSWORD.
    """
    session = session_of(context)
    try:
        from api.copying import Order
        from api.copying import copy as bring
        from api.data_copy import Data
    except ModuleNotFoundError as error:
        raise NotInstalledError(f"copy needs {error.name}", next_step='pip install "sillage[server]"') from error
    if data not in list(Data):
        raise InvalidRequestError(f"--data is {data}, not link, copy or leave", field="--data")
    order = Order(source=source, target=target, repository_url=repository, search_url=search, data=Data(data))
    with session.output.progress("Copying ...") as tell:
        body = bring(order, tell)
    session.output.answer(body, lambda people: people.fields(body))


def _made(people: People, body: dict[str, Any]) -> None:
    people.say(f"A new catalogue in {body['path']}\nid {body['id']}")
    people.say(f"The administrator's token is in {body['token_file']}; in this folder you need none.")


def _damaged(detail: str) -> dict[str, Any]:
    return {"valid": False, "problems": [{"where": "catalog", "detail": detail}], "ledger_entries": None}


def _verdict(people: People, body: dict[str, Any]) -> None:
    people.say("valid: every invariant and checksum holds" if body["valid"] else "NOT valid")
    people.table(body["problems"], ["where", "detail"])
