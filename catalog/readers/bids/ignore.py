"""``.bidsignore``: patterns in the manner of ``.gitignore`` (BIDS 1.11, "Validation")."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence

PATTERNS = 1_000
"""How many patterns are read."""


def ignored(text: str) -> Callable[[str], bool]:
    """Return a test that tells whether the file at a path is ignored; the last pattern that matches decides."""
    rules = [rule for line in text.splitlines()[:PATTERNS] if (rule := _rule(line)) is not None]

    def test(path: str) -> bool:
        verdict = False
        for regex, keeps in rules:
            if verdict is keeps and regex.match(path):
                verdict = not keeps
        return verdict

    return test if rules else lambda path: False


def _rule(line: str) -> tuple[re.Pattern[str], bool] | None:
    """Return a pattern and whether it takes files back in (``!``), or None for a comment."""
    pattern = line.rstrip()
    if not pattern or pattern.startswith("#"):
        return None
    keeps = pattern.startswith("!")
    pattern = pattern.removeprefix("!").removeprefix("\\")
    anchored = "/" in pattern.rstrip("/")
    body = _translate(pattern.strip("/").split("/"))
    below = "/.+" if pattern.endswith("/") else "(?:/.*)?"
    try:
        return re.compile(f"{'' if anchored else '(?:.*/)?'}{body}{below}\\Z", re.DOTALL), keeps
    except re.error:  # a range that runs backwards, as in ``[z-a]``: git matches nothing with it either
        return None


def _translate(parts: Sequence[str]) -> str:
    """Translate the parts of a pattern between slashes; ``**`` stands for any number of folders."""
    body = ""
    for index, part in enumerate(parts):
        last = index == len(parts) - 1
        if part == "**":
            body += ".*" if last else "(?:.*/)?"
        else:
            body += _part(part) + ("" if last else "/")
    return body


def _part(part: str) -> str:
    """Translate one part; atomic groups keep a pattern of many stars from taking exponential time."""
    segments = [""]
    for glyph in re.findall(r"\[!?[^]/]+\]|\\.|.", part, re.DOTALL):
        if glyph == "*":
            segments.append("")
        else:
            segments[-1] += _glyph(glyph)
    first, *others = segments
    if not others:
        return first
    *middle, final = others
    return first + "".join(f"(?>[^/]*?{segment})" for segment in middle if segment) + f"[^/]*{final}"


def _glyph(glyph: str) -> str:
    if glyph == "?":
        return "[^/]"
    if glyph.startswith("[") and len(glyph) > 2:
        inner = re.sub(r"([\\\[^&~|])", r"\\\1", glyph[1:-1].removeprefix("!"))
        return f"[^/{inner}]" if glyph.startswith("[!") else f"[{inner}]"
    return re.escape(glyph[1:] if len(glyph) > 1 else glyph)
