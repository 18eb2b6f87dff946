"""Search in the names of the index: as somebody types, and for what is spelled much like a name."""

from __future__ import annotations

import re
from collections.abc import Callable
from difflib import get_close_matches
from typing import Any

from ontology.curies import name_key, reference_key

Rows = Callable[..., list[Any]]
"""Runs a query with its values against the index file and returns all rows."""

_CANDIDATES = 10_000
_RANK = """
MIN(t.deprecated * 100 + n.kind
    + CASE WHEN n.key = :key THEN 0 WHEN substr(n.key, 1, :length) = :key THEN 10 ELSE 20 END),
length(t.label), t.label, t.iri
"""
_BY_WORDS = f"""
SELECT t.body FROM (SELECT rowid FROM name_text WHERE name_text MATCH :match LIMIT {_CANDIDATES}) found
JOIN name n ON n.id = found.rowid JOIN term t ON t.id = n.term GROUP BY t.id ORDER BY {_RANK} LIMIT :limit
"""  # noqa: S608  the rank and the bound are ours
_BY_START = f"""
SELECT t.body
FROM (SELECT * FROM name WHERE key >= :key AND key < :after AND kind BETWEEN 1 AND 3 ORDER BY key LIMIT {_CANDIDATES}) n
JOIN term t ON t.id = n.term GROUP BY t.id ORDER BY {_RANK} LIMIT :limit
"""  # noqa: S608
_BY_CURIE = """
SELECT t.body FROM name n JOIN term t ON t.id = n.term
WHERE n.key >= :key AND n.key < :after AND n.kind IN (0, 5) ORDER BY n.kind, length(n.key), n.key LIMIT :limit
"""
_LIKE = """
SELECT n.text FROM name_text JOIN name n ON n.id = name_text.rowid
WHERE name_text MATCH :match ORDER BY abs(length(n.text) - :length) LIMIT 400
"""
_LAST = "\U0010ffff"
_LONGEST = 200
_SHORT = 3


def find(rows: Rows, text: str, *, limit: int) -> list[str]:
    """Return the bodies of terms with a name whose words begin as the words of ``text`` do, best first."""
    words = re.findall(r"\w+", text[:_LONGEST])
    if not words or limit < 1:
        return []
    key = name_key(text)
    values = {"key": key, "after": key + _LAST, "length": len(key), "limit": limit}
    found: list[Any] = []
    if ":" in text:
        curie = reference_key(text)
        found += rows(_BY_CURIE, {"key": curie, "after": curie + _LAST, "limit": limit})
    found += rows(_BY_START, values)
    if len(key) >= _SHORT:  # one or two letters begin a word of nearly every term
        found += rows(_BY_WORDS, {**values, "match": " ".join(f'"{word}"*' for word in words)})
    return list(dict.fromkeys(body for (body,) in found))[:limit]


def near(rows: Rows, text: str) -> list[str]:
    """Return up to three names that are spelled much like ``text``."""
    words = [word for word in re.findall(r"\w+", text[:_LONGEST]) if len(word) > 1][:8]
    if not words:
        return []
    match = " OR ".join(f'"{word[:3]}"*' for word in words)
    by_key = {name_key(name): name for (name,) in rows(_LIKE, {"match": match, "length": len(text)})}
    return [by_key[key] for key in get_close_matches(name_key(text[:_LONGEST]), by_key, n=3, cutoff=0.7)]
