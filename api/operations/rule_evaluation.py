"""What a rule does with a version of a dataset: whom it gives to its pipeline, whom not, and why.

Each pair of rule and version is evaluated once: a name that the repository keeps unique says so. First it is written
whom the rule fires for, with the frozen cohort of them; then the pipeline is submitted. A service that dies in between
finds the evaluation pending, and looks whether the cohort has its tasks.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from api.access import Permission, Principal
from api.catalogue import Catalogue
from api.operations import records, rules, tasks
from api.operations.task_specs import PENDING
from api.wire import record_body, summary_body
from catalog.cohorts.freezing import cohort_digest, members_of
from catalog.model import Commit, MustBeAbsent, MustBeAt, Put, Record
from catalog.search.conditions import EVERYTHING, text_of
from catalog.search.query import Query, parse
from catalog.search.removal import conjuncts
from ontology.errors import SillageError
from ontology.identifiers import last_part, new_iri
from ontology.namespaces import HAD_MEMBER, INFLUENCED_BY, PART_OF

EVALUATION = frozenset({"RuleEvaluation"})
MAX_PAGE = 1000


@dataclass(frozen=True, slots=True, kw_only=True)
class _Findings:
    """Everybody of a dataset, and how each stands to a rule; ``members`` has an entry for each."""

    members: Sequence[Mapping[str, Any]]
    sequence: int

    def with_outcome(self, outcome: str) -> list[Mapping[str, Any]]:
        return [member for member in self.members if member["outcome"] == outcome]


@dataclass(frozen=True, slots=True, kw_only=True)
class Standings:
    """How everybody of a dataset stands to a condition.

    Attributes:
        everybody: All its participants.
        matching: Those who fulfil the condition.
        parts: The conditions that all have to be met, each with those who meet it.
    """

    everybody: Sequence[str]
    matching: frozenset[str]
    parts: Sequence[tuple[str, frozenset[str]]]

    def fails(self, participant: str) -> list[str]:
        """Return the conditions that somebody does not meet."""
        return [text for text, those in self.parts if participant not in those]


def standings(catalogue: Catalogue, query: Query, dataset: str) -> Standings:
    """Return how everybody of a dataset stands to a condition.

    Raises:
        BackendUnavailableError: Search is away.
    """
    search = catalogue.search
    parts = conjuncts(query.root)
    return Standings(
        everybody=search.members(Query(EVERYTHING), datasets=[dataset]),
        matching=frozenset(search.members(query, datasets=[dataset])),
        parts=[(text_of(part), frozenset(search.members(Query(part), datasets=[dataset]))) for part in parts],
    )


def evaluation_alias(rule: str, version: str) -> str:
    """Return the name under which a rule's evaluation of a dataset version is found."""
    return f"rule-evaluation:{last_part(rule)}/{last_part(version)}"


def is_due(catalogue: Catalogue, rule: Record, version: Record) -> bool:
    """Tell whether a rule has yet to look at a version of a dataset: the present one, that came after the rule."""
    document = rule.document
    if not document["enabled"] or version.sequence <= document["after"] or version.withdrawn:
        return False
    dataset = catalogue.repository.get(version.document["dataset"])
    if dataset.withdrawn or dataset.document.get("current") != version.id:
        return False
    return catalogue.repository.find_alias(evaluation_alias(rule.id, version.id)) is None


def evaluate(catalogue: Catalogue, rule: Record, version: Record) -> Record:
    """Evaluate a rule on a version of a dataset and submit its pipeline for those whom it fires for.

    Raises:
        RequirementFailedError: Somebody else evaluated it at the same time.
        ConflictError: The same, or participants were written all the while.
        BackendUnavailableError: Search is away.
    """
    principal = catalogue.identity.principal_of(rule.document["creator"])
    dataset = str(version.document["dataset"])
    readable = principal.datasets(Permission.READ)
    document: dict[str, Any] = {
        "label": f"{rule.document['name']} on {version.document['label']}",
        "rule": rule.id,
        "dataset": dataset,
        "dataset_version": version.id,
        "query": rule.document["query"],
        "pipeline": rule.document["pipeline"],
        "ontology": catalogue.terms.digest,
        "principal": principal.agent,
        "cohort": None,
        "task": None,
        "detail": None,
    }
    cohort: Put | None = None
    if readable is not None and dataset not in readable:
        document |= {"outcome": "refused", "detail": "the maker of the rule may not read this dataset", "members": []}
    else:
        found = _look(catalogue, rule, dataset)
        firing = found.with_outcome("fires")
        document |= {"sequence": found.sequence, "members": list(found.members)}
        document |= {"outcome": "firing" if firing else "nobody"}
        cohort = _cohort(catalogue, principal, rule, version, found) if firing else None
    document |= {"cohort": cohort.id if cohort else None, "counts": _counts(document["members"])}
    put = _put(catalogue, new_iri(), document)
    changes = [put, *([cohort] if cohort else [])]
    catalogue.repository.commit(
        Commit(
            principal=principal.agent,
            action="rule.evaluate",
            changes=changes,
            requirements=[MustBeAbsent(put.id)],
        )
    )
    return fire(catalogue, catalogue.repository.get(put.id))


def fire(catalogue: Catalogue, evaluation: Record) -> Record:
    """Submit the pipeline of an evaluation, unless that was done before; harmless to repeat."""
    if evaluation.document["outcome"] != "firing":
        return evaluation
    document = dict(evaluation.document)
    rule = catalogue.repository.get(document["rule"])
    task = _submitted(catalogue, document["cohort"])
    if task is None:
        try:
            task = _submit(catalogue, rule, evaluation)
        except SillageError as error:
            document |= {"outcome": "refused", "detail": error.detail}
    if task is not None:
        document |= {"outcome": "fired", "task": task}
    catalogue.repository.commit(
        Commit(
            principal=document["principal"],
            action="rule.fire" if task else "rule.refuse",
            changes=[_put(catalogue, evaluation.id, document)],
            requirements=[MustBeAt(evaluation.id, evaluation.version)],
        )
    )
    return catalogue.repository.get(evaluation.id)


def _submit(catalogue: Catalogue, rule: Record, evaluation: Record) -> str:
    said = rule.document["choices"]
    body = tasks.submit(
        catalogue,
        catalogue.identity.principal_of(evaluation.document["principal"]),
        pipeline=rule.document["pipeline"],
        cohort=evaluation.document["cohort"],
        parameters=rule.document["parameters"],
        runner=rule.document["runner"],
        select={name: choice["select"] for name, choice in said.items() if "select" in choice},
        choose={name: choice["choose"] for name, choice in said.items() if "choose" in choice},
    )
    return str(body["id"])


def _submitted(catalogue: Catalogue, cohort: str) -> str | None:
    """Return the task or batch that runs on a cohort."""
    sources = [edge.source for edge in catalogue.repository.edges_to([cohort], [INFLUENCED_BY])]
    known = catalogue.repository.get_many(sources).values()
    batches = [record for record in known if record.type == "TaskBatch"]
    return next((record.id for record in (*batches, *(r for r in known if r.type == "Task"))), None)


def _look(catalogue: Catalogue, rule: Record, dataset: str) -> _Findings:
    """Return how everybody of a dataset stands to a rule: the conditions that each does not meet."""
    sequence = catalogue.search.catch_up(catalogue.repository)
    standing = standings(catalogue, parse(rule.document["query"]), dataset)
    earlier = _earlier(catalogue, rule, dataset)
    found: list[dict[str, Any]] = []
    for member in members_of(catalogue.repository, standing.everybody):
        iri = member.record.id
        if iri not in standing.matching:
            found.append({"participant": iri, "outcome": "does-not-match", "fails": standing.fails(iri)})
            continue
        entry = member.entry()
        outcome = "unchanged" if entry["digest"] in earlier.get(iri, ()) else "fires"
        found.append({**entry, "outcome": outcome})
    return _Findings(members=found, sequence=sequence)


def _earlier(catalogue: Catalogue, rule: Record, dataset: str) -> dict[str, set[str]]:
    """Return whom the rule fired for before, with the digests of what was known of them then."""
    found: dict[str, set[str]] = {}
    for evaluation in catalogue.repository.iterate("RuleEvaluation", part_of=rule.id):
        if evaluation.document["dataset"] == dataset and evaluation.document["outcome"] in ("fired", "firing"):
            for member in evaluation.document["members"]:
                if member["outcome"] == "fires":
                    found.setdefault(member["participant"], set()).add(member["digest"])
    return found


def _cohort(catalogue: Catalogue, principal: Principal, rule: Record, version: Record, found: _Findings) -> Put:
    """Return the change that freezes those whom a rule fires for."""
    keep = ("participant", "version", "dataset", "digest")
    members = [{name: member[name] for name in keep} for member in found.with_outcome("fires")]
    query = rule.document["query"]
    document = {
        "label": f"{rule.document['name']} on {version.document['label']}",
        "query": query,
        "query_json": rule.document["query_json"],
        "ontology": catalogue.terms.digest,
        "sequence": found.sequence,
        "count": len(members),
        "digest": cohort_digest(query, catalogue.terms.digest, members),
        "members": members,
        "datasets": [version.document["dataset"]],
        "creator": principal.agent,
        "rule": rule.id,
    }
    edges = [(HAD_MEMBER, member["participant"]) for member in members]
    return Put(id=new_iri(), type="Cohort", document=document, edges=edges, action="cohort.freeze")


def _counts(members: Sequence[Mapping[str, Any]]) -> dict[str, int]:
    outcomes = [member["outcome"] for member in members]
    return {name: outcomes.count(said) for name, said in _OUTCOMES.items()}


_OUTCOMES = {"fires": "fires", "unchanged": "unchanged", "does_not_match": "does-not-match"}


def _put(catalogue: Catalogue, iri: str, document: Mapping[str, Any]) -> Put:
    edges = [(PART_OF, document["rule"]), (INFLUENCED_BY, document["dataset_version"])]
    if document["outcome"] == "firing":
        edges.append((PENDING, catalogue.iri))
    if document["cohort"]:
        edges.append((INFLUENCED_BY, document["cohort"]))
    alias = evaluation_alias(document["rule"], document["dataset_version"])
    return Put(id=iri, type="RuleEvaluation", document=document, edges=edges, aliases=[alias])


def listing(
    catalogue: Catalogue, principal: Principal, reference: str, *, cursor: str | None = None, limit: int = 100
) -> dict[str, Any]:
    """Return one page of what a rule did, oldest first."""
    rule = rules.find(catalogue, principal, reference)
    page = catalogue.repository.list_records("RuleEvaluation", part_of=rule.id, cursor=cursor, limit=limit)
    return records.readable_page(principal, page, summary_body, cursor=cursor)


def show(catalogue: Catalogue, principal: Principal, reference: str) -> dict[str, Any]:
    """Return what a rule did with a version of a dataset, participant by participant; that is put on the ledger."""
    record = records.find(catalogue, principal, reference, types=EVALUATION)
    records.note_access(catalogue, principal, "rule.read-evaluation", record.id)
    return record_body(record, principal)
