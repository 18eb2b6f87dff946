"""What the command line shows: one JSON document for scripts, or tables and sentences for people."""

from __future__ import annotations

import json
import sys
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.table import Table

_LONG = 400
"""Characters of a nested member that people are shown."""
_PROBLEMS = 20
"""Problems of one request that people are shown."""


class Output(ABC):
    """Where commands put their answers; they never print."""

    @abstractmethod
    def answer(self, body: Any, human: Callable[[People], None]) -> None:
        """Show an answer: ``body`` to a script, or what ``human`` writes to a person."""

    @abstractmethod
    def progress(self, what: str) -> Any:
        """Return a context during which a person sees that something is going on; it gives what to tell of it."""


class Script(Output):
    """One JSON document on standard output and nothing else there."""

    def answer(self, body: Any, human: Callable[[People], None]) -> None:
        """Print the body."""
        json.dump(body, sys.stdout, ensure_ascii=False, indent=1)
        sys.stdout.write("\n")

    @contextmanager
    def progress(self, what: str) -> Iterator[Callable[[str], None]]:
        """Show nothing."""
        yield lambda text: None


class People(Output):
    """Tables, sentences, and progress on a terminal."""

    def __init__(self) -> None:
        # Off a terminal nothing is folded at eighty columns: what reads it there has no width.
        self._out = Console(highlight=False, soft_wrap=True, width=None if sys.stdout.isatty() else 200)
        self._err = Console(stderr=True, highlight=False)

    def answer(self, body: Any, human: Callable[[People], None]) -> None:
        """Let ``human`` write."""
        human(self)

    @contextmanager
    def progress(self, what: str) -> Iterator[Callable[[str], None]]:
        """Show a spinner on standard error, if that is a terminal."""
        if not self._err.is_terminal:
            yield lambda text: None
            return
        with self._err.status(escape(what)) as shown:
            yield lambda text: shown.update(escape(text))

    def say(self, text: str) -> None:
        """Write a sentence."""
        self._out.print(escape(text))

    def fields(self, record: Mapping[str, Any]) -> None:
        """Write a record, one member a line; nested ones as compact JSON, of which long ones are cut."""
        width = max((len(name) for name in record), default=0)
        for name, value in record.items():
            text = value if isinstance(value, str) else _shortened(json.dumps(value, ensure_ascii=False))
            self._out.print(f"[bold]{escape(name):<{width}}[/]  {escape(text)}")

    def table(self, rows: Sequence[Mapping[str, Any]], columns: Sequence[str]) -> None:
        """Write rows under column heads; nothing when there are none."""
        if not rows:
            return
        table = Table(box=None, pad_edge=False, header_style="bold")
        for column in columns:
            table.add_column(column.replace("_", " "), overflow="fold")
        for row in rows:
            table.add_row(*[escape(_cell(row.get(column))) for column in columns])
        self._out.print(table)

    def listing(self, page: Mapping[str, Any], columns: Sequence[str]) -> None:
        """Write one page of a listing and how to see the next."""
        self.table([{**row, "id": short(row.get("id"))} for row in page["items"]], columns)
        shown = len(page["items"])
        more = f"; the next page: --cursor {page['next']}" if page.get("next") else ""
        of = "" if page["total"] is None else f" of {page['total']}"
        self.say(f"{shown}{of}{more}")


def counted(number: Any, one: str) -> str:
    """Return a number with its noun, which stands in the plural unless there is exactly one."""
    return f"{number} {one}" if number == 1 else f"{number} {one}s"


def short(id: Any) -> str:
    """Return an id as a person types it: the first eight characters of its last part, where that is a UUID."""
    text = str(id or "")
    return text.removeprefix("urn:uuid:")[:8] if text.startswith("urn:uuid:") else text


def notice(text: str) -> None:
    """Write a sentence on standard error: what should be known beside the answer, to people and scripts alike."""
    Console(stderr=True, highlight=False, soft_wrap=True).print(f"[bold]sillage:[/] {escape(text)}")


def complain(detail: str, next_step: str | None = None, problems: Sequence[Mapping[str, Any]] | None = None) -> None:
    """Write an error and what to do about it on standard error; every problem once that it does not say itself."""
    err = Console(stderr=True, highlight=False, soft_wrap=True)
    err.print(f"[bold red]sillage:[/] {escape(detail)}")
    lines = list(dict.fromkeys(_problem(problem) for problem in problems or ()))
    if len(lines) > 1 or (lines and lines[0] not in detail):
        for line in lines[:_PROBLEMS]:
            err.print(f"  {escape(line)}")
        if len(lines) > _PROBLEMS:
            err.print(f"  and {len(lines) - _PROBLEMS} more")
    if next_step:
        err.print(f"  {escape(next_step)}")


def _problem(problem: Mapping[str, Any]) -> str:
    place, said = problem.get("field"), problem.get("detail") or ""
    return f"{place}: {said}" if place else str(said)


def _shortened(text: str) -> str:
    return text if len(text) <= _LONG else f"{text[:_LONG]} ... (all of it: --json)"


def _cell(value: Any) -> str:
    if value is None:
        return ""
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
