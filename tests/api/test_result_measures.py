"""What results and datasets say can be asked for: measures of a pipeline's outputs, and DOIs that were minted."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from catalog.doi.contract import Registered
from catalog.doi.offline import OfflineRegistrar
from sillage.client import Client
from tests.api.conftest import write_pipeline

MEASURED = r"""set -e
for f in "$@"; do
  label=$(basename "$f" _T1w.nii.gz)
  folder=out/$label/anat
  mkdir -p "$folder"
  printf '{"measures": {"snr": 12.5, "brain_ml": 1400, "odd": [1], "none": null, "tool": "fast"}}' \
    > "$folder/${label}_desc-qc_T1w.json"
  printf 'volume\tmood\n1.5\tn/a\n' > "$folder/${label}_desc-volumes_T1w.tsv"
  echo no json at all > "$folder/${label}_desc-broken_T1w.json"
  cp "$f" "$folder/${label}_desc-smooth_T1w.nii.gz"
  printf '{"fwhm": 6}' > "$folder/${label}_desc-smooth_T1w.json"
done
"""
OUTPUTS = {
    "quality": ("out/**/*desc-qc*.json", {"member": "measures", "units": {"brain_ml": "mL"}}),
    "volumes": ("out/**/*.tsv", True),
    "broken": ("out/**/*desc-broken*.json", True),
    "smooth": ("out/**/*desc-smooth*.nii.gz", None),
    "sidecars": ("out/**/*desc-smooth*.json", True),
}


@pytest.fixture
def measuring(client: Client, tmp_path: Path, bubblewrap: str) -> None:
    """Register a pipeline that measures T1w images."""
    descriptor = write_pipeline(tmp_path / "measuring", MEASURED, name="measuring")
    descriptor["tool-version"] = "1.10.0"
    descriptor["output-files"] = [
        {"id": name, "name": name, "path-template": template, "list": True} for name, (template, _) in OUTPUTS.items()
    ]
    rules = {name: {"measures": rule} for name, (_, rule) in OUTPUTS.items() if rule is not None}
    descriptor["custom"]["sillage"]["outputs"] = rules
    client.register_pipeline(descriptor, tmp_path / "measuring")


@pytest.fixture
def measured(client: Client, registered: dict[str, Any], measuring: None) -> dict[str, Any]:
    """Measure the T1w images of one participant."""
    cohort = client.freeze_cohort("label = 'sub-01'")
    batch: dict[str, Any] = client.wait(client.run("measuring", cohort=cohort["id"])["id"])
    assert batch["state"] == "COMPLETE", batch
    return batch


ASKED = {
    "derived(measure('snr') > 12)": True,
    "derived(measure('snr') > 13)": False,
    "has(suffix = 'T1w' AND measure.snr = 12.5)": True,
    "derived(pipeline = 'measuring' AND version >= '1.9')": True,
    "derived(pipeline = 'measuring' AND version < '1.9')": False,
    "derived(measure('volume') = 1.5 AND result = 'tsv')": True,
    "derived(measure('fwhm') = 6 AND result IS NULL)": True,
    "derived(measure('tool') = 'FAST')": True,
    "derived(matches('fast'))": True,
    "label = 'sub-01' AND count(suffix = 'T1w' AND derived = FALSE) = 1": True,
    "label = 'sub-01' AND count(suffix = 'T1w') = 2": True,
    "label = 'sub-01' AND count(derived = TRUE) = 4": True,
}


def test_measures_of_results_are_conditions(client: Client, measured: dict[str, Any]) -> None:
    found = {query: [hit["label"] for hit in client.find_cohort(query)["items"]] for query in ASKED}
    assert found == {query: ["sub-01"] if holds else [] for query, holds in ASKED.items()}


def test_a_result_lists_what_of_its_measures_could_not_be_read(client: Client, measured: dict[str, Any]) -> None:
    owners = {client.show(output["id"])["part_of"] for output in measured["outputs"]}
    records = {record["label"]: record for record in map(client.show, owners)}
    quality = records["sub-01_desc-qc_T1w"]
    assert quality["measures"]["brain_ml"] == [
        {"value": 1400, "unit": "mL", "source": "sub-01/anat/sub-01_desc-qc_T1w.json"}
    ]
    assert sorted(quality["measures"]) == ["brain_ml", "snr", "tool"]
    assert [(problem["field"], problem["detail"]) for problem in quality["problems"]] == [
        ("odd", "it is no single value")
    ]
    broken = records["sub-01_desc-broken_T1w"]
    assert "measures" not in broken
    assert broken["problems"][0]["detail"].startswith("no measures could be read")
    assert records["sub-01_desc-smooth_T1w"]["type"] == "Acquisition"


def test_a_dataset_is_found_by_the_doi_that_it_was_given_here(
    client: Client, registered: dict[str, Any], study: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def publish(self: OfflineRegistrar, doi: str, *, url: str | None, metadata: Any) -> Registered:
        return Registered(doi=doi, state="findable", resolvable=True)

    monkeypatch.setattr(OfflineRegistrar, "publish", publish)
    doi = client.post("identifiers", {"subject": registered["id"]})["doi"]
    asked = f"dataset.doi = 'https://doi.org/{doi.upper()}'"
    assert client.find_cohort(asked)["count"] == 0
    client.post(f"identifiers/{doi}/publish")
    assert client.find_cohort(asked)["count"] == 4
    revised = client.post(f"datasets/{registered['id']}/revise", {"path": str(study)})
    assert revised["unchanged"] is True
    (study / "sub-02" / "anat" / "sub-02_T1w.nii.gz").write_bytes(b"acquired again")
    client.post(f"datasets/{registered['id']}/revise", {"path": str(study)})
    assert client.find_cohort(asked)["count"] == 4


QUALITY = "derived(measure('snr') > 12)"


def named(client: Client, images: list[str]) -> dict[str, Any]:
    """Run the pipeline on images that are named one by one."""
    task: dict[str, Any] = client.wait(client.run("measuring", inputs={"images": images})["id"])
    assert task["state"] == "COMPLETE", task
    return task


def images_of(client: Client, dataset: str, *labels: str) -> list[str]:
    people = {each["label"]: each["id"] for each in client.get(f"datasets/{dataset}/participants")["items"]}
    shown = (client.get(f"participants/{people[label]}/acquisitions")["items"] for label in labels)
    return [next(image["id"] for image in listed if image["suffix"] == "T1w") for listed in shown]


def test_results_of_images_that_were_named_are_found_with_whom_they_are_of(
    client: Client,
    measuring: None,
    registered: dict[str, Any],
    study: Path,
    register_copy: Callable[..., dict[str, Any]],
) -> None:
    task = named(client, images_of(client, registered["id"], "sub-02"))
    assert task["participant"] is None
    assert [hit["label"] for hit in client.find_cohort(QUALITY)["items"]] == ["sub-02"]
    # By path, the same.
    named(client, [str(study / "sub-03" / "anat" / "sub-03_T1w.nii.gz")])
    assert [hit["label"] for hit in client.find_cohort(QUALITY)["items"]] == ["sub-02", "sub-03"]
    # Of several people each result is that of whom its name says.
    named(client, images_of(client, registered["id"], "sub-01", "sub-04"))
    assert client.find_cohort(QUALITY)["count"] == 4
    # What was made of such a result is still this person's.
    smooth = next(each["id"] for each in task["outputs"] if each["path"].endswith("smooth_T1w.nii.gz"))
    register_copy()
    again = client.wait(client.run("copy", inputs={"images": [smooth]})["id"])
    owner = client.show(client.show(again["outputs"][0]["id"])["part_of"])
    assert client.show(owner["participant"])["label"] == "sub-02"


def test_a_result_of_several_people_that_names_nobody_is_nobodys(
    client: Client, registered: dict[str, Any], tmp_path: Path, bubblewrap: str
) -> None:
    command = 'mkdir -p out; printf \'{"mean": 3}\' > out/all.json; cp "$1" out/sub-99_T1w.txt'
    descriptor = write_pipeline(tmp_path / "mean", command, name="mean", level="group")
    descriptor["output-files"] = [
        {"id": name, "name": name, "path-template": template}
        for name, template in (("all", "out/all.json"), ("odd", "out/sub-99_T1w.txt"))
    ]
    descriptor["custom"]["sillage"]["outputs"] = {"all": {"measures": True}}
    client.register_pipeline(descriptor, tmp_path / "mean")
    for labels, count in ((("sub-01", "sub-02"), 0), (("sub-03",), 1)):
        images = images_of(client, registered["id"], *labels)
        task = client.wait(client.run("mean", inputs={"images": images})["id"])
        assert task["state"] == "COMPLETE", task
        owners = [client.show(client.show(each["id"])["part_of"]) for each in task["outputs"]]
        assert {owner["label"]: bool(owner["participant"]) for owner in owners} == {
            "all": bool(count),
            "sub-99_T1w": False,
        }
        assert client.find_cohort("derived(measure('mean') = 3)")["count"] == count
