"""Lock files of Python environments: what ``pip freeze``, ``pip-compile`` and ``uv pip compile`` write.

Pip's requirements file format; only lines that pin one version count, hashes and options are passed over.
"""

from __future__ import annotations

import re

from ontology.errors import ValidationFailedError

_PINNED = re.compile(r"(?P<name>[A-Za-z0-9][A-Za-z0-9._-]*)(?:\[[^\]]*\])?\s*===?\s*(?P<version>[^\s;#\\]+)")
_FIELD = "/custom/sillage/environment/lock_file"


def read_lock(text: str) -> tuple[str, ...]:
    """Return ``name==version`` of every distribution that a lock file pins, sorted.

    Raises:
        ValidationFailedError: A line names a distribution without one version, or nothing is pinned at all.
    """
    found = set()
    for number, line in enumerate(_joined(text), start=1):
        said = line.split(" #")[0].strip()
        if not said or said.startswith(("#", "-")):
            continue
        pinned = _PINNED.match(said)
        if pinned is None:
            raise ValidationFailedError(
                f"line {number} of the lock file does not pin one version (name==version)",
                field=_FIELD,
                next_step="Write it with `uv pip compile` or `pip freeze`.",
            )
        found.add(f"{pinned['name']}=={pinned['version']}")
    if not found:
        raise ValidationFailedError("the lock file pins nothing", field=_FIELD)
    return tuple(sorted(found))


def _joined(text: str) -> list[str]:
    """Return the lines, those that end in a backslash with what follows them."""
    return re.sub(r"\\\r?\n", " ", text).splitlines()
