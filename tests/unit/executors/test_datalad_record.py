"""The form in which DataLad finds and repeats a run."""

from __future__ import annotations

from executors.rerun.datalad_record import datalad_run_message, datalad_run_record

COMMAND = ("python", "/pipeline/run.py", "/inputs/ab/sub-01/anat/x.nii.gz", "--out=/work/out")


def test_the_command_stays_readable_and_paths_are_relative() -> None:
    record = datalad_run_record(
        COMMAND,
        run_file="code/runs/ab/abc.json",
        inputs=["sourcedata/ab/sub-01/anat/x.nii.gz"],
        outputs=["sub-01/b.json", "a.json"],
        extra_inputs=["code/pipelines/qc-1"],
        dataset_id="d",
    )
    assert record == {
        "chain": [],
        "cmd": ["python3", "code/rerun.py", "code/runs/ab/abc.json", *COMMAND],
        "dsid": "d",
        "exit": 0,
        "extra_inputs": ["code/pipelines/qc-1"],
        "inputs": ["sourcedata/ab/sub-01/anat/x.nii.gz"],
        "outputs": ["a.json", "sub-01/b.json"],
        "pwd": ".",
    }


def test_what_datalad_would_read_as_a_pattern_is_escaped() -> None:
    record = datalad_run_record(("sh", "-c", "echo ${1}"), run_file="r", inputs=["a[1]*"], outputs=["{x}?"])
    assert record["cmd"][-1] == "echo ${{1}}"
    assert (record["inputs"], record["outputs"]) == (["a[[]1][*]"], ["{{x}}[?]"])


def test_datalad_finds_the_record_in_the_message() -> None:
    from datalad.local.rerun import get_run_info

    record = datalad_run_record(COMMAND, run_file="r", inputs=[], outputs=["a"])
    title, found = get_run_info(None, datalad_run_message(record, "image-qc 1.2.0"))
    assert title == "image-qc 1.2.0"
    assert found == record
