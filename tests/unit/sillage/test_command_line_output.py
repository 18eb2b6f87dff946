"""What people are shown: nouns that fit their numbers, and records that fit a screen."""

from __future__ import annotations

import json

import pytest

from sillage.cli.output import People, complain, counted
from sillage.cli.search import how_many


@pytest.mark.parametrize(("number", "says"), [(0, "0 files"), (1, "1 file"), (2, "2 files"), ("no", "no files")])
def test_a_noun_fits_its_number(number: object, says: str) -> None:
    assert counted(number, "file") == says


@pytest.mark.parametrize(
    ("body", "says"),
    [
        ({"count": 0}, "0 participants match"),
        ({"count": 1}, "1 participant matches"),
        ({"count": 7}, "7 participants match"),
        ({"count": None, "fewer_than": 10}, "fewer than 10 participants match"),
    ],
)
def test_how_many_match_is_a_sentence(body: dict[str, object], says: str) -> None:
    assert how_many(body) == says


def test_a_long_member_of_a_record_is_cut_and_says_where_all_of_it_is(capsys: pytest.CaptureFixture[str]) -> None:
    packages = [f"package-{number}" for number in range(200)]
    People().fields({"id": "urn:uuid:1", "record": {"packages": packages}, "label": "x" * 500, "limits": {"gpus": 0}})
    lines = capsys.readouterr().out.splitlines()
    shown = json.dumps({"packages": packages})[:400]
    assert lines == [
        "id      urn:uuid:1",
        f"record  {shown} ... (all of it: --json)",
        f"label   {'x' * 500}",
        'limits  {"gpus": 0}',
    ]


def test_each_problem_of_a_request_is_shown_once(capsys: pytest.CaptureFixture[str]) -> None:
    same = {"field": "images", "detail": "nothing matches"}
    complain("it can run on nobody", "Look at the cohort.", [same, same])
    assert (
        capsys.readouterr().err == "sillage: it can run on nobody\n  images: nothing matches\n  Look at the cohort.\n"
    )


def test_a_single_problem_that_the_error_says_itself_is_not_repeated(capsys: pytest.CaptureFixture[str]) -> None:
    complain("invalid: /name: too long", None, [{"field": "/name", "detail": "too long"}])
    assert capsys.readouterr().err == "sillage: invalid: /name: too long\n"
