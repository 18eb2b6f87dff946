"""Items of batches: very many, several for one participant, one alone, and what may be reused by whom."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from sillage.client import Client
from tests.api.conftest import write_pipeline
from tests.api.test_batches import NOT_OPTIONAL, until, write_many

MANY = 500


@pytest.mark.timeout(900)
def test_hundreds_of_items_are_planned_fed_and_done_once(client: Client, tmp_path: Path) -> None:
    client.register_dataset(write_many(tmp_path / "many", MANY))
    client.register_pipeline(write_pipeline(tmp_path / "one", "true\n", extension=NOT_OPTIONAL), tmp_path / "one")
    batch = client.run("copy", cohort=client.freeze_cohort("TRUE")["id"], runner="noop")["id"]
    until(lambda: client.get(f"records/{batch}")["end_time"], seconds=600)
    ended = client.get(f"tasks/{batch}")
    assert (ended["size"], ended["planned"], ended["refused_count"]) == (MANY, MANY - 1, 1)
    assert ended["counts"] == {"COMPLETE": MANY - 1}
    items = list(client.pages(f"tasks/{batch}/items", limit=200))
    assert len({item["participant"] for item in items}) == MANY - 1
    assert {item["attempt"] for item in items} == {1}
    numbers = [item["item"] for item in items]
    assert numbers == sorted(numbers)
    assert {*numbers, ended["refused"][0]["item"]} == set(range(1, MANY + 1))


EACH = {"inputs": {"images": {"select": "suffix IN ('T1w', 'bold', 'T2w')"}}}


@pytest.fixture
def several(client: Client, tmp_path: Path) -> str:
    """Three people of whom the first has three images, the second one and the third two; return their cohort."""
    root = write_many(tmp_path / "several", 3)
    for person, suffixes in ((0, ("T2w", "FLAIR")), (2, ("T1w",))):
        for suffix in suffixes:
            path = root / f"sub-{person:05}" / "anat" / f"sub-{person:05}_{suffix}.nii.gz"
            path.write_bytes(f"{person} {suffix}".encode())
    client.register_dataset(root)
    client.register_pipeline(write_pipeline(tmp_path / "one", "true\n", extension=EACH), tmp_path / "one")
    cohort: str = client.freeze_cohort("TRUE")["id"]
    return cohort


def test_one_task_for_each_candidate_is_an_item_of_its_own(client: Client, several: str) -> None:
    batch = client.run("copy", cohort=several, runner="noop", choose={"images": "each"})["id"]
    until(lambda: client.get(f"records/{batch}")["end_time"])
    ended = client.get(f"tasks/{batch}")
    assert (ended["size"], ended["planned"], ended["counts"]) == (3, 5, {"COMPLETE": 5})
    assert [item["item"] for item in ended["items"]] == [1, 2, 3, 4, 5]
    people = [item["participant"] for item in ended["items"]]
    assert sorted(people.count(person) for person in set(people)) == [1, 2, 2]
    assert people == sorted(people, key=people.index)
    images = [client.get(f"tasks/{item['id']}")["inputs"][0]["id"] for item in ended["items"]]
    assert len(set(images)) == 5
    grid = client.request("GET", f"/tasks/{batch}").text
    assert grid.count('class="cell COMPLETE" href=') == 5


def test_a_cohort_of_one_is_a_batch_only_where_it_may_be_several(client: Client, several: str) -> None:
    label = "sub-00000"
    one = client.freeze_cohort(f"label = '{label}'")["id"]
    alone = client.run("copy", cohort=one, runner="noop", choose={"images": "first"})
    assert alone["type"] == "Task"
    batch = client.run("copy", cohort=one, runner="noop", choose={"images": "each"})["id"]
    until(lambda: client.get(f"records/{batch}")["end_time"])
    ended = client.get(f"tasks/{batch}")
    assert (ended["type"], ended["size"], ended["planned"]) == ("TaskBatch", 1, 2)
    assert len({item["participant"] for item in ended["items"]}) == 1


def test_totals_are_of_what_one_may_read(
    client: Client, several: str, somebody: Callable[..., Any], tmp_path: Path
) -> None:
    batch = client.run("copy", cohort=several, runner="noop", choose={"images": "each"})["id"]
    until(lambda: client.get(f"records/{batch}")["end_time"])
    assert client.get("tasks", state="COMPLETE")["total"] == 5
    seen = somebody().get("tasks", state="COMPLETE")
    assert (seen["items"], seen["total"]) == ([], 0)
