"""The tables of the SQL form."""

from __future__ import annotations

import sqlite3
from importlib.resources import files
from typing import Final

from catalog.search import index_file

FORMAT: Final = "5"
"""Changes whenever the tables or what is written into them change; another format is rebuilt."""


def make_tables(connection: sqlite3.Connection) -> None:
    """Make every table anew, inside the caller's transaction."""
    schema = files("catalog.search.sqlite").joinpath("schema.sql").read_text(encoding="utf-8")
    index_file.make_tables(connection, schema=schema, meta={"format": FORMAT, "applied": "-1", "entry": ""})


def is_current(connection: sqlite3.Connection) -> bool:
    """Tell whether the file holds an index of this format."""
    return index_file.is_current(connection, FORMAT)
