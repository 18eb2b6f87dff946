from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from catalog.backends.sqlite import SqliteRepository
from catalog.model import Commit, Put, Record
from catalog.readers import read
from catalog.readers.folder import FolderTree
from catalog.registration import Plan, VersionInfo, is_current, plan
from catalog.repository import Repository
from ontology.crosswalk import Crosswalk
from ontology.errors import ConflictError, NotFoundError, RequirementFailedError
from ontology.identifiers import new_iri
from ontology.namespaces import DERIVED_FROM, GENERATED_BY, PART_OF, SPECIALIZATION_OF
from ontology.terms import TermIndex

PRINCIPAL = new_iri()
DESCRIPTION = '{"Name": "A study", "BIDSVersion": "1.10.0", "License": "CC0"}'
FILES = {
    "dataset_description.json": DESCRIPTION,
    "participants.tsv": "participant_id\tage\nsub-1\t30\nsub-2\t40\n",
    "task-rest_bold.json": '{"RepetitionTime": 2.0}',
    **{f"sub-{n}/anat/sub-{n}_T1w.nii.gz": f"image {n}" for n in (1, 2)},
    **{f"sub-{n}/func/sub-{n}_task-rest_bold.nii.gz": f"series {n}" for n in (1, 2)},
}
SIZE = sum(map(len, FILES.values()))
Planned = Callable[..., Plan]


@pytest.fixture(scope="module")
def crosswalk(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Crosswalk]:
    with TermIndex.open(tmp_path_factory.mktemp("terms") / "terms.sqlite") as index:
        yield Crosswalk(index)


@pytest.fixture
def repository(tmp_path: Path) -> Iterator[Repository]:
    opened = SqliteRepository.create(tmp_path / "catalogue", name="test")
    yield opened
    opened.close()


@pytest.fixture
def planned(repository: Repository, crosswalk: Crosswalk, tmp_path: Path) -> Planned:
    count = iter(range(1000))

    def of(files: dict[str, str], dataset: str | None = None, **version: str) -> Plan:
        root = tmp_path / f"data{next(count)}"
        for path, content in files.items():
            (root / path).parent.mkdir(parents=True, exist_ok=True)
            (root / path).write_text(content)
        reading = read(FolderTree(root), crosswalk)
        return plan(repository, reading=reading, dataset=dataset, version=VersionInfo(**version), principal=PRINCIPAL)

    return of


def by_label(repository: Repository, type: str, dataset: str) -> dict[str, Record]:
    return {str(r.document["label"]): r for r in repository.iterate(type, part_of=dataset)}


def edges(repository: Repository, id: str) -> set[tuple[str, str]]:
    return {(edge.predicate, edge.target) for edge in repository.edges_from([id])}


def test_a_dataset_is_registered_by_one_commit(repository: Repository, planned: Planned) -> None:
    found = planned(FILES, commit="c1", tree="t1", datalad_id="11-22", data_path="/data/x")
    assert not found.unchanged
    assert found.counts.to_json() == {"participants": 2, "acquisitions": 4, "files": 7, "bytes": SIZE}
    repository.commit(found.commit)

    dataset = repository.get(found.dataset)
    assert dataset.document["title"] == dataset.document["label"] == "A study"
    assert dataset.document["current"] == found.version
    assert dataset.document["counts"]["participants"] == 2
    assert dataset.document["data_path"] == "/data/x"
    assert repository.find_alias("datalad:11-22") == found.dataset

    version = repository.get(found.version)
    assert (version.document["name"], version.document["commit"], version.document["tree"]) == ("1", "c1", "t1")
    assert version.document["report"]["problems"] == []
    assert [file["path"] for file in version.document["files"]] == [
        "dataset_description.json",
        "participants.tsv",
        "task-rest_bold.json",
    ]
    assert edges(repository, found.version) == {(SPECIALIZATION_OF, found.dataset)}

    people = by_label(repository, "Participant", found.dataset)
    assert set(people) == {"sub-1", "sub-2"}
    assert people["sub-1"].document["properties"]["age"][0]["value"] == 30
    assert edges(repository, people["sub-1"].id) == {(PART_OF, found.dataset)}

    scans = by_label(repository, "Acquisition", found.dataset)
    bold = scans["sub-2_task-rest_bold"]
    assert bold.document["participant"] == people["sub-2"].id
    assert bold.document["metadata"] == {"RepetitionTime": 2.0}
    assert edges(repository, bold.id) == {(DERIVED_FROM, people["sub-2"].id), (PART_OF, found.dataset)}
    (image,) = bold.document["files"]
    assert repository.get(image["id"]).document["path"] == "sub-2/func/sub-2_task-rest_bold.nii.gz"
    assert [record.id for record in repository.files_by_sha256(image["sha256"])] == [image["id"]]
    assert list(repository.check()) == []


def test_the_same_data_again_change_nothing(repository: Repository, planned: Planned) -> None:
    first = planned(FILES, tree="t1")
    repository.commit(first.commit)
    again = planned(FILES, first.dataset, tree="t1")
    assert again.unchanged
    assert (again.dataset, again.version) == (first.dataset, first.version)
    assert again.counts == first.counts
    assert is_current(repository, first.dataset, VersionInfo(tree="t1"))
    assert is_current(repository, first.dataset, VersionInfo(tree="t1", name="1"))
    assert not is_current(repository, first.dataset, VersionInfo(tree="t2"))
    assert not is_current(repository, first.dataset, VersionInfo(tree="t1", name="2"))
    assert not is_current(repository, first.dataset, VersionInfo(tree="t1", ontology="other"))
    assert not is_current(repository, first.dataset, VersionInfo())


def test_a_revision_touches_only_what_has_changed(repository: Repository, planned: Planned) -> None:
    first = planned(FILES, tree="t1", datalad_id="11-22", data_path="/data/x")
    repository.commit(first.commit)
    before = by_label(repository, "Acquisition", first.dataset)
    files = dict(FILES) | {
        "participants.tsv": "participant_id\tage\nsub-1\t31\nsub-3\t50\n",
        "sub-1/anat/sub-1_T1w.nii.gz": "another image",
        "sub-3/anat/sub-3_T1w.nii.gz": "image 3",
    }
    files = {path: content for path, content in files.items() if not path.startswith("sub-2/")}
    second = planned(files, first.dataset, tree="t2")
    assert (second.added, second.revised, second.withdrawn) == (2, 2, 3)
    repository.commit(second.commit)

    dataset = repository.get(first.dataset)
    assert (dataset.version, dataset.document["counts"]["participants"], dataset.document["current"]) == (
        2,
        2,
        second.version,
    )
    assert repository.find_alias("datalad:11-22") == first.dataset
    assert dataset.document["data_path"] == "/data/x"
    assert edges(repository, second.version) == {
        (SPECIALIZATION_OF, first.dataset),
        ("prov:wasRevisionOf", first.version),
    }
    assert repository.get(second.version).document["name"] == "2"
    people = by_label(repository, "Participant", first.dataset)
    assert set(people) == {"sub-1", "sub-3"}
    assert people["sub-1"].version == 2
    after = by_label(repository, "Acquisition", first.dataset)
    assert set(after) == {"sub-1_T1w", "sub-1_task-rest_bold", "sub-3_T1w"}
    assert after["sub-1_task-rest_bold"] == before["sub-1_task-rest_bold"]
    changed, was = after["sub-1_T1w"], before["sub-1_T1w"]
    assert changed.id == was.id
    assert changed.document["files"][0]["id"] != was.document["files"][0]["id"], "other content is another file"
    gone = repository.get(before["sub-2_T1w"].id)
    assert gone.withdrawn
    assert gone.document["dataset"] == first.dataset
    assert list(repository.check()) == []


def test_a_file_keeps_its_iri_while_its_content_is_the_same(repository: Repository, planned: Planned) -> None:
    first = planned(FILES)
    repository.commit(first.commit)
    files = dict(FILES) | {"sub-1/anat/sub-1_T1w.json": '{"EchoTime": 0.1}'}
    repository.commit(planned(files, first.dataset).commit)
    now = by_label(repository, "Acquisition", first.dataset)["sub-1_T1w"]
    was = repository.get(now.id, version=1)
    assert now.version == 2
    assert now.document["files"][0]["id"] == was.document["files"][0]["id"]
    assert [file["role"] for file in now.document["files"]] == ["image", "sidecar"]


def test_a_release_of_the_same_data_is_a_version_of_its_own(repository: Repository, planned: Planned) -> None:
    first = planned(FILES, tree="t1", name="1.0.0")
    repository.commit(first.commit)
    assert planned(FILES, first.dataset, tree="t1", name="1.0.0").unchanged
    second = planned(FILES, first.dataset, tree="t1", name="1.0.1")
    assert (second.added, second.revised, second.withdrawn) == (0, 0, 0)
    assert second.version != first.version
    repository.commit(second.commit)
    assert repository.get(second.version).document["name"] == "1.0.1"
    assert repository.list_records("DatasetVersion", part_of=first.dataset).total == 2


def test_two_revisions_planned_on_the_same_state_do_not_mix(repository: Repository, planned: Planned) -> None:
    first = planned(FILES, tree="t1")
    repository.commit(first.commit)
    one = planned(dict(FILES) | {"participants.tsv": "participant_id\tage\nsub-1\t31\nsub-2\t40\n"}, first.dataset)
    two = planned(dict(FILES) | {"participants.tsv": "participant_id\tage\nsub-1\t30\nsub-2\t41\n"}, first.dataset)
    repository.commit(one.commit)
    sequence = repository.sequence
    with pytest.raises(RequirementFailedError):
        repository.commit(two.commit)
    assert repository.sequence == sequence


def test_the_same_datalad_dataset_is_not_registered_twice(repository: Repository, planned: Planned) -> None:
    first = planned(FILES, datalad_id="11-22")
    repository.commit(first.commit)
    with pytest.raises(ConflictError) as caught:
        planned(FILES, datalad_id="11-22")
    assert caught.value.params == {"dataset": first.dataset}
    assert first.dataset in (caught.value.next_step() or "")


def test_only_a_dataset_that_is_there_can_be_revised(repository: Repository, planned: Planned) -> None:
    with pytest.raises(NotFoundError):
        planned(FILES, new_iri())
    first = planned(FILES)
    repository.commit(first.commit)
    with pytest.raises(NotFoundError):
        planned(FILES, first.version)


def test_what_people_decided_and_others_linked_survives_a_revision(repository: Repository, planned: Planned) -> None:
    first = planned(FILES)
    repository.commit(first.commit)
    dataset = repository.get(first.dataset)
    person = by_label(repository, "Participant", first.dataset)["sub-1"]
    repository.commit(
        Commit(
            principal=PRINCIPAL,
            action="dataset.revise",
            changes=[
                Put(id=dataset.id, type="Dataset", document={**dataset.document, "access_rights": "public"}),
                Put(
                    id=person.id,
                    type="Participant",
                    document=person.document,
                    edges=[(PART_OF, dataset.id), ("prov:alternateOf", "urn:uuid:elsewhere")],
                ),
            ],
        )
    )
    table = "participant_id\tage\nsub-1\t31\nsub-2\t40\n"
    repository.commit(planned(dict(FILES) | {"participants.tsv": table}, first.dataset).commit)
    assert repository.get(dataset.id).document["access_rights"] == "public"
    assert ("prov:alternateOf", "urn:uuid:elsewhere") in edges(repository, person.id)


def test_what_a_task_wrote_is_left_to_tasks(repository: Repository, planned: Planned) -> None:
    first = planned(FILES)
    repository.commit(first.commit)
    task, made = new_iri(), new_iri()
    document = {"label": "sub-1_desc-x_T1w", "dataset": first.dataset, "participant": None, "files": []}
    repository.commit(
        Commit(
            principal=PRINCIPAL,
            action="task.finish",
            changes=[
                Put(id=task, type="Task", document={"label": "a task"}),
                Put(
                    id=made,
                    type="Acquisition",
                    document=document,
                    edges=[(GENERATED_BY, task), (PART_OF, first.dataset)],
                ),
            ],
        )
    )
    again = planned(FILES, first.dataset)
    assert again.withdrawn == 0
    assert not repository.get(made).withdrawn


def test_a_dataset_without_a_title_takes_the_name_it_is_given(
    repository: Repository, crosswalk: Crosswalk, tmp_path: Path
) -> None:
    (tmp_path / "d" / "sub-1" / "anat").mkdir(parents=True)
    (tmp_path / "d" / "sub-1" / "anat" / "sub-1_T1w.nii").write_text("")
    reading = read(FolderTree(tmp_path / "d"), crosswalk)
    found = plan(repository, reading=reading, version=VersionInfo(), principal=PRINCIPAL, label="d")
    repository.commit(found.commit)
    assert repository.get(found.dataset).document["label"] == "d"
    assert repository.get(found.dataset).document["title"] is None
