"""Every error has a status, an exit code and a code of its own."""

from __future__ import annotations

from collections.abc import Iterator

import api.app
from api.problems import STATUS, status_of
from ontology.errors import SillageError
from sillage.exits import Exit, exit_for, exit_for_error


def subclasses() -> Iterator[type[SillageError]]:
    """Yield the base and everything below it that the packages define."""
    assert api.app
    waiting: list[type[SillageError]] = [SillageError]
    while waiting:
        cls = waiting.pop()
        yield cls
        waiting += cls.__subclasses__()


def test_every_error_of_the_taxonomy_is_in_the_table() -> None:
    missing = [c.__name__ for c in subclasses() if c.__module__ == "ontology.errors" and c not in STATUS]
    assert missing == []


def test_codes_are_unique_and_titles_are_sentences() -> None:
    ours = [c for c in subclasses() if c.__module__ == "ontology.errors"]
    assert len({c.code for c in ours}) == len(ours)
    assert all(c.title and not c.title.endswith(".") for c in ours)


def test_a_url_and_a_directory_end_with_the_same_exit_code() -> None:
    for cls in subclasses():
        if cls.__init__ is not SillageError.__init__:
            continue
        error = cls("x")
        # Over HTTP a failed integrity check is a 500, as our own faults are.
        assert exit_for(status_of(error)) == exit_for_error(error), cls.__name__


def test_retryable_errors_say_so() -> None:
    for cls in subclasses():
        if cls.retryable and cls.__init__ is SillageError.__init__:
            assert exit_for_error(cls("x")) in (Exit.AWAY, Exit.CONFLICT)
