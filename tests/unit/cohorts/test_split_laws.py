"""Splits: nobody who belongs together is parted, whatever the groups, fractions, strata and seed."""

from __future__ import annotations

from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from catalog.cohorts.kinship import straddling
from catalog.cohorts.split import SplitPlan, assign, strata_of
from ontology.errors import InvalidRequestError

THIRDS = {"train": 0.7, "validation": 0.15, "test": 0.15}


@st.composite
def populations(draw: st.DrawFn) -> tuple[list[tuple[str, ...]], dict[str, list[str]]]:
    """Draw families of one to six, and two strata for each person."""
    sizes = draw(st.lists(st.integers(1, 6), min_size=2, max_size=60))
    people = iter(f"urn:{number:05d}" for number in range(sum(sizes)))
    groups = [tuple(next(people) for _ in range(size)) for size in sizes]
    everybody = [person for group in groups for person in group]
    sexes = draw(st.lists(st.sampled_from(["F", "M", None]), min_size=len(everybody), max_size=len(everybody)))
    ages = draw(st.lists(st.one_of(st.none(), st.floats(0, 99)), min_size=len(everybody), max_size=len(everybody)))
    return groups, dict(zip(everybody, strata_of({"sex": sexes, "age": ages}), strict=True))


@st.composite
def plans(draw: st.DrawFn) -> SplitPlan:
    weights = draw(st.lists(st.integers(1, 20), min_size=2, max_size=5))
    fractions = {f"part{at}": weight / sum(weights) for at, weight in enumerate(weights)}
    return SplitPlan.of(fractions, seed=draw(st.integers(0, 2**53 - 1)))


def assigned(groups: list[tuple[str, ...]], plan: SplitPlan, strata: dict[str, list[str]]) -> dict[str, str] | None:
    """Return the parts; None where there are too few groups to fill them, which is said and nothing else."""
    try:
        return assign(groups, plan, strata)
    except InvalidRequestError as error:
        if "would be empty" not in error.detail:
            raise
        return None


@given(populations(), plans())
def test_no_group_straddles_parts(
    population: tuple[list[tuple[str, ...]], dict[str, list[str]]], plan: SplitPlan
) -> None:
    groups, strata = population
    parts = assigned(groups, plan, strata)
    if parts is None:
        return
    assert sorted(parts) == sorted(person for group in groups for person in group)
    assert set(parts.values()) == set(plan.fractions)
    assert list(straddling(parts, groups)) == []
    assert assign(groups, plan, strata) == parts


@given(populations(), plans())
def test_parts_are_as_large_as_asked_up_to_the_largest_group(
    population: tuple[list[tuple[str, ...]], dict[str, list[str]]], plan: SplitPlan
) -> None:
    groups, _ = population
    total, largest = sum(map(len, groups)), max(map(len, groups))
    parts = assigned(groups, plan, {})
    if parts is None:
        return
    sizes = Counter(parts.values())
    for name, fraction in plan.fractions.items():
        assert abs(sizes[name] - fraction * total) <= largest


def test_strata_are_alike_in_all_parts() -> None:
    people = [f"urn:{number:04d}" for number in range(1000)]
    sexes = ["F" if number % 2 else "M" for number in range(1000)]
    sites = [("a", "b", "c", "d")[number * 7 % 11 % 4] for number in range(1000)]
    strata = dict(zip(people, strata_of({"sex": sexes, "site": sites}), strict=True))
    plan = SplitPlan.of(THIRDS, seed=7, stratify=["sex", "site"])
    parts = assign([(person,) for person in people], plan, strata)
    for name, fraction in THIRDS.items():
        inside = [at for at, person in enumerate(people) if parts[person] == name]
        assert abs(len(inside) - 1000 * fraction) <= 1
        assert abs(sum(sexes[at] == "F" for at in inside) - len(inside) / 2) <= 1
        assert abs(sum(sites[at] == "a" for at in inside) - sites.count("a") * fraction) <= 2


def test_another_seed_is_another_split() -> None:
    groups = [(f"urn:{number:03d}",) for number in range(100)]
    first = assign(groups, SplitPlan.of(THIRDS, seed=1), {})
    assert first != assign(groups, SplitPlan.of(THIRDS, seed=2), {})
    assert Counter(first.values()) == {"train": 70, "validation": 15, "test": 15}


@pytest.mark.parametrize(
    ("fractions", "field"),
    [
        ({"train": 0.7, "test": 0.2}, "parts"),
        ({"train": 1.0}, "parts"),
        ({"train": 1.2, "test": -0.2}, "parts"),
        ({"train": float("nan"), "test": 0.5}, "parts"),
        ({"the train": 0.5, "test": 0.5}, "parts"),
        ({}, "parts"),
    ],
)
def test_what_is_no_division_is_refused(fractions: dict[str, float], field: str) -> None:
    with pytest.raises(InvalidRequestError) as caught:
        SplitPlan.of(fractions)
    assert caught.value.field == field


def test_a_seed_is_a_whole_number_that_json_can_say() -> None:
    for seed in (-1, 2**53):
        with pytest.raises(InvalidRequestError):
            SplitPlan.of(THIRDS, seed=seed)


def test_one_family_cannot_be_divided() -> None:
    with pytest.raises(InvalidRequestError, match="would be empty") as caught:
        assign([("urn:1", "urn:2", "urn:3")], SplitPlan.of({"train": 0.5, "test": 0.5}), {})
    assert caught.value.params == {"groups": 1, "largest": 3}
