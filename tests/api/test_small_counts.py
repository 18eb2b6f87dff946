"""Who may only count: rounded numbers, nothing below the minimum, and nothing of any single participant."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from api.catalogue import create, open_catalogue
from catalog.model import Commit, Put
from ontology.errors import AmbiguousError
from sillage.client import Client, ProblemError

Somebody = Callable[..., Client]
OPEN, SHUT, STRICT = (f"urn:uuid:0000000d-0000-4000-8000-00000000000{n}" for n in (1, 2, 3))
MS, RRMS = "http://purl.obolibrary.org/obo/DOID_2377", "http://purl.obolibrary.org/obo/DOID_2378"


def value(said: Any, **more: Any) -> list[dict[str, Any]]:
    return [{"value": said, "original": str(said), **more}]


def person(dataset: str, number: int, age: int, sex: str, diagnosis: str | None, **more: Any) -> list[Put]:
    """Return a participant and an image of it."""
    key = f"{dataset[-1]}{number:03}"
    iri = f"urn:uuid:0000000a-0000-4000-8000-00000000{key}"
    said = {"age": value(age, unit="a"), "sex": value(sex), **more}
    if diagnosis:
        said["diagnosis"] = value(diagnosis.rsplit("_", 1)[-1], term=diagnosis)
    image = {
        "label": f"sub-{number:02}_T1w",
        "dataset": dataset,
        "participant": iri,
        "suffix": "T1w",
        "derived": False,
        "metadata": {"MagneticFieldStrength": 3 if number % 2 else 7},
    }
    return [
        Put(
            id=iri,
            type="Participant",
            document={"label": f"sub-{number:02}", "dataset": dataset, "properties": said},
        ),
        Put(id=iri.replace("0000000a", "0000000c"), type="Acquisition", document=image),
    ]


@pytest.fixture
def counts(tmp_path: Path) -> Iterator[Client]:
    """A catalogue of three datasets: one of 3 people; one of 27, of whom one is 97 and one has a rare diagnosis."""
    directory = tmp_path / "counts"
    create(directory, title="Counts")
    puts = [
        Put(id=iri, type="Dataset", document={"label": label, "title": label, "counts": {}})
        for iri, label in ((OPEN, "open"), (SHUT, "shut"), (STRICT, "strict"))
    ]
    for number in range(3):
        puts += person(OPEN, number, 40, "F", MS)
    for number in range(25):
        puts += person(SHUT, number, 30 + number % 10, "F" if number < 13 else "M", MS if number < 12 else None)
    puts += person(SHUT, 25, 97, "M", RRMS, rare_finding=value("only I have this"))
    puts += person(SHUT, 26, 33, "M", None, note=value("once"))
    for number in range(8):
        puts += person(STRICT, number, 50, "F", RRMS)
    opened = open_catalogue(directory)
    opened.repository.commit(Commit(principal=opened.iri, action="test.fill", changes=puts))
    opened.close()
    with Client(catalog=directory) as made:
        yield made


@pytest.fixture
def grant(counts: Client) -> Callable[..., Client]:
    """Make a client of somebody with some grants: ``(role, dataset, minimum)``."""

    def make(*grants: tuple[str, str | None, int | None]) -> Client:
        made = counts.post("principals", {"name": "Somebody"})
        for role, dataset, minimum in grants:
            counts.post("grants", {"agent": made["agent"], "role": role, "dataset": dataset, "minimum": minimum})
        return counts.acting_as(made["token"])

    return make


def ask(client: Client, query: str = "TRUE", **more: Any) -> dict[str, Any]:
    answer: dict[str, Any] = client.post("cohorts/query", {"query": query, **more})
    return answer


def refusal(call: Callable[[], Any]) -> tuple[int, dict[str, Any]]:
    with pytest.raises(ProblemError) as refused:
        call()
    return refused.value.status, refused.value.problem


def test_counts_are_rounded_down_and_small_ones_not_told(counts: Client, grant: Somebody) -> None:
    counter = grant(("counter", SHUT, 10))
    found = ask(counter, facets=["sex", "diagnosis"], explain=True)
    assert (ask(counts, "dataset = 'shut'")["count"], found["count"], found["total"]) == (27, 20, 20)
    assert found["items"] == []
    assert found["next"] is None
    assert found["suppressed"] == {"readable": 0, "count": 20, "minimum": 10}
    assert {v["value"]: v["count"] for v in found["facets"]["sex"]} == {"F": 10, "M": 10}
    assert {v["value"]: v["count"] for v in found["facets"]["diagnosis"]} == {"DOID:2377": 10}
    few = ask(counter, "age > 90")
    assert (few["count"], few["fewer_than"], few["total"]) == (None, 10, None)
    assert ask(counter, "FALSE")["count"] is None, "nobody looks like somebody"
    assert any("rounded" in notice for notice in found["notices"])


def test_what_may_be_read_is_exact_beside_it(grant: Somebody) -> None:
    both = grant(("reader", OPEN, None), ("counter", SHUT, 10))
    found = ask(both, facets=["sex"])
    assert (found["count"], len(found["items"])) == (23, 3)
    assert {hit["dataset"] for hit in found["items"]} == {OPEN}
    assert found["suppressed"] == {"readable": 3, "count": 20, "minimum": 10}
    assert {v["value"]: v["count"] for v in found["facets"]["sex"]} == {"F": 13, "M": 10}
    women = ask(both, "sex = 'F' AND age >= 40")
    assert (women["count"], women["suppressed"]["count"]) == (3, None)


def test_each_grant_has_its_own_minimum(grant: Somebody) -> None:
    counter = grant(("counter", SHUT, 5), ("counter", STRICT, 4))
    assert ask(counter)["count"] == 25 + 8
    assert ask(counter, "age > 90")["fewer_than"] == 1 + 4 + 3
    everywhere = grant(("counter", None, 4), ("reader", OPEN, None))
    assert ask(everywhere)["count"] == 3 + 32  # of 27 and 8 together
    assert ask(everywhere, "age >= 50 AND age < 60")["count"] == 8


def test_the_default_minimum_is_the_settings_and_a_grant_can_be_changed(counts: Client, grant: Somebody) -> None:
    made = counts.post("principals", {"name": "Somebody", "role": "counter", "dataset": STRICT})
    counter = counts.acting_as(made["token"])
    assert ask(counter)["fewer_than"] == 10
    body = {"agent": made["agent"], "role": "counter", "dataset": STRICT, "minimum": 5}
    assert counts.post("grants", body)["minimum"] == 5
    assert ask(counter)["count"] == 5
    assert refusal(lambda: counts.post("grants", body))[0] == 409
    counts.request("DELETE", "/api/v1/grants", json=body)
    assert ask(counter)["count"] == 0
    assert refusal(lambda: counts.post("grants", body | {"role": "reader"}))[0] == 400
    assert refusal(lambda: counts.post("grants", body | {"minimum": 0}))[0] == 400


def test_a_histogram_shows_no_extreme_and_no_thin_bin(counts: Client, grant: Somebody) -> None:
    assert ask(counts, histograms=["age"])["histograms"]["age"]["high"] > 97
    drawn = ask(grant(("counter", SHUT, 10)), histograms=["age"])["histograms"]["age"]
    assert 30 <= drawn["low"] < drawn["high"] <= 42
    told = [bin["count"] for bin in drawn["bins"]]
    assert set(told) <= {None, 10, 20}
    assert any(told)
    assert drawn["missing"] is None
    images = ask(grant(("counter", SHUT, 10)), histograms=["magnetic_field_strength"])
    assert [b["count"] for b in images["histograms"]["magnetic_field_strength"]["bins"] if b["count"]] == [10, 10]


def test_a_tree_has_only_terms_of_enough_participants(grant: Somebody) -> None:
    counter = grant(("counter", SHUT, 10))
    assert [(n["value"], n["count"], n["own"]) for n in ask(counter, trees=["diagnosis"])["trees"]["diagnosis"]] == [
        ("DOID:2377", 10, 10)
    ]
    both = grant(("reader", OPEN, None), ("counter", STRICT, 10))
    assert [(n["value"], n["count"]) for n in ask(both, trees=["diagnosis"])["trees"]["diagnosis"]] == [
        ("DOID:2377", 3)
    ]
    told = grant(("reader", OPEN, None), ("counter", STRICT, 4))
    nodes = {n["value"]: n for n in ask(told, trees=["diagnosis"])["trees"]["diagnosis"]}
    assert (nodes["DOID:2377"]["count"], nodes["DOID:2377"]["own"]) == (11, 3)
    assert (nodes["DOID:2378"]["count"], nodes["DOID:2378"]["parents"]) == (8, ["DOID:2377"])


def test_why_not_is_rounded_and_asks_nobody_in_particular(counts: Client, grant: Somebody) -> None:
    counter = grant(("counter", SHUT, 10))
    found = counter.post("cohorts/why-not", {"query": "sex = 'M' AND diagnosis IS NOT NULL"})
    assert (found["count"], found["fewer_than"], found["excluding"]) == (None, 10, [])
    assert [(c["alone"], c["without"]) for c in found["conditions"]] == [(10, 10), (10, 10)]
    member = ask(counts, "dataset = 'shut'")["items"][0]["id"]
    status, _ = refusal(lambda: counter.post("cohorts/why-not", {"query": "sex = 'M'", "participant": member}))
    assert status == 404


def test_nobody_is_asked_for_by_name(counts: Client, grant: Somebody) -> None:
    member = ask(counts, "dataset = 'shut'")["items"][0]["id"]
    counter, both = grant(("counter", SHUT, 10)), grant(("reader", OPEN, None), ("counter", SHUT, 10))
    padded = f"sex = 'F' OR id = '{member}'"
    for query in (padded, "label = 'sub-01'", "participant_id LIKE 'sub-%'", "has(label LIKE '%T1w')"):
        assert refusal(lambda query=query: ask(counter, query))[0] == 403
        found = ask(both, query)
        assert "suppressed" not in found
        assert found["count"] <= 3
        assert "left out" in " ".join(found["notices"])


def test_a_property_of_others_is_missing_and_no_mistake(grant: Somebody) -> None:
    both = grant(("reader", OPEN, None), ("counter", SHUT, 10))
    assert ask(both, "rare_finding IS NULL")["count"] == 3 + 20
    assert ask(both, "NOT rare_finding = 'x'", facets=["rare_finding"])["facets"] == {"rare_finding": []}
    assert ask(both, "rare_finding = 'only I have this'")["count"] is None
    why = both.post("cohorts/why-not", {"query": "rare_finding IS NULL"})
    assert why["conditions"] == [{"condition": "rare_finding IS NULL", "alone": 23, "without": 23}]
    status, problem = refusal(lambda: ask(both, "rare_findign = 1"))
    assert (status, problem["field"]) == (400, "rare_findign")


def test_properties_have_no_examples_and_suggestions_no_rare_values(counts: Client, grant: Somebody) -> None:
    counter = grant(("counter", SHUT, 10))
    found = {item["name"]: item for item in counter.get("cohorts/properties")["items"]}
    assert (found["sex"]["count"], found["sex"]["examples"]) == (20, [])
    assert (found["rare_finding"]["count"], found["rare_finding"]["fewer_than"]) == (None, 10)
    for text in ("rare_finding = ", "note = '", "diagnosis = ", "under(diagnosis, '", "age = ", "label = '"):
        items = counter.get("cohorts/suggest", q=text)["items"]
        assert "count" not in {member for item in items for member in item}
        assert [item["text"] for item in items] == (["'DOID:2377'"] if "diagnosis" in text else [])
    assert counter.get("cohorts/suggest", q="rare")["items"][0]["text"] == "rare_finding"


def test_no_answer_to_a_counter_holds_what_one_participant_has(grant: Somebody) -> None:
    counter = grant(("counter", SHUT, 10))
    names = ["age", "sex", "diagnosis", "rare_finding", "note", "suffix", "magnetic_field_strength"]
    said = [
        ask(counter, query, facets=names, histograms=names, trees=names, explain=True)
        for query in ("TRUE", "rare_finding IS NOT NULL", "age > 90", "rare_finding = 'only I have thsi'")
    ]
    said.append(counter.get("cohorts/properties"))
    told = json.dumps(said)
    for secret in ("only I have this", "once", "97", "DOID:2378", "sub-", "0000000a", "0000000c"):
        assert secret not in told.replace("'only I have thsi'", ""), secret


def test_every_question_of_a_counter_is_on_the_ledger(counts: Client, grant: Somebody) -> None:
    counter = grant(("counter", SHUT, 10))
    before = counts.get("audit/entries", limit=1)["total"]
    ask(counter)
    counter.post("cohorts/why-not", {"query": "sex = 'F'"})
    counter.get("cohorts/properties")
    entries = counts.get("audit/entries", limit=1000)["items"]
    assert [entry["action"] for entry in entries][-3:] == ["cohort.query", "cohort.why-not", "cohort.properties"]
    assert counts.get("audit/entries", limit=1)["total"] == before + 3


def test_a_counter_may_not_freeze(grant: Somebody) -> None:
    assert refusal(lambda: grant(("counter", SHUT, 10)).freeze_cohort("sex = 'F'"))[0] == 403


def _paths(client: Client, ids: dict[str, list[str]]) -> Iterator[str]:
    """Yield every address of a GET in the interface, with every id in place of its parameter."""
    for path, methods in client.request("GET", "/openapi.json").json()["paths"].items():
        if "get" not in methods or "{" not in path:
            continue
        for found in ids["any"]:
            filled = path
            for part in ("{id}", "{sha256}", "{reference}", "{subject}", "{participant}"):
                filled = filled.replace(part, found)
            if "{" not in filled:
                yield filled


def test_no_route_shows_a_counter_more_than_the_dataset(
    client: Client, registered: dict[str, Any], somebody: Somebody
) -> None:
    counter = somebody("counter", dataset=registered["id"])
    dataset = registered["id"]
    member = client.find_cohort("TRUE")["items"][0]["id"]
    image = client.get(f"participants/{member}/acquisitions")["items"][0]["id"]
    file = client.get(f"acquisitions/{image}")["files"][0]
    version = client.get(f"datasets/{dataset}/versions")["items"][0]["id"]
    cohort = client.freeze_cohort("sex = 'female'")["id"]
    ids = {"any": [dataset, member, image, file["id"], file["sha256"], version, cohort]}
    pages = [f"/{page}/{iri}" for page in ("id", "participants", "acquisitions", "cohorts") for iri in ids["any"]]
    pages += [f"/files/{file['id']}/content", f"/files/{file['id']}/preview.png"]
    allowed = {f"/api/v1/datasets/{dataset}", f"/api/v1/datasets/{dataset}/versions"}
    walked = 0
    for path in (*_paths(client, ids), *pages):
        walked += 1
        response = counter._http.get(path, follow_redirects=False)
        assert (response.status_code == 200) == (path in allowed), (path, response.status_code)
        if path not in allowed:
            assert response.status_code in (400, 403, 404, 406, 422), (path, response.status_code)
        assert member not in response.text or member in path
    assert walked > 100
    assert [item["id"] for item in counter.get("datasets")["items"]] == [dataset]
    for listing in ("cohorts", "tasks", "records", "participants", "acquisitions"):
        response = counter._http.get(f"/api/v1/{listing}")
        assert response.status_code != 200 or response.json()["items"] == [], listing


def test_what_may_not_be_seen_is_told_like_what_is_absent(
    client: Client, registered: dict[str, Any], somebody: Somebody
) -> None:
    counter = somebody("counter", dataset=registered["id"])
    members = [item["id"] for item in client.find_cohort("TRUE")["items"]]
    absent = "urn:uuid:00000000-0000-4000-8000-000000000000"
    routes = ("participants/{}", "cohorts/{}", "splits/{}", "cohorts/{}/export", "records/{}", "lineage/{}", "prov/{}")
    for hidden in (members[0], members[0].rpartition(":")[2][:13]):
        unknown = absent if hidden == members[0] else "00000000-0000"
        for route in routes:
            told = [refusal(partial(counter.get, route.format(each))) for each in (hidden, unknown)]
            assert told[0][0] == told[1][0] == 404, route
            details = [body["detail"] for _, body in told]
            assert details[0] == details[1].replace(unknown, hidden), route


def test_an_ambiguous_prefix_names_only_what_may_be_seen(
    client: Client, registered: dict[str, Any], somebody: Somebody, monkeypatch: pytest.MonkeyPatch
) -> None:
    members = [item["id"] for item in client.find_cohort("TRUE")["items"]]

    def ambiguous(reference: str) -> str:
        raise AmbiguousError("several", field="id", params={"candidates": members})

    counter = somebody("counter", dataset=registered["id"])
    monkeypatch.setattr(counter._http._transport._app.state.catalogue.repository, "resolve", ambiguous)
    assert refusal(lambda: counter.get("records/abcd"))[0] == 404
    reader = somebody("reader", dataset=registered["id"])
    monkeypatch.setattr(reader._http._transport._app.state.catalogue.repository, "resolve", ambiguous)
    status, body = refusal(lambda: reader.get("records/abcd"))
    assert (status, sorted(body["candidates"])) == (400, sorted(members))
