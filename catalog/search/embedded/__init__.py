"""Cohort search in columns and bitmaps, in one folder beside the catalogue and without a server."""

from catalog.search.embedded.index import EmbeddedIndex

__all__ = ["EmbeddedIndex"]
