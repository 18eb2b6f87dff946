"""The SQL form of cohort search: plain joins over one SQLite file, and the oracle of faster indexes."""

from catalog.search.sqlite.index import SqlIndex

__all__ = ["SqlIndex"]
