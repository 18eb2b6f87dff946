"""What somebody lets each task of a run use, where the pipeline's own word does not suit: checked before it waits."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import replace
from typing import Any, Final

from api.catalogue import Catalogue
from executors.model import Resources
from executors.runner import RunnerCapabilities
from ontology.errors import InvalidRequestError

LEAST: Final[Mapping[str, float]] = {"cpu_cores": 1, "ram_gb": 0.001, "gpus": 0, "wall_s": 1}
"""What may be chosen, with the least that makes sense (GA4GH TES 1.1, ``tesResources``; time is ours)."""
WHOLE: Final = frozenset({"cpu_cores", "gpus"})
MOST_S: Final = 366 * 86400.0
"""Longer than any scheduler lets a task wait for its end."""
THAT_TELL: Final = ("cpu_cores", "gpus")
"""Those that a computation may show in its last digits: threads add up in another order, and a GPU rounds otherwise."""


def read_resources(given: Mapping[str, Any]) -> dict[str, float]:
    """Return chosen resources as numbers; text counts where it is one, as on a command line or in a form.

    Raises:
        InvalidRequestError: A name is not one that can be chosen, or a value is no possible amount.
    """
    return {name: _amount(name, value) for name, value in given.items() if value is not None}


def _amount(name: str, value: Any) -> float:
    field = f"resources.{name}"
    if name not in LEAST:
        known = f"One of: {', '.join(LEAST)}."
        raise InvalidRequestError(f"{name!r} cannot be chosen for a task", field=field, next_step=known)
    try:
        number = math.nan if isinstance(value, bool) else float(value)
    except (TypeError, ValueError, OverflowError):
        number = math.nan
    if not math.isfinite(number) or (name in WHOLE and number != int(number)):
        kind = "a whole number" if name in WHOLE else "a number"
        raise InvalidRequestError(f"{value!r} is not {kind}", field=field)
    if number < LEAST[name]:
        raise InvalidRequestError(f"{number:g} is less than the least, {LEAST[name]:g}", field=field)
    if name == "wall_s" and number > MOST_S:
        raise InvalidRequestError(f"{number:g} s is more than a year", field=field)
    return int(number) if name in WHOLE else number


def with_chosen(suggested: Resources, chosen: Mapping[str, Any] | None) -> Resources:
    """Return what a task may use: what was chosen, and for the rest what its pipeline says.

    GPUs that somebody asked for are needed, also where the pipeline would do without.
    """
    if not chosen:
        return suggested
    fitted = replace(suggested, **chosen)
    return replace(fitted, gpus_optional=False) if "gpus" in chosen else fitted


def telling(chosen: Mapping[str, Any] | None) -> dict[str, Any]:
    """Return those of chosen resources that results may depend on."""
    return {name: chosen[name] for name in THAT_TELL if chosen and name in chosen}


def require_within(catalogue: Catalogue, runner: str, wanted: Resources, chosen: Mapping[str, Any]) -> None:
    """Refuse at once what was chosen and the runner can never give, rather than once for every participant.

    What the pipeline says by itself is left to the runner: it may have other machines when the task's turn comes.

    Raises:
        InvalidRequestError: More is chosen than there is; ``field`` says of what.
    """
    if not chosen:
        return
    there = catalogue.runner(runner).capabilities
    # A runner that runs nothing has no memory to tell of.
    most = {"cpu_cores": there.cpu_cores, "ram_gb": there.ram_gb or math.inf, "gpus": there.gpus}
    for name in chosen.keys() & most.keys():
        asked = getattr(wanted, name)
        if asked > most[name]:
            unit = {"cpu_cores": "cores", "ram_gb": "GB of memory", "gpus": "GPUs"}[name]
            raise InvalidRequestError(
                f"{asked:g} {unit} are more than the runner {runner} has",
                field=f"resources.{name}",
                next_step=f"It has {room(there)}.",
                params={"available": most[name]},
            )


def room(there: RunnerCapabilities) -> str:
    """Return in words what a runner has for its tasks."""
    cores = f"{there.cpu_cores} core{'s' if there.cpu_cores != 1 else ''}"
    memory = [f"{there.ram_gb:.3g} GB of memory"] if there.ram_gb else []
    gpus = f"{there.gpus or 'no'} GPU{'s' if there.gpus != 1 else ''}"
    return f"{', '.join([cores, *memory])} and {gpus}"
