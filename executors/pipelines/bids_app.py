"""Pipelines that are BIDS Apps: a descriptor and a cohort are enough, because their command line is known.

A BIDS App is called as ``app bids_dir output_dir analysis_level [--participant_label ...]`` (Gorgolewski et al.
2017, PLoS Comput Biol 13:e1005209). Descriptors that Boutiques makes of them name the inputs so, with slight
differences; ``custom.sillage.bids_app`` says it where another name was chosen.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Any

Problem = tuple[str, str]

DATASET_FOLDER = "/inputs/bids"
"""Where a task of a BIDS App finds its dataset."""

RESULTS_FOLDER = "/work/out"
"""Where it writes."""

PARTICIPANT_OUTPUTS = {"results": ("out/sub-*/**", False), "reports": ("out/*.html", True)}
GROUP_OUTPUTS = {"tables": ("out/*.tsv", True), "reports": ("out/*.html", True), "results": ("out/group*/**", True)}
"""What is kept of an app whose descriptor names no outputs: template and whether it may be missing, by name."""

_USUAL = {
    "bids_dir": ("bids_dir",),
    "output_dir": ("output_dir", "output_dir_name"),
    "analysis_level": ("analysis_level",),
    "participant_label": ("participant_label", "participant_labels"),
}
_NEEDED = ("bids_dir", "output_dir")
_WHERE = "/custom/sillage/bids_app"


@dataclass(frozen=True, slots=True, kw_only=True)
class BidsApp:
    """Which inputs of a descriptor are those that every BIDS App has.

    Attributes:
        bids_dir: Folder of the dataset.
        output_dir: Folder for results.
        analysis_level: ``participant`` or ``group``; None when the app has one level.
        participant_label: Labels without ``sub-``; None when the app takes none.
        takes_list: Whether ``participant_label`` is a list.
    """

    bids_dir: str
    output_dir: str
    analysis_level: str | None = None
    participant_label: str | None = None
    takes_list: bool = False

    @property
    def filled_in(self) -> tuple[str, ...]:
        """Inputs that nobody gives: they follow from the cohort."""
        return tuple(name for name in (self.bids_dir, self.output_dir, self.participant_label) if name)

    def values(self, level: str, labels: Sequence[str]) -> dict[str, Any]:
        """Return the values of its inputs.

        Args:
            level: ``participant`` or ``group``.
            labels: Labels of the participants, without ``sub-``.
        """
        found: dict[str, Any] = {self.bids_dir: DATASET_FOLDER, self.output_dir: RESULTS_FOLDER}
        if self.analysis_level:
            found[self.analysis_level] = level
        if self.participant_label and labels and (self.takes_list or len(labels) == 1):
            found[self.participant_label] = list(labels) if self.takes_list else labels[0]
        return found

    def labels(self, paths: Sequence[str]) -> list[str]:
        """Return whose files lie in the dataset's folder, sorted."""
        folder = PurePosixPath(DATASET_FOLDER)
        tops = {PurePosixPath(path).relative_to(folder).parts[0] for path in paths if path.startswith(f"{folder}/")}
        return sorted(top.removeprefix("sub-") for top in tops if top.startswith("sub-"))


def bids_app_of(document: Mapping[str, Any], block: Mapping[str, Any]) -> BidsApp | None:
    """Return how a descriptor's inputs answer to those of a BIDS App; None when it describes none."""
    said = block.get("bids_app")
    inputs = {item["id"]: item for item in document["inputs"]}
    given = said if isinstance(said, Mapping) else {}
    given = {role: name for role, name in given.items() if isinstance(name, str) and name in inputs}
    names = {
        role: given.get(role) or next((name for name in usual if name in inputs), None)
        for role, usual in _USUAL.items()
    }
    if said is False or any(names[role] is None for role in _NEEDED):
        return None
    if said is None and names["analysis_level"] is None:
        return None
    label = names["participant_label"]
    return BidsApp(
        bids_dir=str(names["bids_dir"]),
        output_dir=str(names["output_dir"]),
        analysis_level=names["analysis_level"],
        participant_label=label,
        takes_list=bool(label and inputs[label].get("list")),
    )


def bids_app_problems(document: Mapping[str, Any], block: Mapping[str, Any]) -> Iterator[Problem]:
    """Yield what is wrong with the member ``bids_app``."""
    said = block.get("bids_app")
    if said is None or said is False:
        return
    if said is not True and not isinstance(said, Mapping):
        yield _WHERE, "This is true, false, or an object that says which input is which."
        return
    inputs = {item["id"] for item in document["inputs"]}
    given = said if isinstance(said, Mapping) else {}
    for role, name in given.items():
        if role not in _USUAL:
            yield f"{_WHERE}/{role}", f"{role!r} is not known here; known are {', '.join(_USUAL)}."
        elif not isinstance(name, str) or name not in inputs:
            yield f"{_WHERE}/{role}", f"The descriptor has no input {name!r}."
    for role in _NEEDED:
        if role not in given and not inputs.intersection(_USUAL[role]):
            yield _WHERE, f"A BIDS App has {role}; say which input that is."
