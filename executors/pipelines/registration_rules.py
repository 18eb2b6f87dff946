"""What a new version of a pipeline is asked beyond being sound: that nothing in it can only fail when it runs.

These rules are asked once, at the registration. A version that was registered is read without them, so that a rule
that came later takes nothing away from anybody.
"""

from __future__ import annotations

import posixpath
import re
import shlex
from collections.abc import Callable, Collection, Iterator, Mapping
from typing import Any, Final

from executors.pipelines.bids_app import bids_app_of
from executors.pipelines.boutiques_library import default_problems, pointer, value_key_problems
from executors.pipelines.command import (
    PIPELINE_FOLDER,
    WORK_FOLDER,
    keys_pattern,
    leads_out,
    own_script,
    uses_shell,
)
from executors.pipelines.extension import environment_kind, extension_of

Problem = tuple[str, str]

_SOMETHING: Final = "/".join("x" * 20)
"""Stands for the value of a key in a path: one with so many folders that only the template itself can lead out."""
_INPUT_FILE: Final = "/inputs/x"
_KEY: Final = re.compile(r"\[(?=[^]]{3})[A-Z][A-Z0-9_]+(?:-[A-Z0-9_]{2,})*]")
"""What is written like a value-key, and not like the class of letters of a wildcard (``[LR]``, ``[A-Z]``)."""
_OWN_FILE: Final = re.compile(rf"(?<![\w/.-]){PIPELINE_FOLDER}/([\w./-]+)(?![\w./\[*?-])")


def registration_problems(
    document: Mapping[str, Any], files: Collection[str], said_of_condition: Callable[[str], str | None]
) -> list[Problem]:
    """Return what would only fail at run time: JSON pointer (RFC 6901) and what is wanted.

    Args:
        document: A descriptor that is valid Boutiques; its block ``custom.sillage`` may still have problems.
        files: Relative paths of the pipeline's own files.
        said_of_condition: What is wrong with a condition on acquisitions; None when nothing is. The language belongs
            to whoever selects.
    """
    return [
        *_conditions(document, said_of_condition),
        *value_key_problems(document),
        *default_problems(document),
        *_templates(document),
        *_own_files(document, {posixpath.normpath(path) for path in files}),
    ]


def _conditions(document: Mapping[str, Any], said_of_condition: Callable[[str], str | None]) -> Iterator[Problem]:
    rules = extension_of(document).get("inputs")
    for name, rule in rules.items() if isinstance(rules, Mapping) else ():
        select = rule.get("select") if isinstance(rule, Mapping) else None
        said = said_of_condition(select) if isinstance(select, str) else None
        if said is not None:
            yield pointer(["custom", "sillage", "inputs", name, "select"]), said


def _templates(document: Mapping[str, Any]) -> Iterator[Problem]:
    keys = keys_pattern(document)
    starts = _fixed_starts(document)
    for number, output in enumerate(document.get("output-files") or []):
        for place, template in _paths_of(output):
            where = pointer(["output-files", number, *place])
            unknown = _KEY.search(keys.sub("", template))
            if unknown is not None:
                yield where, f"{unknown[0]} is the value-key of no input or output; letters themselves match as '?'."
            path = keys.sub(lambda key: _SOMETHING if key.start() else starts.get(key[0], _SOMETHING), template)
            if leads_out(f"{WORK_FOLDER}/{path}" if output.get("uses-absolute-path") else path):
                yield where, "This leads out of the working folder; outputs lie in it, by a relative path."


def _fixed_starts(document: Mapping[str, Any]) -> dict[str, str]:
    """Return the value-keys of files that are always given: a path that begins with one is that of the input."""
    block = extension_of(document)
    app = bids_app_of(document, block)
    results = app.output_dir if app is not None else None
    return {
        item["value-key"]: _INPUT_FILE
        for item in document["inputs"]
        if item["type"] == "File" and item.get("value-key") and not item.get("optional") and item["id"] != results
    }


def _paths_of(output: Mapping[str, Any]) -> Iterator[tuple[tuple[Any, ...], str]]:
    if "path-template" in output:
        yield ("path-template",), output["path-template"]
    for number, choice in enumerate(output.get("conditional-path-template") or []):
        for condition, template in choice.items():
            yield ("conditional-path-template", number, condition), str(template)


def _own_files(document: Mapping[str, Any], files: Collection[str]) -> Iterator[Problem]:
    """Yield what the command line names that is not there: a script of the pipeline, or a path below its folder."""
    block = extension_of(document)
    has_files = block.get("files") is not None
    if environment_kind(document) == "container" and not has_files:
        return  # What lies in the image is not known here.
    for path in _named_files(document, written=frozenset() if has_files else _written(document)):
        if not _is_there(path, files):
            among = "is not among the pipeline's files" if has_files else "is named, and the pipeline has no files"
            yield (
                "/command-line",
                f"{path!r} {among}; put it into the folder that custom.sillage.files names"
                + (f" (it has {', '.join(sorted(files)[:5])}{', ...' if len(files) > 5 else ''})." if files else "."),
            )


def _named_files(document: Mapping[str, Any], *, written: Collection[str]) -> Iterator[str]:
    template, keys = document["command-line"], keys_pattern(document)
    if not uses_shell(template, keys):
        try:
            script = own_script(shlex.split(template), keys)
        except ValueError:  # A quotation mark that is never closed is a problem of its own.
            return
        if script is not None and posixpath.normpath(script) not in written:
            yield posixpath.normpath(script)
    yield from dict.fromkeys(found[1] for found in _OWN_FILE.finditer(template))


def _written(document: Mapping[str, Any]) -> set[str]:
    """Return the configuration files that are written into the working folder before the start."""
    outputs = document.get("output-files") or []
    return {posixpath.normpath(item.get("path-template", "")) for item in outputs if item.get("file-template")}


def _is_there(path: str, files: Collection[str]) -> bool:
    path = posixpath.normpath(path)
    return path in files or path == "." or any(file.startswith(f"{path}/") for file in files)
