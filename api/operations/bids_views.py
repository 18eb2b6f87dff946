"""The dataset that a BIDS App sees: the files of its participants and what they inherit, and nobody else's.

Tables of participants are cut to the rows of those whom the task is about.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import PurePosixPath
from typing import Any

from api.catalogue import Catalogue
from api.operations.input_files import FileFinder, PlannedInput, host_path
from catalog.cohorts.restricted_tables import restrict
from catalog.model import Record
from executors.model import TaskContent
from executors.pipelines.bids_app import DATASET_FOLDER, RESULTS_FOLDER, BidsApp
from ontology.errors import InvalidRequestError, NotFoundError

PARTICIPANTS = "participants.tsv"
_DESCRIPTION = "dataset_description.json"


def dataset_view(
    finder: FileFinder, app: BidsApp, participants: Sequence[Record], acquisitions: Iterable[Record]
) -> list[PlannedInput]:
    """Return the files of a BIDS App's dataset.

    Args:
        finder: Finds them.
        app: Names of its inputs.
        participants: Whom it is about; all of one dataset.
        acquisitions: Those of their acquisitions that it may see.

    Raises:
        InvalidRequestError: There are no acquisitions, or they come from several datasets.
    """
    found: dict[str, PlannedInput] = {}
    datasets = set()
    for acquisition in acquisitions:
        datasets.add(str(acquisition.dataset))
        for item in finder.of(app.bids_dir, acquisition, sidecars=True):
            found[item.file.document["path"]] = item
    if not found:
        raise InvalidRequestError("no acquisitions for it to work on", field=app.bids_dir)
    if len(datasets) > 1:
        raise InvalidRequestError("a BIDS App works on one dataset at a time", field=app.bids_dir)
    labels = tuple(f"{participant.document['label']}/" for participant in participants)
    dataset = finder.dataset(datasets.pop())
    version = finder.version(dataset.id)
    for path, file in finder.shared_files(dataset.id).items():
        if path != PARTICIPANTS and ("/" not in path or path.startswith(labels)):
            found.setdefault(path, finder.planned(app.bids_dir, file, version, companion=True))
    if _DESCRIPTION not in found:
        raise NotFoundError(f"the dataset has no {_DESCRIPTION}", field=app.bids_dir)
    return [_placed(item, PurePosixPath(DATASET_FOLDER)) for item in found.values()]


def earlier_results(items: Iterable[PlannedInput]) -> list[PlannedInput]:
    """Return results of the participant level where the group level looks for them: in the folder of results."""
    return [_placed(item, PurePosixPath(RESULTS_FOLDER)) for item in items]


def _placed(item: PlannedInput, folder: PurePosixPath) -> PlannedInput:
    path = str(folder / item.file.document["path"])
    return PlannedInput(input=item.input, file=item.file, owner=item.owner, path=path, companion=item.companion)


def view_contents(catalogue: Catalogue, app: BidsApp, inputs: Iterable[Mapping[str, Any]]) -> Iterator[TaskContent]:
    """Yield the small files of a BIDS App's dataset that are made for a task: the table of its participants.

    Raises:
        NotFoundError: The content of the dataset's own table is not here.
    """
    listed = [item for item in inputs if item["input"] == app.bids_dir]
    labels = [f"sub-{label}" for label in app.labels([item["path"] for item in listed])]
    about = next((item for item in listed if item["path"] == f"{DATASET_FOLDER}/{_DESCRIPTION}"), None)
    if about is None:
        return
    version = catalogue.repository.get(about["part_of"])
    table = next((file for file in version.document["files"] if file["path"] == PARTICIPANTS), None)
    if table is None:
        return
    whole = host_path(catalogue, catalogue.repository.get(table["id"])).read_bytes()
    rows = restrict(whole, labels)
    if rows is not None:
        text = rows.decode("utf-8", errors="replace")
        yield TaskContent(path=f"{DATASET_FOLDER}/{PARTICIPANTS}", content=text)
