"""Engines are chosen by URL, secrets stay out of sight, and a folder is never joined to another catalogue's server."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest

from api.catalogue import create, open_catalogue
from api.engines import MARK, is_catalogue, open_repository, repository_engine, search_engine
from api.operations.maintenance import readiness
from api.settings import FILE_NAME, load_settings, split_account
from catalog.search.embedded import EmbeddedIndex
from catalog.search.sqlite import SqlIndex
from ontology.errors import ConflictError, InvalidRequestError, NotFoundError, NotInstalledError

SECRET = "hunter2"


def test_without_a_word_everything_lies_in_the_folder(tmp_path: Path) -> None:
    create(tmp_path / "c")
    catalogue = open_catalogue(tmp_path / "c")
    assert isinstance(catalogue.search, EmbeddedIndex)
    assert readiness(catalogue)["parts"]["repository"] == {"status": "pass", "sequence": 3}
    catalogue.close()
    assert not (tmp_path / "c" / FILE_NAME).exists()


def test_the_sql_form_can_be_chosen_and_leaves_no_other_index_behind(tmp_path: Path) -> None:
    create(tmp_path / "c")
    open_catalogue(tmp_path / "c").search.close()
    assert (tmp_path / "c" / "search").is_dir()
    (tmp_path / "c" / FILE_NAME).write_text('search_url = "sql:"\n')
    catalogue = open_catalogue(tmp_path / "c")
    assert isinstance(catalogue.search, SqlIndex)
    catalogue.close()
    assert not (tmp_path / "c" / "search").exists()


def test_a_catalogue_from_before_there_was_a_mark_still_opens(tmp_path: Path) -> None:
    create(tmp_path / "c")
    (tmp_path / "c" / MARK).unlink()
    assert is_catalogue(tmp_path / "c")
    open_catalogue(tmp_path / "c").close()


def test_a_folder_is_not_joined_to_another_catalogue(tmp_path: Path) -> None:
    for name in "ab":
        create(tmp_path / name)
    for file in ("catalog.sqlite", "keys/ledger.pem"):
        (tmp_path / "a" / file).write_bytes((tmp_path / "b" / file).read_bytes())
    with pytest.raises(ConflictError, match="another catalogue"):
        open_catalogue(tmp_path / "a")


def test_an_unfinished_copy_is_no_catalogue(tmp_path: Path) -> None:
    create(tmp_path / "c")
    (tmp_path / "c" / "copying.toml").write_text("")
    with pytest.raises(NotFoundError, match="not finished"):
        open_catalogue(tmp_path / "c")


@pytest.mark.parametrize("url", ["postgres://host", "neo4j://", "neo4j:host", "elastic", "http://host"])
def test_what_is_no_address_of_a_repository_is_refused(tmp_path: Path, url: str) -> None:
    with pytest.raises(InvalidRequestError) as refused:
        create(tmp_path / "c", repository_url=url)
    assert refused.value.field == "--repository"
    assert not (tmp_path / "c" / MARK).exists()


@pytest.mark.parametrize(
    "url",
    [
        f"http://u:{SECRET}@[::1",
        "http://host:port",
        "http://host:99999",
        f"http://host/?token={SECRET}",
        f"http://host#{SECRET}",
        f"ftp://host/{SECRET}",
    ],
)
def test_what_is_no_address_of_a_search_engine_is_refused_unshown(tmp_path: Path, url: str) -> None:
    with pytest.raises(InvalidRequestError) as refused:
        create(tmp_path / "c", search_url=url)
    assert refused.value.field == "--search"
    assert SECRET not in f"{refused.value.detail} {refused.value.next_step()}"
    assert not (tmp_path / "c" / MARK).exists()


def test_an_account_does_not_stand_on_the_command_line(tmp_path: Path) -> None:
    with pytest.raises(InvalidRequestError) as refused:
        create(tmp_path / "c", repository_url=f"neo4j://ada:{SECRET}@host")
    assert SECRET not in f"{refused.value.detail} {refused.value.next_step()}"
    assert "SILLAGE_REPOSITORY_PASSWORD" in str(refused.value.next_step())


def test_an_account_in_a_url_is_taken_out_of_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SILLAGE_REPOSITORY_URL", f"neo4j+s://ada:{SECRET}%21@graph.example.org:7687")
    monkeypatch.setenv("SILLAGE_SEARCH_URL", f"https://bob:{SECRET}@search.example.org")
    settings = load_settings(tmp_path)
    assert settings.repository_url == "neo4j+s://graph.example.org:7687"
    assert settings.repository_user == "ada"
    assert settings.repository_password is not None
    assert settings.repository_password.get_secret_value() == f"{SECRET}!"
    assert SECRET not in repr(settings) + json.dumps(
        [repository_engine(settings).address, search_engine(settings).kind]
    )


def test_what_is_wrong_with_a_url_is_said_without_its_secret(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SILLAGE_SEARCH_URL", f"ftp://bob:{SECRET}@search.example.org")
    with pytest.raises(InvalidRequestError) as refused:
        load_settings(tmp_path)
    assert refused.value.field == "search_url"
    assert SECRET not in str(refused.value)


def test_the_file_alone_says_where_a_copied_catalogue_lies(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SILLAGE_REPOSITORY_URL", "neo4j://elsewhere")
    (tmp_path / FILE_NAME).write_text('search_url = "https://here"\nsearch_user = "ada"\n')
    settings = load_settings(tmp_path, stored_engines=True)
    assert (settings.repository_url, settings.search_url, settings.search_user) == (None, "https://here", "ada")


@pytest.mark.parametrize(
    ("url", "parts"),
    [
        ("bolt://h:1", ("bolt://h:1", None, None)),
        ("bolt://u@h:1", ("bolt://h:1", "u", None)),
        ("bolt://u:p%40@[::1]:1/x", ("bolt://[::1]:1/x", "u", "p@")),
        (None, (None, None, None)),
    ],
)
def test_accounts_are_split_off(url: str | None, parts: tuple[str | None, ...]) -> None:
    assert split_account(url) == parts


def test_a_missing_client_is_named_with_the_extra_that_brings_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "neo4j", None)
    (tmp_path / "keys").mkdir()
    settings = load_settings(tmp_path, overrides={"repository_url": "bolt://127.0.0.1:1"})
    with pytest.raises(NotInstalledError) as missing:
        open_repository(tmp_path, settings)
    assert "neo4j]" in str(missing.value.next_step())
