"""What a registrar of DOIs does, whoever it is."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from catalog.doi.suffix import new_suffix
from ontology.errors import InvalidRequestError
from ontology.identifiers import normalise_doi

TEST_PREFIX = "10.5072"
"""Kept for tests by the DOI Foundation: no DOI under it ever resolves."""

DRAFT, REGISTERED, FINDABLE = "draft", "registered", "findable"


@dataclass(frozen=True, slots=True, kw_only=True)
class Registered:
    """A DOI as the registrar has it.

    Attributes:
        doi: In lower case, without resolver.
        state: ``draft``, ``registered`` or ``findable`` (DataCite, "DOI states").
        resolvable: Whether https://doi.org leads to its landing page.
    """

    doi: str
    state: str
    resolvable: bool


class Registrar(ABC):
    """Gives DOIs under one prefix.

    Args:
        prefix: The prefix, ``10.`` and digits.

    Raises:
        InvalidRequestError: ``prefix`` is not a DOI prefix.
    """

    def __init__(self, *, prefix: str) -> None:
        try:
            normalise_doi(f"{prefix}/x")
        except InvalidRequestError as error:
            raise InvalidRequestError(f"{prefix!r} is not a DOI prefix", field="doi_prefix") from error
        self.prefix = prefix

    def new_doi(self) -> str:
        """Return a fresh DOI; nobody is asked, and nothing is reserved yet."""
        return f"{self.prefix}/{new_suffix()}"

    @abstractmethod
    def reserve(self, metadata: Mapping[str, Any], *, doi: str) -> Registered:
        """Reserve a DOI (state *draft*); to repeat it is harmless and brings the metadata up to date.

        Args:
            metadata: DataCite JSON, valid by :mod:`catalog.doi.validate`.
            doi: Under this registrar's prefix, from :meth:`new_doi`.

        Raises:
            InvalidRequestError: The DOI has another prefix.
            ConflictError: Somebody else has it.
            ValidationFailedError: DataCite refuses the metadata.
            BackendUnavailableError: DataCite is away, or refuses the account.
            OutcomeUnknownError: The connection broke; it may be reserved. To repeat the call is safe.
        """

    @abstractmethod
    def publish(self, doi: str, *, url: str | None, metadata: Mapping[str, Any]) -> Registered:
        """Make a DOI *findable*, or bring the metadata and address of a findable one up to date.

        Raises:
            InvalidRequestError: The DOI has another prefix.
            ConflictError: There is no address for it to lead to, or no account to publish with.
            ValidationFailedError: DataCite refuses the metadata.
            BackendUnavailableError: DataCite is away, or refuses the account.
            OutcomeUnknownError: The connection broke; it may be published. To repeat the call is safe.
        """

    @abstractmethod
    def hide(self, doi: str) -> Registered:
        """Take a findable DOI out of DataCite's index: it becomes *registered* and goes on resolving.

        Raises:
            InvalidRequestError: The DOI has another prefix.
            NotFoundError: DataCite does not know it.
            BackendUnavailableError: DataCite is away, or refuses the account.
            OutcomeUnknownError: The connection broke; it may be hidden. To repeat the call is safe.
        """

    def _own(self, doi: str) -> str:
        """Return a DOI normalised, once it is sure that it has our prefix."""
        name = normalise_doi(doi)
        if not name.startswith(f"{self.prefix}/"):
            raise InvalidRequestError(f"DOI {name} is not under the prefix {self.prefix}", field="doi")
        return name
