"""The items of a batch that fulfil some conditions: what its sums lead to."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from api.access import Principal
from api.batch_memory import Item
from api.catalogue import Catalogue
from api.operations import batches, records
from api.operations.batch_sums import REFUSED, seen
from api.operations.leakage_sums import strongest
from catalog.leakage.exposure import State
from catalog.leakage.people import Relation
from catalog.model import Record
from ontology.errors import InvalidRequestError

NOT_A_CURSOR: Final = "is not a cursor of this listing"


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """Which items of a batch are asked for; None leaves it open.

    Attributes:
        state: A state of TES, or ``REFUSED`` for those that never became tasks.
        leakage: What was found of leakage: ``clean``, ``unknown`` or ``shared``.
        relation: How its people are related to those of the training, at the closest.
        reason: Why it ended so; of what could not become a task, the field that was at fault.
    """

    state: str | None = None
    leakage: str | None = None
    relation: str | None = None
    reason: str | None = None

    @property
    def is_summed(self) -> bool:
        """Whether it asks for what no index of the repository answers."""
        return any(each is not None for each in (self.leakage, self.relation, self.reason))

    def check(self) -> None:
        """Refuse words that mean nothing here.

        Raises:
            InvalidRequestError: There is no such state, verdict or relation.
        """
        if self.state not in (None, REFUSED):
            batches.checked_state(str(self.state))
        for field, value, known in (("leakage", self.leakage, State), ("relation", self.relation, Relation)):
            names = [each.value for each in known]
            if value is not None and value not in names:
                raise InvalidRequestError(
                    f"{value!r} is none of those that there are", field=field, next_step=f"One of: {', '.join(names)}."
                )

    def of(self, items: Iterable[Item]) -> list[Item]:
        """Return those of some items that fulfil all that is asked for."""
        return [item for item in items if self._fits(item)]

    def _fits(self, item: Item) -> bool:
        judged = item.leakage
        return (
            self.state in (None, item.state or REFUSED)
            and self.leakage in (None, judged.state if judged else "")
            and self.relation in (None, strongest(judged) if judged else "")
            and self.reason in (None, item.reason)
        )


def items(
    catalogue: Catalogue,
    principal: Principal,
    reference: str,
    wanted: Wanted,
    *,
    cursor: str | None = None,
    limit: int = batches.SHOWN,
) -> dict[str, Any]:
    """Return one page of a batch's items in the order of the cohort, those that fulfil what is asked for.

    Args:
        catalogue: The catalogue.
        principal: Who asks.
        reference: The batch.
        wanted: Which items.
        cursor: The ``next`` of the page before.
        limit: At most so many; where nothing but the state is asked for, refused items come in the pieces in which
            they were planned.

    Raises:
        NotFoundError: There is no such batch.
        InvalidRequestError: There is no such state, verdict or relation, or the cursor is not one of ours.
    """
    wanted.check()
    if not wanted.is_summed:
        return batches.items(catalogue, principal, reference, state=wanted.state, cursor=cursor, limit=limit)
    batch = records.find(catalogue, principal, reference, types=batches.BATCH)
    if cursor is not None and not cursor.isdecimal():
        raise InvalidRequestError(f"{cursor!r} {NOT_A_CURSOR}", field="cursor")
    found = wanted.of(seen(catalogue, principal, batch.id))
    rest = [item for item in found if item.number > int(cursor or 0)]
    shown = rest[:limit]
    known = catalogue.repository.get_many({item.record for item in shown})
    return {
        "items": [_body(known[item.record], item) for item in shown if item.record in known],
        "total": len(found),
        "next": str(shown[-1].number) if len(rest) > limit else None,
    }


def _body(record: Record, item: Item) -> Mapping[str, Any]:
    found = item.leakage and {"state": item.leakage.state, "relation": strongest(item.leakage)}
    if item.state is not None:
        return {**batches.item_body(record), "leakage": found}
    refused: Mapping[str, Any] = next((each for each in record.document["refused"] if each["item"] == item.number), {})
    return {**refused, "state": REFUSED, "leakage": found}
