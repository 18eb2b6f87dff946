"""Laws of the BIDS reader: whatever bytes a dataset holds, it is read, storable, and accounted for file by file."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from datetime import date, timedelta
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from catalog.readers import read
from catalog.readers.bids.documents import read_object
from catalog.readers.bids.gradients import GAP, UNWEIGHTED, weigh
from catalog.readers.bids.mapping import Mapper
from catalog.readers.bids.names import NameReader
from catalog.readers.bids.schema import load_schema
from catalog.readers.bids.tables import read_table
from catalog.readers.bids.timeline import years_between
from catalog.readers.folder import FolderTree
from catalog.readers.problems import ProblemLog
from catalog.tree import TreeFile
from ontology.canonical import canonical_json
from ontology.column_rules import MISSING
from ontology.crosswalk import Crosswalk
from ontology.terms import TermIndex

LABEL = st.text("abcXYZ019", min_size=1, max_size=3)
KEYS = st.sampled_from(["ses", "task", "acq", "run", "echo", "part", "split", "recording", "desc", "zzz"])
TAILS = st.sampled_from(
    [
        "T1w.nii.gz",
        "T1w.json",
        "bold.nii.gz",
        "bold.json",
        "events.tsv",
        "physio.tsv.gz",
        "dwi.nii",
        "dwi.bval",
        "dwi.bvec",
        "meg.fif",
        "scans.tsv",
        "sessions.tsv",
        "x",
    ]
)
CONTENT = st.one_of(
    st.binary(max_size=40),
    st.sampled_from([b"{}", b'{"A": 1}', b"[", b'{"A": NaN}', b"participant_id\tage\nsub-a\t3\n", b"0 1000\n"]),
)
MEMBERS = (
    *("Levels", "Annotations", "IsAbout", "IsPartOf", "TermURL", "Label", "Units", "Delimiter", "MissingValues"),
    *("Format", "LongName", "Description", "a", "1"),
)
ENTRIES = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(), st.floats(allow_nan=False), st.text(max_size=8)),
    lambda inner: st.one_of(
        st.lists(inner, max_size=3),
        st.dictionaries(
            st.sampled_from(MEMBERS),
            inner,
            max_size=4,
        ),
    ),
    max_leaves=12,
)
CELLS = st.one_of(st.sampled_from(["1", "a", "n/a", "-9", "1;a", "89+", "M"]), st.text(max_size=6))
B_VALUES = st.lists(st.floats(min_value=0, max_value=10_000), max_size=30)


@pytest.fixture(scope="module")
def crosswalk(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Crosswalk]:
    with TermIndex.open(tmp_path_factory.mktemp("terms") / "terms.sqlite") as index:
        yield Crosswalk(index)


@st.composite
def bids_paths(draw: st.DrawFn) -> str:
    pairs = draw(st.lists(st.tuples(KEYS, LABEL), max_size=3))
    name = "_".join([*(f"{key}-{value}" for key, value in pairs), draw(TAILS)])
    folder = draw(
        st.sampled_from(["", "sub-a/", "sub-a/anat/", "sub-a/func/", "sub-b/ses-1/dwi/", "sub-a/meg/x_meg.ds/"])
    )
    return folder + (f"{folder[:5]}_{name}" if folder and draw(st.booleans()) else name)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(files=st.dictionaries(bids_paths(), CONTENT, max_size=12))
def test_any_dataset_is_read_and_every_file_accounted_for(files: dict[str, bytes], crosswalk: Crosswalk) -> None:
    with tempfile.TemporaryDirectory() as name:
        root = Path(name)
        for path, content in {"dataset_description.json": b"{}", **files}.items():
            (root / path).parent.mkdir(parents=True, exist_ok=True)
            (root / path).write_bytes(content)
        reading = read(FolderTree(root), crosswalk)
    listed = [file["path"] for a in reading.acquisitions for file in a["files"]]
    listed += [file["path"] for file in reading.dataset_files]
    assert sorted(listed) == sorted({"dataset_description.json", *files})
    labels = {participant["label"] for participant in reading.participants}
    assert {a["participant"] for a in reading.acquisitions} <= labels
    canonical_json([reading.dataset, list(reading.participants), list(reading.acquisitions)])


@settings(max_examples=300, deadline=None)
@given(raw=st.binary(max_size=200))
def test_any_bytes_are_read_as_a_document_or_a_table(raw: bytes) -> None:
    problems = ProblemLog()
    document = read_object(raw, "x.json", problems)
    assert document is not None or problems.collect()
    canonical_json(document)
    table = read_table(raw, "x.tsv", problems)
    assert table is None or all(len(row) == len(table.columns) for row in table.rows)


@settings(max_examples=300, deadline=None)
@given(
    value=st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats() | st.text(st.characters()),
        lambda inner: (
            st.lists(inner, max_size=3) | st.dictionaries(st.text(st.characters(), max_size=5), inner, max_size=3)
        ),
        max_leaves=10,
    )
)
def test_any_json_can_be_stored_after_reading(value: object) -> None:
    import json

    problems = ProblemLog()
    document = read_object(json.dumps({"member": value}).encode(), "x.json", problems)
    assert document is not None
    canonical_json(document)


@settings(max_examples=300, deadline=None)
@given(path=st.text(st.characters(exclude_characters="\0"), min_size=1, max_size=60))
def test_any_path_has_a_name(path: str) -> None:
    found = NameReader(load_schema()).read(TreeFile(path, 0))
    assert found.folder.levels[0] == ""
    assert all(found.entities.values())


@settings(max_examples=200, deadline=None)
@given(pairs=st.dictionaries(KEYS, LABEL, min_size=1), tail=st.sampled_from(["bold.nii.gz", "T1w.json"]))
def test_entities_come_back_as_they_were_written(pairs: dict[str, str], tail: str) -> None:
    name = "_".join([*(f"{key}-{value}" for key, value in pairs.items()), tail])
    found = NameReader(load_schema()).read(TreeFile(name, 0))
    assert found.entities == pairs
    assert f"{found.stem}{found.extension}" == name


@settings(max_examples=300, deadline=None)
@given(value=st.one_of(st.integers(), st.floats(), st.lists(st.integers() | st.floats(), min_size=1, max_size=4)))
def test_the_quick_way_reads_as_the_careful_one(value: object) -> None:
    import json

    from catalog.readers.bids import documents

    raw = json.dumps({"member": value}).encode()
    quick = read_object(raw, "x.json", ProblemLog())
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(documents, "orjson", None)
        careful = read_object(raw, "x.json", ProblemLog())
    assert quick == careful
    assert repr(quick) == repr(careful)


@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    entry=ENTRIES, cell=CELLS, header=st.sampled_from(["age", "sex", "mmse_total", "panas_x", "dx", "weight_lb", "q"])
)
def test_any_data_dictionary_is_read_and_no_cell_is_lost_in_silence(
    entry: object, cell: str, header: str, crosswalk: Crosswalk
) -> None:
    mapper, problems = _mapper(crosswalk)
    stated = mapper.cell(header, cell, source="participants.tsv", description=entry)
    mapper.settle()
    canonical_json([[prop, value] for prop, value in stated])
    for prop, value in stated:
        assert prop
        assert value["source"] == "participants.tsv"
        assert prop == "assessment" or value["original"] in cell
    declared = isinstance(entry, dict) and crosswalk.declared_missing(cell, entry)
    if not stated and declared:
        assert any("was read as missing" in problem.detail for problem in problems.collect())
    elif not stated:
        pieces = cell.split(str(entry["Delimiter"])) if isinstance(entry, dict) and entry.get("Delimiter") else [cell]
        nothing = [piece.strip().casefold() in MISSING for piece in pieces]
        assert all(nothing) or any(crosswalk.declared_missing(p, entry) for p in pieces if isinstance(entry, dict))


@settings(deadline=None)
@given(weights=B_VALUES)
def test_shells_hold_every_weighted_volume_once(weights: list[float]) -> None:
    found = weigh(weights, None)
    weighted = [weight for weight in weights if weight > UNWEIGHTED]
    assert found.directions == len(weighted)
    assert found.outer_directions <= found.directions
    assert list(found.shells) == sorted(found.shells)
    assert all(later - earlier >= GAP / 2 for earlier, later in pairwise(found.shells))
    assert not weighted or min(weighted) <= found.shells[0] <= found.shells[-1] <= found.largest == max(weights)


@example(first=date(2020, 2, 29), last=date(9999, 12, 31))
@given(first=st.dates(), last=st.dates())
def test_years_between_days_keep_their_order(first: date, last: date) -> None:
    first, last = sorted((first, last))
    years = years_between(first, last)
    assert years >= 0
    assert abs(years - (last - first).days / 365.2425) < 0.01 * max(1, years)
    assert years_between(first, first) == 0
    assert last == first or years >= years_between(first, last - timedelta(1)) - 1e-6


def _mapper(crosswalk: Crosswalk) -> tuple[Mapper, ProblemLog]:
    problems = ProblemLog()
    return Mapper(crosswalk, problems), problems
