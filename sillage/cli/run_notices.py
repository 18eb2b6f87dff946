"""What whoever starts a task is told on standard error: how its pipeline stands, and that nobody carries it yet."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from typing import Any

from sillage.cli.output import notice
from sillage.cli.session import Session
from sillage.client import FINAL


def tell_remarks(body: Mapping[str, Any]) -> Collection[str]:
    """Say each remark of a task or batch that was submitted, with what to do about it; return the remarks."""
    for remark in _remarks(body):
        notice(remark)
    return body.get("remarks") or ()


def _remarks(body: Mapping[str, Any]) -> Iterator[str]:
    standing = body.get("certificate") or {}
    name = f"{body.get('pipeline_name')}@{body.get('pipeline_version')}"
    for remark in body.get("remarks") or ():
        certifiable = standing.get("state") != "certified" and remark.startswith(f"{name} is {standing.get('state')}:")
        yield f"{remark.rstrip('.')}. Certify it: sillage pipeline certify {name}" if certifiable else remark
    found = body.get("leakage") if body.get("type") == "TaskBatch" else None
    if found and found["state"] != "clean":
        yield f"Leakage {found['state']}: {found['reason']}"


def tell_waiting(session: Session, body: Mapping[str, Any]) -> None:
    """Say that nothing will happen by itself, when a task was left to a service and none has the catalogue open.

    Asked of a folder, after this process has let go of it: over HTTP a service answered.
    """
    if session.url is not None or body.get("state") in FINAL:
        return
    from api.batch_worker import is_served

    if not is_served(session.directory()):
        notice(
            "No service has this catalogue open, and nothing runs until one does: start `sillage serve`,"
            " or leave out --no-wait."
        )
