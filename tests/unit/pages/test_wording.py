"""How values read on a page."""

from __future__ import annotations

import pytest

from api.pages.wording import coded, number, size, unit, when


@pytest.mark.parametrize(
    ("count", "text"),
    [
        (None, "?"),
        (0, "0 B"),
        (999, "999 B"),
        (1000, "1 kB"),
        (359_895, "360 kB"),
        (999_900, "1 MB"),
        (18_835_697, "18.8 MB"),
    ],
)
def test_sizes_read_as_people_say_them(count: int | None, text: str) -> None:
    assert size(count) == text


def test_times_are_to_the_minute_and_in_utc() -> None:
    assert when("2026-11-21T06:12:09.837372Z") == "2026-11-21 06:12 UTC"
    assert when("2026-11-21T06:12:09+02:00") == "2026-11-21 04:12 UTC"
    assert when("last spring") == "last spring"
    assert when(None) == ""


def test_times_of_a_run_have_seconds() -> None:
    assert when("2026-11-21T06:12:09.8Z", seconds=True) == "2026-11-21 06:12:09 UTC"


def test_numbers_and_units_are_written_as_people_write_them() -> None:
    assert [number(18_835_697), number(True), number("n/a")] == ["18,835,697", "True", "n/a"]
    assert [unit("a"), unit("T"), unit(None)] == ["years", "T", ""]


def test_code_in_a_message_is_code_and_markup_in_it_is_text() -> None:
    assert coded("Use `sillage <x>` & see.") == "Use <code>sillage &lt;x&gt;</code> &amp; see."
