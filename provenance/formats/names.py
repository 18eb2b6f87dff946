"""Writing IRIs as prefixed names: one memo for a document, and the rules of each format for local parts."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Mapping
from typing import Generic, TypeVar

from provenance.vocabulary import BUILT_IN, PROV

_PREFIX = re.compile(r"[A-Za-z][A-Za-z0-9_-]*")
_ANYWHERE = re.compile(r"[#/:;?=&,]")


Key = TypeVar("Key")


class Memo(dict[Key, str], Generic[Key]):
    """What was written of a thing, by the thing: a function that works once for each argument."""

    def __init__(self, make: Callable[[Key], str]) -> None:
        super().__init__()
        self._make = make

    def __missing__(self, key: Key) -> str:
        text = self[key] = self._make(key)
        return text


class Names(dict[str | None, str]):
    """A memo from IRI to written name; looking an IRI up writes it.

    Names are always written with a prefix, because an unprefixed one means different things in different
    positions of the JSON formats. Where no declared prefix fits, one is made (``ns1``, ``ns2``...) and joins
    :attr:`prefixes`, which therefore are to be written last. So that the arguments of a statement can be looked
    up all alike, None gives ``missing`` and a time gives itself.

    Args:
        namespaces: The document's prefixes.
        local: Returns a local part as this format writes it, or None if the format cannot.
        missing: How the format writes a missing argument.
        reserved: Prefixes that mean something else in this format.
        boundary: Where an IRI may be cut; namespaces must end there too, if the format says so by giving one.
        finish: What is done to every name and time at last, such as quoting.
    """

    def __init__(
        self,
        namespaces: Mapping[str, str],
        local: Callable[[str], str | None],
        *,
        missing: str = "",
        reserved: Collection[str] = (),
        boundary: re.Pattern[str] | None = None,
        finish: Callable[[str], str] = str,
    ) -> None:
        super().__init__({None: missing})
        self._local = local
        self._finish = finish
        self._reserved = reserved
        self._boundary = boundary or _ANYWHERE
        self.prefixes = {
            prefix: iri
            for prefix, iri in namespaces.items()
            if prefix not in BUILT_IN and prefix not in reserved and _PREFIX.fullmatch(prefix)
        }
        usable = {prefix: iri for prefix, iri in self.prefixes.items() if boundary is None or boundary.match(iri[-1])}
        self._by_iri = {iri: prefix for prefix, iri in [*usable.items(), *BUILT_IN.items()]}
        self._longest_first = sorted(self._by_iri, key=len, reverse=True)
        self._latest = PROV

    def __missing__(self, key: str | None) -> str:
        assert key is not None  # noqa: S101 - the constructor put it there
        text = self[key] = self._finish(self._write(key) if key[0].isalpha() else key)
        return text

    def _write(self, iri: str) -> str:
        # Most names of a document are in one namespace: the one of the name before.
        if iri.startswith(self._latest):
            local = self._local(iri[len(self._latest) :])
            if local is not None:
                return f"{self._by_iri[self._latest]}:{local}"
        cut = max(iri.rfind("#"), iri.rfind("/"), iri.rfind(":"), iri.rfind(";")) + 1
        for namespace in (iri[:cut], *self._longest_first):
            if namespace in self._by_iri and iri.startswith(namespace):
                local = self._local(iri[len(namespace) :])
                if local is not None:
                    self._latest = namespace
                    return f"{self._by_iri[namespace]}:{local}"
        return self._write_with_new_prefix(iri)

    def _write_with_new_prefix(self, iri: str) -> str:
        cuts = [found.end() for found in self._boundary.finditer(iri)]
        for cut in reversed(cuts):
            local = self._local(iri[cut:])
            if local is not None:
                return f"{self._new_prefix(iri[:cut])}:{local}"
        return f"{self._new_prefix(iri)}:"

    def _new_prefix(self, namespace: str) -> str:
        number = 1
        while (prefix := f"ns{number}") in self.prefixes or prefix in self._reserved:
            number += 1
        self.prefixes[prefix] = namespace
        self._by_iri[namespace] = prefix
        self._longest_first = sorted(self._by_iri, key=len, reverse=True)
        return prefix
