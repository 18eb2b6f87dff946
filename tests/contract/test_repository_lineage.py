"""The repository contract, over every backend: edges and lineage."""

from __future__ import annotations

from typing import Any

import pytest

from catalog.backends.testing import chain, clean, dataset, do, listed
from catalog.model import (
    Edge,
    Put,
)
from catalog.repository import Repository
from ontology.errors import (
    ConflictError,
    InvalidRequestError,
)
from ontology.identifiers import last_part, new_iri
from ontology.namespaces import ASSOCIATED_WITH, DERIVED_FROM, GENERATED_BY, USED


def test_edges_are_replaced_with_the_version(repository: Repository) -> None:
    iri = new_iri()
    do(repository, Put(id=iri, type="Task", document={}, edges=[(USED, "urn:a"), (USED, "urn:b"), (USED, "urn:a")]))
    do(repository, Put(id=iri, type="Task", document={}, edges=[(USED, "urn:b"), ("x:own", "urn:c")]))
    assert set(repository.edges_from([iri])) == {Edge(iri, USED, "urn:b"), Edge(iri, "x:own", "urn:c")}
    assert repository.edges_from([iri], ["x:own"]) == [Edge(iri, "x:own", "urn:c")]
    assert repository.edges_to(["urn:a"]) == []
    assert repository.edges_to(["urn:b", "urn:c"], [USED]) == [Edge(iri, USED, "urn:b")]
    assert repository.edges_from([]) == repository.edges_to([]) == []
    assert clean(repository)


def test_lineage_counts_a_diamond_once(repository: Repository) -> None:
    top, left, right, longer, bottom = (new_iri() for _ in range(5))
    do(
        repository,
        Put(id=top, type="Entity", document={"label": "top"}),
        Put(id=left, type="Entity", document={}, edges=[(DERIVED_FROM, top)]),
        Put(id=right, type="Entity", document={}, edges=[(DERIVED_FROM, top)]),
        Put(id=longer, type="Entity", document={}, edges=[(DERIVED_FROM, right)]),
        Put(
            id=bottom,
            type="Entity",
            document={},
            edges=[(DERIVED_FROM, left), (DERIVED_FROM, longer), (USED, left), (ASSOCIATED_WITH, "urn:agent")],
        ),
    )
    up = repository.lineage(bottom, direction="up")
    assert {node.id: node.depth for node in up.nodes} == {bottom: 0, left: 1, longer: 1, right: 2, top: 2}
    assert len(up.nodes) == 5
    assert len(up.edges) == len(set(up.edges)) == 6
    assert not up.truncated
    down = repository.lineage(top, direction="down")
    assert {node.id: node.depth for node in down.nodes} == {top: 0, left: 1, right: 1, longer: 2, bottom: 2}
    assert set(down.edges) == set(up.edges)
    assert down.nodes[0].label == "top"
    assert down.nodes[1].label == last_part(down.nodes[1].id)


def test_lineage_is_cut_by_depth_and_limit(repository: Repository) -> None:
    names = chain(repository, 6)
    cut = repository.lineage(names[-1], direction="up", depth=2)
    assert [node.id for node in cut.nodes] == names[:-4:-1]
    assert cut.truncated
    assert len(cut.edges) == 2
    whole = repository.lineage(names[-1], direction="up", depth=5)
    assert len(whole.nodes) == 6
    assert not whole.truncated
    limited = repository.lineage(names[0], direction="down", limit=3)
    assert [node.id for node in limited.nodes] == names[:3]
    assert limited.truncated
    assert not repository.lineage(names[0], direction="down", limit=6).truncated
    alone = repository.lineage(names[0], direction="down", depth=0)
    assert ([node.id for node in alone.nodes], alone.truncated) == ([names[0]], True)
    assert not repository.lineage(names[-1], direction="down", depth=0).truncated


def test_lineage_of_a_long_chain(repository: Repository) -> None:
    names = chain(repository, 2_000)
    down = repository.lineage(names[0], direction="down")
    assert [node.id for node in down.nodes] == names
    assert down.nodes[-1].depth == 1_999


def test_lineage_names_what_is_not_registered(repository: Repository) -> None:
    file = listed("a/b_T1w.nii.gz")
    task = Put(id=new_iri(), type="Task", document={"label": "run"}, edges=[(USED, file["id"]), (USED, "https://x/y")])
    do(repository, dataset("ds", files=[file]), task)
    found = {node.label: node.type for node in repository.lineage(task.id, direction="up").nodes}
    assert found == {"run": "Task", "b_T1w.nii.gz": "File", "y": "External", "ds": "Dataset"}
    assert [n.label for n in repository.lineage("https://x/y", direction="down").nodes] == ["y", "run"]


@pytest.mark.parametrize(
    "wrong", [{"direction": "left"}, {"direction": "up", "depth": -1}, {"direction": "up", "limit": 0}]
)
def test_lineage_refuses_nonsense(repository: Repository, wrong: dict[str, Any]) -> None:
    names = chain(repository, 1)
    with pytest.raises(InvalidRequestError):
        repository.lineage(names[0], **wrong)


def test_cycles_are_refused(repository: Repository) -> None:
    names = chain(repository, 4)
    with pytest.raises(ConflictError):
        do(repository, Put(id=names[0], type="Entity", document={}, edges=[(DERIVED_FROM, names[3])]))
    with pytest.raises(ConflictError):
        do(repository, Put(id=names[0], type="Entity", document={}, edges=[(USED, names[0])]))
    a, b = new_iri(), new_iri()
    with pytest.raises(ConflictError):
        do(
            repository,
            Put(id=a, type="Entity", document={}, edges=[(DERIVED_FROM, b)]),
            Put(id=b, type="Entity", document={}, edges=[(DERIVED_FROM, a)]),
        )
    do(repository, Put(id=a, type="Entity", document={}, edges=[(ASSOCIATED_WITH, a)]))
    assert clean(repository)


def test_a_cycle_through_a_file_is_refused(repository: Repository) -> None:
    task, entity, file = new_iri(), new_iri(), listed("out.nii")
    do(repository, Put(id=task, type="Task", document={}, edges=[(USED, file["id"])]))
    with pytest.raises(ConflictError):
        do(
            repository,
            Put(id=entity, type="Entity", document={"files": [file]}, edges=[(GENERATED_BY, task)]),
        )
    assert clean(repository)


def test_a_cycle_through_a_name_that_waited_for_its_record_is_refused(repository: Repository) -> None:
    late, early = new_iri(), new_iri()
    do(repository, Put(id=early, type="Entity", document={}, edges=[(DERIVED_FROM, late)]))
    with pytest.raises(ConflictError):
        do(repository, Put(id=late, type="Entity", document={}, edges=[(DERIVED_FROM, early)]))
    do(repository, Put(id=late, type="Entity", document={}))
    assert [n.id for n in repository.lineage(late, direction="down").nodes] == [late, early]
    assert clean(repository)


def test_an_edge_that_turns_round_within_a_commit_is_no_cycle(repository: Repository) -> None:
    a, b = chain(repository, 2)
    do(
        repository,
        Put(id=b, type="Entity", document={}),
        Put(id=a, type="Entity", document={}, edges=[(DERIVED_FROM, b)]),
    )
    assert repository.edges_from([a, b]) == [Edge(a, DERIVED_FROM, b)]
    assert clean(repository)
