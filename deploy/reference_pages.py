"""Write the generated pages of ``docs/reference``: settings, errors, roles, command line, HTTP.

``python -m deploy.reference_pages`` writes them; a test fails when they are not what the code says.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from deploy.settings_example import FILE, settings_example

ROOT = Path(__file__).resolve().parents[1]
FOLDER = ROOT / "docs" / "reference"
NOTE = "<!-- Generated from the code by `make docs`; edit the code instead. -->\n\n"


def settings_page() -> str:
    """Return the page of settings."""
    from api.settings import FILE_NAME, Settings

    lines = [
        "# Settings\n",
        f"Each can stand in `{FILE_NAME}` in the catalogue's folder, or in the environment as `SILLAGE_` and its name in",
        "capitals; the environment wins. An unknown name in the file is refused.\n",
        "| name | type | default | what |",
        "|---|---|---|---|",
    ]
    for name, field in Settings.model_fields.items():
        default = "required" if field.is_required() else f"`{field.default}`"
        kind = str(field.annotation).removeprefix("<class '").removesuffix("'>").replace("|", "or")
        kind = kind.replace("pathlib.Path", "path").replace("typing.", "").replace("pydantic.types.", "")
        lines.append(f"| `{name}` | {kind} | {default} | {field.description} |")
    return "\n".join(lines) + "\n"


def errors_page() -> str:
    """Return the page of errors: code, HTTP status, exit code, meaning."""
    from api.problems import TYPE_PREFIX, status_of
    from sillage.exits import exit_for_error

    lines = [
        "# Errors\n",
        "Over HTTP an error is a problem document (RFC 9457): `type`, `title`, `status`, `detail`, `instance` (the",
        "request's id), and where there are such `field` and `next_step`. The command line prints detail and next step",
        "on standard error. Exit code 1 means that the answer is no (`verify`, `check`, a failed task).\n",
        "| type | status | exit | when | what to do |",
        "|---|---|---|---|---|",
    ]
    for cls in _subclasses():
        error = cls("")
        first = (cls.__doc__ or "").strip().splitlines()[0]
        lines.append(
            f"| `{TYPE_PREFIX}{cls.code}` | {status_of(error)} | {int(exit_for_error(error))} | {first} | {cls.advice or ''} |"
        )
    return "\n".join(lines) + "\n"


def _subclasses() -> Iterator[Any]:
    from ontology.errors import SillageError

    waiting = [SillageError]
    while waiting:
        cls = waiting.pop(0)
        if cls.__module__ == "ontology.errors":
            yield cls
        waiting += cls.__subclasses__()


def access_page() -> str:
    """Return the page of roles and permissions."""
    from api.access import CATALOGUE_WIDE, PERMISSIONS, Permission

    roles = list(PERMISSIONS)
    lines = [
        "# Roles\n",
        "A grant gives an agent one role, on one dataset or on the whole catalogue. What one may not read does not exist",
        "(404); what one may read but not do is refused (403). A derivative dataset may be read by whoever may read all",
        "the datasets that it comes from. Metadata of public datasets may be read by anybody with a token; landing pages",
        "of DOIs by everybody.\n",
        "What touches everybody's data at once ("
        + ", ".join(f"`{p}`" for p in sorted(CATALOGUE_WIDE))
        + ") is given only",
        "by a grant on the whole catalogue.\n",
        "A `counter` is told how many participants match, and by facets, histograms and trees of terms: in whole",
        "multiples of the grant's minimum (`sillage grant AGENT counter --dataset D --minimum 10`), and nothing of fewer.",
        "It sees the record of the dataset and no participant, acquisition, file, report, lineage or cohort. See",
        "[privacy](../explanation/privacy.md#who-may-only-count).\n",
        "A permission says what may be made. What somebody else made is changed by its maker, or by whoever holds",
        "`catalog.maintain`:\n",
        "| what | may be changed by |",
        "|---|---|",
        "| rule: enable, disable | its maker with `task.run`, or `catalog.maintain` |",
        "| task, batch: cancel, retry | whoever submitted it (of a rule: its maker) with `task.run`, or `catalog.maintain` |",
        "| pipeline version: deprecate, reinstate | whoever registered it with `pipeline.register`, or `catalog.maintain` |",
        "| pipeline version: a reference case | the same, or `pipeline.certify` |",
        "| pipeline: a new version of its name | `pipeline.register`: names belong to the catalogue |",
        "| certificate: revoke | `pipeline.certify`: whoever certifies answers for all of them |\n",
        "Everything is also held to the data: a task may be cancelled only by who may run on all of its datasets.",
        "A listing shows what the caller may read. `total` is the number of all of it, or null where only reading every",
        "record would tell: to somebody who may not read every dataset, in listings of what rests on several datasets",
        "(cohorts, tasks, batches, evaluations of rules), unless the whole listing is on one page.\n",
        "| permission | " + " | ".join(roles) + " |",
        "|---|" + "---|" * len(roles),
    ]
    for permission in Permission:
        marks = ["yes" if permission in PERMISSIONS[role] else "" for role in roles]
        lines.append(f"| `{permission}` | " + " | ".join(marks) + " |")
    return "\n".join(lines) + "\n"


def command_line_page() -> str:
    """Return the page of the command line: every command's own help."""
    from typer.main import get_command

    from sillage.cli import app

    lines = [
        "# Command line\n",
        "`--catalog DIR` (or `SILLAGE_CATALOG`) works on a catalogue of this machine, `--url` with `--token` on a service;",
        "`--json` prints the HTTP body. These may stand before or after the command. Exit codes: 0 done; 1 the answer is",
        "no; 2 wrong usage or bad input; 3 not found or not permitted; 4 conflict; 5 a service is away; 70 our own fault.\n",
    ]
    for name, command in _walk("sillage", get_command(app)):
        context = command.make_context(name, [], resilient_parsing=True)
        lines += [f"## {name}\n", f"{(command.help or '').strip()}\n"]
        rows = [record for parameter in command.get_params(context) if (record := parameter.get_help_record(context))]
        arguments = [p for p in command.params if p.param_type_name == "argument"]
        usage = " ".join([name, *(str(p.metavar or p.name.upper()) for p in arguments), "[OPTIONS]"])
        lines.append(f"    {usage}\n")
        for option, text in rows:
            if not option.startswith("--help"):
                lines.append(f"- `{option}`: {text or ''}".rstrip(": "))
        lines.append("")
    return "\n".join(lines).rstrip() + "\n"


def _walk(name: str, command: Any) -> Iterator[tuple[str, Any]]:
    children = getattr(command, "commands", None)
    if children is None:
        yield name, command
        return
    for child in children:
        yield from _walk(f"{name} {child}", children[child])


def http_page() -> str:
    """Return the page of HTTP routes."""
    from api.app import create_app
    from api.catalogue import create

    with tempfile.TemporaryDirectory() as folder:
        create(Path(folder) / "catalog")
        app = create_app(Path(folder) / "catalog")
        described = app.openapi()
        app.state.catalogue.close()
    lines = [
        "# HTTP\n",
        "The whole description is at `/openapi.json`. Every listing is `{items, total, next}` and takes `cursor` and `limit`;",
        "every record's answer has an `ETag` (its version, for `If-Match`) and a `Link` to its provenance.\n",
        "| route | what |",
        "|---|---|",
    ]
    for path, operations in described["paths"].items():
        for method, operation in operations.items():
            text = operation["description"].replace("\n", " ").replace("|", "\\|")
            lines.append(f"| `{method.upper()} {path}` | {text} |")
    return "\n".join(lines) + "\n"


PAGES: dict[str, Callable[[], str]] = {
    "settings.md": settings_page,
    "errors.md": errors_page,
    "access.md": access_page,
    "command-line.md": command_line_page,
    "http.md": http_page,
}


def main() -> None:
    """Write every page, and the example of a settings file."""
    for name, make in PAGES.items():
        (FOLDER / name).write_text(NOTE + make(), encoding="utf-8")
    FILE.write_text(settings_example(), encoding="utf-8")


if __name__ == "__main__":
    main()
