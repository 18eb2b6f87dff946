"""Records of one person: said, shown, taken back; by whom, and to whom it is told."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from sillage.cli import run
from sillage.client import Client, ProblemError
from tests.api.test_certificates import catalogue_of

BASIS = "the study's list of identifiers"
Somebody = Callable[..., Client]


class World:
    """Two datasets with the same labels, of which nobody has said that they mean the same people."""

    def __init__(self, client: Client, first: Path, second: Path) -> None:
        self.client = client
        self.first = str(client.register_dataset(first)["id"])
        self.second = str(client.register_dataset(second)["id"])
        self.one, self.two = self.people(self.first), self.people(self.second)

    def people(self, dataset: str) -> dict[str, str]:
        items = self.client.get(f"datasets/{dataset}/participants")["items"]
        return {item["label"]: item["id"] for item in items}

    def link(self, *pairs: tuple[str, str], client: Client | None = None, basis: str = BASIS) -> dict[str, Any]:
        body = {"pairs": [list(pair) for pair in pairs], "basis": basis}
        answer: dict[str, Any] = (client or self.client).post("identity-links", body)
        return answer

    def unlink(self, *pairs: tuple[str, str], reason: str = "a mistake") -> dict[str, Any]:
        body = {"pairs": [list(pair) for pair in pairs], "reason": reason}
        answer: dict[str, Any] = self.client.post("identity-links/retract", body)
        return answer

    def links(self, participant: str, client: Client | None = None) -> list[dict[str, Any]]:
        items: list[dict[str, Any]] = (client or self.client).get(f"participants/{participant}/identity-links")["items"]
        return items

    def entries(self, action: str) -> list[Any]:
        return list(catalogue_of(self.client).repository.entries(action=action, limit=1000).items)


@pytest.fixture
def world(client: Client, study: Path, other_study: Path) -> World:
    return World(client, study, other_study)


def test_two_records_are_one_person_from_both_ends(world: World) -> None:
    one, two = world.one["sub-01"], world.two["sub-03"]
    answer = world.link((one, two))
    assert (answer["linked"], answer["known"], answer["refused"]) == (1, 0, 0)
    [item] = answer["items"]
    assert (item["participants"], item["outcome"]) == ([one, two], "linked")
    [seen] = world.links(one)
    assert (seen["id"], seen["participant"], seen["label"], seen["as"]) == (item["id"], two, "sub-03", "alternate")
    assert (seen["relation"], seen["basis"], seen["dataset"]) == ("prov:alternateOf", BASIS, world.second)
    [back] = world.links(two)
    assert (back["id"], back["participant"]) == (item["id"], one)
    record = world.client.show(item["id"])
    me = world.client.get("whoami")["agent"] if False else record["stated"]["by"]
    assert record["stated"]["by"] == me
    assert record["stated"]["time"].endswith("Z")
    assert record["datasets"] == sorted([world.first, world.second])


def test_saying_it_again_either_way_round_changes_nothing(world: World) -> None:
    one, two = world.one["sub-01"], world.two["sub-03"]
    first = world.link((one, two))
    for pairs in [((one, two),), ((two, one),)]:
        again = world.link(*pairs, basis="another list")
        assert (again["linked"], again["known"]) == (0, 1)
        assert again["items"][0]["id"] == first["items"][0]["id"]
    assert len(world.entries("identity.link")) == 1
    twice = world.link((one, world.two["sub-01"]), (world.two["sub-01"], one))
    assert [item["outcome"] for item in twice["items"]] == ["linked", "known"]


def test_participants_are_named_by_dataset_and_label_or_a_prefix_of_their_id(world: World) -> None:
    answer = world.link(
        (f"{world.first}/sub-01", f"{world.second}/sub-03"), (world.one["sub-02"][9:25], world.two["sub-02"])
    )
    assert [item["participants"] for item in answer["items"]] == [
        [world.one["sub-01"], world.two["sub-03"]],
        [world.one["sub-02"], world.two["sub-02"]],
    ]


def test_each_pair_is_reported_and_one_that_cannot_be_leaves_the_others(world: World) -> None:
    one = world.one["sub-01"]
    answer = world.link(
        (one, one),
        (one, "urn:uuid:00000000-0000-4000-8000-000000000000"),
        (one, f"{world.second}/sub-99"),
        (one, world.first),
        (one, "no-such"),
        (one, world.two["sub-01"]),
    )
    assert [item["outcome"] for item in answer["items"]] == ["refused"] * 5 + ["linked"]
    codes = [item["problem"]["code"] for item in answer["items"][:5]]
    assert codes == ["invalid-request", *["not-found"] * 4]
    assert answer["refused"] == 5
    assert answer["items"][2]["participants"] == [one, f"{world.second}/sub-99"]


@pytest.mark.parametrize("basis", ["", "  ", " a "])
def test_it_has_to_be_said_how_it_is_known(world: World, basis: str) -> None:
    with pytest.raises(ProblemError) as refused:
        world.link((world.one["sub-01"], world.two["sub-01"]), basis=basis)
    assert refused.value.status in (400, 422)
    assert world.links(world.one["sub-01"]) == []


def test_whoever_may_not_write_both_datasets_links_nobody(world: World, somebody: Somebody) -> None:
    pair = (world.one["sub-01"], world.two["sub-01"])
    contributor = somebody("contributor", world.first)
    unseen = world.link(pair, client=contributor)["items"][0]["problem"]
    absent = world.link((pair[0], "urn:uuid:00000000-0000-4000-8000-000000000000"), client=contributor)
    assert unseen["code"] == "not-found"
    assert unseen["detail"].replace(pair[1], "X") == absent["items"][0]["problem"]["detail"].replace(
        "urn:uuid:00000000-0000-4000-8000-000000000000", "X"
    )
    reader = somebody("reader")
    assert world.link(pair, client=reader)["items"][0]["problem"]["code"] == "not-permitted"
    assert world.links(pair[0]) == []
    assert world.link(pair, client=somebody("steward"))["linked"] == 1


def test_nobody_learns_of_a_participant_whom_he_may_not_see(world: World, somebody: Somebody) -> None:
    one, two = world.one["sub-01"], world.two["sub-03"]
    link = world.link((one, two))["items"][0]["id"]
    reader = somebody("reader", world.first)
    assert world.links(one, client=reader) == []
    told = [
        json.dumps(reader.get(f"participants/{one}")),
        reader.request("GET", f"/participants/{one}").text,
        json.dumps(reader.get(f"participants/{one}/identity-links")),
    ]
    assert not [text for text in told if two in text or world.second in text or link in text]
    for path in (f"records/{link}", f"participants/{two}/identity-links", f"lineage/{link}"):
        with pytest.raises(ProblemError) as unseen:
            reader.get(path)
        assert unseen.value.status == 404
    both = somebody("reader")
    assert [item["participant"] for item in world.links(one, client=both)] == [two]


def test_a_wrong_link_is_taken_back_and_the_ledger_keeps_that_it_was_there(world: World) -> None:
    one, two = world.one["sub-01"], world.two["sub-03"]
    link = world.link((one, two))["items"][0]["id"]
    answer = world.unlink((two, one))
    assert (answer["retracted"], answer["items"][0]["id"]) == (1, link)
    assert world.links(one) == world.links(two) == []
    record = world.client.show(link)
    assert record["retracted"]["reason"] == "a mistake"
    assert record["basis"] == BASIS
    assert (world.unlink((one, two))["known"], world.unlink((one, world.two["sub-01"]))["known"]) == (1, 1)
    assert len(world.entries("identity.retract")) == 1
    again = world.link((one, two), basis="it was right after all")
    assert (again["linked"], again["items"][0]["id"]) == (1, link)
    [seen] = world.links(one)
    assert seen["basis"] == "it was right after all"
    versions = catalogue_of(world.client).repository.versions(link)
    assert [bool(version.document["retracted"]) for version in versions] == [False, True, False]
    assert not list(catalogue_of(world.client).repository.check())


def test_reading_links_is_on_the_ledger_and_grounds_are_in_no_entry(world: World) -> None:
    one, two = world.one["sub-01"], world.two["sub-03"]
    world.link((one, two), basis="a secret ground")
    world.unlink((one, two), reason="a secret reason")
    world.links(one)
    assert [entry.subject for entry in world.entries("identity.list")] == [one]
    said = [entry.reason or "" for entry in world.entries("identity.link") + world.entries("identity.retract")]
    assert said == ["", ""]


def test_somebody_who_links_the_same_pair_meanwhile_does_no_harm(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    one, two = world.one["sub-01"], world.two["sub-03"]
    repository = catalogue_of(world.client).repository
    commit, meanwhile = repository.commit, [True]

    def slow(asked: Any) -> Any:
        if asked.action == "identity.link" and meanwhile:
            meanwhile.pop()
            world.link((two, one))
        return commit(asked)

    monkeypatch.setattr(repository, "commit", slow)
    answer = world.link((one, two), (world.one["sub-02"], world.two["sub-02"]))
    assert [item["outcome"] for item in answer["items"]] == ["known", "linked"]
    assert len(world.links(one)) == 1


def test_a_link_outlives_a_new_reading_of_the_data(world: World, study: Path) -> None:
    one, two = world.one["sub-01"], world.two["sub-03"]
    world.link((one, two))
    table = study / "participants.tsv"
    table.write_text(table.read_text().replace("34", "35"))
    assert world.client.post(f"datasets/{world.first}/revise", {"path": str(study)})["revised"]
    assert [item["participant"] for item in world.links(one)] == [two]


def test_a_cohort_that_was_frozen_before_is_as_it_was(world: World) -> None:
    cohort = world.client.freeze_cohort("age > 0")["id"]
    world.link((world.one["sub-01"], world.two["sub-03"]))
    changes = world.client.get(f"cohorts/{cohort}/diff")
    assert [changes[name] for name in ("added", "removed", "changed")] == [[], [], []]


def test_whoever_was_withdrawn_is_not_linked_and_what_was_said_of_him_stays(world: World) -> None:
    one, two = world.one["sub-01"], world.two["sub-03"]
    world.link((one, two))
    world.client.post(f"datasets/{world.second}/withdraw", {"reason": "consent withdrawn"})
    [seen] = world.links(one)
    assert (seen["withdrawn"], seen["participant"]) == (True, two)
    assert world.link((one, world.two["sub-01"]))["items"][0]["problem"]["code"] == "withdrawn"
    assert world.unlink((one, two))["retracted"] == 1
    assert not list(catalogue_of(world.client).repository.check())


def test_the_page_of_a_participant_shows_who_is_the_same_person(world: World) -> None:
    one, two = world.one["sub-01"], world.two["sub-03"]
    assert "The same person as" not in world.client.request("GET", f"/participants/{one}").text
    world.link((one, two), basis="<b>the list</b>")
    page = world.client.request("GET", f"/participants/{one}").text
    assert "The same person as" in page
    assert f'href="/participants/{two}"' in page
    assert "&lt;b&gt;the list" in page


def test_the_command_line_links_lists_and_unlinks(
    world: World, catalog: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    def sillage(*arguments: str) -> tuple[int, str]:
        return run([*arguments, "--catalog", str(catalog)]), capsys.readouterr().out

    one, two = world.one["sub-01"], world.two["sub-03"]
    world.client.close()
    table = tmp_path / "pairs.tsv"
    table.write_text(f"participant\tsame_as\n{one}\t{two}\n{world.first}/sub-02\t{world.second}/sub-02\n")
    assert sillage("participant", "link", "--from", str(table), "--basis", BASIS) == (0, "2 pairs linked\n")
    assert "2 as before" in sillage("participant", "link", "--from", str(table), "--basis", BASIS)[1]
    _, listed = sillage("participant", "links", one)
    assert "sub-03" in listed
    assert BASIS in listed
    code, refused = sillage("participant", "link", one, f"{world.second}/sub-99", "--basis", BASIS)
    assert (code, "there is no participant sub-99" in refused) == (1, True)
    assert sillage("participant", "unlink", two, one, "--reason", "a mistake") == (0, "1 pair retracted\n")
    assert sillage("participant", "links", one) == (0, "nobody that you may see\n")


@pytest.mark.parametrize("text", ["", "participant\tsame_as\n", "a\tb\tc\n", "a\n", "a\t\n"])
def test_a_table_that_is_none_is_refused_before_anything_is_written(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], text: str
) -> None:
    table = tmp_path / "pairs.tsv"
    table.write_text(text)
    # Refused before any catalogue is looked for.
    assert run(["participant", "link", "--from", str(table), "--basis", BASIS, "--catalog", str(tmp_path)]) == 2
    assert "the table" in capsys.readouterr().err
