"""The tables of the SQL form."""

from __future__ import annotations

import sqlite3
from typing import Final

from catalog.search import index_file, index_tables

FORMAT: Final = "6"
"""Changes whenever the tables or what is written into them change; another format is rebuilt."""


def make_tables(connection: sqlite3.Connection) -> None:
    """Make every table anew, inside the caller's transaction."""
    index_tables.make(connection, backend="catalog.search.sqlite", format=FORMAT)


def is_current(connection: sqlite3.Connection) -> bool:
    """Tell whether the file holds an index of this format."""
    return index_file.is_current(connection, FORMAT)
