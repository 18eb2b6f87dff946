"""Certificates: how a pipeline version stands, and whether a task of it may run.

A certificate says that a version of a pipeline, in one environment, gave on reference data what it must. It is an
in-toto statement in a DSSE envelope (``docs/explanation/certificates.md``), and its words count only as far as its
signature holds: expiry and environment are read from what was signed, never from the record around it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from functools import lru_cache
from pathlib import Path
from typing import Any, Final

from api.catalogue import Catalogue
from api.operations.pipelines import environment_for, pinned_of
from catalog.model import Record
from executors.host import describe_host
from executors.model import utc_now
from ontology.errors import InvalidRequestError, NotCertifiedError, SillageError
from ontology.identifiers import last_part
from ontology.namespaces import DERIVED_FROM, GENERATED_BY, IDENTIFIES
from provenance.attestation import Envelope, PublicKey, Statement, public_key

PREDICATE: Final = "urn:sillage:vocabulary:pipeline-certificate/v1"
"""What the members of a certificate's predicate mean: ``docs/explanation/certificates.md``."""
KEY_FILE: Final = Path("keys") / "certificates.pem"
REVOKED: Final = "revoked"
CERTIFIES: Final = "sillage:certifies"
"""From a certificate to what :func:`certificates_node` names."""
MOMENTS: Final = {"submission": "submitted", "start": "started"}


class State(StrEnum):
    """How a pipeline version stands."""

    CERTIFIED = "certified"
    UNCERTIFIED = "uncertified"
    EXPIRED = "expired"
    REVOKED = "revoked"
    DRIFTED = "drifted"


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """How a pipeline version stands now.

    Attributes:
        state: One word for it.
        certificate: The certificate in force, or the newest of those that are not; None when there is none.
        reason: One sentence for a person.
        notes: What does not decide and should be known, such as that it was certified on other hardware.
    """

    state: State
    certificate: Record | None = None
    reason: str
    notes: tuple[str, ...] = ()

    def to_json(self) -> dict[str, Any]:
        """Return the members that tasks, pages and answers carry."""
        held = self.certificate.document if self.certificate is not None else {}
        return {
            "state": self.state.value,
            "id": self.certificate.id if self.certificate is not None else None,
            "digest": held.get("digest"),
            "issued": held.get("issued"),
            "expires": held.get("expires"),
            "reason": self.reason,
            "notes": list(self.notes),
        }


def standing(catalogue: Catalogue, version: Record) -> Standing:
    """Return how a pipeline version stands now: by a certificate in force, else by the newest one."""
    return _standing(catalogue, version, certificates_of(catalogue, version.id))


def standings(catalogue: Catalogue, versions: Iterable[Record]) -> dict[str, Standing]:
    """Return how pipeline versions stand now, by id: with one question for the certificates of all."""
    known = {certificates_node(version.id): version for version in versions}
    edges = catalogue.repository.edges_to(list(known), [CERTIFIES]) if known else []
    certified = {edge.target for edge in edges}
    return {
        version.id: _standing(catalogue, version, certificates_of(catalogue, version.id) if node in certified else [])
        for node, version in known.items()
    }


def _standing(catalogue: Catalogue, version: Record, held: Sequence[Record]) -> Standing:
    if not held:
        return Standing(state=State.UNCERTIFIED, reason="it was never certified")
    key, environment = public_key(catalogue.directory / KEY_FILE), _environment_now(catalogue, version)
    each = [_judged(certificate, version, key, environment) for certificate in held]
    return next((found for found in each if found.state is State.CERTIFIED), each[0])


def judged(catalogue: Catalogue, certificate: Record, version: Record) -> Standing:
    """Return what one certificate of a pipeline version counts for now."""
    key = public_key(catalogue.directory / KEY_FILE)
    return _judged(certificate, version, key, _environment_now(catalogue, version))


def admit(catalogue: Catalogue, version: Record, moment: str = "submission") -> Standing:
    """Return how a version stands, if the catalogue's policy lets it run so (setting ``uncertified``).

    Args:
        catalogue: The catalogue.
        version: The PipelineVersion.
        moment: ``submission`` or ``start``.

    Raises:
        NotCertifiedError: The policy is ``refuse``, and it is not certified.
    """
    found = standing(catalogue, version)
    if found.state is not State.CERTIFIED and catalogue.settings.uncertified == "refuse":
        name = named(version)
        raise NotCertifiedError(
            f"{name} may not be {MOMENTS[moment]} here: it is {found.state}, as {found.reason}",
            field="pipeline",
            next_step=f"Certify it: sillage pipeline certify {name}",
            params={"standing": found.to_json()},
        )
    return found


def warning(catalogue: Catalogue, version: Record, found: Standing) -> str | None:
    """Return what a task must carry as a remark; None where there is nothing to warn of, or it is not wanted."""
    if found.state is State.CERTIFIED or catalogue.settings.uncertified == "allow":
        return None
    return f"{named(version)} is {found.state}: {found.reason}"


def named(version: Record) -> str:
    """Return ``name@version`` of a pipeline version."""
    return f"{version.document['name']}@{version.document['tool_version']}"


def certificates_of(catalogue: Catalogue, version: str) -> list[Record]:
    """Return the certificates of a pipeline version, newest first; its tasks, which may be very many, are not read."""
    edges = catalogue.repository.edges_to([certificates_node(version)], [CERTIFIES])
    known = catalogue.repository.get_many([edge.source for edge in edges]) if edges else {}
    found = [record for record in known.values() if record.type == "Certificate" and not record.withdrawn]
    return sorted(found, key=lambda record: (record.created, record.id), reverse=True)


def certificates_node(version: str) -> str:
    """Return the name of what the certificates of a pipeline version point at, and nothing else does."""
    return f"{version}#certificates"


def certificate_edges(document: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Return what a certificate points at: its pipeline version, the task that it judged, and the reference."""
    return [
        (CERTIFIES, certificates_node(document["pipeline"])),
        (IDENTIFIES, document["pipeline"]),
        (GENERATED_BY, document["task"]),
        (DERIVED_FROM, document["reference"]),
    ]


def signer_name(catalogue: Catalogue) -> str:
    """Return the name of the key that signs this catalogue's certificates."""
    return f"certificates/{last_part(catalogue.iri)}"


def statement_of(certificate: Record, key: PublicKey | None) -> Statement | None:
    """Return what a certificate says; None when it is not signed by this key, or cannot be read."""
    envelope = certificate.document["envelope"]
    signatures = tuple((item["keyid"], item["sig"]) for item in envelope["signatures"])
    return _verified(envelope["payloadType"], envelope["payload"], signatures, key)


@lru_cache(maxsize=1024)
def _verified(
    kind: str, payload: str, signatures: tuple[tuple[str, str], ...], key: PublicKey | None
) -> Statement | None:
    listed = [{"keyid": id, "sig": sig} for id, sig in signatures]
    try:
        envelope = Envelope.parse({"payload": payload, "payloadType": kind, "signatures": listed})
        statement = Statement.parse(envelope.payload)
    except InvalidRequestError:
        return None
    sound = key is not None and envelope.signed_by(key) and statement.predicate_type == PREDICATE
    return statement if sound else None


@dataclass(frozen=True, slots=True)
class _Environment:
    """What a task of a version would run in now."""

    digest: str | None
    problem: str | None = None
    packages: tuple[str, ...] = ()


def _environment_now(catalogue: Catalogue, version: Record) -> _Environment:
    try:
        found = environment_for(pinned_of(version), catalogue.settings.pythons)
    except SillageError as error:
        return _Environment(None, error.detail)
    return _Environment(found.digest, packages=found.packages)


def _judged(certificate: Record, version: Record, key: PublicKey | None, environment: _Environment) -> Standing:
    statement = statement_of(certificate, key)
    if statement is None or statement.predicate["pipeline"]["id"] != version.id:
        why = "the signature of its certificate is not one of this catalogue's key"
        return Standing(state=State.UNCERTIFIED, certificate=certificate, reason=why)
    said = statement.predicate
    revoked = certificate.document.get(REVOKED)
    if revoked:
        why = f"its certificate was revoked on {revoked['time'][:10]}: {revoked['reason']}"
        return Standing(state=State.REVOKED, certificate=certificate, reason=why)
    if said["expires"] <= utc_now():
        why = f"its certificate expired on {said['expires'][:10]}"
        return Standing(state=State.EXPIRED, certificate=certificate, reason=why)
    drift = _drift(said, version, environment)
    if drift is not None:
        return Standing(state=State.DRIFTED, certificate=certificate, reason=drift)
    why = f"certified until {said['expires'][:10]}"
    return Standing(state=State.CERTIFIED, certificate=certificate, reason=why, notes=_notes(said))


def _drift(said: Mapping[str, Any], version: Record, environment: _Environment) -> str | None:
    """Say what is not as it was when a certificate was issued; None when everything that can be seen is."""
    if environment.problem is not None:
        return f"its environment is not to be had here: {environment.problem}"
    pairs = [("descriptor_digest", "its descriptor"), ("files_digest", "the pipeline's own files")]
    changed = [what for name, what in pairs if said["pipeline"].get(name) != version.document.get(name)]
    if changed:
        return f"{changed[0]} changed since it was certified"
    if said["environment"].get("digest") != environment.digest:
        return "its environment changed since it was certified" + _changes(
            said["environment"].get("packages") or [], environment.packages
        )
    return None


def _changes(before: Sequence[str], now: Sequence[str]) -> str:
    """Return the first distributions that were added, removed or changed, and how many more there are."""
    old, new = (dict(item.split("==", 1) for item in packages if "==" in item) for packages in (before, now))
    names = sorted(name for name in old.keys() | new.keys() if old.get(name) != new.get(name))
    told = [f"{name} {old.get(name, 'was not there')} -> {new.get(name, 'gone')}" for name in names[:3]]
    more = f" and {len(names) - 3} more" if len(names) > 3 else ""
    return f" ({', '.join(told)}{more})" if told else ""


def _notes(said: Mapping[str, Any]) -> tuple[str, ...]:
    notes = []
    host, hardware = describe_host(), said["hardware"]
    if (hardware["machine"], hardware["cpu_model"]) != (host.machine, host.cpu_model):
        notes.append(f"It was certified on {hardware['cpu_model']} ({hardware['machine']}); this machine is another.")
    if said["environment"].get("digest") is None:
        notes.append("Its environment is the system's own and has no digest: that it changed would not be seen.")
    return tuple(notes)
