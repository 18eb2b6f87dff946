"""Watching for versions of datasets that rules have yet to look at; carried by the worker of batches."""

from __future__ import annotations

import logging
from collections.abc import Iterable

from api.catalogue import Catalogue
from api.operations.rule_evaluation import evaluate, fire, is_due
from api.operations.task_specs import PENDING
from catalog.model import Record
from ontology.errors import SillageError

logger = logging.getLogger(__name__)


class RuleWatch:
    """Remembers up to which ledger entry rules were applied; all else is found in the ledger again."""

    def __init__(self, catalogue: Catalogue) -> None:
        self._catalogue = catalogue
        self._seen = -1

    def turn(self) -> bool:
        """Apply rules to what came since the last turn; tell whether anything was done."""
        now = self._catalogue.repository.sequence
        if now == self._seen:
            return False
        began = self._seen
        rules = list(self._catalogue.repository.iterate("Rule"))
        if not rules:
            self._seen = now
            return False
        done = self._fire_pending()
        evaluated, missed = self._apply(rules, began)
        # What could not be done now is looked for again, with everything that came meanwhile.
        self._seen = began if missed else now
        return done or evaluated > 0

    def _fire_pending(self) -> bool:
        """Go on with evaluations that an earlier service could not finish."""
        edges = self._catalogue.repository.edges_to([self._catalogue.iri], [PENDING])
        known = self._catalogue.repository.get_many([edge.source for edge in edges]).values()
        pending = [record for record in known if record.type == "RuleEvaluation"]
        for evaluation in pending:
            fire(self._catalogue, evaluation)
        return bool(pending)

    def _apply(self, rules: Iterable[Record], since: int) -> tuple[int, int]:
        """Evaluate rules on new versions; return how many evaluations were made, and how many could not be."""
        made = missed = 0
        for rule in rules:
            for version in self._versions(-1 if rule.sequence > since else since):
                if not is_due(self._catalogue, rule, version):
                    continue
                try:
                    evaluation = evaluate(self._catalogue, rule, version)
                    made += 1
                    logger.info("rule %s: %s", rule.id, evaluation.document["outcome"])
                except SillageError as error:
                    missed += 1
                    logger.warning("rule %s could not be evaluated (%s)", rule.id, error.code)
        return made, missed

    def _versions(self, since: int) -> list[Record]:
        repository = self._catalogue.repository
        if since < 0:
            datasets = (record for record in repository.iterate("Dataset") if not record.withdrawn)
            current = [str(record.document["current"]) for record in datasets if record.document.get("current")]
            return list(repository.get_many(current).values())
        found: list[Record] = []
        while True:
            page = repository.records_since(since)
            found += [record for record in page if record.type == "DatasetVersion"]
            if not page or page[-1].sequence <= since:
                return found
            since = page[-1].sequence
