"""What PROV-CONSTRAINTS calls impossible is reported, and what is possible is not."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from provenance.constraints import problems
from provenance.model import ProvDocument
from provenance.record import ProvNode, document_for


def stated(say: Callable[[ProvDocument], object]) -> list[tuple[str, str]]:
    document = ProvDocument({"ex": "http://e/"})
    say(document)
    return [(one.where.replace("http://e/", ""), one.detail) for one in problems(document)]


def at(clock: str) -> str:
    return f"2026-11-21T{clock}:00Z"


def say_ordinary(d: ProvDocument) -> None:
    d.activity("ex:a", start=at("10:00"), end=at("11:00"))
    d.entity("ex:in")
    d.agent("ex:g")
    d.was_generated_by("ex:in", "ex:earlier", time=at("09:00"))
    d.used("ex:a", "ex:in", time=at("10:00"), id="ex:u")
    d.was_generated_by("ex:out", "ex:a", time=at("11:00"))
    d.was_derived_from("ex:out", "ex:in", activity="ex:a", usage="ex:u")
    d.was_associated_with("ex:a", "ex:g")
    d.was_invalidated_by("ex:in", time=at("12:00"))


def test_an_ordinary_document_has_no_problems() -> None:
    assert stated(say_ordinary) == []


@pytest.mark.parametrize(
    ("say", "where", "detail"),
    [
        (lambda d: d.activity("ex:a", start=at("11:00"), end=at("10:00")), "a", "ended before"),
        (lambda d: [d.activity("ex:a", start=at(t)) for t in ("10:00", "11:00")], "a", "two contradicting activity"),
        (lambda d: [d.used("ex:a", "ex:e", id="ex:x"), d.was_generated_by("ex:e", id="ex:x")], "x", "both a used and"),
        (lambda d: [d.entity("ex:x"), d.activity("ex:x")], "x", "both an entity and an activity"),
        (lambda d: [d.used("ex:x", "ex:e"), d.was_derived_from("ex:x", "ex:e")], "x", "both an entity and an activity"),
        (lambda d: [d.used("ex:a", "ex:e", id="ex:x"), d.entity("ex:x")], "x", "both a relation and"),
        (lambda d: d.specialization_of("ex:x", "ex:x"), "x", "specialization of itself"),
        (lambda d: d.was_derived_from("ex:x", "ex:x"), "x", "derived from itself"),
        (
            lambda d: [d.was_generated_by("ex:x", time=at("11:00")), d.used("ex:a", "ex:x", time=at("10:00"))],
            "x",
            "before it was generated",
        ),
        (
            lambda d: [d.was_invalidated_by("ex:x", time=at("10:00")), d.used("ex:a", "ex:x", time=at("11:00"))],
            "x",
            "after it was invalidated",
        ),
        (
            lambda d: [d.activity("ex:a", start=at("10:00")), d.used("ex:a", "ex:x", time=at("09:00"))],
            "x",
            "when the activity did not run",
        ),
    ],
)
def test_the_impossible_is_reported(say: Callable[[ProvDocument], object], where: str, detail: str) -> None:
    found = stated(say)
    assert any(one == where and detail in text for one, text in found), found


def test_bundles_stand_alone() -> None:
    document = ProvDocument({"ex": "http://e/"})
    document.entity("ex:x")
    document.bundle("ex:b").activity("ex:x")
    assert problems(document) == []
    document.bundle("ex:b").entity("ex:x")
    assert [one.where for one in problems(document)] == ["http://e/b http://e/x"]


def test_times_without_a_zone_are_not_compared() -> None:
    assert stated(lambda d: d.activity("ex:a", start="2026-11-21T11:00:00", end="2026-11-21T10:00:00")) == []


def test_what_we_make_of_records_is_possible() -> None:
    task, file, made, agent, plan = (f"urn:uuid:{n}" for n in "12345")
    times = {"start_time": at("10:00"), "end_time": at("11:00")}
    nodes = [
        ProvNode(id=task, type="Task", document=times),
        ProvNode(id=file, type="File"),
        ProvNode(id=made, type="Acquisition"),
        ProvNode(id=agent, type="Agent"),
        ProvNode(id=plan, type="PipelineVersion"),
    ]
    edges = [
        (task, "prov:used", file),
        (made, "prov:wasGeneratedBy", task),
        (made, "prov:wasDerivedFrom", file),
        (task, "prov:wasAssociatedWith", agent),
        (task, "prov:hadPlan", plan),
    ]
    assert problems(document_for(nodes, edges)) == []
