"""The message of a commit that ``datalad rerun`` can repeat (DataLad handbook, "datalad run")."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from ontology.errors import ValidationFailedError

_HEAD = "=== Do not change lines below ==="
_TAIL = "^^^ Do not change lines above ^^^"
_LISTS = ("chain", "inputs", "extra_inputs")


def run_message(
    message: str, record: Mapping[str, Any] | None, *, datalad_id: str | None, outputs: Sequence[str]
) -> str:
    """Return a commit message; with a record, one that carries it in DataLad's form.

    Args:
        message: What was done, one line.
        record: Members of the run record: ``cmd`` at least; what is missing is filled in.
        datalad_id: Identifier of the dataset in which the command ran.
        outputs: Paths that it wrote.

    Raises:
        ValidationFailedError: The record has no ``cmd``, or cannot be written as JSON.
    """
    line = " ".join(message.split()) or "Save outputs"
    if record is None:
        return f"{line}\n"
    if not record.get("cmd"):
        raise ValidationFailedError("a run record needs the command that was run", field="run_record.cmd")
    whole: dict[str, Any] = {"dsid": datalad_id, "exit": 0, "pwd": ".", "outputs": list(outputs)}
    whole.update((name, []) for name in _LISTS)
    whole.update(record)
    try:
        body = json.dumps(whole, indent=1, sort_keys=True, ensure_ascii=False)
    except (TypeError, ValueError) as error:
        raise ValidationFailedError(f"the run record is not JSON: {error}", field="run_record") from error
    return f"[DATALAD RUNCMD] {line}\n\n{_HEAD}\n{body}\n{_TAIL}\n"


def read_run_record(message: str) -> dict[str, Any] | None:
    """Return the run record that a commit message carries, or None."""
    _, found, rest = message.partition(f"\n{_HEAD}\n")
    body, ended, _ = rest.partition(f"\n{_TAIL}")
    if not found or not ended:
        return None
    try:
        record = json.loads(body)
    except ValueError:
        return None
    return record if isinstance(record, dict) else None
