"""Sessions in time, and how diffusion series are weighted."""

from __future__ import annotations

import json
from datetime import date
from typing import Any

import pytest

from catalog.readers import Reading, read
from catalog.readers.bids.gradients import weigh
from catalog.readers.bids.timeline import stated_time, years_between
from catalog.readers.folder import FolderTree
from ontology.crosswalk import Crosswalk


@pytest.fixture
def reading(write: Any, crosswalk: Crosswalk) -> Any:
    def of(files: dict[str, str | bytes]) -> Reading:
        return read(FolderTree(write(files)), crosswalk)

    return of


def sessions(dates: dict[str, str | None], *, serial: dict[str, str] | None = None) -> dict[str, str | bytes]:
    """Return one participant with a T1w in each session, dated in ``scans.tsv``."""
    files: dict[str, str | bytes] = {}
    for name, moment in dates.items():
        start = f"sub-01/ses-{name}"
        files[f"{start}/anat/sub-01_ses-{name}_T1w.nii.gz"] = b""
        if moment:
            row = f"anat/sub-01_ses-{name}_T1w.nii.gz\t{moment}"
            files[f"{start}/sub-01_ses-{name}_scans.tsv"] = f"filename\tacq_time\n{row}\n"
        if serial and name in serial:
            said = {"Manufacturer": "Siemens", "DeviceSerialNumber": serial[name]}
            files[f"{start}/anat/sub-01_ses-{name}_T1w.json"] = json.dumps(said)
    return files


def said(found: Reading) -> dict[str, Any]:
    (one,) = found.participants
    names = ("session_count", "follow_up", "follow_up_same_scanner")
    return {name: one["properties"][name][0]["value"] for name in names if name in one["properties"]}


@pytest.mark.parametrize(
    ("first", "last", "years"),
    [
        (date(2019, 1, 1), date(2020, 1, 1), 1),
        (date(2020, 1, 1), date(2021, 1, 1), 1),
        (date(2020, 2, 29), date(2021, 2, 28), 1),
        (date(2019, 1, 1), date(2019, 1, 1), 0),
        (date(2019, 1, 1), date(2018 + 1, 12, 31), 364 / 365),
        (date(1900, 6, 15), date(1902, 6, 16), 2 + 1 / 365),
    ],
)
def test_years_are_those_of_the_calendar(first: date, last: date, years: float) -> None:
    assert years_between(first, last) == pytest.approx(years, abs=1e-6)


def test_time_between_sessions(reading: Any) -> None:
    found = reading(
        sessions(
            {"a": "1877-06-15T13:45:30", "b": "1878-06-15T09:00:00", "c": "1879-12-15T09:00:00", "d": None},
            serial={"a": "17", "b": "17", "c": "99"},
        )
    )
    assert said(found) == {
        "session_count": 4,
        "follow_up": pytest.approx(2.5, abs=0.01),
        "follow_up_same_scanner": 1,
    }
    (value,) = found.participants[0]["properties"]["follow_up_same_scanner"]
    assert value["original"] == "1877-06-15/1878-06-15 on Siemens 17"
    assert (value["unit"], value["source"]) == ("a", "computed: acq_time")
    assert not found.problems


def test_the_sessions_table_dates_what_no_scans_table_does(reading: Any) -> None:
    table = "session_id\tacq_time\nses-a\t2019-01-01\nses-b\t2021-01-01T00:00:00Z\nses-c\tn/a\n"
    found = reading({**sessions({"a": None, "b": None, "c": None}), "sub-01/sub-01_sessions.tsv": table})
    assert said(found) == {"session_count": 3, "follow_up": 2}


def test_one_model_is_not_one_scanner(reading: Any) -> None:
    files = sessions({"a": "2019-01-01", "b": "2020-01-01"})
    model = reading({**files, "T1w.json": '{"ManufacturersModelName": "Prisma", "InstitutionName": "X"}'})
    assert "follow_up_same_scanner" not in said(model)
    station = reading({**files, "T1w.json": '{"StationName": "MR1", "InstitutionName": "X"}'})
    assert said(station)["follow_up_same_scanner"] == 1


def test_ages_stand_in_for_dates(reading: Any) -> None:
    rows = "participant_id\tsession_id\tage\nsub-01\tses-a\t34.1\nsub-01\tses-b\t35.3\n"
    found = reading({**sessions({"a": None, "b": "2020-01-01"}), "participants.tsv": rows})
    assert said(found) == {"session_count": 2, "follow_up": 1.2}
    (value,) = found.participants[0]["properties"]["follow_up"]
    assert (value["source"], value["original"]) == ("computed: age by session", "34.1 to 35.3")


@pytest.mark.parametrize(
    ("dates", "ages", "fault"),
    [
        (("1802-06-04", "1880-01-10"), None, "more than 60 years apart"),
        (("1877-06-15", "2020-01-10"), None, "some dates of its sessions are shifted and others not"),
        (("1877-06-15", "1899-01-10"), (30, 31), "contradict its ages"),
    ],
)
def test_dates_that_cannot_be_true_are_reported_and_not_compared(
    reading: Any, dates: tuple[str, str], ages: tuple[int, int] | None, fault: str
) -> None:
    files = sessions(dict(zip("ab", dates, strict=True)))
    if ages:
        rows = "".join(f"sub-01\tses-{name}\t{age}\n" for name, age in zip("ab", ages, strict=True))
        files["participants.tsv"] = f"participant_id\tsession_id\tage\n{rows}"
    found = reading(files)
    assert said(found) == {"session_count": 2} | ({"follow_up": 1} if ages else {})
    assert [(p.path, p.field) for p in found.problems if fault in p.detail] == [("sub-01", "acq_time")]


@pytest.mark.parametrize(
    ("metadata", "value"),
    [
        ({"AcquisitionDateTime": "2018-05-11T19:27:37.755"}, "2018-05-11T19:27:37"),
        ({"AcquisitionDateTime": "20180511192737.755000"}, "2018-05-11T19:27:37"),
        ({"AcquisitionDate": 20180511, "AcquisitionTime": 192737.755}, "2018-05-11T19:27:37"),
        ({"AcquisitionDate": 20180511, "AcquisitionTime": 12737.755}, "2018-05-11T01:27:37"),
        ({"AcquisitionDate": "2018-05-11", "AcquisitionTime": "19:27:37"}, "2018-05-11T19:27:37"),
        ({"AcquisitionDate": "2018-05-11", "AcquisitionTime": "99:27:37"}, "2018-05-11"),
        ({"AcquisitionDate": "2018-13-11"}, None),
        ({"AcquisitionDate": True}, None),
        ({"AcquisitionTime": "19:27:37"}, None),
        ({"AcquisitionDateTime": ["x"], "AcquisitionDate": {}}, None),
        ({}, None),
    ],
)
def test_times_of_sidecars(metadata: dict[str, Any], value: str | None) -> None:
    found = stated_time(metadata)
    assert (found["value"] if found else None) == value


def test_scans_have_the_first_word_about_time(reading: Any) -> None:
    files = sessions({"a": "2019-01-01T10:00:00", "b": None})
    found = reading({**files, "T1w.json": '{"AcquisitionDateTime": "2021-01-01T10:00:00"}'})
    times = [a["properties"]["acq_time"] for a in found.acquisitions]
    assert [[value["value"] for value in listed] for listed in times] == [
        ["2019-01-01T10:00:00"],
        ["2021-01-01T10:00:00"],
    ]


def test_derived_data_have_no_sessions_of_their_own(reading: Any) -> None:
    described = '{"Name": "D", "BIDSVersion": "1.10.0", "DatasetType": "derivative"}'
    found = reading({**sessions({"a": "2019-01-01"}), "dataset_description.json": described})
    assert said(found) == {}


def test_shells_and_directions() -> None:
    x, y, z, none = (1.0, 0.0, 0.0), (0.0, 1.0, 0.0), (0.0, 0.0, 1.0), (0.0, 0.0, 0.0)
    found = weigh([0, 5, 995, 1005, 1000, 2000, 2000], [none, x, x, y, (-1.0, 0.0, 0.0), z, none])
    assert list(found.shells) == [1000, 2000]
    assert (found.directions, found.outer_directions, found.largest) == (3, 1, 2000)
    assert weigh([0, 1000, 1000], None).directions == 2
    nothing = weigh([0, 0], [none, none])
    assert (nothing.shells, nothing.directions, nothing.outer_directions, nothing.largest) == ([], 0, 0, 0)
    assert weigh([], None).largest == 0


@pytest.mark.parametrize(
    ("vectors", "directions", "problem"),
    [
        ("0 1 0 1\n0 0 1 0\n0 0 0 0\n", 2, None),
        ("0 0 0\n1 0 0\n0 1 0\n0 0 1\n", 3, None),
        ("0 1 0\n0 0 1\n0 0 0\n", 3, "does not hold three numbers for each of 4 volumes"),
        ("0 1 0 x\n0 0 1 0\n0 0 0 0\n", 3, "holds something that is no number"),
        ("0 1 0 nan\n0 0 1 0\n0 0 0 0\n", 3, "holds directions that are not finite"),
        ("", 3, None),
    ],
)
def test_directions_that_cannot_be_used_are_reported(
    reading: Any, vectors: str, directions: int, problem: str | None
) -> None:
    found = reading(
        {
            "sub-01/dwi/sub-01_dwi.nii.gz": b"",
            "sub-01/dwi/sub-01_dwi.bval": "0 1000 1000 2000\n",
            "sub-01/dwi/sub-01_dwi.bvec": vectors,
        }
    )
    properties = found.acquisitions[0]["properties"]
    assert properties["diffusion_directions"][0]["value"] == directions
    assert [value["value"] for value in properties["b_values"]] == [1000, 2000]
    assert properties["diffusion_shells"][0]["value"] == 2
    details = [p.detail for p in found.problems]
    expected = f"{problem}; every weighted volume was counted as a direction"
    assert details == ([expected] if problem else [])
