"""What helps to refine a query, through HTTP: histograms, trees, why-not, suggestions."""

from __future__ import annotations

from typing import Any

import pytest

from sillage.client import Client, ProblemError


def ask(client: Client, query: str, **more: Any) -> dict[str, Any]:
    """Return the answer to a query, with what else is asked."""
    answer: dict[str, Any] = client.post("cohorts/query", {"query": query, **more})
    return answer


@pytest.mark.usefixtures("registered")
def test_a_histogram_counts_values_in_bins_that_stay_while_refining(client: Client) -> None:
    everyone = ask(client, "TRUE", histograms=["age"])["histograms"]["age"]
    assert (everyone["level"], everyone["whole"], everyone["missing"]) == ("participant", True, 1)
    assert everyone["low"] <= 34
    assert everyone["high"] > 61
    assert [bin["low"] for bin in everyone["bins"] if bin["count"]] == [34, 44, 60]
    women = ask(client, "sex = 'female'", histograms=["age"])["histograms"]["age"]
    edges = [(bin["low"], bin["high"]) for bin in everyone["bins"]]
    assert [(bin["low"], bin["high"]) for bin in women["bins"]] == edges
    for bin in everyone["bins"]:
        assert ask(client, bin["condition"])["count"] == bin["count"]


@pytest.mark.usefixtures("registered")
def test_a_histogram_of_images_counts_participants(client: Client) -> None:
    found = ask(client, "TRUE", histograms=["magnetic_field_strength"])["histograms"]["magnetic_field_strength"]
    assert found["level"] == "acquisition"
    assert [bin["count"] for bin in found["bins"] if bin["count"]] == [1, 3]
    assert found["missing"] == 0


@pytest.mark.usefixtures("registered")
def test_a_tree_counts_narrower_terms_once(client: Client) -> None:
    nodes = ask(client, "TRUE", trees=["diagnosis"])["trees"]["diagnosis"]
    by_label = {node["label"]: node for node in nodes}
    sclerosis = by_label["multiple sclerosis"]
    assert (sclerosis["count"], sclerosis["own"]) == (2, 1)
    narrower = by_label["relapsing-remitting multiple sclerosis"]
    assert (narrower["count"], narrower["own"]) == (1, 1)
    assert narrower["parents"] == [sclerosis["value"]]
    for node in nodes:
        assert ask(client, f"under(diagnosis, '{node['value']}')")["count"] == node["count"]


@pytest.mark.usefixtures("registered")
def test_why_not_says_which_condition_removed_how_many(client: Client) -> None:
    query = "sex = 'female' AND has(suffix = 'FLAIR' AND magnetic_field_strength >= 7)"
    found = client.post("cohorts/why-not", {"query": query})
    assert found["count"] == 0
    sex, image = found["conditions"]
    assert (sex["condition"], sex["alone"], sex["without"]) == ("sex = 'female'", 2, 0)
    assert (image["alone"], image["without"]) == (0, 2)
    assert [(part["alone"], part["without"]) for part in image["parts"]] == [(4, 0), (0, 2)]


@pytest.mark.usefixtures("registered")
def test_why_not_says_what_a_participant_has_instead(client: Client) -> None:
    member = ask(client, "label = 'sub-03'")["items"][0]["id"]
    query = "sex = 'female' AND age < 50 AND has(suffix = 'T1w' AND magnetic_field_strength >= 3)"
    found = client.post("cohorts/why-not", {"query": query, "participant": member})["participant"]
    assert found["id"] == member
    assert [reason["condition"] for reason in found["holds"]] == ["sex = 'female'"]
    age, image = found["fails"]
    assert age["says"] == {"age": [{"value": 61, "label": "61"}]}
    assert [value["value"] for value in image["says"]["magnetic_field_strength"]] == [1.5]
    assert [part["holds"] for part in image["parts"]] == [True, False]
    entry = client.get("audit/entries", action="cohort.why-not")["items"][-1]
    assert entry["subject"] == member


@pytest.mark.usefixtures("registered")
@pytest.mark.parametrize("extra", [{"histograms": ["aeg"]}, {"trees": ["aeg"]}])
def test_what_nobody_knows_is_refused_by_name(client: Client, extra: dict[str, Any]) -> None:
    with pytest.raises(ProblemError) as refused:
        ask(client, "TRUE", **extra)
    assert (refused.value.status, refused.value.problem["field"]) == (400, "aeg")


@pytest.mark.usefixtures("registered")
def test_what_has_no_numbers_or_terms_is_empty(client: Client) -> None:
    found = ask(client, "TRUE", histograms=["sex"], trees=["age"])
    assert found["histograms"]["sex"]["bins"] == []
    assert found["histograms"]["sex"]["missing"] == 4
    assert found["trees"]["age"] == []


def suggested(client: Client, text: str, at: int | None = None) -> list[dict[str, Any]]:
    """Return what is suggested at a place, by default at the end."""
    items: list[dict[str, Any]] = client.get("cohorts/suggest", q=text, at=at)["items"]
    return items


@pytest.mark.usefixtures("registered")
def test_suggestions_complete_names_and_shared_values(client: Client) -> None:
    assert suggested(client, "dia")[0] == {
        "text": "diagnosis",
        "label": "diagnosis (term, text)",
        "kind": "property",
        "start": 0,
        "end": 3,
        "count": 3,
    }
    assert [item["text"] for item in suggested(client, "sex = ")] == ["'PATO:0000383'"]  # two women; one man
    assert suggested(client, "has(suffix = 'T")[0]["text"] == "'T1w'"
    label = suggested(client, "under(diagnosis, 'multiple scl")[0]
    assert (label["kind"], label["text"], label["count"]) == ("term", "'DOID:2377'", 2)
    before = client.get("audit/entries", limit=1)["total"]
    suggested(client, "sex = ")
    assert client.get("audit/entries", limit=1)["total"] == before
