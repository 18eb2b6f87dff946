"""Who may do what: roles, permissions, and the principal that a request comes from.

A grant gives an agent a role on one dataset or on the whole catalogue. What one may not read does not
exist (404); what one may read but not do is refused (403). What one may only count exists in numbers alone:
:mod:`api.operations.small_counts` gives them.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from catalog.model import Record
from ontology.errors import NotFoundError, NotPermittedError


class Permission(StrEnum):
    """What an operation needs."""

    COUNT = "metadata.count"
    READ = "metadata.read"
    READ_DATA = "data.read"
    WRITE = "dataset.write"
    WITHDRAW = "dataset.withdraw"
    FREEZE = "cohort.freeze"
    PUBLISH = "identifier.publish"
    LOAD_TERMS = "terms.load"
    REGISTER_PIPELINE = "pipeline.register"
    CERTIFY = "pipeline.certify"
    RUN = "task.run"
    ALLOW_LEAKAGE = "task.allow-leakage"
    AUDIT = "audit.read"
    MANAGE_ACCESS = "access.manage"
    MAINTAIN = "catalog.maintain"


CATALOGUE_WIDE = frozenset(
    {
        Permission.LOAD_TERMS,
        Permission.REGISTER_PIPELINE,
        Permission.CERTIFY,
        Permission.AUDIT,
        Permission.MANAGE_ACCESS,
        Permission.MAINTAIN,
    }
)
"""What touches everybody's data at once: a grant on one dataset never gives it."""


class Role(StrEnum):
    """A named set of permissions; see ``docs/reference/access.md``."""

    COUNTER = "counter"
    READER = "reader"
    CONTRIBUTOR = "contributor"
    STEWARD = "steward"
    OPERATOR = "operator"
    CERTIFIER = "certifier"
    AUDITOR = "auditor"
    ADMINISTRATOR = "administrator"


_READER = frozenset({Permission.COUNT, Permission.READ, Permission.FREEZE})
PERMISSIONS: Mapping[Role, frozenset[Permission]] = {
    Role.COUNTER: frozenset({Permission.COUNT}),
    Role.READER: _READER,
    Role.CONTRIBUTOR: _READER | {Permission.WRITE, Permission.READ_DATA},
    Role.STEWARD: _READER
    | {
        *(Permission.WRITE, Permission.READ_DATA, Permission.WITHDRAW, Permission.PUBLISH, Permission.LOAD_TERMS),
        Permission.ALLOW_LEAKAGE,
    },
    Role.OPERATOR: _READER | {Permission.READ_DATA, Permission.REGISTER_PIPELINE, Permission.RUN},
    Role.CERTIFIER: frozenset({Permission.COUNT, Permission.READ, Permission.CERTIFY}),
    Role.AUDITOR: frozenset({Permission.COUNT, Permission.READ, Permission.AUDIT}),
    Role.ADMINISTRATOR: frozenset(Permission),
}

EVERYWHERE = "*"


@dataclass(frozen=True, slots=True, kw_only=True)
class Principal:
    """The authenticated caller and what it may do.

    Attributes:
        agent: IRI of the Agent record.
        label: Name shown on the page.
        grants: Dataset IRI or ``*`` to the permissions held there.
        public: IRIs of datasets whose metadata anybody may read.
        derived: Derivative dataset to the raw datasets that it comes from: who may read all of these may read it.
        count_only: Datasets whose participants may be counted and not read, with the smallest number that is told.
    """

    agent: str
    label: str
    grants: Mapping[str, frozenset[Permission]] = field(default_factory=dict)
    public: frozenset[str] = frozenset()
    derived: Mapping[str, frozenset[str]] = field(default_factory=dict)
    count_only: Mapping[str, int] = field(default_factory=dict)

    def everywhere(self, permission: Permission) -> bool:
        """Tell whether the permission is held on the whole catalogue."""
        return permission in self.grants.get(EVERYWHERE, frozenset())

    def datasets(self, permission: Permission) -> frozenset[str] | None:
        """Return the datasets on which the permission is held; None for all."""
        if self.everywhere(permission):
            return None
        held = {iri for iri, permissions in self.grants.items() if permission in permissions}
        if permission in (Permission.COUNT, Permission.READ):
            held |= self.public
        held |= {iri for iri, sources in self.derived.items() if sources and sources <= held}
        return frozenset(held)

    def may(self, permission: Permission, record: Record) -> bool:
        """Tell whether the permission is held on every dataset that governs ``record``."""
        allowed = self.datasets(permission)
        return allowed is None or governing(record) <= allowed

    def require(self, permission: Permission, record: Record | None = None) -> None:
        """Raise unless the permission is held on the record.

        Without a record any dataset will do, but for :data:`CATALOGUE_WIDE` permissions only the whole catalogue.

        What one may count may be described: ``metadata.count`` on a dataset is enough for its own record.

        Raises:
            NotFoundError: The principal may not even read the record.
            NotPermittedError: It may read the record but not do this.
        """
        if record is None:
            scopes = [EVERYWHERE] if permission in CATALOGUE_WIDE else list(self.grants)
            if not any(permission in self.grants.get(scope, frozenset()) for scope in scopes):
                raise NotPermittedError(f"{permission} is not among what you may do")
            return
        if not self.may(Permission.COUNT if permission is Permission.COUNT else Permission.READ, record):
            raise NotFoundError(f"there is no record {record.id}", field="id")
        if not self.may(permission, record):
            raise NotPermittedError(f"{permission} is not among what you may do to {record.id}")

    def require_own(self, record: Record, owner: object) -> None:
        """Raise unless the principal made the record, or may administer the catalogue.

        Args:
            record: What is to be changed.
            owner: IRI of the agent who made it.

        Raises:
            NotPermittedError: Somebody else made it, and the principal does not hold ``catalog.maintain``.
        """
        if owner != self.agent and not self.everywhere(Permission.MAINTAIN):
            raise NotPermittedError(
                f"{record.document.get('label') or record.id} is somebody else's",
                field="id",
                next_step="Ask whoever made it, or an administrator.",
            )


def counted_only(principal: Principal, minimums: Mapping[str, int], datasets: Iterable[str]) -> dict[str, int]:
    """Return what a principal may count and not read, with the smallest number that it is told there.

    A derivative may be counted by whoever may count or read all that it comes from; the strictest of these decides.

    Args:
        principal: Who asks.
        minimums: Dataset IRI or ``*`` to the minimum of the grant there; of several on one dataset the smallest holds.
        datasets: All datasets that there are.
    """
    readable = principal.datasets(Permission.READ)
    if readable is None or not minimums:
        return {}
    found: dict[str, int] = {}
    for iri in datasets:
        granted = [minimums[scope] for scope in (iri, EVERYWHERE) if scope in minimums]
        if iri not in readable and granted:
            found[iri] = min(granted)
    for iri, sources in principal.derived.items():
        counted = [found[source] for source in sources if source in found]
        if iri not in readable and iri not in found and counted and sources <= readable | found.keys():
            found[iri] = max(counted)
    return found


def governing(record: Record) -> frozenset[str]:
    """Return the datasets whose grants govern a record; empty for what any principal may read."""
    several = record.document.get("datasets")
    if several is not None:
        return frozenset(several)
    return frozenset({record.dataset} if record.dataset else ())
