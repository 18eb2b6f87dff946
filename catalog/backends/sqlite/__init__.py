"""The embedded backend: one SQLite file in the catalogue's directory."""

from catalog.backends.sqlite.repository import SqliteRepository

__all__ = ["SqliteRepository"]
