"""A small study on disk, a catalogue, and clients of it as different people."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from api.catalogue import create
from api.engines import read_mark
from api.settings import read_settings_file
from ontology.terms import TermIndex
from sillage.client import Client

PEOPLE = (
    ("01", 34, "F", "multiple sclerosis", 3),
    ("02", 45, "M", "relapsing-remitting multiple sclerosis", 3),
    ("03", 61, "F", "healthy", 1.5),
    ("04", "n/a", "M,", "", 3),
)


def write_study(root: Path, name: str = "A small study") -> Path:
    """Write a BIDS dataset of four people with a T1w and a FLAIR each, of a few bytes."""
    root.mkdir(parents=True)
    described = {"Name": name, "BIDSVersion": "1.10.0", "License": "CC0", "Authors": ["Ada Lovelace"]}
    (root / "dataset_description.json").write_text(json.dumps(described))
    rows = [f"sub-{label}\t{age}\t{sex}\t{diagnosis}" for label, age, sex, diagnosis, _ in PEOPLE]
    (root / "participants.tsv").write_text("\n".join(["participant_id\tage\tsex\tdiagnosis", *rows]) + "\n")
    for label, _, _, _, tesla in PEOPLE:
        folder = root / f"sub-{label}" / "anat"
        folder.mkdir(parents=True)
        for suffix in ("T1w", "FLAIR"):
            (folder / f"sub-{label}_{suffix}.nii.gz").write_bytes(f"{name} {label} {suffix}".encode())
            (folder / f"sub-{label}_{suffix}.json").write_text(json.dumps({"MagneticFieldStrength": tesla}))
    return root


def write_pipeline(
    root: Path,
    command: str,
    *,
    name: str = "copy",
    level: str = "participant",
    wall_s: int = 300,
    extension: dict[str, Any] | None = None,
) -> dict[str, Any]:
    """Return a descriptor that runs a shell script over T1w images; the script lies in ``root``."""
    root.mkdir(parents=True, exist_ok=True)
    (root / "run.sh").write_text(command)
    return {
        "name": name,
        "description": "A pipeline for tests",
        "tool-version": "1.0.0",
        "schema-version": "0.5",
        "command-line": "sh run.sh [IMAGES]",
        "inputs": [{"id": "images", "name": "Images", "type": "File", "list": True, "value-key": "[IMAGES]"}],
        "output-files": [{"id": "copies", "name": "Copies", "path-template": "out/**/*.txt", "optional": True}],
        "custom": {
            "sillage": {
                "level": level,
                "files": ".",
                "environment": {"kind": "system"},
                "resources": {"wall_s": wall_s, "disk_gb": 0.1},
                "inputs": {"images": {"select": "suffix = 'T1w'", "all": True}},
                **(extension or {}),
            }
        },
    }


HELD = "until [ -e go ]; do sleep 0.02; done; rm go; "
"""Begins the script of a pipeline whose tasks go on when they are told to: however slow the machine, they still run."""


def let_go(catalog: Path, task: str) -> None:
    """Tell a held task, in its first attempt on the local runner, to go on."""
    (catalog / "work" / "local" / "tasks" / task.removeprefix("urn:uuid:") / "1" / "work" / "go").touch()


COPY = 'mkdir -p out && for f in "$@"; do wc -c < "$f" > out/"$(basename "$f" .nii.gz)"_size.txt; done; echo done\n'


def empty_servers(directory: Path) -> None:
    """Take a catalogue out of the servers that its folder names."""
    named = read_settings_file(directory)
    if named.get("search_url", "").startswith("http"):
        from catalog.search.elasticsearch import ElasticsearchIndex

        name = str(read_mark(directory)).removeprefix("urn:uuid:")
        with TermIndex.open(directory / "terms.sqlite") as terms:
            index = ElasticsearchIndex.open(named["search_url"], terms, name=name)
            index.drop()
            index.close()
    if "repository_url" in named:
        from catalog.backends.neo4j.removal import remove_catalogue

        remove_catalogue(named["repository_url"], directory / "keys")


@pytest.fixture
def study(tmp_path: Path) -> Path:
    return write_study(tmp_path / "study")


@pytest.fixture
def other_study(tmp_path: Path) -> Path:
    return write_study(tmp_path / "other", "Another study")


@pytest.fixture
def engines() -> dict[str, str]:
    """Servers that the catalogue is on: none; a module overrides it to run on others as well."""
    return {}


@pytest.fixture
def on_servers(neo4j_url: str, elasticsearch_url: str) -> dict[str, str]:
    return {"repository_url": neo4j_url, "search_url": elasticsearch_url}


@pytest.fixture
def take_from_servers() -> Iterator[Callable[[Path], None]]:
    """Name a folder whose catalogue is taken out of its servers when the test ends."""
    named: list[Path] = []
    yield named.append
    for directory in named:
        empty_servers(directory)


@pytest.fixture
def catalog(tmp_path: Path, engines: dict[str, str]) -> Iterator[Path]:
    directory = tmp_path / "catalog"
    create(directory, title="Test catalogue", **engines)
    yield directory
    empty_servers(directory)


@pytest.fixture
def client(catalog: Path) -> Iterator[Client]:
    with Client(catalog=catalog) as made:
        yield made


@pytest.fixture
def registered(client: Client, study: Path) -> dict[str, Any]:
    return client.register_dataset(study)


@pytest.fixture
def somebody(client: Client) -> Callable[..., Client]:
    """Make a client for a new person with a role; shares the application with ``client``."""

    def make(role: str | None = None, dataset: str | None = None) -> Client:
        body = {"name": f"Somebody, {role}", "role": role, "dataset": dataset}
        token = client.post("principals", body)["token"]
        return client.acting_as(token)

    return make


@pytest.fixture
def register_copy(client: Client, tmp_path: Path) -> Callable[..., dict[str, Any]]:
    """Register a shell pipeline."""

    def make(command: str = COPY, **options: Any) -> dict[str, Any]:
        folder = tmp_path / f"pipeline-{options.get('name', 'copy')}"
        return client.register_pipeline(write_pipeline(folder, command, **options), folder)

    return make
