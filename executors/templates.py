"""Output templates: paths below the working folder that may hold wildcards (TES 1.1, ``tesOutput.path``)."""

from __future__ import annotations

import re
from pathlib import PurePosixPath

_WILD = re.compile(r"[*?\[]")


def has_wildcards(template: str) -> bool:
    """Tell whether a template stands for more than one path."""
    return _WILD.search(template) is not None


def relative(path: str, workdir: str) -> str:
    """Return an output's path relative to the working folder.

    Raises:
        ValueError: It lies outside.
    """
    inner = PurePosixPath(workdir, path).relative_to(workdir)
    if ".." in inner.parts:
        raise ValueError(path)
    return str(inner)


def template_pattern(template: str) -> re.Pattern[str]:
    """Return the regular expression of a template: POSIX wildcards (IEEE 1003.1, 2.13) and ``**`` for any depth."""
    words = re.split(r"(\*\*/|\*\*|\*|\?|\[!?[^\]/]+\])", template)
    rules = {"**/": r"(?:[^/]+/)*", "**": r".*", "*": r"[^/]*", "?": r"[^/]"}
    parts = []
    for number, word in enumerate(words):
        if number % 2 == 0:
            parts.append(re.escape(word))
        else:
            parts.append(rules.get(word) or _one_of(word[1:-1]))
    return re.compile("".join(parts), re.DOTALL)


def _one_of(members: str) -> str:
    negated = members.startswith("!")
    members = re.sub(r"([\\\[\]^])", r"\\\1", members.removeprefix("!"))
    return f"(?!/)[{'^' if negated else ''}{members}]"
