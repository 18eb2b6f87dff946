"""How the demo speaks: numbered steps, sentences, small tables, and how long each step took."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.table import Table


class Teller:
    """Writes to standard output; progress only where that is a terminal."""

    def __init__(self) -> None:
        self._out = Console(highlight=False)
        self._begun = time.perf_counter()
        self._step = 0

    @contextmanager
    def step(self, title: str) -> Iterator[None]:
        """Announce a step, and say at its end how long it took."""
        self._step += 1
        begun = time.perf_counter()
        self._out.print(f"\n[bold]{self._step}. {escape(title)}[/]", soft_wrap=True)
        yield
        self._out.print(f"   [dim]({time.perf_counter() - begun:.1f} s)[/]")

    @contextmanager
    def working(self, what: str) -> Iterator[None]:
        """Show that something goes on."""
        if not self._out.is_terminal:
            yield
            return
        with self._out.status(escape(what)):
            yield

    def say(self, text: str) -> None:
        """Write a sentence."""
        self._out.print("   " + escape(text), soft_wrap=True)

    def table(self, rows: Sequence[Mapping[str, Any]], columns: Sequence[str]) -> None:
        """Write a small table."""
        table = Table(box=None, pad_edge=False, header_style="dim", padding=(0, 2, 0, 0))
        table.add_column("")
        for column in columns:
            table.add_column(column)
        for row in rows:
            table.add_row(" ", *(escape(str(row.get(column, ""))) for column in columns))
        self._out.print(table)

    def done(self) -> None:
        """Say how long all of it took."""
        self._out.print(f"\n[bold]Done[/] in {time.perf_counter() - self._begun:.0f} s.")
