"""The page of dependencies names every package of pyproject.toml, with its floor, and no other."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
HEADINGS = {"Base": None, "Extra `server`": "server", "Extra `pipelines`": "pipelines", "Extra `demo`": "demo"}
HEADINGS |= {f"Extra `{extra}`": extra for extra in ("neo4j", "elasticsearch", "test")}


def declared() -> dict[str, dict[str, str]]:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    groups = {None: project["dependencies"], **project["optional-dependencies"]}
    return {
        heading: dict(re.match(r"([\w.-]+)(?:\[.*?\])?>=(.+)", line).groups() for line in groups[extra])  # type: ignore[union-attr, misc]
        for heading, extra in HEADINGS.items()
    }


def described() -> dict[str, dict[str, str]]:
    text = (ROOT / "docs" / "reference" / "dependencies.md").read_text(encoding="utf-8")
    found: dict[str, dict[str, str]] = {}
    for section in text.split("\n## ")[1:]:
        heading = next((name for name in HEADINGS if section.startswith(name)), None)
        if heading is None:
            continue
        found[heading] = {}
        for row in re.findall(r"(?m)^\| ([a-zA-Z].*?) \| (\d.*?) \|", section):
            found[heading].update(zip(row[0].split(", "), row[1].split(", "), strict=True))
    return found


def test_the_page_says_what_pyproject_says() -> None:
    assert described() == declared()
