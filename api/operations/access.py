"""Principals, tokens and grants: all of them records, so that the ledger says who could do what, and when."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from api.access import Permission, Principal, Role
from api.catalogue import Catalogue, grant_put
from api.identity import grant_alias, new_token
from api.operations import records
from api.wire import record_body
from catalog.model import Commit, MustBeAt, Put, Withdraw
from ontology.errors import ConflictError, InvalidRequestError
from ontology.identifiers import new_iri


def create_token(
    catalogue: Catalogue,
    principal: Principal,
    *,
    name: str,
    role: str | None = None,
    dataset: str | None = None,
    minimum: int | None = None,
    days: int | None = 365,
) -> dict[str, Any]:
    """Make an agent with a token, and a first grant if a role is given; the secret is shown this once.

    Raises:
        NotPermittedError: The caller does not manage access.
        InvalidRequestError: The name is empty or the role is not one of ours.
    """
    principal.require(Permission.MANAGE_ACCESS)
    if not name.strip():
        raise InvalidRequestError("a token needs the name of whom it is for", field="name")
    agent = Put(id=new_iri(), type="Agent", document={"label": name.strip(), "kind": "person"})
    secret, token = new_token(agent.id, label=name.strip(), days=days)
    changes = [agent, token]
    if role is not None:
        changes.append(_grant(catalogue, principal, agent.id, role=role, dataset=dataset, minimum=minimum))
    catalogue.repository.commit(Commit(principal=principal.agent, action="access.create-token", changes=changes))
    return {
        "id": token.id,
        "type": "Token",
        "agent": agent.id,
        "token": secret,
        "expires": token.document["expires"],
    }


def revoke_token(catalogue: Catalogue, principal: Principal, reference: str) -> dict[str, Any]:
    """Revoke a token; it is refused from the next request on, in every process."""
    principal.require(Permission.MANAGE_ACCESS)
    token = records.find(catalogue, principal, reference, types=frozenset({"Token"}))
    catalogue.repository.commit(
        Commit(
            principal=principal.agent,
            action="access.revoke-token",
            changes=[Put(id=token.id, type="Token", document={**token.document, "revoked": True})],
            requirements=[MustBeAt(token.id, token.version)],
        )
    )
    return record_body(catalogue.repository.get(token.id), principal)


def grant(
    catalogue: Catalogue,
    principal: Principal,
    *,
    agent: str,
    role: str,
    dataset: str | None = None,
    minimum: int | None = None,
) -> dict[str, Any]:
    """Give an agent a role on a dataset, or on the whole catalogue.

    Args:
        catalogue: Where.
        principal: Who gives it.
        agent: Id of whom it is given to.
        role: The role.
        dataset: On which dataset; None for the whole catalogue.
        minimum: For ``counter``: the smallest number of participants that is told. Given again with another one,
            the grant is changed.

    Raises:
        ConflictError: The agent holds it already.
        InvalidRequestError: There is no such role, or the minimum is not one for it.
    """
    principal.require(Permission.MANAGE_ACCESS)
    whom = records.find(catalogue, principal, agent, types=frozenset({"Agent"}))
    put = _grant(catalogue, principal, whom.id, role=role, dataset=dataset, minimum=minimum)
    held = catalogue.repository.find_alias(put.aliases[0])
    if held is not None:
        before = catalogue.repository.get(held)
        if not before.withdrawn and before.document.get("minimum") == put.document.get("minimum"):
            raise ConflictError(f"{whom.id} holds the role {role} there already", field="role")
        # Given again after it was taken back, or with another minimum: the same grant, in its next version.
        put = replace(put, id=held)
    catalogue.repository.commit(Commit(principal=principal.agent, action="access.grant", changes=[put]))
    return record_body(catalogue.repository.get(put.id), principal)


def withdraw_grant(
    catalogue: Catalogue, principal: Principal, *, agent: str, role: str, dataset: str | None = None
) -> None:
    """Take a role back.

    Raises:
        InvalidRequestError: The agent does not hold it.
    """
    principal.require(Permission.MANAGE_ACCESS)
    whom = records.find(catalogue, principal, agent, types=frozenset({"Agent"}))
    alias = grant_alias(whom.id, parse_role(role), _dataset(catalogue, principal, dataset))
    held = catalogue.repository.find_alias(alias)
    if held is None or catalogue.repository.get(held).withdrawn:
        raise InvalidRequestError(f"{whom.id} does not hold {role} there", field="role")
    catalogue.repository.commit(
        Commit(principal=principal.agent, action="access.withdraw-grant", changes=[Withdraw(id=held)])
    )


def parse_role(text: str) -> Role:
    """Return the role of this name.

    Raises:
        InvalidRequestError: There is none.
    """
    try:
        return Role(text.lower())
    except ValueError as error:
        raise InvalidRequestError(
            f"{text!r} is not a role", field="role", next_step=f"Choose one of: {', '.join(Role)}."
        ) from error


def _grant(
    catalogue: Catalogue,
    principal: Principal,
    agent: str,
    *,
    role: str,
    dataset: str | None,
    minimum: int | None,
) -> Put:
    """Return the change that gives a role; a counter's says from which number on counts are told."""
    wanted = parse_role(role)
    put = grant_put(agent, wanted, _dataset(catalogue, principal, dataset))
    if wanted is Role.COUNTER:
        least = catalogue.settings.minimum_count if minimum is None else minimum
        if least < 1:
            raise InvalidRequestError("a minimum is at least 1", field="minimum")
        return replace(put, document={**put.document, "minimum": least})
    if minimum is not None:
        raise InvalidRequestError(
            f"a {wanted} is told every count",
            field="minimum",
            next_step=f"Give a minimum with the role {Role.COUNTER}.",
        )
    return put


def _dataset(catalogue: Catalogue, principal: Principal, reference: str | None) -> str | None:
    if reference is None:
        return None
    return records.find(catalogue, principal, reference, types=frozenset({"Dataset"})).id
