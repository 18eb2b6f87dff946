"""The command line. Every command goes through the client, so it sees what HTTP and the pages see."""

from __future__ import annotations

import logging
import os
import sys
from pathlib import Path
from typing import Annotated

import typer

from ontology.errors import SillageError
from sillage.cli import (
    access,
    audit,
    catalogue,
    certificates,
    cohorts,
    datasets,
    identifiers,
    models,
    participants,
    pipeline_versions,
    pipelines,
    rules,
    tasks,
    terms,
)
from sillage.cli.output import complain
from sillage.cli.session import hoist, make_session
from sillage.client import ProblemError, ServiceAwayError
from sillage.exits import Exit, exit_for, exit_for_error

app = typer.Typer(
    name="sillage",
    help="FAIR metadata catalogue and provenance API for in-vivo imaging.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)
for group in (
    datasets,
    participants,
    terms,
    cohorts,
    pipelines,
    pipeline_versions,
    certificates,
    models,
    tasks,
    rules,
    identifiers,
    audit,
    access,
):
    group.add_to(app)
catalogue.add_to(app)


@app.callback()
def options(
    context: typer.Context,
    catalog: Annotated[
        Path | None, typer.Option(help="Directory of the catalogue (or SILLAGE_CATALOG).", show_default=False)
    ] = None,
    url: Annotated[str | None, typer.Option(help="Address of a service (or SILLAGE_URL).")] = None,
    token: Annotated[str | None, typer.Option(help="Bearer token (or SILLAGE_TOKEN).")] = None,
    json: Annotated[bool, typer.Option("--json", help="Print the answer as one JSON document.")] = False,
) -> None:
    """FAIR metadata catalogue and provenance API for in-vivo imaging.

    These options may stand before or after the command.
    """
    context.obj = make_session(catalog=catalog, url=url, token=token, json=json)


def main(arguments: list[str] | None = None) -> None:
    """Run the command line and leave with one of the documented exit codes."""
    sys.exit(int(run(sys.argv[1:] if arguments is None else arguments)))


def run(arguments: list[str]) -> int:
    """Run one command; return its exit code. Never a traceback, unless SILLAGE_DEBUG asks for one."""
    if not os.environ.get("SILLAGE_DEBUG"):
        logging.getLogger().addHandler(logging.NullHandler())
    try:
        result = app(args=hoist(arguments), standalone_mode=False)
        return int(result) if isinstance(result, int) else Exit.DONE
    except ProblemError as error:
        complain(str(error), _step(error), error.problem.get("problems"))
        return exit_for(error.status)
    except ServiceAwayError as error:
        complain(str(error), "Is the service running? Start it with `sillage serve`.")
        return Exit.AWAY
    except SillageError as error:
        complain(error.detail, error.next_step(), error.params.get("problems"))
        return exit_for_error(error)
    except typer.Exit as error:
        return error.exit_code
    except (KeyboardInterrupt, typer.Abort):
        complain("interrupted; what was acknowledged is kept")
        return 130
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return Exit.DONE
    except Exception as error:
        return _usage_or_fault(error)


def _step(error: ProblemError) -> str | None:
    if error.status >= 500 and error.next_step is None:
        return f"Request id: {str(error.problem.get('instance', '')).rsplit(':', 1)[-1]}"
    return error.next_step


def _usage_or_fault(error: Exception) -> int:
    """Tell wrong usage, which the option parser reports, from our own faults."""
    message = getattr(error, "format_message", None)
    if message is not None:
        complain(message(), "See `sillage --help`, or `--help` after the command.")
        return Exit.USAGE
    if isinstance(error, OSError):
        complain(f"{error.filename or 'system'}: {error.strerror}")
        return Exit.USAGE
    fault = os.urandom(4).hex()
    complain(f"our own fault ({type(error).__name__}), request id {fault}", "Set SILLAGE_DEBUG=1 to see the cause.")
    if os.environ.get("SILLAGE_DEBUG"):
        raise error
    return Exit.FAULT
