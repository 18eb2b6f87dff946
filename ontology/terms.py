"""The term index: terms by IRI, CURIE, label, synonym or cross-reference, and the hierarchy above and below them.

A file of its own, made with the starter vocabulary when it is missing. Reading is quick enough to be done for
every value of a dataset; answers are kept in memory until somebody, in any process, loads another vocabulary.
"""

from __future__ import annotations

import hashlib
import json
import re
import threading
from collections import deque
from collections.abc import Callable, Collection, Sequence
from pathlib import Path
from typing import Any, Self, TypeVar

from ontology import _index_file, name_search
from ontology.curies import canonical_iri, contract, expand, is_iri, name_key, reference_key
from ontology.errors import AmbiguousError, InvalidRequestError, NotFoundError
from ontology.term_model import LoadReport, Name, NameKind, Resolution, Term

__all__ = ["LoadReport", "Name", "NameKind", "Resolution", "Term", "TermIndex"]

T = TypeVar("T")
_CACHED = 50_000
_SOURCE_LIMIT = 2 * 1024**3
_CANDIDATES = 20
_UNDERSCORED = re.compile(r"([A-Za-z][A-Za-z0-9]*)_([A-Za-z0-9]+)")


class TermIndex:
    """Terms of all loaded vocabularies; several threads and processes may use one file at once."""

    def __init__(self, path: Path) -> None:
        self.file = path
        self._lock = threading.RLock()
        self._db = _index_file.connect(path)
        self._seen_change = -1
        self._cache: dict[tuple[str, str], Any] = {}

    @classmethod
    def open(cls, path: Path) -> Self:
        """Open the index in ``path``; make it, or rebuild it for this version of Sillage, where needed.

        Raises:
            IntegrityError: The file is not a term index.
            BackendUnavailableError: It cannot be written, or another process holds it for too long.
        """
        _index_file.ensure(path)
        return cls(path)

    def close(self) -> None:
        """Release the file; harmless to repeat."""
        with self._lock:
            self._db.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()

    def load(self, source: Path, *, format: str | None = None) -> LoadReport:
        """Load a vocabulary from a file, in place of an earlier one of its name; all of it or nothing.

        Args:
            source: An OBO, OWL (RDF/XML or OWL/XML), Turtle or SKOS file.
            format: One of :data:`ontology.readers.FORMATS`; None to tell from the content.

        Raises:
            NotFoundError: There is no such file.
            UnsupportedMediaTypeError: The format is not read here.
            InvalidRequestError: The file is broken; the detail gives the position.
            StorageFullError: The disk is full; nothing was changed.
        """
        from ontology.readers import read_vocabulary

        data = _read_source(source)
        vocabulary = read_vocabulary(data, name=source.stem.lower(), format=format)
        digest = hashlib.sha256(data).hexdigest()
        cycles = _index_file.replace_vocabulary(self.file, vocabulary, data=data, digest=digest, file_name=source.name)
        return LoadReport(
            name=vocabulary.name,
            version=vocabulary.version,
            digest=digest,
            format=vocabulary.format,
            terms=len(vocabulary.definitions),
            deprecated=sum(d.deprecated for d in vocabulary.definitions),
            problems=(*vocabulary.problems, *self._unknown_parents(vocabulary.definitions), *cycles),
        )

    def _unknown_parents(self, definitions: Sequence[Any]) -> list[str]:
        parents = {parent for definition in definitions for parent in definition.parents}
        missing = sorted(parent for parent in parents if not self._rows("SELECT 1 FROM term WHERE iri = ?", parent))
        if not missing:
            return []
        shown = ", ".join(contract(iri) for iri in missing[:5])
        more = f" and {len(missing) - 5} more" if len(missing) > 5 else ""
        return [f"{len(missing)} parents are defined by no loaded vocabulary: {shown}{more}"]

    @property
    def digest(self) -> str:
        """SHA-256 of all that the index says: the "ontology version" that a cohort states."""
        found: str = self._remembered(
            "digest", "", lambda _: self._rows("SELECT value FROM meta WHERE key = 'digest'")[0][0]
        )
        return found

    def vocabularies(self) -> list[dict[str, Any]]:
        """Return ``name``, ``version``, ``digest``, ``format``, ``terms``, ``deprecated``, ``starter`` of each."""
        return [json.loads(facts) for (facts,) in self._rows("SELECT facts FROM vocabulary ORDER BY name")]

    def get(self, ref: str) -> Term:
        """Return the term with this IRI or CURIE.

        Raises:
            NotFoundError: No loaded vocabulary has it.
        """
        found: Term = self._remembered("get", ref, self._get)
        return found

    def _get(self, ref: str) -> Term:
        text = ref.strip().removeprefix("<").removesuffix(">")
        for iri in dict.fromkeys((text, canonical_iri(text), expand(text))):
            rows = self._rows("SELECT body FROM term WHERE iri = ?", iri) if iri else []
            if rows:
                return _index_file.decode(rows[0][0])
        rows = self._rows(
            "SELECT t.body FROM name n JOIN term t ON t.id = n.term"
            " WHERE n.key = ? AND n.kind IN (0, 4) ORDER BY n.kind",
            reference_key(contract(canonical_iri(text)) if is_iri(text) else text),
        )
        if not rows:
            raise self._not_found(ref)
        return _index_file.decode(rows[0][0])

    def resolve(self, text: str, *, within: Collection[str] = ()) -> Resolution:
        """Return the term that a text means.

        A label beats a synonym, a synonym a looser name, that a cross-reference; case and spacing do not count.
        A term that was given up gives way to its replacement, and the notice says so.

        Args:
            text: CURIE, IRI, label, synonym or cross-reference.
            within: Only terms at or below one of these IRIs; none given, any term.

        Raises:
            AmbiguousError: Several terms answer equally well; ``params['candidates']`` lists them.
            NotFoundError: None does; the next step names what is spelled like it.
        """
        key = text if not within else "\0".join((text, *sorted(within)))
        found: Resolution = self._remembered("resolve", key, lambda _: self._resolve_or_advise(text, within))
        return found

    def _resolve_or_advise(self, text: str, within: Collection[str]) -> Resolution:
        rows = self._candidates(text, within)
        if not rows:
            raise self._not_found(text)
        return self._resolve(text, rows)

    def match(self, text: str, *, within: Collection[str] = ()) -> Term | None:
        """Return the one term that a text means, as :meth:`resolve` does; None where it means none or several.

        For values by the thousand: nothing is searched for that may be spelled like it.
        """
        try:
            return self._resolve(text, self._candidates(text, within)).term
        except (NotFoundError, AmbiguousError):
            return None

    def _candidates(self, text: str, within: Collection[str]) -> list[Any]:
        """Return IRI, deprecation and kind of name for each term that bears this name, strongest first."""
        wanted = text.strip().removeprefix("<").removesuffix(">")
        if is_iri(wanted):
            iri = canonical_iri(wanted)
            rows = self._rows("SELECT iri, deprecated, 0 FROM term WHERE iri = ?", iri)
            rows = rows or self._named((reference_key(contract(iri)),))
        else:
            rows = self._named(_keys(wanted))
        return [row for row in rows if self._is_under(row[0], within)] if within else rows

    def _resolve(self, text: str, rows: Sequence[Any]) -> Resolution:
        if not rows:
            raise NotFoundError(f"no loaded vocabulary has a term {_shown(text)}", field="term")
        kind, gone = rows[0][2], rows[0][1]
        live = [row for row in rows if not row[1]]
        if live and (live[0][2] == kind or (gone and live[0][2] <= NameKind.OTHER_NAME)):
            term = self.get(_only(text, [iri for iri, _, k in live if k == live[0][2]], self))
            renamed = gone and live[0][2] > kind
            return Resolution(term=term, notice=self._renamed(text, rows[0][0], term) if renamed else None)
        return self._replacement(text, [iri for iri, _, k in rows if k == kind])

    def _named(self, keys: Sequence[str]) -> list[Any]:
        places = ",".join("?" * len(keys))
        return self._rows(
            "SELECT t.iri, t.deprecated, MIN(n.kind) AS best FROM name n JOIN term t ON t.id = n.term"  # noqa: S608
            f" WHERE n.key IN ({places}) GROUP BY t.id ORDER BY best, t.deprecated DESC, t.iri",
            *keys,
        )

    def _is_under(self, iri: str, roots: Collection[str]) -> bool:
        """Tell whether a term, or what replaces it, lies at or below one of the roots."""
        return any(not {iri, self._last_replacement(iri)}.isdisjoint(self.descendants(root)) for root in roots)

    def _renamed(self, text: str, old: str, term: Term) -> str:
        given_up = f"{_shown(text)} is the label of {self.get(old).curie}, which was given up"
        return f"{given_up}; {term.curie} bears that name now"

    def _replacement(self, text: str, given_up: Sequence[str]) -> Resolution:
        """Follow ``replaced_by`` from terms that were given up."""
        ends = list(dict.fromkeys(self._last_replacement(iri) for iri in given_up))
        old, term = self.get(given_up[0]), self.get(_only(text, ends, self))
        if term.iri in given_up:
            instead = f"consider {', '.join(map(contract, term.consider))}" if term.consider else "nothing replaces it"
            return Resolution(term=term, notice=f"{term.curie} ({term.label}) was given up; {instead}")
        return Resolution(
            term=term, notice=f"{old.curie} ({old.label}) was given up; {term.curie} ({term.label}) replaces it"
        )

    def _last_replacement(self, iri: str) -> str:
        seen = {iri}
        while True:
            following = self.get(iri).replaced_by if self.get(iri).deprecated else None
            if following is None or following in seen or not self._rows("SELECT 1 FROM term WHERE iri = ?", following):
                return iri
            seen.add(following)
            iri = following

    def find(self, text: str, *, limit: int = 20) -> list[Term]:
        """Return terms as somebody types: by the beginnings of the words of any name, or of a CURIE.

        Exact names come first, then names that begin so; terms that were given up come last.
        """
        return [_index_file.decode(body) for body in name_search.find(self._query, text, limit=limit)]

    def children(self, iri: str) -> list[Term]:
        """Return the terms directly below a term, by label.

        Raises:
            NotFoundError: No loaded vocabulary has the term.
        """
        return self._neighbours("child", "parent", iri)

    def parents(self, iri: str) -> list[Term]:
        """Return the terms directly above a term, by label.

        Raises:
            NotFoundError: No loaded vocabulary has the term.
        """
        return self._neighbours("parent", "child", iri)

    def _neighbours(self, side: str, own: str, iri: str) -> list[Term]:
        rows = self._rows(
            f"SELECT t.body FROM parent p JOIN term t ON t.id = p.{side}"  # noqa: S608  the sides are ours
            f" WHERE p.{own} = (SELECT id FROM term WHERE iri = ?) ORDER BY t.label, t.iri",
            self.get(iri).iri,
        )
        return [_index_file.decode(body) for (body,) in rows]

    def ancestors(self, iri: str) -> frozenset[str]:
        """Return the IRIs of all terms above a term, itself left out.

        Raises:
            NotFoundError: No loaded vocabulary has the term.
        """
        found: frozenset[str] = self._remembered("ancestors", iri, self._ancestors)
        return found

    def _ancestors(self, iri: str) -> frozenset[str]:
        own = self.get(iri).iri
        rows = self._rows(
            "WITH RECURSIVE up (id) AS (SELECT id FROM term WHERE iri = ?1"
            " UNION SELECT p.parent FROM up JOIN parent p ON p.child = up.id)"
            " SELECT t.iri FROM up JOIN term t ON t.id = up.id",
            own,
        )
        return frozenset(ancestor for (ancestor,) in rows) - {own}

    def descendants(self, iri: str) -> frozenset[str]:
        """Return the IRIs of a term and of all terms below it.

        Raises:
            NotFoundError: No loaded vocabulary has the term.
        """
        found: frozenset[str] = self._remembered("descendants", iri, self._descendants)
        return found

    def _descendants(self, iri: str) -> frozenset[str]:
        rows = self._rows(
            "SELECT t.iri FROM closure c JOIN term t ON t.id = c.descendant"
            " WHERE c.ancestor = (SELECT id FROM term WHERE iri = ?)",
            self.get(iri).iri,
        )
        return frozenset(descendant for (descendant,) in rows)

    def path(self, descendant: str, ancestor: str) -> list[Term]:
        """Return the shortest chain of is-a axioms from one term up to another, both included.

        The chain is empty where the one is not below the other.

        Raises:
            NotFoundError: No loaded vocabulary has one of the terms.
        """
        start, goal = self.get(descendant).iri, self.get(ancestor).iri
        below: dict[str, str | None] = {start: None}
        queue = deque([start])
        while queue and goal not in below:
            term = queue.popleft()
            for parent in self.get(term).parents:
                if parent not in below:
                    below[parent] = term
                    queue.append(parent)
        chain: list[Term] = []
        step: str | None = goal if goal in below else None
        while step is not None:
            chain.append(self.get(step))
            step = below[step]
        return chain[::-1]

    def _not_found(self, text: str) -> NotFoundError:
        near = name_search.near(self._query, text)
        known = f"Did you mean {', '.join(near)}?" if near else None
        return NotFoundError(
            f"no loaded vocabulary has a term {_shown(text)}",
            field="term",
            next_step=known or "Search with `sillage terms find`, or load the ontology that defines it.",
            params={"near": near},
        )

    def _query(self, sql: str, values: Any = ()) -> list[Any]:
        with self._lock:
            try:
                return self._db.execute(sql, values).fetchall()
            except UnicodeEncodeError:  # a lone surrogate, which no vocabulary holds
                return []

    def _rows(self, sql: str, *values: Any) -> list[Any]:
        return self._query(sql, values)

    def _remembered(self, kind: str, key: str, find: Callable[[str], T]) -> T:
        """Return a kept answer if nobody has changed the file since, else find it and keep it."""
        with self._lock:
            (change,) = self._db.execute("PRAGMA data_version").fetchone()
            if change != self._seen_change or len(self._cache) > _CACHED:
                self._cache.clear()
                self._seen_change = change
            if (kind, key) not in self._cache:
                try:
                    self._cache[kind, key] = find(key)
                except NotFoundError as error:  # what is spelled like it takes a while to find, too
                    self._cache[kind, key] = error
            kept = self._cache[kind, key]
            if isinstance(kept, NotFoundError):
                raise kept.with_traceback(None)
            answer: T = kept
            return answer


def _read_source(source: Path) -> bytes:
    try:
        if source.stat().st_size > _SOURCE_LIMIT:
            raise InvalidRequestError(f"{source.name} is larger than 2 GiB", field="source")
        return source.read_bytes()
    except FileNotFoundError as error:
        raise NotFoundError(f"there is no file {source}", field="source") from error
    except OSError as error:
        raise InvalidRequestError(f"{source} cannot be read: {error.strerror}", field="source") from error


def _shown(text: str) -> str:
    """Return a text for a message: quoted, and not longer than a line."""
    return repr(text if len(text) <= 80 else text[:77] + "...")


def _keys(text: str) -> tuple[str, ...]:
    """Return the forms under which a text may be in the index: a name, an identifier, ``DOID_2377``."""
    forms = [name_key(text), reference_key(text)]
    found = _UNDERSCORED.fullmatch(text)
    if found:
        forms.append(reference_key(f"{found.group(1)}:{found.group(2)}"))
    return tuple(dict.fromkeys(forms))


def _only(text: str, iris: Sequence[str], index: TermIndex) -> str:
    """Return the one IRI of ``iris``.

    Raises:
        AmbiguousError: There are several.
    """
    if len(iris) == 1:
        return iris[0]
    terms = [index.get(iri) for iri in iris[:_CANDIDATES]]
    raise AmbiguousError(
        f"{_shown(text)} may mean {', '.join(f'{t.curie} ({t.label})' for t in terms)}",
        field="term",
        next_step="Give the CURIE of the one that you mean.",
        params={"candidates": [{"curie": t.curie, "label": t.label, "vocabulary": t.vocabulary} for t in terms]},
    )
