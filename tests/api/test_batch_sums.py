"""A batch summed up: leakage with the way for each kind, what it used, why items failed; and what each sum leads to."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from api.access import Permission, Principal
from api.batch_memory import BatchMemory, Item, Judged, Use
from api.catalogue import Catalogue
from api.operations import batch_sums
from api.operations.batch_items import Wanted
from catalog.model import Commit, Put
from ontology.identifiers import new_iri
from sillage.client import Client, ProblemError
from tests.api.conftest import write_pipeline
from tests.api.test_leakage import Lab, policy
from tests.client.test_command_line import sillage

FAILS = 'case "$*" in *sub-01*|*sub-02*) exit 3;; *sub-03*) exit 4;; esac; mkdir -p out; echo done > out/a.txt\n'


@pytest.fixture
def lab(client: Client, registered: dict[str, Any], tmp_path: Path) -> Lab:
    return Lab(client, tmp_path / "pipelines")


@pytest.fixture
def everybody(client: Client, registered: dict[str, Any]) -> str:
    return str(client.freeze_cohort("TRUE")["id"])


@pytest.fixture
def failing(client: Client, registered: dict[str, Any], everybody: str, tmp_path: Path) -> dict[str, Any]:
    client.register_pipeline(write_pipeline(tmp_path / "fails", FAILS, name="fails"), tmp_path / "fails")
    return client.wait(client.run("fails", cohort=everybody)["id"])


def items(client: Client, batch: str, **asked: Any) -> list[dict[str, Any]]:
    return list(client.pages(f"tasks/{batch}/items", **asked))


def test_a_batch_says_how_many_items_share_somebody_with_the_training(lab: Lab, everybody: str, catalog: Path) -> None:
    training, weights = lab.train("01", "02")
    asked = {"cohort": everybody, "inputs": {"model": [weights]}}
    plan = lab.client.plan("apply", **asked)["leakage"]
    submitted = lab.client.run("apply", **asked)
    batch = lab.client.wait(submitted["id"])
    for found in (plan, submitted["leakage"], batch["leakage"]):
        label = found["models"][0]["label"]
        said = f"2 of 4 items share participants with the training of {label}: 2 in its training"
        assert found["reason"] == said
        assert (found["state"], found["states"], found["decisions"]) == (
            "shared",
            {"shared": 2, "clean": 2},
            {"warned": 2, "recorded": 2},
        )
        assert (found["items"], found["looked_at"], found["size"]) == (4, 4, 4)
        [kind] = found["relations"]
        assert (kind["relation"], kind["items"]) == ("participant", 2)
        assert [node["type"] for node in kind["path"]["nodes"]] == [
            "Participant",
            "Acquisition",
            "File",
            "Task",
            "Model",
        ]
        assert kind["path"]["nodes"][3]["id"] == training["id"]
    assert len(plan["relations"][0]["participants"]) == 2
    shared = items(lab.client, batch["id"], leakage="shared")
    assert [item["leakage"] for item in shared] == 2 * [{"state": "shared", "relation": "participant"}]
    assert {item["participant"] for item in shared} == set(plan["relations"][0]["participants"])
    assert batch["leakage"]["relations"][0]["example"] in {item["id"] for item in shared}
    assert items(lab.client, batch["id"], leakage="shared", relation="participant") == shared
    assert items(lab.client, batch["id"], relation="family") == []
    first = lab.client.get(f"tasks/{batch['id']}/items", leakage="clean", limit=1)
    assert (len(first["items"]), first["total"]) == (1, 2)
    second = lab.client.get(f"tasks/{batch['id']}/items", leakage="clean", limit=1, cursor=first["next"])
    assert (len(second["items"]), second["next"]) == (1, None)
    assert [*first["items"], *second["items"]] == items(lab.client, batch["id"], leakage="clean")
    said = sillage("task", "show", batch["id"], "--catalog", catalog).out
    assert "Leakage: shared, 2 of 4 items share participants" in said
    assert "such as: participant" in said
    assert "--leakage shared" in said
    planned = sillage(
        "run", "apply", "--cohort", everybody, "--input", f"model={weights}", "--plan", "--catalog", catalog
    )
    assert "Leakage: shared, 2 of 4 items share participants" in planned.out


def test_items_that_the_policy_refuses_are_among_the_sums(lab: Lab, everybody: str, catalog: Path) -> None:
    _, weights = lab.train("01", "02", "03")
    with policy(catalog, "refuse") as strict:
        batch = strict.run("apply", cohort=everybody, inputs={"model": [weights]})
        found = batch["leakage"]
        assert found["decisions"] == {"refused": 3, "recorded": 1}
        assert (found["policy"], found["relations"][0]["items"]) == ("refuse", 3)
        assert found["relations"][0]["path"]["nodes"][-1]["type"] == "Model"
        assert found["relations"][0]["example"] is None
        [group] = batch["failures"]
        assert (group["state"], group["reason"], group["count"]) == ("REFUSED", "inputs", 3)
        refused = items(strict, batch["id"], leakage="shared")
        assert {item["state"] for item in refused} == {"REFUSED"}
        assert items(strict, batch["id"], state="REFUSED", reason="inputs") == refused


def test_a_batch_without_a_model_says_nothing_of_leakage(failing: dict[str, Any]) -> None:
    assert failing["leakage"] is None


def test_why_items_failed_is_told_by_reason_the_commonest_first(
    client: Client, failing: dict[str, Any], catalog: Path
) -> None:
    [group] = failing["failures"]
    assert (group["state"], group["reason"], group["count"]) == ("EXECUTOR_ERROR", "exit-code", 3)
    assert [(each["count"], each["detail"]) for each in group["details"]] == [
        (2, "The command exited with status 3."),
        (1, "The command exited with status 4."),
    ]
    failed = items(client, failing["id"], state="EXECUTOR_ERROR", reason="exit-code")
    assert [item["state"] for item in failed] == 3 * ["EXECUTOR_ERROR"]
    assert group["example"] == failed[0]["id"]
    assert items(client, failing["id"], reason="timeout") == []
    said = sillage("task", "show", failing["id"], "--catalog", catalog).out
    assert "The command exited with status 3. (and 1 other text)" in said
    assert "Used by 4 runs" in said


def test_a_new_attempt_adds_to_what_was_used_and_takes_its_failure_away(
    client: Client, failing: dict[str, Any], catalog: Path
) -> None:
    assert failing["usage"]["attempts"] == 4
    assert failing["usage"]["known"]["wall_s"] == 4
    assert failing["usage"]["wall_s"] > 0
    again = client.wait(client.post(f"tasks/{failing['id']}/retry")["id"])
    assert (again["usage"]["attempts"], again["failures"][0]["count"]) == (7, 3)
    assert again["usage"]["wall_s"] > failing["usage"]["wall_s"]
    with Client(catalog=catalog) as other:
        anew = other.get(f"tasks/{again['id']}")
    assert (anew["usage"], anew["failures"]) == (again["usage"], again["failures"])


@pytest.mark.parametrize(
    ("asked", "field"),
    [
        ({"leakage": "some"}, "leakage"),
        ({"relation": "friend"}, "relation"),
        ({"state": "DONE", "reason": "x"}, "state"),
        ({"reason": "x", "cursor": "-1"}, "cursor"),
    ],
)
def test_conditions_that_mean_nothing_are_refused(
    client: Client, failing: dict[str, Any], asked: dict[str, str], field: str
) -> None:
    with pytest.raises(ProblemError) as refused:
        client.get(f"tasks/{failing['id']}/items", **asked)
    assert (refused.value.status, refused.value.problem["field"]) == (400, field)


def test_who_may_not_read_a_batch_is_told_no_sum(
    client: Client, failing: dict[str, Any], somebody: Callable[..., Client], registered: dict[str, Any]
) -> None:
    for other in (somebody(), somebody("counter")):
        for path in (f"tasks/{failing['id']}", f"tasks/{failing['id']}/items?leakage=shared"):
            with pytest.raises(ProblemError) as refused:
                other.get(path)
            assert refused.value.status == 404
    reader = somebody("reader", registered["id"])
    assert reader.get(f"tasks/{failing['id']}")["failures"] == failing["failures"]


HERE, ELSEWHERE = "urn:uuid:00000000-0000-4000-8000-000000000001", "urn:uuid:00000000-0000-4000-8000-000000000002"


def kept(number: int, *, dataset: str = HERE, **members: Any) -> Item:
    told: dict[str, Any] = {"record": new_iri(), "state": "COMPLETE", "reason": None, "detail": None, "leakage": None}
    return Item(**{"number": number, "datasets": frozenset({dataset}), **told, **members})


def test_a_sum_leaves_out_items_whose_data_the_reader_may_not_see(
    client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    catalogue: Catalogue = client._transport._app.state.catalogue  # type: ignore[union-attr]
    both = [
        kept(1, state="SYSTEM_ERROR", reason="lost"),
        kept(2, state="SYSTEM_ERROR", reason="lost", dataset=ELSEWHERE),
    ]
    monkeypatch.setattr(BatchMemory, "items", lambda self, batch, repository: both)
    half = Principal(agent=new_iri(), label="Half", grants={HERE: frozenset({Permission.READ})})
    assert batch_sums.seen(catalogue, half, "a batch") == both[:1]
    assert batch_sums.failures(batch_sums.seen(catalogue, half, "a batch"))[0]["count"] == 1


def test_what_was_not_seen_is_no_part_of_a_sum() -> None:
    uses = (
        Use(wall_s=2.0, cpu_s=1.5, gpu_s=4.0, gpu_joules=100.0, max_rss_bytes=10),
        Use(wall_s=1.0, max_rss_bytes=30),
    )
    document = {"creation_time": "2026-01-01T00:00:00Z", "end_time": "2026-01-01T00:01:00Z"}
    found = batch_sums.usage([kept(1, uses=uses), kept(2, uses=(Use(),))], document)
    assert (found["attempts"], found["elapsed_s"]) == (3, 60.0)
    assert (found["wall_s"], found["cpu_s"], found["gpu_s"], found["max_rss_bytes"]) == (3.0, 1.5, 4.0, 30)
    assert (found["gpu_joules"], found["cpu_joules_at_most"]) == (100.0, None)
    assert found["known"] == {
        "wall_s": 2,
        "cpu_s": 1,
        "gpu_s": 1,
        "max_rss_bytes": 2,
        "gpu_joules": 1,
        "cpu_joules": 0,
    }


def test_failures_are_ordered_and_their_texts_limited() -> None:
    lost = [kept(n, state="SYSTEM_ERROR", reason="lost", detail=f"Text {n}") for n in range(1, 9)]
    timed = [kept(n, state="EXECUTOR_ERROR", reason="timeout", detail="Too long") for n in range(9, 12)]
    refused = [kept(12, state=None, reason="images", detail="no file")]
    found = batch_sums.failures([*timed, *lost, *refused, kept(13), kept(14, state="CANCELED", reason="canceled")])
    assert [(group["state"], group["count"]) for group in found] == [
        ("SYSTEM_ERROR", 8),
        ("EXECUTOR_ERROR", 3),
        ("REFUSED", 1),
    ]
    assert (len(found[0]["details"]), found[0]["more_details"], found[2]["example"]) == (5, 3, None)


def test_an_item_counts_by_its_closest_relation() -> None:
    judged = Judged(state="shared", decision="warned", relations=("family", "participant"), ways=frozenset(), models=())
    item = kept(1, leakage=judged)
    assert Wanted(relation="participant").of([item]) == [item]
    assert Wanted(relation="family").of([item]) == []
    assert Wanted(leakage="clean").of([item, kept(2)]) == []


def test_the_memory_reads_anew_when_much_was_written(
    client: Client, failing: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    catalogue: Catalogue = client._transport._app.state.catalogue  # type: ignore[union-attr]
    memory = BatchMemory()
    before = memory.items(failing["id"], catalogue.repository)
    assert [item.number for item in before] == [1, 2, 3, 4]
    note = Put(id=new_iri(), type="Software", document={"label": "Something else"})
    catalogue.repository.commit(Commit(principal=failing["principal"], action="software.register", changes=[note]))
    monkeypatch.setattr("api.batch_memory.LOOKED_AT", 1)
    assert memory.items(failing["id"], catalogue.repository) == before
