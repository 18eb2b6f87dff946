"""The state of one command: which catalogue, as whom, and where answers go."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

import typer

from ontology.errors import InvalidRequestError
from sillage.cli.output import Output, People, Script
from sillage.client import Client

ANYWHERE = {"--catalog": True, "--url": True, "--token": True, "--json": False}


@dataclass(frozen=True, slots=True, kw_only=True)
class Session:
    """What the options before (or after) the command say."""

    catalog: Path | None
    url: str | None
    token: str | None
    output: Output

    def client(self) -> Client:
        """Return a client of the catalogue chosen.

        Raises:
            InvalidRequestError: None or two were chosen.
        """
        if self.url is not None:
            return Client(url=self.url, token=self.token)
        return Client(catalog=self.directory(), token=self.token)

    def directory(self) -> Path:
        """Return the catalogue's directory, for what can only be done where it lies.

        Raises:
            InvalidRequestError: No directory was given.
        """
        if self.catalog is None:
            raise InvalidRequestError(
                "no catalogue was chosen",
                field="--catalog",
                next_step="Give --catalog DIR or set SILLAGE_CATALOG; or --url with --token for a service.",
            )
        return self.catalog


def make_session(*, catalog: Path | None, url: str | None, token: str | None, json: bool) -> Session:
    """Return the session of a command line; a catalogue given as an option beats the environment.

    Raises:
        InvalidRequestError: Both a directory and a URL were given.
    """
    if catalog is not None and url is not None:
        raise InvalidRequestError("--catalog and --url exclude each other", field="--url")
    if catalog is None and url is None:
        url = os.environ.get("SILLAGE_URL")
        catalog = Path(os.environ["SILLAGE_CATALOG"]) if not url and "SILLAGE_CATALOG" in os.environ else None
    token = token or os.environ.get("SILLAGE_TOKEN")
    return Session(catalog=catalog, url=url, token=token, output=Script() if json else People())


def session_of(context: typer.Context) -> Session:
    """Return the session that the main callback made."""
    session: Session = context.find_root().obj
    return session


def hoist(arguments: list[str]) -> list[str]:
    """Move the options that may stand anywhere to the front, where the main callback reads them."""
    front: list[str] = []
    rest: list[str] = []
    waiting = iter(arguments)
    for argument in waiting:
        name = argument.split("=", 1)[0]
        if argument == "--":
            rest += [argument, *waiting]
        elif name in ANYWHERE:
            front.append(argument)
            if ANYWHERE[name] and "=" not in argument:
                front += [value for value in [next(waiting, None)] if value is not None]
        else:
            rest.append(argument)
    return front + rest
