"""Certificates on the command line: register a case, certify, hand on, verify offline, revoke."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.api.conftest import write_pipeline
from tests.client.test_command_line import sillage


@pytest.fixture
def catalog(tmp_path: Path, bubblewrap: str) -> str:
    directory = tmp_path / "catalog"
    assert sillage("init", directory).code == 0
    folder = tmp_path / "pipeline"
    descriptor = write_pipeline(folder, "mkdir -p out; wc -c < $1 > out/size.txt", name="measure")
    (folder / "descriptor.json").write_text(json.dumps(descriptor))
    assert sillage("pipeline", "register", folder / "descriptor.json", "--catalog", directory).code == 0
    return str(directory)


def write_case(folder: Path, expected: str) -> Path:
    for part, name, text in (("inputs", "image.nii.gz", "an image"), ("expected", "size.txt", expected)):
        (folder / part).mkdir(parents=True, exist_ok=True)
        (folder / part / name).write_text(text)
    case = {
        "format": "sillage-reference/1",
        "label": "Eight bytes",
        "about": "Written by a test; CC0-1.0.",
        "inputs": {"images": ["inputs/image.nii.gz"]},
        "expected": [{"path": "out/size.txt", "file": "expected/size.txt", "compare": {"kind": "digest"}}],
    }
    (folder / "reference.json").write_text(json.dumps(case))
    return folder


def test_from_a_case_to_a_certificate_and_back(catalog: str, tmp_path: Path) -> None:
    def run(*arguments: str | Path) -> tuple[int, str, str]:
        return sillage(*arguments, SILLAGE_CATALOG=catalog)

    assert run("pipeline", "certify", "measure")[0] == 3
    assert run("pipeline", "reference", "measure", write_case(tmp_path / "wrong", "9\n"))[0] == 0
    code, out, _ = run("pipeline", "certify", "measure@1.0.0")
    assert code == 1
    assert "NOT certified" in out
    assert "other bytes" in out
    code, out, _ = run("pipeline", "reference", "measure", write_case(tmp_path / "right", "8\n"), "--json")
    case = json.loads(out)
    code, out, _ = run("pipeline", "certify", "measure", "--reference", case["id"], "--days", "3", "--json")
    assert code == 0
    certificate = json.loads(out)["certification"]["report"]["certificate"]
    assert "certified" in run("pipeline", "certificates")[1]
    assert "Eight bytes" in run("pipeline", "certificate", certificate)[1]
    assert json.loads(run("pipeline", "show", "measure", "--json")[1])["standing"]["state"] == "certified"

    file = tmp_path / "certificate.json"
    assert run("pipeline", "certificate", certificate, "-o", file)[0] == 0
    done = sillage("verify", file, "--json")
    assert (done.code, done.json["valid"], done.json["problems"]) == (0, True, [])
    assert "by --key" in done.json["remarks"][0]
    assert sillage("verify", file, "--key", tmp_path / "certificate.json.pub").code == 0
    file.write_text(file.read_text().replace('"payload": "', '"payload": "AAAA'))
    assert sillage("verify", file).code == 1
    file.write_text("{}")
    assert sillage("verify", file).code == 1

    code, out, _ = run("pipeline", "revoke", certificate, "--reason", "wrong by one")
    assert code == 0
    assert "is now revoked" in out
    assert run("pipeline", "revoke", certificate, "--reason", "wrong by one")[0] == 4


@pytest.mark.parametrize(
    ("content", "code", "says"),
    [(None, 3, "no reference.json"), ("{", 2, "not JSON"), ("[]", 2, "not a JSON object"), ("{}", 2, "/format")],
)
def test_a_folder_that_is_no_case_is_refused(
    catalog: str, tmp_path: Path, content: str | None, code: int, says: str
) -> None:
    if content is not None:
        (tmp_path / "reference.json").write_text(content)
    done = sillage("pipeline", "reference", "measure", tmp_path, SILLAGE_CATALOG=catalog)
    assert done.code == code
    assert says in done.err
