"""Bringing vocabularies together: one term per IRI, its names, and the closure of the hierarchy.

Where several vocabularies speak of one term, its home vocabulary (the one named for the CURIE's prefix) has the
first word, then others that give it a label, by name, then the starter vocabulary. Parents, synonyms and
cross-references are united. The outcome does not depend on the order of loading.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from ontology.curies import contract, name_key, reference_key
from ontology.readers.vocabulary import EXACT, Definition, Vocabulary
from ontology.term_model import Name, NameKind, Term

STARTER = "sillage-starter"


@dataclass(frozen=True, slots=True)
class Merged:
    """A term with all its names."""

    term: Term
    names: tuple[Name, ...]


def merge(vocabularies: Iterable[Vocabulary]) -> list[Merged]:
    """Return the terms of all vocabularies together, sorted by IRI."""
    said: defaultdict[str, list[tuple[str, Definition]]] = defaultdict(list)
    prefixes: dict[str, str] = {}
    for vocabulary in sorted(vocabularies, key=lambda v: (v.name == STARTER, v.name)):
        for prefix, namespace in vocabulary.prefixes.items():
            prefixes.setdefault(prefix, namespace)
        for definition in vocabulary.definitions:
            said[definition.iri].append((vocabulary.name, definition))
    curies = _curies(said, prefixes)
    return [_merge_one(curies[iri], statements, said) for iri, statements in sorted(said.items())]


def _curies(iris: Iterable[str], prefixes: Mapping[str, str]) -> dict[str, str]:
    """Return a CURIE for each IRI; of two that would share one, the second keeps its IRI."""
    taken: set[str] = set()
    curies = {}
    for iri in sorted(iris):
        curie = contract(iri, prefixes)
        curies[iri] = iri if curie.casefold() in taken else curie
        taken.add(curie.casefold())
    return curies


def _merge_one(curie: str, statements: list[tuple[str, Definition]], known: Mapping[str, object]) -> Merged:
    prefix = curie.partition(":")[0].casefold()
    ordered = sorted(statements, key=lambda pair: _precedence(pair[0], pair[1], prefix))
    vocabulary, first = ordered[0]
    definitions = [definition for _, definition in ordered]
    labels: dict[str, str] = {}
    for definition in definitions:
        labels = {**definition.labels, **labels}
    label = next((d.label for d in definitions if d.label), None) or _fallback(labels, curie)
    exact, other = _names(definitions, label, labels)
    term = Term(
        iri=first.iri,
        curie=curie,
        label=label,
        synonyms=(*exact, *other),
        parents=_unique(p for d in definitions for p in d.parents if p in known and p != first.iri),
        definition=next((d.definition for d in definitions if d.definition), None),
        xrefs=_unique(xref for d in definitions for xref in d.xrefs),
        labels=labels,
        deprecated=first.deprecated,
        replaced_by=next((d.replaced_by for d in definitions if d.replaced_by), None),
        vocabulary=vocabulary,
        consider=_unique(iri for d in definitions for iri in d.consider),
    )
    alternatives = _unique(alternative for d in definitions for alternative in d.alternatives)
    return Merged(term, tuple(_index_names(term, exact, other, alternatives)))


def _precedence(vocabulary: str, definition: Definition, prefix: str) -> tuple[bool, bool, bool]:
    """Rank what vocabularies say: the home vocabulary, then who names the term at all, then the starter."""
    home = vocabulary == prefix or vocabulary.startswith(f"{prefix}-")
    return not home, definition.label is None and not definition.labels, vocabulary == STARTER


def _fallback(labels: Mapping[str, str], curie: str) -> str:
    return labels.get("en") or (labels[min(labels)] if labels else curie)


def _names(
    definitions: Sequence[Definition], label: str, labels: Mapping[str, str]
) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Return the other names of a term: those that mean the same, and the looser ones."""
    texts = [text for d in definitions for text, scope in d.synonyms if scope == EXACT]
    texts += [d.label for d in definitions if d.label]
    texts += labels.values()
    exact = tuple(text for text in _unique(texts) if text != label)
    loose = _unique(text for d in definitions for text, scope in d.synonyms if scope != EXACT)
    return exact, tuple(text for text in loose if text != label and text not in exact)


def _unique(items: Iterable[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(items))


def _index_names(term: Term, exact: Iterable[str], other: Iterable[str], alternatives: Iterable[str]) -> Iterator[Name]:
    seen: set[str] = set()
    groups: tuple[tuple[NameKind, Iterable[str]], ...] = (
        (NameKind.IDENTIFIER, (term.curie,)),
        (NameKind.LABEL, (term.label,)),
        (NameKind.SYNONYM, exact),
        (NameKind.OTHER_NAME, other),
        (NameKind.ALTERNATIVE, alternatives),
        (NameKind.XREF, term.xrefs),
    )
    for kind, texts in groups:
        for text in texts:
            is_reference = kind in {NameKind.IDENTIFIER, NameKind.ALTERNATIVE, NameKind.XREF}
            key = reference_key(text) if is_reference else name_key(text)
            if key and key not in seen:
                seen.add(key)
                yield Name(key, text, kind)


def close_over(parents: Mapping[str, Sequence[str]]) -> dict[str, set[str]]:
    """Return all ancestors of every term; a term is its own ancestor only where the hierarchy has a cycle."""
    closure: dict[str, set[str]] = {}
    for term in parents:
        found: set[str] = set()
        stack = list(parents[term])
        while stack:
            parent = stack.pop()
            if parent in found:
                continue
            found.add(parent)
            done = closure.get(parent)
            if done is None:
                stack.extend(parents.get(parent, ()))
            else:
                found |= done
        closure[term] = found
    return closure


def cycles(closure: Mapping[str, set[str]]) -> list[list[str]]:
    """Return the sets of terms that are each other's ancestors, each sorted."""
    looped = {term for term, ancestors in closure.items() if term in ancestors}
    groups = {frozenset(other for other in closure[term] & looped if term in closure[other]) for term in looped}
    return sorted(sorted(group) for group in groups)
