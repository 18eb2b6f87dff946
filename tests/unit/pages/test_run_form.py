"""The form that runs a pipeline: what was typed becomes a request, and a request stands in the form again."""

from __future__ import annotations

from typing import Any

import pytest

from api.operations.submissions import Request
from api.pages import run_form
from executors.pipelines.descriptor import PipelineDescriptor
from ontology.errors import InvalidRequestError, NotFoundError, ValidationFailedError


def descriptor() -> PipelineDescriptor:
    number: dict[str, Any] = {"id": "level", "name": "Level", "type": "Number", "integer": True, "minimum": 1}
    return PipelineDescriptor.parse(
        {
            "name": "weigh",
            "description": "Weighs images",
            "tool-version": "1.0.0",
            "schema-version": "0.5",
            "command-line": "weigh [IMAGES] [LEVEL] [TIMES] [LOUD]",
            "inputs": [
                {"id": "images", "name": "Images", "type": "File", "list": True, "value-key": "[IMAGES]"},
                {**number, "maximum": 9, "optional": True, "default-value": 3, "value-key": "[LEVEL]"},
                {
                    "id": "times",
                    "name": "Times",
                    "type": "Number",
                    "list": True,
                    "optional": True,
                    "minimum": 0,
                    "exclusive-minimum": True,
                    "value-key": "[TIMES]",
                },
                {
                    "id": "loud",
                    "name": "Loud",
                    "type": "Flag",
                    "optional": True,
                    "command-line-flag": "-v",
                    "value-key": "[LOUD]",
                },
            ],
            "output-files": [{"id": "out", "name": "Out", "path-template": "out.txt"}],
        }
    )


def test_only_what_was_said_is_sent() -> None:
    typed = {"cohort": " c ", "param.level": "3", "param.times": "", "select.images": " ", "choose.images": ""}
    assert run_form.read(descriptor(), "v", typed) == Request(pipeline="v", cohort="c")


def test_a_request_stands_in_the_form_and_comes_back() -> None:
    asked = Request(
        pipeline="v",
        cohort="c",
        inputs={"images": ["a", "/data/b c.nii"]},
        parameters={"level": "5", "times": ["0.1", "2"], "loud": True},
        runner="noop",
        reuse=True,
        select={"images": "run = 1"},
        choose={"images": "last"},
        allow_leakage="A test",
    )
    again = run_form.read(descriptor(), "v", run_form.typed_of(asked, descriptor()))
    assert again == asked
    assert run_form.fingerprint(again) == run_form.fingerprint(asked)
    assert run_form.fingerprint(Request(pipeline="v", cohort="c")) != run_form.fingerprint(asked)


def test_a_field_says_what_it_takes() -> None:
    hints = {field["name"]: field["hint"] for field in run_form.parameters_of(descriptor())}
    assert hints == {
        "level": "A whole number from 1 to 9.",
        "times": "A number above 0, one in each line.",
        "loud": "",
    }


def test_an_error_is_put_beside_its_field() -> None:
    asked = Request(pipeline="v", cohort="nobody", inputs={"images": ["urn:uuid:gone"]})
    problems = [
        {"field": "/level", "detail": "12 is greater than the maximum of 9"},
        {"field": "/times/1", "detail": "'times' is a required property"},
        {"field": "/images", "detail": "No."},
        {"field": "/unheard", "detail": "Not of."},
    ]
    error = ValidationFailedError("wrong", params={"problems": problems})
    assert run_form.errors_of(error, asked, descriptor()) == {
        "param.level": "12 is greater than the maximum of 9",
        "param.times": run_form.NEEDED,
        "input.images": "No.",
    }
    gone = NotFoundError("there is no record urn:uuid:gone", field="id")
    assert list(run_form.errors_of(gone, asked, descriptor())) == ["input.images"]
    nobody = NotFoundError("there is no record nobody", field="id")
    assert list(run_form.errors_of(nobody, asked, descriptor())) == ["cohort"]


@pytest.mark.parametrize("seconds", [1, 59.5, 60, 90, 5000, 7200, 86400, 0.25])
def test_a_time_comes_back_from_the_form_exactly(seconds: float) -> None:
    assert float(run_form.seconds_of(run_form.span(seconds))) == seconds


@pytest.mark.parametrize(
    ("text", "read"),
    [("2 h", "7200"), (" 1.5min ", "90"), ("1 d", "86400"), ("90", "90"), ("soon", "soon"), ("-1 h", "-1 h")],
)
def test_a_time_is_read_with_its_unit_and_else_left_as_it_is(text: str, read: str) -> None:
    assert run_form.seconds_of(text) == read


def test_only_resources_that_differ_from_the_suggestion_are_sent() -> None:
    typed = {"resources.cpu_cores": "1", "resources.gpus": "2", "resources.wall_s": "2 h", "resources.ram_gb": ""}
    asked = run_form.read(descriptor(), "v", typed)
    assert asked.resources == {"gpus": "2", "wall_s": "7200"}
    again = run_form.typed_of(asked, descriptor())
    assert (again["resources.wall_s"], again["resources.cpu_cores"]) == ("2 h", "1")
    error = InvalidRequestError("too many", field="resources.gpus")
    assert run_form.errors_of(error, asked, descriptor()) == {"resources.gpus": "too many"}
