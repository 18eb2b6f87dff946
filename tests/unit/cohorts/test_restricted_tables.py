"""Tables restricted to members, byte for byte."""

from __future__ import annotations

import json

import pytest

from catalog.cohorts.restricted_tables import describe, restrict


@pytest.mark.parametrize(
    ("table", "kept"),
    [
        (b"participant_id\tage\nsub-1\t3\nsub-2\t4\n", b"participant_id\tage\nsub-1\t3\n"),
        (b"\xef\xbb\xbfparticipant_id\tage\r\nsub-2\t4\r\n1\t5", b"\xef\xbb\xbfparticipant_id\tage\r\n1\t5"),
        (b"age\tparticipant_id\n3\tsub-1\n4\tsub-11\n", b"age\tparticipant_id\n3\tsub-1\n"),
        (b"id\tage\nsub-1\t3\nsub-2\t4\n", b"id\tage\nsub-1\t3\n"),
        (b"id\tage\nA\t3\n", None),
        (b"participant_id\n\n", b"participant_id\n"),
        (b"", b""),
    ],
)
def test_only_rows_of_members_stay(table: bytes, kept: bytes | None) -> None:
    assert restrict(table, {"sub-1"}) == kept


def test_a_description_says_of_what_it_is_a_part() -> None:
    given = json.dumps({"Name": "Whole", "DatasetDOI": "10.1/x", "SourceDatasets": [{"URL": "u"}], "License": "CC0"})
    found = json.loads(describe(given.encode(), name="Women", source={"URL": "urn:uuid:1"}))
    assert found["Name"] == "Whole (Women)"
    assert found["SourceDatasets"] == [{"URL": "u"}, {"URL": "urn:uuid:1", "DOI": "10.1/x"}]
    assert "DatasetDOI" not in found
    assert found["License"] == "CC0"
    for odd in (b"{", b"[1]", b"\xff"):
        assert describe(odd, name="Women", source={}) == odd
