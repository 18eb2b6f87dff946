"""The properties that ``docs/reference/query-language.md`` names can be asked for as it says, in any catalogue."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from api.catalogue import create
from ontology.crosswalk_tables import OWN_UNITS
from sillage.client import Client

PAGE = (Path(__file__).resolve().parents[2] / "docs" / "reference" / "query-language.md").read_text(encoding="utf-8")


def examples() -> list[str]:
    """Return the queries in the last column of the table of what is worked out."""
    rows = PAGE.partition("## What is worked out")[2].partition("\n## ")[0].splitlines()
    cells = [row.rstrip("| ").rpartition("|")[2] for row in rows if row.startswith("|")][2:]
    return [query for cell in cells for query in re.findall(r"`([^`]+)`", cell)]


@pytest.fixture(scope="module")
def client(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Client]:
    root = tmp_path_factory.mktemp("newcomer")
    create(root / "catalog", title="Empty")
    with Client(catalog=root / "catalog") as client:
        yield client


def test_the_table_has_examples() -> None:
    assert len(examples()) == 14


@pytest.mark.parametrize("query", examples())
def test_what_nobody_has_is_no_error(client: Client, query: str) -> None:
    assert client.find_cohort(query)["count"] == 0


def test_the_page_lists_every_property_with_a_unit_of_its_own() -> None:
    table = PAGE.partition("| unit | properties |")[2].partition("\n\n")[0]
    listed = set(re.findall(r"`([a-z]+(?:_[a-z]+)+|age|weight|height)`", table))
    assert listed == set(OWN_UNITS)
    assert set(re.findall(r"`([A-Za-z]+)`", table)) - listed == set(OWN_UNITS.values())
