"""Conditions that choose files for an input: whether one can be asked of an acquisition, before anybody runs it."""

from __future__ import annotations

from collections.abc import Collection

from api.access import Permission, Principal
from api.catalogue import Catalogue
from catalog.search.conditions import And, Condition, Count, Has, Not, Or, properties_of
from catalog.search.in_use import InUse, check_property
from catalog.search.names import MEASURE, Level
from catalog.search.query import parse
from ontology.errors import InvalidRequestError


def what_is_wrong(catalogue: Catalogue, principal: Principal, text: str) -> str | None:
    """Return what is wrong with a condition on one acquisition, with what to do; None when nothing is.

    Terms are not looked up: their vocabulary may be loaded later. A property is known when the standard has it or an
    acquisition that the caller may read; measures come with results, and any is.

    Raises:
        BackendUnavailableError: Search is away, and whether a property is known must be asked there.
    """
    try:
        root = parse(text).root
        if _looks_for_acquisitions(root):
            raise InvalidRequestError(
                "an acquisition has no acquisitions to look for or count", next_step="Leave has() and count() away."
            )
        unknown = [name for name in sorted(properties_of(root)) if not _is_known(name, ())]
        held = _held(catalogue, principal) if unknown else ()
        for name in unknown:
            check_property(name, Level.ACQUISITION, _in_use(held))
    except InvalidRequestError as error:
        return f"{error.detail[:1].upper()}{error.detail[1:]}. {error.next_step() or ''}".rstrip()
    return None


def _looks_for_acquisitions(condition: Condition) -> bool:
    match condition:
        case And(parts=parts) | Or(parts=parts):
            return any(map(_looks_for_acquisitions, parts))
        case Not(part=part):
            return _looks_for_acquisitions(part)
        case _:
            return isinstance(condition, Has | Count)


def _is_known(name: str, held: Collection[str]) -> bool:
    if name.startswith(MEASURE):
        return True
    try:
        check_property(name, Level.ACQUISITION, _in_use(held))
    except InvalidRequestError:
        return False
    return True


def _held(catalogue: Catalogue, principal: Principal) -> frozenset[str]:
    """Return the properties of the acquisitions that the caller may read."""
    catalogue.refresh_search()
    found = catalogue.search.properties(datasets=principal.datasets(Permission.READ))
    return frozenset(info.name for info in found if info.level == Level.ACQUISITION)


def _in_use(held: Collection[str]) -> InUse:
    return InUse(
        names=lambda level: held if level is Level.ACQUISITION else (),
        terms=lambda level, name: (),
        units=lambda level, name: (),
    )
