"""Pipelines as Boutiques descriptors (schema 0.5) with the block ``custom.sillage``.

A descriptor is read once, checked by the library and by our own rules, and is a plain value from then on.
"""

from __future__ import annotations

import functools
import hashlib
import json
import re
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from executors.model import Resources, TaskOutput
from executors.pipelines.bids_app import GROUP_OUTPUTS, PARTICIPANT_OUTPUTS, BidsApp, bids_app_of
from executors.pipelines.block_rules import extension_problems
from executors.pipelines.boutiques_library import descriptor_problems, invocation_problems
from executors.pipelines.command import CommandBuilder, CommandError, Invocation, command_problems
from executors.pipelines.extension import (
    LEVELS,
    OutputHint,
    PinnedEnvironment,
    Selection,
    environment_of,
    extension_of,
    hints_of,
    resources_of,
    selections_of,
)
from executors.pipelines.registration_rules import registration_problems
from ontology.canonical import canonical_json
from ontology.errors import InvalidRequestError, SillageError, ValidationFailedError

MAX_BYTES = 4_000_000

_VERSION = re.compile(r"[0-9A-Za-z][0-9A-Za-z.+_-]{0,63}")
_SEMVER = re.compile(r"v?(\d+)(?:\.(\d+))?(?:\.(\d+))?((?:-[0-9A-Za-z.-]+)?(?:\+[0-9A-Za-z.-]+)?)")
_NAME = re.compile(r"[^\x00-\x1f@]{1,200}")

Problem = tuple[str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class PipelineDescriptor:
    """A descriptor that was found sound.

    Attributes:
        document: The descriptor as it was given.
        name: Name of the pipeline.
        version: Its ``tool-version``, as given.
        semver: The version by Semantic Versioning 2.0.0, filled up with zeros; None when it is no such thing.
        description: What it does.
        digest: SHA-256 in hex of the document's canonical JSON (RFC 8785).
        level: ``participant`` (one task for each) or ``group`` (one for all).
        environment: What it is pinned to.
        files: Folder beside the descriptor with the pipeline's own files; None when it has none.
        network: Whether its tasks ask for the network.
        resources: What a task of it may use.
        seeds: Random seeds and determinism flags that it declares.
        selections: How files are chosen, by file input.
        outputs: What becomes of each output.
        bids_app: Which inputs are those of a BIDS App; None when it is none.
    """

    document: Mapping[str, Any]
    name: str
    version: str
    semver: str | None
    description: str
    digest: str
    level: str
    environment: PinnedEnvironment
    files: str | None
    network: bool
    resources: Resources
    seeds: Mapping[str, Any]
    selections: Mapping[str, Selection]
    outputs: Mapping[str, OutputHint]
    bids_app: BidsApp | None = None

    @classmethod
    def parse(cls, source: Mapping[str, Any] | str | bytes | Path) -> PipelineDescriptor:
        """Read and check a descriptor.

        Args:
            source: The document, its JSON text, or the path of a file that holds it.

        Raises:
            InvalidRequestError: It is not JSON, not an object, or too large.
            ValidationFailedError: It breaks a rule; ``params['problems']`` lists ``{field, detail}`` with JSON
                pointers (RFC 6901).
        """
        return _parse(canonical_json(_read(source)))

    @classmethod
    def parse_new(
        cls,
        source: Mapping[str, Any] | str | bytes | Path,
        *,
        files: Collection[str],
        said_of_condition: Callable[[str], str | None],
    ) -> PipelineDescriptor:
        """Read and check a descriptor that shall be registered: beyond what is sound, that nothing can only fail.

        Args:
            source: As for :meth:`parse`.
            files: Relative paths of the pipeline's own files.
            said_of_condition: What is wrong with a condition on acquisitions; None when nothing is.

        Raises:
            InvalidRequestError: It is not JSON, not an object, or too large.
            ValidationFailedError: It breaks a rule; ``params['problems']`` lists ``{field, detail}`` with JSON
                pointers (RFC 6901), those of all rules of ours together.
        """
        canonical = canonical_json(_read(source))
        document: dict[str, Any] = json.loads(canonical)
        _refuse(descriptor_problems(document), "The descriptor is not valid Boutiques")
        sound = [*_our_rules(document), *extension_problems(document)]
        _refuse([*sound, *registration_problems(document, files, said_of_condition)], "The descriptor breaks a rule")
        return _parse(canonical)

    @property
    def inputs(self) -> tuple[Mapping[str, Any], ...]:
        """The inputs as the descriptor lists them."""
        return tuple(self.document["inputs"])

    @property
    def parameter_names(self) -> tuple[str, ...]:
        """The inputs that are no files."""
        return tuple(item["id"] for item in self.inputs if item["type"] != "File")

    def level_of(self, parameters: Mapping[str, Any]) -> str:
        """Return the level that a run has: a BIDS App takes it as a parameter, all others have but one."""
        asked = parameters.get(self.bids_app.analysis_level) if self.bids_app and self.bids_app.analysis_level else None
        return asked if asked in LEVELS else self.level

    def invocation(self, values: Mapping[str, Any]) -> Invocation:
        """Return what is run for these values.

        Args:
            values: By input id; files by their path in the sandbox. A list of one stands for the one where
                the input takes no list.

        Raises:
            ValidationFailedError: A value is missing, unknown or of the wrong kind; ``params['problems']``
                lists ``{field, detail}``.
        """
        given = self._with_defaults(values)
        _refuse(invocation_problems(self.document, given), f"{self.name} cannot run with these values")
        try:
            return CommandBuilder(self.document, given, own_files=self.files is not None).build()
        except CommandError as error:
            raise _failure([("", str(error))], f"{self.name} cannot run with these values") from error

    def check_parameters(self, parameters: Mapping[str, Any]) -> None:
        """Check parameters before the files are known.

        Raises:
            ValidationFailedError: One is missing, unknown, of the wrong kind, or a file.
        """
        filled_in = self.bids_app.filled_in if self.bids_app else ()
        wrong = [(f"/{name}", "This follows from the cohort.") for name in parameters if name in filled_in]
        files = [name for name in parameters if name in self.selections and name not in filled_in]
        wrong += [(f"/{name}", "This is a file; give it as an input.") for name in files]
        _refuse(wrong, f"{self.name} cannot run with these values")
        given = self._with_defaults({**self._stand_ins(), **parameters})
        _refuse(invocation_problems(self.document, given), f"{self.name} cannot run with these values")

    def _stand_ins(self) -> dict[str, Any]:
        """Return a value for everything that a plan will fill in."""
        found = {}
        for item in self.inputs:
            if item["type"] == "File" and (not item.get("optional") or self.selections[item["id"]].select):
                entries = max(1, int(item.get("min-list-entries", 1)))
                found[item["id"]] = ["/inputs/file"] * entries if item.get("list") else "/inputs/file"
        return found | (self.bids_app.values(self.level, ["01"]) if self.bids_app else {})

    def task_outputs(self, invocation: Invocation) -> tuple[TaskOutput, ...]:
        """Return what a task owes for an invocation; of a BIDS App that names no outputs, what such apps write."""
        if self.bids_app and not self.document.get("output-files"):
            level = invocation.parameters.get(self.bids_app.analysis_level or "", self.level)
            rules = PARTICIPANT_OUTPUTS if level == "participant" else GROUP_OUTPUTS
            return tuple(TaskOutput(name=n, path=path, optional=optional) for n, (path, optional) in rules.items())
        optional = {item["id"]: item.get("optional", False) for item in self.document.get("output-files") or []}
        return tuple(
            TaskOutput(name=name, path=path, optional=optional[name]) for name, path in invocation.outputs.items()
        )

    def _with_defaults(self, values: Mapping[str, Any]) -> dict[str, Any]:
        given = {name: value for name, value in values.items() if value is not None}
        for item in self.inputs:
            name = item["id"]
            if name not in given and item.get("default-value") is not None:
                given[name] = item["default-value"]
            value = given.get(name)
            if not item.get("list") and isinstance(value, list | tuple) and len(value) == 1:
                given[name] = value[0]
            elif isinstance(value, tuple):
                given[name] = list(value)
        return given


def _read(source: Mapping[str, Any] | str | bytes | Path) -> Mapping[str, Any]:
    if isinstance(source, Mapping):
        return source
    if isinstance(source, Path):
        try:
            source = source.read_bytes()
        except OSError as error:
            raise InvalidRequestError(
                f"The descriptor cannot be read ({error.strerror}).", field="descriptor"
            ) from error
    if len(source) > MAX_BYTES:
        raise InvalidRequestError(f"A descriptor has at most {MAX_BYTES} bytes.", field="descriptor")
    try:
        document = json.loads(source)
    except (ValueError, RecursionError) as error:
        raise InvalidRequestError(f"The descriptor is not JSON ({error}).", field="descriptor") from error
    if not isinstance(document, dict):
        raise InvalidRequestError("A descriptor is a JSON object.", field="descriptor")
    return document


@functools.lru_cache(maxsize=256)
def _parse(canonical: bytes) -> PipelineDescriptor:
    document: dict[str, Any] = json.loads(canonical)
    _refuse(descriptor_problems(document), "The descriptor is not valid Boutiques")
    _refuse([*_our_rules(document), *extension_problems(document)], "The descriptor breaks a rule")
    block = extension_of(document)
    version = document["tool-version"]
    return PipelineDescriptor(
        document=document,
        name=document["name"],
        version=version,
        semver=_semver(version),
        description=document["description"],
        digest=hashlib.sha256(canonical).hexdigest(),
        level=block.get("level", "participant"),
        environment=environment_of(document),
        files=block.get("files"),
        network=block.get("network", False),
        resources=resources_of(document),
        seeds=block.get("seeds", {}),
        selections=selections_of(document),
        outputs=hints_of(document),
        bids_app=bids_app_of(document, block),
    )


def _our_rules(document: Mapping[str, Any]) -> list[Problem]:
    problems = command_problems(document)
    if not _NAME.fullmatch(document["name"]):
        problems.append(("/name", "A name has at most 200 characters, and neither '@' nor control characters."))
    if not _VERSION.fullmatch(document["tool-version"]):
        problems.append(("/tool-version", "A version is made of letters, digits and . + _ -, at most 64."))
    return problems


def _semver(version: str) -> str | None:
    found = _SEMVER.fullmatch(version)
    if found is None:
        return None
    return ".".join(str(int(part or 0)) for part in found.groups()[:3]) + found[4]


def _refuse(problems: list[Problem], title: str) -> None:
    if problems:
        raise _failure(problems, title)


def _failure(problems: list[Problem], title: str) -> SillageError:
    listed = [{"field": field, "detail": detail} for field, detail in problems]
    more = f" (and {len(problems) - 1} more)" if len(problems) > 1 else ""
    field, detail = problems[0]
    place = f"{field}: " if field else ""
    return ValidationFailedError(f"{title}: {place}{detail}{more}", field=field or None, params={"problems": listed})
