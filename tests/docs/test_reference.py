"""The generated pages say what the code says, and every link inside the documentation leads somewhere."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from deploy.reference_pages import FOLDER, NOTE, PAGES

ROOT = Path(__file__).resolve().parents[2]
LINK = re.compile(r"\]\(([^)#\s]+)(?:#[^)]*)?\)")
MENTION = re.compile(r"`(docs/[\w./-]+\.md)`")


@pytest.mark.parametrize("name", sorted(PAGES))
def test_a_generated_page_is_up_to_date(name: str) -> None:
    assert (FOLDER / name).read_text(encoding="utf-8") == NOTE + PAGES[name](), "run `make docs`"


def pages() -> list[Path]:
    """Return every page of the documentation."""
    return [*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")]


def test_links_lead_somewhere() -> None:
    broken = []
    for page in pages():
        text = page.read_text(encoding="utf-8")
        for target in LINK.findall(text):
            if "://" not in target and not (page.parent / target).exists():
                broken.append(f"{page.relative_to(ROOT)} -> {target}")
        for target in MENTION.findall(text):
            if not (ROOT / target).exists():
                broken.append(f"{page.relative_to(ROOT)} -> {target}")
    assert broken == []


def test_pages_that_the_code_refers_to_exist() -> None:
    missing = set()
    for package in ("ontology", "provenance", "catalog", "executors", "api", "sillage"):
        for source in (ROOT / package).rglob("*.py"):
            for target in re.findall(r"docs/[\w./-]+\.md", source.read_text(encoding="utf-8")):
                if not (ROOT / target).exists():
                    missing.add(f"{source.relative_to(ROOT)} -> {target}")
    assert sorted(missing) == []


def own_files() -> Iterator[Path]:
    """Yield what people write; hidden folders are left out, in some of which servers make and remove folders."""
    for folder, folders, files in os.walk(ROOT):
        folders[:] = [name for name in folders if not name.startswith(".")]
        for name in files:
            if name == "Makefile" or name.endswith((".py", ".md", ".toml", ".lock", ".sh")):
                yield Path(folder, name)


def test_nothing_names_a_machine_or_a_registry() -> None:
    hosts = ("pypi" + ".org", "registry.npm" + "js.org", "repo1.maven" + ".org", "/work" + "/main")
    found = [
        f"{path.relative_to(ROOT)} names {host}"
        for path in own_files()
        for host in hosts
        if host in path.read_text(encoding="utf-8", errors="replace")
    ]
    assert found == []
