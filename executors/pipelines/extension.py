"""The block ``custom.sillage`` of a descriptor: what Boutiques has no place for, read and checked."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, fields
from typing import Any

from executors.model import Resources

Problem = tuple[str, str]

LEVELS = ("participant", "group")
MEMBERS = ("level", "gpus", "resources", "environment", "files", "network", "seeds", "inputs", "outputs")
KINDS = ("python", "container", "system")
WHERE = "/custom/sillage"

_LIMITS = {item.name for item in fields(Resources)} - {"gpus", "gpus_optional"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Selection:
    """How files are chosen for one file input.

    Attributes:
        select: Condition on one acquisition, in CQL2 text; None when the caller names the files.
        all: Every acquisition that matches is given; otherwise there must be one.
        optional: None is fine too.
    """

    select: str | None = None
    all: bool = False
    optional: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class MeasuresRule:
    """How the measures in an output are read.

    Attributes:
        member: Member of the JSON object that holds them; None when it is the object itself.
        units: UCUM codes by the name of the measure.
    """

    member: str | None = None
    units: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class OutputHint:
    """What becomes of an output.

    Attributes:
        derived_from: File inputs that it is derived from; None for all of them.
        measures: How its measures are read; None when it holds none that can be searched.
        hints: Further members, passed on as they are.
    """

    derived_from: tuple[str, ...] | None = None
    measures: MeasuresRule | None = None
    hints: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class PinnedEnvironment:
    """What the descriptor says of its environment.

    Attributes:
        kind: ``python``, ``container`` or ``system``.
        lock: ``name==version`` of what a Python environment must hold.
        image: Name of a container image.
        digest: ``sha256:...`` of that image; None when the descriptor does not pin it.
    """

    kind: str
    lock: tuple[str, ...] = ()
    image: str | None = None
    digest: str | None = None

    @property
    def is_pinned(self) -> bool:
        """Whether two runs in it are sure to meet the same software."""
        return self.digest is not None if self.kind == "container" else self.kind == "python"

    def to_json(self) -> dict[str, Any]:
        """Return its members for a PipelineVersion record."""
        return {
            "kind": self.kind,
            "lock": list(self.lock),
            "image": self.image,
            "digest": self.digest,
            "pinned": self.is_pinned,
        }


def extension_of(document: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return the block; empty when there is none or it is no object."""
    custom = document.get("custom")
    block = custom.get("sillage") if isinstance(custom, Mapping) else None
    return block if isinstance(block, Mapping) else {}


def extension_problems(document: Mapping[str, Any]) -> list[Problem]:
    """Return what is wrong with the block."""
    custom = document.get("custom")
    if isinstance(custom, Mapping) and not isinstance(custom.get("sillage", {}), Mapping):
        return [(WHERE, "This must be an object.")]
    block = extension_of(document)
    return [*_members(block), *_gpus(block), *_resources(block), *_environment(block), *_references(document, block)]


def _members(block: Mapping[str, Any]) -> Iterator[Problem]:
    for name in block:
        if name not in MEMBERS:
            yield f"{WHERE}/{name}", f"{name!r} is not known here; known are {', '.join(MEMBERS)}."
    if block.get("level", "participant") not in LEVELS:
        yield f"{WHERE}/level", "The level is participant or group."
    if not isinstance(block.get("network", False), bool):
        yield f"{WHERE}/network", "This is true or false."
    if not isinstance(block.get("seeds", {}), Mapping):
        yield f"{WHERE}/seeds", "This must be an object."
    files = block.get("files")
    if files is not None and not (isinstance(files, str) and _is_inner(files)):
        yield f"{WHERE}/files", "This is a folder beside the descriptor, or '.' for its own."


def _is_inner(path: str) -> bool:
    return bool(path) and not path.startswith("/") and ".." not in path.split("/") and "\0" not in path


def _is_amount(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and value >= 0


def _gpus(block: Mapping[str, Any]) -> Iterator[Problem]:
    gpus = block.get("gpus", {})
    if not isinstance(gpus, Mapping):
        yield f"{WHERE}/gpus", "This must be an object."
        return
    for name in ("count", "memory_gb"):
        if not _is_amount(gpus.get(name, 0)):
            yield f"{WHERE}/gpus/{name}", "This is a number, zero or more."
    if not isinstance(gpus.get("optional", False), bool):
        yield f"{WHERE}/gpus/optional", "This is true or false."


def _resources(block: Mapping[str, Any]) -> Iterator[Problem]:
    limits = block.get("resources", {})
    if not isinstance(limits, Mapping):
        yield f"{WHERE}/resources", "This must be an object."
        return
    for name, value in limits.items():
        if name not in _LIMITS:
            yield f"{WHERE}/resources/{name}", f"{name!r} is not known here; known are {', '.join(sorted(_LIMITS))}."
        elif not _is_amount(value):
            yield f"{WHERE}/resources/{name}", "This is a number, zero or more."


def _environment(block: Mapping[str, Any]) -> Iterator[Problem]:
    environment = block.get("environment", {})
    if not isinstance(environment, Mapping):
        yield f"{WHERE}/environment", "This must be an object."
        return
    if environment and environment.get("kind", "python") not in KINDS:
        yield f"{WHERE}/environment/kind", f"The kind is one of {', '.join(KINDS)}."
    lock = environment.get("lock", [])
    if not isinstance(lock, list) or not all(isinstance(item, str) and "==" in item for item in lock):
        yield f"{WHERE}/environment/lock", "This is a list of name==version."
    image = environment.get("image")
    if image is not None and not (isinstance(image, str) and "sha256:" in image):
        yield f"{WHERE}/environment/image", "An image is pinned by its digest, sha256:..."


def _references(document: Mapping[str, Any], block: Mapping[str, Any]) -> Iterator[Problem]:
    files = {item["id"] for item in document["inputs"] if item["type"] == "File"}
    outputs = {item["id"] for item in document.get("output-files") or []}
    for section, known, what in (("inputs", files, "file input"), ("outputs", outputs, "output")):
        rules = block.get(section, {})
        if not isinstance(rules, Mapping):
            yield f"{WHERE}/{section}", "This must be an object."
            continue
        for name, rule in rules.items():
            if name not in known:
                yield f"{WHERE}/{section}/{name}", f"The descriptor has no {what} {name!r}."
            elif not isinstance(rule, Mapping):
                yield f"{WHERE}/{section}/{name}", "This must be an object."
            else:
                yield from _rule(f"{WHERE}/{section}/{name}", rule, files)


def _rule(where: str, rule: Mapping[str, Any], files: set[str]) -> Iterator[Problem]:
    select = rule.get("select")
    if select is not None and not isinstance(select, str):
        yield f"{where}/select", "This is a condition in CQL2 text."
    for name in ("all", "optional"):
        if not isinstance(rule.get(name, False), bool):
            yield f"{where}/{name}", "This is true or false."
    sources = rule.get("derived_from")
    if sources is not None and not (isinstance(sources, list) and all(source in list(files) for source in sources)):
        yield f"{where}/derived_from", "This is a list of file inputs of this descriptor."
    yield from _measures(f"{where}/measures", rule.get("measures", False))


def _measures(where: str, rule: Any) -> Iterator[Problem]:
    if isinstance(rule, bool):
        return
    if not isinstance(rule, Mapping):
        yield where, "This is true, or an object with member and units."
        return
    for name in rule:
        if name not in ("member", "units"):
            yield f"{where}/{name}", f"{name!r} is not known here; known are member, units."
    if not isinstance(rule.get("member", ""), str):
        yield f"{where}/member", "This is the name of a member of the JSON object."
    units = rule.get("units", {})
    if not isinstance(units, Mapping) or not all(isinstance(unit, str) for unit in units.values()):
        yield f"{where}/units", "This is an object of UCUM codes by the name of the measure."


def selections_of(document: Mapping[str, Any]) -> dict[str, Selection]:
    """Return for every file input how its files are chosen."""
    rules = extension_of(document).get("inputs", {})
    found = {}
    for item in document["inputs"]:
        if item["type"] != "File":
            continue
        rule = rules.get(item["id"], {})
        found[item["id"]] = Selection(
            select=rule.get("select"),
            all=rule.get("all", False),
            optional=rule.get("optional", item.get("optional", False)),
        )
    return found


def hints_of(document: Mapping[str, Any]) -> dict[str, OutputHint]:
    """Return for every output what becomes of it."""
    rules = extension_of(document).get("outputs", {})
    found = {}
    for item in document.get("output-files") or []:
        rule = rules.get(item["id"], {})
        sources = rule.get("derived_from")
        found[item["id"]] = OutputHint(
            derived_from=None if sources is None else tuple(sources),
            measures=_measures_of(rule.get("measures", False)),
            hints=dict(rule),
        )
    return found


def _measures_of(rule: Any) -> MeasuresRule | None:
    if isinstance(rule, Mapping):
        return MeasuresRule(member=rule.get("member") or None, units=dict(rule.get("units", {})))
    return MeasuresRule() if rule else None


def resources_of(document: Mapping[str, Any]) -> Resources:
    """Return what a task of this pipeline may use.

    Of ``suggested-resources`` only the cores count, for slots: real descriptors suggest memory in all sorts of
    units, and a suggestion is no limit to kill a task by.
    """
    block = extension_of(document)
    limits = dict(block.get("resources", {}))
    suggested = document.get("suggested-resources") or {}
    limits["cpu_cores"] = max(1, int(limits.get("cpu_cores") or suggested.get("cpu-cores") or 1))
    gpus = block.get("gpus", {})
    return Resources(**limits, gpus=int(gpus.get("count", 0)), gpus_optional=gpus.get("optional", False))


def environment_of(document: Mapping[str, Any]) -> PinnedEnvironment:
    """Return what the descriptor says of its environment: the block's word first, then Boutiques' image."""
    said = extension_of(document).get("environment", {})
    image = document.get("container-image") or {}
    name = said.get("image") or image.get("image") or image.get("url")
    kind = said.get("kind") or ("python" if "lock" in said else "container" if name else "system")
    if kind == "python":
        return PinnedEnvironment(kind=kind, lock=tuple(sorted(said.get("lock", []))))
    if kind == "container":
        digest = next((word for word in (name, image.get("container-hash")) if word and "sha256:" in word), None)
        pinned = None if digest is None else "sha256:" + digest.rpartition("sha256:")[2]
        return PinnedEnvironment(kind=kind, image=name, digest=pinned)
    return PinnedEnvironment(kind=kind)
