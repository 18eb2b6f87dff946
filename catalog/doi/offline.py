"""The registrar of a catalogue without a DataCite account."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from typing_extensions import override

from catalog.doi.contract import DRAFT, TEST_PREFIX, Registered, Registrar
from ontology.errors import ConflictError


class OfflineRegistrar(Registrar):
    """Reserves DOIs without an account and without the network: they are well formed, and resolve nowhere."""

    def __init__(self, prefix: str = TEST_PREFIX) -> None:
        super().__init__(prefix=prefix)

    @override
    def reserve(self, metadata: Mapping[str, Any], *, doi: str) -> Registered:
        """Return the DOI as a draft that does not resolve; the caller keeps it."""
        return Registered(doi=self._own(doi), state=DRAFT, resolvable=False)

    @override
    def publish(self, doi: str, *, url: str | None, metadata: Mapping[str, Any]) -> Registered:
        """Refuse: only DataCite can make a DOI resolve.

        Raises:
            ConflictError: Always.
        """
        raise ConflictError(
            f"DOI {self._own(doi)} cannot be made to resolve without a DataCite account",
            field="doi",
            next_step="Set datacite_url, datacite_repository, datacite_password and doi_prefix, and reserve again.",
        )

    @override
    def hide(self, doi: str) -> Registered:
        """Return the DOI as it is: it was never shown."""
        return Registered(doi=self._own(doi), state=DRAFT, resolvable=False)
