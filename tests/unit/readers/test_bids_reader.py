from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

import pytest

from catalog.readers import Reading, read
from catalog.readers.folder import FolderTree
from ontology.crosswalk import Crosswalk
from ontology.errors import InvalidRequestError

T1W = {"sub-01/anat/sub-01_T1w.nii.gz": b""}


def acquisition(reading: Reading, label: str) -> dict[str, Any]:
    (found,) = [a for a in reading.acquisitions if a["label"] == label]
    return found


def paths(found: dict[str, Any]) -> list[str]:
    return [file["path"] for file in found["files"]]


@pytest.fixture
def reading(write: Any, crosswalk: Crosswalk) -> Any:
    def of(files: dict[str, str | bytes]) -> Reading:
        return read(FolderTree(write(files)), crosswalk)

    return of


def test_what_is_no_bids_dataset_is_refused_with_a_next_step(tmp_path: Path, crosswalk: Crosswalk) -> None:
    (tmp_path / "notes.txt").write_text("hello")
    with pytest.raises(InvalidRequestError, match=r"neither dataset_description.json nor") as caught:
        read(FolderTree(tmp_path), crosswalk)
    assert caught.value.field == "path"
    (tmp_path / "inner").mkdir()
    (tmp_path / "inner" / "dataset_description.json").write_text("{}")
    with pytest.raises(InvalidRequestError) as caught:
        read(FolderTree(tmp_path), crosswalk)
    assert "inner" in (caught.value.next_step() or "")


def test_an_empty_folder_and_an_unknown_reader_are_refused(tmp_path: Path, crosswalk: Crosswalk) -> None:
    with pytest.raises(InvalidRequestError, match="empty"):
        read(FolderTree(tmp_path), crosswalk)
    with pytest.raises(InvalidRequestError) as caught:
        read(FolderTree(tmp_path), crosswalk, reader="dicom")
    assert caught.value.field == "reader"
    assert "bids" in (caught.value.next_step() or "")


def test_a_missing_description_is_a_problem_and_no_refusal(tmp_path: Path, crosswalk: Crosswalk) -> None:
    (tmp_path / "sub-1" / "anat").mkdir(parents=True)
    (tmp_path / "sub-1" / "anat" / "sub-1_T1w.nii").write_bytes(b"")
    found = read(FolderTree(tmp_path), crosswalk)
    assert len(found.acquisitions) == 1
    assert [problem.path for problem in found.problems] == ["dataset_description.json"]


def test_description_and_readme_make_the_dataset(reading: Any) -> None:
    said = {
        "Name": "Nap",
        "BIDSVersion": "1.8.0",
        "License": "CC0",
        "Authors": ["Ann", "Bo"],
        "Keywords": ["sleep"],
        "DatasetDOI": "https://doi.org/10.18112/OpenNeuro.ds000001.v1",
        "SourceDatasets": [{"URL": "https://example.org"}],
    }
    found = reading({"dataset_description.json": json.dumps(said), "README.md": "# Hello\n", **T1W})
    assert not found.problems
    assert found.dataset == {
        "label": "Nap",
        "title": "Nap",
        "description": "# Hello",
        "license": "CC0",
        "license_id": "CC0-1.0",
        "data_use": [],
        "creators": [{"name": "Ann"}, {"name": "Bo"}],
        "keywords": ["sleep"],
        "bids_version": "1.8.0",
        "dataset_type": "raw",
        "doi": "10.18112/openneuro.ds000001.v1",
        "source_datasets": [{"URL": "https://example.org"}],
        "generated_by": [],
        "access_rights": "restricted",
        "species": [],
        "genetics": None,
    }


def test_sidecars_are_inherited_and_the_nearest_wins_key_by_key(reading: Any) -> None:
    found = reading(
        {
            "bold.json": '{"A": 0, "B": 0, "C": 0, "D": 0}',
            "task-rest_bold.json": '{"B": 1, "C": 1, "D": 1}',
            "task-other_bold.json": '{"A": "never"}',
            "sub-01/sub-01_task-rest_bold.json": '{"C": 2, "D": 2}',
            "sub-01/ses-a/func/sub-01_ses-a_task-rest_bold.json": '{"D": 3, "RepetitionTime": 2.5}',
            "sub-01/ses-a/func/sub-01_ses-a_task-rest_bold.nii.gz": b"",
            "sub-02/func/sub-02_task-rest_bold.nii.gz": b"",
        }
    )
    first = acquisition(found, "sub-01_ses-a_task-rest_bold")
    assert first["metadata"] == {"A": 0, "B": 1, "C": 2, "D": 3, "RepetitionTime": 2.5}
    assert first["session"] == "ses-a"
    assert first["shared"] == ["bold.json", "task-rest_bold.json", "sub-01/sub-01_task-rest_bold.json"]
    second = acquisition(found, "sub-02_task-rest_bold")
    assert second["metadata"] == {"A": 0, "B": 1, "C": 1, "D": 1}
    assert second["bids_entities"] == {"sub": "02", "task": "rest"}


def test_two_sidecars_of_one_folder_are_reported_and_the_nearer_wins(reading: Any) -> None:
    found = reading(
        {"bold.json": '{"A": 1, "B": 1}', "task-a_bold.json": '{"A": 2}', "sub-1/func/sub-1_task-a_bold.nii": b""}
    )
    assert acquisition(found, "sub-1_task-a_bold")["metadata"] == {"A": 2, "B": 1}
    assert [problem.path for problem in found.problems] == ["bold.json"]


def test_one_acquisition_is_one_recording_with_the_files_that_serve_it_alone(reading: Any) -> None:
    func = "sub-01/func/sub-01_task-rest"
    found = reading(
        {
            f"{func}_run-1_bold.nii.gz": b"",
            f"{func}_run-1_bold.json": "{}",
            f"{func}_run-1_sbref.nii.gz": b"",
            f"{func}_run-1_events.tsv": "onset\n",
            f"{func}_run-1_recording-heart_physio.tsv.gz": b"",
            f"{func}_run-1_recording-heart_physio.json": "{}",
            f"{func}_run-2_bold.nii.gz": b"",
            f"{func}_physio.json": "{}",
        }
    )
    first = acquisition(found, "sub-01_task-rest_run-1_bold")
    assert {file["path"].removeprefix(func): file["role"] for file in first["files"]} == {
        "_run-1_bold.nii.gz": "image",
        "_run-1_bold.json": "sidecar",
        "_run-1_events.tsv": "associated",
        "_run-1_recording-heart_physio.json": "associated",
        "_run-1_recording-heart_physio.tsv.gz": "associated",
    }
    assert paths(acquisition(found, "sub-01_task-rest_run-1_sbref")) == [f"{func}_run-1_sbref.nii.gz"]
    assert acquisition(found, "sub-01_task-rest_run-2_bold")["shared"] == [f"{func}_physio.json"]
    assert f"{func}_physio.json" in [file["path"] for file in found.dataset_files]


def test_every_file_is_listed_once(reading: Any) -> None:
    found = reading(
        {
            **T1W,
            "README": "x",
            "sub-01/eeg/sub-01_task-a_eeg.vhdr": b"",
            "sub-01/eeg/sub-01_task-a_eeg.vmrk": b"",
            "sub-01/eeg/sub-01_task-a_eeg.eeg": b"1234",
            "sub-01/eeg/sub-01_electrodes.tsv": "name\n",
            "sub-01/meg/sub-01_task-a_split-01_meg.fif": b"",
            "sub-01/meg/sub-01_task-a_split-02_meg.fif": b"",
            "sub-01/meg/sub-01_task-b_meg.ds/a.meg4": b"",
            "sub-01/meg/sub-01_task-b_meg.ds/b/c.res4": b"",
            "sub-01/meg/sub-01_acq-crosstalk_meg.fif": b"",
            "sub-01/other/thing.bin": b"",
            "derivatives/x/dataset_description.json": '{"Name": "X", "GeneratedBy": [{"Name": "x"}]}',
            "derivatives/x/sub-01/anat/sub-01_desc-a_T1w.nii.gz": b"",
            "sourcedata/a.dcm": b"",
            ".bidsignore": "*.ignored\n",
            "a.ignored": b"",
        }
    )
    listed = [path for a in found.acquisitions for path in paths(a)] + [f["path"] for f in found.dataset_files]
    assert len(listed) == len(set(listed))
    assert len(listed) + sum(found.skipped.values()) == found.files == 18
    assert found.skipped == {"derivatives": 2, "sourcedata": 1, "hidden": 1, ".bidsignore": 1}
    assert {a["label"]: len(a["files"]) for a in found.acquisitions} == {
        "sub-01_T1w": 1,
        "sub-01_task-a_eeg": 4,
        "sub-01_task-a_meg": 2,
        "sub-01_task-b_meg": 2,
    }
    assert found.derivatives == [{"path": "derivatives/x", "title": "X", "generated_by": [{"Name": "x"}], "files": 2}]


def test_files_carry_size_checksum_and_media_type(reading: Any) -> None:
    found = reading({"sub-01/anat/sub-01_T1w.nii.gz": b"abc", "sub-01/anat/sub-01_T1w.json": '{"A": 1}'})
    (one,) = found.acquisitions
    assert one["files"] == [
        {
            "path": "sub-01/anat/sub-01_T1w.nii.gz",
            "sha256": hashlib.sha256(b"abc").hexdigest(),
            "size": 3,
            "media_type": "application/gzip",
            "role": "image",
        },
        {
            "path": "sub-01/anat/sub-01_T1w.json",
            "sha256": hashlib.sha256(b'{"A": 1}').hexdigest(),
            "size": 8,
            "media_type": "application/json",
            "role": "sidecar",
        },
    ]


def test_an_age_that_is_no_number_is_kept_and_reported(reading: Any) -> None:
    found = reading(
        {
            "participants.tsv": "participant_id\tage\nsub-01\t34,5\nsub-02\t89+\nsub-03\tn/a\nsub-04\t34,5\n",
            **{f"sub-0{n}/anat/sub-0{n}_T1w.nii": b"" for n in (1, 2, 3, 4)},
        }
    )
    assert [one["properties"]["age"][0]["value"] for one in found.participants[:2]] == ["34,5", 89]
    assert found.unmapped == {"age": {"34,5": 2}}
    (problem,) = [each for each in found.problems if each.field == "age"]
    assert problem.path == "participants.tsv"
    assert "is no number" in problem.detail


def test_participants_are_mapped_and_counted(reading: Any) -> None:
    found = reading(
        {
            "participants.tsv": "participant_id\tage\tsex\nsub-01\t34\tM\nsub-02\tn/a\tf\nsub-03\t1\tM,\n",
            **{f"sub-0{n}/anat/sub-0{n}_T1w.nii": b"" for n in (1, 2, 3)},
        }
    )
    one, two, three = found.participants
    assert one["properties"]["age"][0]["value"] == 34
    assert one["properties"]["sex"][0]["term"].endswith("PATO_0000384")
    assert one["properties"]["sex"][0]["original"] == "M"
    assert "age" not in two["properties"]
    assert three["properties"]["sex"] == [{"value": "M,", "original": "M,", "source": "participants.tsv"}]
    assert found.mapped["sex"] == {"M": 1, "f": 1}
    assert found.unmapped == {"sex": {"M,": 1}}
    assert [(p.path, p.field) for p in found.problems] == [("participants.tsv", "sex")]


def test_rows_and_folders_that_do_not_match_are_reported(reading: Any) -> None:
    found = reading({"participants.tsv": "participant_id\nsub-02\n", **T1W})
    assert [participant["label"] for participant in found.participants] == ["sub-01"]
    details = [problem.detail for problem in found.problems]
    assert "sub-02 has a row and no folder; it was not read" in details
    assert "sub-01 has a folder and no row" in details


def test_sessions_and_phenotype_tables_say_for_which_session(reading: Any) -> None:
    found = reading(
        {
            "participants.tsv": "participant_id\nsub-01\n",
            "sub-01/sub-01_sessions.tsv": "session_id\tweight\nses-a\t70\nses-b\t72\n",
            "sub-01/ses-a/anat/sub-01_ses-a_T1w.nii": b"",
            "sub-01/ses-b/anat/sub-01_ses-b_T1w.nii": b"",
            "phenotype/bdi.tsv": "participant_id\tsession_id\ttotal\tbdi_x\tsex\nsub-01\tses-a\t7\t1\tF\n",
            "phenotype/bdi.json": '{"total": {"Description": "Sum", "Units": "points"}}',
        }
    )
    (one,) = found.participants
    assert [session["label"] for session in one["sessions"]] == ["ses-a", "ses-b"]
    assert one["sessions"][1]["properties"]["weight"][0]["value"] == 72
    assert [value["session"] for value in one["properties"]["weight"]] == ["ses-a", "ses-b"]
    total = one["properties"]["bdi_total"][0]
    assert (total["value"], total["session"], total["source"]) == (7, "ses-a", "phenotype/bdi.tsv")
    assert {"assessment", "bdi", "bdi_total", "bdi_x", "session_count", "sex", "weight"} == set(one["properties"])


def test_levels_of_the_data_dictionary_give_terms(reading: Any) -> None:
    found = reading(
        {
            "participants.tsv": "participant_id\tsex\nsub-01\t1\n",
            "participants.json": '{"sex": {"Levels": {"1": "female", "2": "male"}}}',
            **T1W,
        }
    )
    assert found.participants[0]["properties"]["sex"][0]["term"].endswith("PATO_0000383")


def test_scans_and_samples_describe_acquisitions(reading: Any) -> None:
    found = reading(
        {
            "samples.tsv": "sample_id\tparticipant_id\tsample_type\nsample-A\tsub-01\ttissue\n",
            "sub-01/micr/sub-01_sample-A_stain-x_SPIM.ome.tif": b"",
            "sub-01/sub-01_scans.tsv": (
                "filename\tacq_time\nmicr/sub-01_sample-A_stain-x_SPIM.ome.tif\t2020-01-02T03:04:05\nno/such\tn/a\n"
            ),
        }
    )
    (one,) = found.acquisitions
    assert one["properties"]["sample_type"][0]["value"] == "tissue"
    assert one["properties"]["acq_time"][0]["value"] == "2020-01-02T03:04:05"
    assert [(p.path, p.field) for p in found.problems] == [("sub-01/sub-01_scans.tsv", "filename")]


def test_gradients_are_counted(reading: Any) -> None:
    found = reading(
        {
            "dwi.bval": "0 0 1000\n",
            "sub-01/dwi/sub-01_dwi.nii": b"",
            "sub-01/dwi/sub-01_dwi.bval": "0 5 1000 2000 2000\n",
            "sub-02/dwi/sub-02_dwi.nii": b"",
            "sub-03/dwi/sub-03_dwi.nii": b"",
            "sub-03/dwi/sub-03_dwi.bval": "0 x\n",
        }
    )
    one, two, three = (a["properties"] for a in found.acquisitions)
    assert (one["diffusion_directions"][0]["value"], one["b_value_max"][0]["value"]) == (3, 2000)
    assert two["diffusion_directions"][0] == {"value": 1, "original": "1", "source": "dwi.bval"}
    assert "b_value_max" not in three
    assert [problem.path for problem in found.problems] == ["sub-03/dwi/sub-03_dwi.bval"]


def test_what_the_sidecar_says_becomes_properties_with_units(reading: Any) -> None:
    found = reading({**T1W, "T1w.json": '{"MagneticFieldStrength": 3, "Manufacturer": "Siemens"}'})
    properties = found.acquisitions[0]["properties"]
    assert properties["magnetic_field_strength"][0]["value"] == 3
    assert properties["modality"][0]["term"]
    assert properties["contrast"][0]["term"]


def test_a_derivative_dataset_reads_as_derived(reading: Any) -> None:
    found = reading(
        {
            "dataset_description.json": json.dumps(
                {"Name": "p", "BIDSVersion": "1.8.0", "DatasetType": "derivative", "GeneratedBy": [{"Name": "p"}]}
            ),
            "sub-01/anat/sub-01_space-MNI_desc-brain_mask.nii.gz": b"",
            "sub-01/anat/sub-01_hemi-L_pial.surf.gii": b"",
        }
    )
    (one,) = found.acquisitions
    assert one["derived"] is True
    assert one["bids_entities"] == {"sub": "01", "space": "MNI", "desc": "brain"}
    assert not found.problems


def test_types_that_the_schema_forbids_are_reported_and_kept(reading: Any) -> None:
    found = reading({**T1W, "T1w.json": '{"MagneticFieldStrength": "3T", "Own": "3T", "EchoTime": [0.1, 0.2]}'})
    assert found.acquisitions[0]["metadata"]["MagneticFieldStrength"] == "3T"
    assert [(p.field, p.detail) for p in found.problems] == [("MagneticFieldStrength", '"3T" is not a number')]


def test_members_asked_one_by_one_say_what_all_of_them_say_together(crosswalk: Crosswalk) -> None:
    from catalog.readers.bids.mapping import Mapper
    from catalog.readers.problems import ProblemLog

    metadata: dict[str, Any] = {
        "MagneticFieldStrength": 3,
        "Manufacturer": "Siemens",
        "ManufacturersModelName": "Prisma",
        "RepetitionTime": "2.5",
        "EchoTime": [0.1, 0.2],
        "FlipAngle": True,
        "BodyPart": "BRAIN",
        "TracerName": ["FDG", "x"],
        "InjectedRadioactivity": 100,
        "InjectedRadioactivityUnits": "MBq",
        "TaskName": "n/a",
        "Other": {"x": 1},
    }
    mapper = Mapper(crosswalk, ProblemLog())
    for suffix, datatype in (("T1w", "anat"), ("bold", "func"), ("SPIM", "micr"), ("unknown", "nowhere")):
        together = crosswalk.acquisition(suffix, datatype, metadata)
        assert mapper.imaging(suffix, datatype, metadata) == {
            prop: [value.to_json() for value in values if value.value is not None]
            for prop, values in together.items()
            if any(value.value is not None for value in values)
        }
