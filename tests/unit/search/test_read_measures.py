"""Measures read from a pipeline's files: what counts, what is missing, what is listed."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from api.operations.measures import MAX_BYTES, MAX_MEASURES, MAX_PROBLEMS, Measures, read_measures
from executors.pipelines.extension import MeasuresRule


def read(folder: Path, content: bytes | str, name: str = "a.json", **rule: Any) -> Measures:
    file = folder / "content"
    file.write_bytes(content.encode() if isinstance(content, str) else content)
    return read_measures(file, path=name, rule=MeasuresRule(**rule))


def test_a_flat_object_is_read_with_its_units(tmp_path: Path) -> None:
    said = {"snr": 12.5, "passed": True, "tool": "fast", "none": None, "empty": " ", "na": "n/a"}
    found = read(tmp_path, json.dumps(said), units={"snr": "1"})
    assert found.values == {
        "snr": [{"value": 12.5, "unit": "1", "source": "a.json"}],
        "passed": [{"value": True, "source": "a.json"}],
        "tool": [{"value": "fast", "source": "a.json"}],
    }
    assert found.problems == []


def test_a_table_of_one_row_is_read(tmp_path: Path) -> None:
    found = read(tmp_path, "\ufeffsnr\ttool\tnone\r\n1e2\tfast\tn/a\r\n", "a.tsv")
    assert {name: values[0]["value"] for name, values in found.values.items()} == {"snr": 100.0, "tool": "fast"}


@pytest.mark.parametrize(
    ("content", "name", "says"),
    [
        ("{", "a.json", "no measures could be read"),
        ("[1]", "a.json", "no JSON object"),
        ("[" * 100_000, "a.json", "no measures could be read"),
        (b"\xff\xfe", "a.json", "no measures could be read"),
        (b" " * (MAX_BYTES + 1), "a.json", "larger than"),
        ("a\tb\n1\t2\n3\t4\n", "a.tsv", "one line of values"),
        ("a\tb\n1\n", "a.tsv", "one line of values"),
        ("", "a.tsv", "one line of values"),
    ],
)
def test_what_cannot_be_read_is_listed(tmp_path: Path, content: bytes | str, name: str, says: str) -> None:
    found = read(tmp_path, content, name)
    assert found.values == {}
    assert len(found.problems) == 1
    assert says in found.problems[0]["detail"]


def test_a_member_that_is_not_there_is_listed(tmp_path: Path) -> None:
    assert "its member 'measures'" in read(tmp_path, "{}", member="measures").problems[0]["detail"]
    assert read(tmp_path, '{"measures": {"a": 1}}', member="measures").problems == []


def test_a_file_that_is_gone_is_listed(tmp_path: Path) -> None:
    found = read_measures(tmp_path / "gone", path="gone.json", rule=MeasuresRule())
    assert "No such file" in found.problems[0]["detail"]


def test_values_that_are_none_are_listed_by_name(tmp_path: Path) -> None:
    odd = ['"nan": NaN', '"inf": 1e999', '"list": [1]', '"object": {}', f'"huge": {"9" * 400}', '"": 1']
    said = "{" + ", ".join([*odd, f'"long": "{"x" * 500}"']) + "}"
    found = read(tmp_path, said)
    assert found.values == {}
    assert {problem["field"] for problem in found.problems} == {"nan", "inf", "list", "object", "long", "huge", ""}


def test_there_is_an_end_to_measures_and_to_problems(tmp_path: Path) -> None:
    found = read(tmp_path, json.dumps({f"m{number}": number for number in range(MAX_MEASURES + 100)}))
    assert len(found.values) == MAX_MEASURES
    assert len(found.problems) == MAX_PROBLEMS + 1
    assert found.problems[-1]["detail"].startswith("80 further")
