"""From a bearer token to a principal: tokens and grants as the ledger's records say, cached until they change."""

from __future__ import annotations

import hashlib
import secrets
import threading
from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta

from api.access import EVERYWHERE, PERMISSIONS, Permission, Principal, Role, counted_only
from catalog.model import Put, Record
from catalog.repository import Repository
from ontology.errors import IntegrityError, NotFoundError, UnauthenticatedError
from ontology.identifiers import new_iri

_RELEVANT = frozenset({"Agent", "Dataset", "Grant", "Token"})
_WORTH_LOOKING = 100
"""Changes that are looked through; after more of them principals are simply read again."""

ANONYMOUS = "urn:uuid:00000000-0000-0000-0000-000000000000"


def hash_secret(secret: str) -> str:
    """Return the alias under which a token's record is found; the secret itself is never stored."""
    return "token:" + hashlib.sha256(secret.encode()).hexdigest()


def new_token(agent: str, *, label: str, days: int | None = None) -> tuple[str, Put]:
    """Return a fresh secret and the change that stores its hash."""
    secret = "sillage_" + secrets.token_urlsafe(32)
    expires = datetime.now(UTC) + timedelta(days=days) if days is not None else None
    document = {
        "label": label,
        "agent": agent,
        "expires": expires.isoformat().replace("+00:00", "Z") if expires else None,
        "revoked": False,
    }
    return secret, Put(id=new_iri(), type="Token", document=document, aliases=[hash_secret(secret)])


def grant_alias(agent: str, role: Role, dataset: str | None) -> str:
    """Return the alias that makes a grant unique."""
    return f"grant:{agent}/{role}/{dataset or EVERYWHERE}"


def _key(secret: str | None) -> str:
    return hash_secret(secret) if secret is not None else ""


class Identity:
    """Knows every token and grant; follows the ledger, so that a revocation in any process holds at once."""

    def __init__(self, repository: Repository) -> None:
        self._repository = repository
        self._lock = threading.Lock()
        self._applied = -1
        self._principals: dict[str, Principal] = {}
        self._expiry: dict[str, datetime | None] = {}

    def authenticate(self, secret: str | None) -> Principal:
        """Return the principal of a token; without one, the anonymous principal, who may read public metadata.

        Raises:
            UnauthenticatedError: The token is unknown, expired or revoked.
        """
        key = _key(secret)
        with self._lock:
            self._follow()
            principal = self._principals.get(key)
            if principal is None:
                principal = self._load(key) if key else self._anonymous()
                self._principals[key] = principal
            if self._has_expired(key):
                raise UnauthenticatedError("the token has expired")
        return principal

    def known(self, secret: str | None) -> Principal | None:
        """Return the principal of a good token that was seen before, without waiting; None where that is not enough.

        A repository on a server is always waited for: nothing is known of the ledger without asking.
        """
        if self._repository.capabilities.remote or not self._lock.acquire(blocking=False):
            return None
        try:
            self._follow()
            key = _key(secret)
            return None if self._has_expired(key) else self._principals.get(key)
        finally:
            self._lock.release()

    @property
    def sequence(self) -> int:
        """The ledger's newest entry that was followed: what :meth:`known` has just answered by."""
        return self._applied

    def _has_expired(self, key: str) -> bool:
        expires = self._expiry.get(key)
        return expires is not None and expires < datetime.now(UTC)

    def _follow(self) -> None:
        """Forget everything when a token, grant or dataset has changed, or so much that looking is not worth it."""
        try:
            newest = self._repository.sequence
        except IntegrityError:
            # A damaged ledger must not keep the administrator from asking `check` what is wrong with it.
            self._principals.clear()
            self._expiry.clear()
            return
        if newest == self._applied:
            return
        if newest - self._applied > _WORTH_LOOKING or self._has_relevant_changes():
            self._principals.clear()
            self._expiry.clear()
        self._applied = newest

    def _has_relevant_changes(self) -> bool:
        changed = self._repository.records_since(self._applied, limit=_WORTH_LOOKING)
        return any(record.type in _RELEVANT for record in changed)

    def _load(self, key: str) -> Principal:
        iri = self._repository.find_alias(key)
        token = self._repository.get(iri) if iri else None
        if token is None or token.withdrawn or token.document.get("revoked"):
            raise UnauthenticatedError("the token is unknown or revoked")
        text = token.document.get("expires")
        self._expiry[key] = datetime.fromisoformat(text) if text else None
        return self.principal_of(token.document["agent"])

    def principal_of(self, agent: str) -> Principal:
        """Return the principal that an agent acts as.

        Raises:
            UnauthenticatedError: No such agent, or it was withdrawn.
        """
        try:
            record = self._repository.get(agent)
        except NotFoundError as error:
            raise UnauthenticatedError("the token's agent is gone") from error
        if record.withdrawn:
            raise UnauthenticatedError("the token's agent was withdrawn")
        datasets = {dataset.id: dataset for dataset in self._repository.iterate("Dataset")}
        held, minimums = self._grants(agent)
        principal = Principal(
            agent=agent,
            label=str(record.document.get("label", "somebody")),
            grants=held,
            public=_public(datasets),
            derived=_derived(datasets),
        )
        return replace(principal, count_only=counted_only(principal, minimums, datasets))

    def _anonymous(self) -> Principal:
        datasets = {dataset.id: dataset for dataset in self._repository.iterate("Dataset")}
        return Principal(agent=ANONYMOUS, label="anonymous", public=_public(datasets), derived=_derived(datasets))

    def _grants(self, agent: str) -> tuple[dict[str, frozenset[Permission]], dict[str, int]]:
        """Return what an agent holds where, and the smallest number it is told where it may only count."""
        held: dict[str, frozenset[Permission]] = {}
        minimums: dict[str, int] = {}
        for grant in self._repository.iterate("Grant", part_of=agent):
            where = grant.document.get("dataset") or EVERYWHERE
            role = Role(grant.document["role"])
            held[where] = held.get(where, frozenset()) | PERMISSIONS[role]
            if role is Role.COUNTER:
                minimums[where] = int(grant.document["minimum"])
        return held, minimums


def _public(datasets: Mapping[str, Record]) -> frozenset[str]:
    return frozenset(iri for iri, r in datasets.items() if r.document.get("access_rights") == "public")


def _derived(datasets: Mapping[str, Record]) -> dict[str, frozenset[str]]:
    return {iri: frozenset(_raw_sources(iri, datasets)) for iri, r in datasets.items() if _sources(r)}


def _sources(record: Record) -> list[str]:
    """Return the datasets here that a derivative was made from; BIDS states those elsewhere as objects."""
    stated = record.document.get("source_datasets") or []
    return [iri for iri in stated if isinstance(iri, str) and iri.startswith("urn:uuid:")]


def _raw_sources(iri: str, datasets: Mapping[str, Record]) -> set[str]:
    """Return the datasets at the roots of a derivative's ancestry; an unknown ancestor stays as itself."""
    found: set[str] = set()
    waiting, seen = [iri], {iri}
    while waiting:
        here = waiting.pop()
        sources = _sources(datasets[here]) if here in datasets else []
        if not sources:
            found.add(here)
        waiting += [source for source in sources if source not in seen]
        seen.update(sources)
    return found
