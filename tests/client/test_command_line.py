"""The command line as a script uses it: exit codes, one JSON document, clear words on standard error."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import httpx
import pytest

PATIENCE_S = 90.0
SILLAGE = str(Path(sys.executable).with_name("sillage"))


class Done(NamedTuple):
    """How a command ended."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        """The one document on standard output."""
        return json.loads(self.out)


def sillage(*arguments: str | Path, **environment: str) -> Done:
    """Run the command line in a process of its own."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("SILLAGE_")}
    done = subprocess.run(
        [SILLAGE, *map(str, arguments)], env={**kept, **environment}, capture_output=True, text=True, timeout=240
    )
    assert "Traceback" not in done.stderr + done.stdout
    return Done(done.returncode, done.stdout, done.stderr)


@pytest.fixture(scope="module")
def study(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("study") / "ds"
    (root / "sub-1" / "anat").mkdir(parents=True)
    (root / "dataset_description.json").write_text('{"Name": "Tiny", "BIDSVersion": "1.10.0"}')
    (root / "participants.tsv").write_text("participant_id\tage\tsex\nsub-1\t40\tF\n")
    (root / "sub-1" / "anat" / "sub-1_T1w.nii.gz").write_bytes(b"image")
    return root


@pytest.fixture(scope="module")
def catalog(tmp_path_factory: pytest.TempPathFactory, study: Path) -> Path:
    directory = tmp_path_factory.mktemp("catalog") / "cat"
    assert sillage("init", directory).code == 0
    assert sillage("dataset", "register", study, "--catalog", directory).code == 0
    return directory


def test_json_is_one_document_wherever_the_option_stands(catalog: Path) -> None:
    for arguments in (("--json", "dataset", "list"), ("dataset", "--json", "list"), ("dataset", "list", "--json")):
        done = sillage(*arguments, SILLAGE_CATALOG=str(catalog))
        assert done.code == 0
        assert done.json["total"] == 1
        assert set(done.json) == {"items", "total", "next"}


def test_people_read_tables(catalog: Path) -> None:
    done = sillage("cohort", "find", "age > 30", "--explain", "--facets", "sex", "--catalog", catalog)
    assert "sub-1" in done.out
    assert "female (1)" in done.out
    assert "1 participant matches" in done.out


@pytest.mark.parametrize(
    ("arguments", "code", "says"),
    [
        (("cohort", "find", "age >"), 2, "query"),
        (("cohort", "find", "nosuchproperty = 3"), 2, "nosuchproperty"),
        (("dataset", "show", "zzzzzzzz"), 3, "zzzzzzzz"),
        (("dataset", "register", "/nowhere/at/all"), 3, "/nowhere/at/all"),
        (("dataset", "register", "/dev/null"), 2, "folder"),
        (("dataset", "register"), 2, "PATH"),
        (("nonsense",), 2, "nonsense"),
        (("trace", "x", "--up", "--down"), 2, "exclude"),
        (("run", "nosuch"), 3, "nosuch"),
        (("pipeline", "register", "nosuch"), 3, "nosuch"),
        (("verify", "/nowhere.zip"), 3, "/nowhere.zip"),
        (("init", "/proc/x"), 2, "/proc/x"),
        (("terms", "show", "no such term at all"), 3, "no such term"),
        (("backup", "/nowhere/at/all.tar"), 2, "folder"),
    ],
)
def test_failures_have_their_exit_code_and_say_what_is_wrong(
    catalog: Path, arguments: tuple[str, ...], code: int, says: str
) -> None:
    done = sillage(*arguments, SILLAGE_CATALOG=str(catalog))
    assert done.code == code, done.err
    assert says.lower() in done.err.lower()
    assert done.out == ""


def test_no_catalogue_and_a_service_that_is_away(tmp_path: Path) -> None:
    assert sillage("status").code == 2
    assert "SILLAGE_CATALOG" in sillage("status").err
    assert sillage("status", "--catalog", tmp_path / "none").code == 3
    assert sillage("status", "--url", "http://127.0.0.1:9").code == 5


def test_registering_twice_is_a_conflict(catalog: Path, tmp_path: Path) -> None:
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "file").write_text("x")
    assert sillage("init", tmp_path / "full").code == 4
    assert sillage("init", catalog).code == 4


@pytest.mark.parametrize(
    "deed",
    [
        "DELETE FROM body WHERE rowid = (SELECT max(rowid) FROM body)",
        "DELETE FROM entry WHERE rowid = (SELECT max(rowid) FROM entry)",
        "DELETE FROM checkpoint",
        "UPDATE record SET version = version + 1",
    ],
)
def test_check_says_no_with_exit_code_one(catalog: Path, tmp_path: Path, deed: str) -> None:
    import shutil
    import sqlite3

    copy = tmp_path / "copy"
    shutil.copytree(catalog, copy, symlinks=True)
    assert sillage("check", "--catalog", copy).code == 0
    database = sqlite3.connect(copy / "catalog.sqlite")
    assert database.execute(deed).rowcount > 0
    database.commit()
    database.close()
    done = sillage("check", "--catalog", copy, "--json")
    assert done.code == 1
    assert done.json["valid"] is False
    assert set(done.json["problems"][0]) >= {"where", "detail"}


class Served(NamedTuple):
    """A service in a process of its own, that answers."""

    process: subprocess.Popen[str]
    url: str


@contextmanager
def serving(catalog: Path, errors: Path) -> Iterator[Served]:
    """Serve a catalogue on a port that is free; what is said on standard error goes to a file."""
    command = [SILLAGE, "serve", "--catalog", str(catalog), "--port", "0"]
    with errors.open("w") as file, subprocess.Popen(command, stdout=subprocess.PIPE, stderr=file, text=True) as process:
        assert process.stdout is not None
        first = process.stdout.readline()
        assert "serves" in first, errors.read_text()
        url = first.split()[-1]
        until = time.monotonic() + PATIENCE_S
        while not _answers(url):
            assert time.monotonic() < until, errors.read_text()
            time.sleep(0.05)
        try:
            yield Served(process, url)
        finally:
            process.terminate()
            process.wait(PATIENCE_S)


def _answers(url: str) -> bool:
    try:
        return httpx.get(f"{url}/health", timeout=PATIENCE_S).is_success
    except httpx.TransportError:
        return False


@pytest.fixture(scope="module")
def service(catalog: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[..., Done]]:
    token = (catalog / "keys" / "administrator.token").read_text().strip()
    with serving(catalog, tmp_path_factory.mktemp("service") / "errors") as served:
        yield lambda *arguments: sillage(*arguments, "--url", served.url, "--token", token)


@pytest.mark.parametrize(
    "arguments",
    [
        ("dataset", "list"),
        ("cohort", "find", "sex = 'female'", "--explain", "--facets", "sex"),
        ("terms", "find", "multiple sclerosis"),
        ("terms", "show", "DOID:2377"),
        ("pipeline", "list"),
        ("task", "list"),
        ("dataset", "show", "nonsense"),
        ("cohort", "find", "under(diagnosis, 'nothing like it')"),
    ],
)
def test_a_url_and_a_directory_give_the_same_answers(
    catalog: Path, service: Callable[..., Done], arguments: tuple[str, ...]
) -> None:
    there, here = service(*arguments, "--json"), sillage(*arguments, "--json", "--catalog", catalog)
    assert (there.code, there.out) == (here.code, here.out)
    assert there.err.split("request")[0] == here.err.split("request")[0]


def test_interrupting_the_server_ends_it_cleanly(catalog: Path, tmp_path: Path) -> None:
    with serving(catalog, tmp_path / "errors") as served:
        served.process.terminate()
        served.process.wait(PATIENCE_S)
    assert "Traceback" not in (tmp_path / "errors").read_text()


def test_a_client_needs_no_server_parts() -> None:
    code = (
        "import sys, sillage.client\n"
        "heavy = {'fastapi', 'numpy', 'catalog', 'api', 'executors', 'provenance'}\n"
        "sys.exit(len(heavy & {name.split('.')[0] for name in sys.modules}))"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
