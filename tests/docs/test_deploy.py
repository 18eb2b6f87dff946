"""The files of deploy/ agree with the code: settings, unit, container, compose."""

from __future__ import annotations

import configparser
import os
import re
import shlex
import tomllib
from pathlib import Path

import pytest
from pydantic_core import PydanticUndefined

from api.catalogue import create
from api.settings import FILE_NAME, Settings, load_settings
from deploy.settings_example import settings_example

ROOT = Path(__file__).resolve().parents[2]
DEPLOY = ROOT / "deploy"
EXAMPLE = (DEPLOY / "sillage.toml.example").read_text(encoding="utf-8")
COMMENTED = re.compile(r"(?m)^# (?=[a-z_]+ = )")


def test_the_example_names_every_setting_with_its_description() -> None:
    named = re.findall(r"(?m)^# ([a-z_]+) = ", EXAMPLE)
    assert named == [name for name in Settings.model_fields if name != "catalog"]
    for name in named:
        description = Settings.model_fields[name].description
        assert description is not None
        assert f"# {description}" in EXAMPLE, f"{name}: the example says something else"


def test_the_example_is_up_to_date() -> None:
    assert settings_example() == EXAMPLE, "run `make docs`"


def test_the_example_as_it_stands_changes_nothing() -> None:
    assert tomllib.loads(EXAMPLE) == {}


def test_the_example_loads_with_every_line_uncommented(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in os.environ if name.startswith("SILLAGE_")]:
        monkeypatch.delenv(name)
    create(tmp_path / "catalog")
    text = COMMENTED.sub("", EXAMPLE)
    (tmp_path / "catalog" / FILE_NAME).write_text(text, encoding="utf-8")
    settings = load_settings(tmp_path / "catalog")
    assert settings.base_url == "https://catalogue.example.org"
    assert settings.import_roots == [Path("/srv/incoming")]
    shown = tomllib.loads(text)
    for name, field in Settings.model_fields.items():
        if field.default not in (None, PydanticUndefined):
            assert shown[name] == field.default, f"{name}: the example shows another default"


def unit() -> configparser.ConfigParser:
    parser = configparser.ConfigParser(strict=False, interpolation=None, delimiters=("=",), comment_prefixes=("#",))
    parser.optionxform = str  # type: ignore[assignment, method-assign]
    parser.read(DEPLOY / "systemd" / "sillage.service", encoding="utf-8")
    return parser


def test_the_unit_serves_and_stays_confined() -> None:
    service = unit()["Service"]
    program, command, *_ = shlex.split(service["ExecStart"])
    assert Path(program).name == "sillage"
    assert command == "serve"
    assert service["User"] == "sillage"
    assert service["NoNewPrivileges"] == "yes"
    assert service["ProtectSystem"] == "strict"
    assert unit()["Install"]["WantedBy"] == "multi-user.target"


def test_the_unit_keeps_the_login_link_out_of_the_journal() -> None:
    assert unit()["Service"]["StandardOutput"] == "null"


def test_the_unit_lets_bubblewrap_make_namespaces() -> None:
    harmful = {"RestrictNamespaces", "PrivateUsers", "ProtectProc", "ProcSubset", "ProtectKernelTunables"}
    assert not harmful & set(unit()["Service"])


def container_lines() -> list[str]:
    text = (DEPLOY / "container" / "Containerfile").read_text(encoding="utf-8").replace("\\\n", " ")
    return [line for line in text.splitlines() if line and not line.startswith("#")]


def test_the_container_copies_what_there_is() -> None:
    copied = [shlex.split(line)[1:-1] for line in container_lines() if line.startswith("COPY ")]
    sources = [source for line in copied for source in line]
    missing = [source for source in sources if not (ROOT / source).exists()]
    assert missing == []
    packages = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["setuptools"]["packages"]["find"]["include"]
    assert {name.removesuffix("*") for name in packages} <= set(sources)


def test_the_container_installs_pinned_packages_and_drops_root() -> None:
    lines = container_lines()
    assert any("--require-hashes" in line for line in lines)
    lock = next(line.split("=")[1] for line in lines if line.startswith("ARG LOCK="))
    assert (ROOT / "requirements" / f"{lock}.lock").is_file()
    users = [line.split()[1] for line in lines if line.startswith("USER ")]
    assert users == ["sillage"]
    assert lines.index("USER sillage") < next(i for i, line in enumerate(lines) if line.startswith("ENTRYPOINT"))
    assert any(line.startswith("HEALTHCHECK") and "/health" in line for line in lines)


def test_the_entrypoint_can_be_run() -> None:
    entrypoint = DEPLOY / "container" / "entrypoint"
    assert os.access(entrypoint, os.X_OK)
    assert entrypoint.read_text(encoding="utf-8").startswith("#!/bin/sh\n")


@pytest.mark.parametrize("name", ["compose.yaml", "compose-servers.yaml"])
def test_compose_is_yaml_and_names_files_that_exist(name: str) -> None:
    yaml = pytest.importorskip("yaml", reason="no YAML library is installed")
    file = DEPLOY / "container" / name
    service = yaml.safe_load(file.read_text(encoding="utf-8"))["services"]["sillage"]
    context = (file.parent / service["build"]["context"]).resolve()
    assert context == ROOT
    assert (context / service["build"]["dockerfile"]).is_file()
    assert (context / "requirements" / f"{service['build']['args']['LOCK']}.lock").is_file()
    for name in service["environment"]:
        if name.startswith("SILLAGE_"):
            assert name.removeprefix("SILLAGE_").lower() in Settings.model_fields
