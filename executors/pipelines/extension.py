"""The block ``custom.sillage`` of a descriptor: what Boutiques has no place for, as plain values.

:mod:`executors.pipelines.block_rules` checks it; what is read here was found sound.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from executors.model import Resources
from executors.pipelines.bids_app import bids_app_of

LEVELS = ("participant", "group")
CHOICES = ("one", "all", "first", "last", "each")


@dataclass(frozen=True, slots=True, kw_only=True)
class Selection:
    """How files are chosen for one file input.

    Attributes:
        select: Condition on one acquisition, in CQL2 text; None when the caller names the files.
        choose: What is done with several that match: ``one`` (several are refused), ``all``, ``first`` or ``last``
            (by session, run and path), ``each`` (one task for each).
        optional: None is fine too.
        sidecars: The files that belong to an image (JSON, gradients, events) come with it, at their own places.
    """

    select: str | None = None
    choose: str = "one"
    optional: bool = False
    sidecars: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelRule:
    """That an output is a trained model.

    Attributes:
        architecture: What kind of model it is.
        framework: What it was made with.
        ancestors: File inputs that are models it began from.
    """

    architecture: str
    framework: str | None = None
    ancestors: tuple[str, ...] = ()


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
        model: What is known of it as a model; None when it is none.
        hints: Further members, passed on as they are.
    """

    derived_from: tuple[str, ...] | None = None
    measures: MeasuresRule | None = None
    model: ModelRule | None = None
    hints: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class PinnedEnvironment:
    """What the descriptor says of its environment.

    Attributes:
        kind: ``python``, ``container`` or ``system``.
        lock: ``name==version`` of what a Python environment must hold.
        lock_file: File among the pipeline's own that says so instead.
        image: Name of a container image.
        digest: ``sha256:...`` of that image; None when the descriptor does not pin it.
    """

    kind: str
    lock: tuple[str, ...] = ()
    lock_file: str | None = None
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
            "lock_file": self.lock_file,
            "image": self.image,
            "digest": self.digest,
            "pinned": self.is_pinned,
        }


def extension_of(document: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return the block; empty when there is none or it is no object."""
    custom = document.get("custom")
    block = custom.get("sillage") if isinstance(custom, Mapping) else None
    return block if isinstance(block, Mapping) else {}


def selections_of(document: Mapping[str, Any]) -> dict[str, Selection]:
    """Return for every file input, and for the dataset of a BIDS App, how its files are chosen."""
    block = extension_of(document)
    rules = block.get("inputs", {})
    app = bids_app_of(document, block)
    return {
        item["id"]: _selection(rules.get(item["id"], {}), optional=item.get("optional", False))
        for item in document["inputs"]
        if item["type"] == "File" or (app is not None and item["id"] == app.bids_dir)
    }


def _selection(rule: Mapping[str, Any], *, optional: bool) -> Selection:
    return Selection(
        select=rule.get("select"),
        choose=rule.get("choose") or ("all" if rule.get("all") else "one"),
        optional=rule.get("optional", optional),
        sidecars=rule.get("sidecars", False),
    )


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
            model=_model_of(rule.get("model")),
            hints=dict(rule),
        )
    return found


def _measures_of(rule: Any) -> MeasuresRule | None:
    if isinstance(rule, Mapping):
        return MeasuresRule(member=rule.get("member") or None, units=dict(rule.get("units", {})))
    return MeasuresRule() if rule else None


def _model_of(rule: Any) -> ModelRule | None:
    if not isinstance(rule, Mapping):
        return None
    return ModelRule(
        architecture=rule["architecture"],
        framework=rule.get("framework"),
        ancestors=tuple(rule.get("ancestors", [])),
    )


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


def environment_kind(document: Mapping[str, Any]) -> str:
    """Return the kind of environment that the descriptor asks for, even where the rest of what it says is not sound."""
    said = extension_of(document).get("environment", {})
    said = said if isinstance(said, Mapping) else {}
    guess = "container" if _image_name(document, said) else "system"
    return str(said.get("kind") or ("python" if {"lock", "lock_file"} & set(said) else guess))


def _image_name(document: Mapping[str, Any], said: Mapping[str, Any]) -> str | None:
    image = document.get("container-image") or {}
    return said.get("image") or image.get("image") or image.get("url")


def environment_of(document: Mapping[str, Any]) -> PinnedEnvironment:
    """Return what the descriptor says of its environment: the block's word first, then Boutiques' image."""
    said = extension_of(document).get("environment", {})
    image = document.get("container-image") or {}
    name, kind = _image_name(document, said), environment_kind(document)
    if kind == "python":
        lock = tuple(sorted(said.get("lock", [])))
        return PinnedEnvironment(kind=kind, lock=lock, lock_file=said.get("lock_file"))
    if kind == "container":
        digest = next((word for word in (name, image.get("container-hash")) if word and "sha256:" in word), None)
        pinned = None if digest is None else "sha256:" + digest.rpartition("sha256:")[2]
        return PinnedEnvironment(kind=kind, image=name, digest=pinned)
    return PinnedEnvironment(kind=kind)
