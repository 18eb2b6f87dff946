"""The story of the demo: from a folder of images to a proof, in seven steps, by the public client alone."""

from __future__ import annotations

import os
import subprocess
import sys
import zipfile
from pathlib import Path
from typing import Any

from api.catalogue import create
from sillage.client import Client
from sillage.demo.telling import Teller

QUERY = (
    "under(diagnosis, 'DOID:3213') AND age BETWEEN 30 AND 50"
    " AND has(suffix = 'FLAIR' AND magnetic_field_strength >= 3) AND has(suffix = 'T1w')"
)
HEALTHY = "under(diagnosis, 'healthy') AND has(suffix = 'FLAIR') AND has(suffix = 'T1w')"


class Story:
    """Tells the seven steps, each on what the one before has left.

    Args:
        folder: Where the study, the catalogue and the evidence go.
        teller: Who speaks.
    """

    def __init__(self, folder: Path, teller: Teller) -> None:
        self.folder = folder.resolve()
        self.catalog = self.folder / "catalog"
        self._tell = teller
        self._datasets: list[dict[str, Any]] = []
        self._cohort: dict[str, Any] = {}
        self._map: dict[str, Any] = {}

    def tell(self) -> bool:
        """Tell all of it; False when a step did not end as it must."""
        with self._tell.step("Make a study to work on: two sites, healthy people and people with multiple sclerosis"):
            study = self._make_study()
        create(self.catalog, title="Demo catalogue")
        with Client(catalog=self.catalog) as client:
            with self._tell.step("Register both datasets in a new catalogue: read, map to terms, version"):
                self._register(client, study)
            with self._tell.step("Find participants by meaning, and freeze the answer"):
                healthy = self._find(client)
            with self._tell.step("Certify the quality control on reference data: run, compare, sign"):
                if not self._certify(client):
                    return False
            with self._tell.step("Run two pipelines over the cohort"):
                if not self._run(client, healthy):
                    return False
            with self._tell.step("Publish: reserve DOIs"):
                self._publish(client)
            with self._tell.step("Prove: where does this anomaly map come from, and was anything changed?"):
                proved = self._prove(client)
        self._tell.done()
        return proved

    def _make_study(self) -> list[Path]:
        from sillage.demo.study import make_study

        with self._tell.working("Deforming a template brain, adding lesions, noise and dirty values ..."):
            datasets = make_study(self.folder / "study")
        validator = Path(sys.executable).with_name("bids-validator-deno")
        for dataset in datasets:
            images = len(list(dataset.rglob("*.nii.gz")))
            verdict = "not checked: bids-validator-deno is not installed"
            if validator.exists():
                environment = {**os.environ, "DENO_DIR": str(self.folder / "deno"), "NO_COLOR": "1"}
                done = subprocess.run(
                    [validator, dataset, "--ignoreWarnings"], env=environment, capture_output=True, check=False
                )
                verdict = "valid BIDS" if done.returncode == 0 else "NOT valid BIDS"
            self._tell.say(f"{dataset.name}: {images} images, {verdict}")
        return datasets

    def _register(self, client: Client, study: list[Path]) -> None:
        for path in study:
            with self._tell.working(f"Registering {path.name} ..."):
                found = client.register_dataset(path)
            self._datasets.append(found)
            self._tell.say(
                f"{found['title']}: {found['participants']} participants, {found['acquisitions']} acquisitions,"
                f" {found['files']} files. Dataset {short(found['id'])}"
            )
            report = client.get(f"datasets/{found['id']}/report")
            mapped = sum(sum(values.values()) for values in report["mapped"].values())
            missed = [f"{name} {value!r}" for name, values in report["unmapped"].items() for value in values]
            self._tell.say(f"  {mapped} values mapped to terms; kept as found: {', '.join(missed) or 'none'}")

    def _find(self, client: Client) -> dict[str, Any]:
        self._tell.say(QUERY)
        answer = client.find_cohort(QUERY, facets=["sex", "diagnosis"], explain=True)
        datasets = {hit["dataset"] for hit in answer["items"]}
        self._tell.say(f"{answer['count']} participants in {len(datasets)} datasets; for example:")
        hit = answer["items"][0]
        for reason in hit["explanation"]:
            chain = " is a ".join(term["label"] for term in reason.get("chain", []))
            said = chain or f"{reason['property']} {reason.get('label') or reason['value']}"
            self._tell.say(f"  {hit['label']}: {said}")
        for name, values in answer["facets"].items():
            self._tell.say(f"  by {name}: " + ", ".join(f"{v['label']} {v['count']}" for v in values))
        self._cohort = client.freeze_cohort(QUERY, label="Demyelinating disease, 30 to 50, FLAIR at 3 T and T1w")
        healthy = client.freeze_cohort(HEALTHY, label="Healthy, for training")
        self._tell.say(f"Frozen: cohort {short(self._cohort['id'])}, digest {self._cohort['digest'][:16]}...")
        self._tell.say(f"Frozen for training: {healthy['count']} healthy people, cohort {short(healthy['id'])}")
        return healthy

    def _certify(self, client: Client) -> bool:
        """Certify ``image-qc`` by the reference case that ships with it."""
        registered = client.post("pipelines", {"descriptor": {}, "bundled": "image-qc"})
        version = f"pipelines/{registered['name']}/versions/{registered['tool_version']}"
        with self._tell.working("Running the reference case ..."):
            task = client.wait(client.post(f"{version}/certify")["id"])
        report = task["certification"]["report"]
        for item in report["comparisons"]:
            verdict = "" if item["passed"] else "NOT within tolerance: "
            self._tell.say(f"{item['path'].removeprefix('out/')}: {verdict}{item['detail']}")
        if not report["passed"]:
            return False
        certificate = client.get(f"certificates/{report['certificate']}")
        self._tell.say(f"Certificate {short(certificate['id'])}, signed, in force until {certificate['expires'][:10]}")
        return True

    def _run(self, client: Client, healthy: dict[str, Any]) -> bool:
        for name in ("image-qc", "anomaly-autoencoder-train", "anomaly-autoencoder"):
            client.post("pipelines", {"descriptor": {}, "bundled": name})
        quality = self._submit(client, "image-qc", cohort=self._cohort["id"])
        training = self._submit(client, "anomaly-autoencoder-train", cohort=healthy["id"])
        model = next((o["id"] for o in training["outputs"] if o["path"].endswith("model.npz")), None)
        if model is None:
            return False
        self._tell.say(f"  the model is {short(model)}")
        found = self._submit(client, "anomaly-autoencoder", cohort=self._cohort["id"], inputs={"model": [model]})
        maps = [o for o in found["outputs"] if o["path"].endswith(".nii.gz")]
        if quality["state"] != "COMPLETE" or found["state"] != "COMPLETE" or not maps:
            self._tell.say("A task did not complete: `sillage task list` and `sillage task logs` say why.")
            return False
        self._map = maps[0]
        judged = found["items"][0]["id"] if found["type"] == "TaskBatch" else found["id"]
        leakage = client.get(f"tasks/{judged}")["leakage"] or {"state": "not judged", "reason": "no model"}
        self._tell.say(f"  leakage: {leakage['state']}: {leakage['reason']}")
        self._tell.say(f"  {len(maps)} anomaly maps; the first is {short(self._map['id'])}, {self._map['path']}")
        return True

    def _submit(self, client: Client, pipeline: str, **options: Any) -> dict[str, Any]:
        task = client.run(pipeline, **options)
        with self._tell.working(f"Running {pipeline} in its sandbox ..."):
            task = client.wait(task["id"])
        count = f"{task['complete']} of {task['total']} tasks" if task["type"] == "TaskBatch" else "one task"
        self._tell.say(f"{pipeline}: {task['state']} ({count}), {len(task['outputs'])} outputs. {short(task['id'])}")
        return task

    def _publish(self, client: Client) -> None:
        derived = client.show(client.show(self._map["id"])["dataset"])
        for record, name in ((self._cohort, "the cohort"), (derived, "the anomaly maps")):
            identifier = client.post("identifiers", {"subject": record["id"]})
            note = "" if identifier["resolvable"] else ", under a test prefix: it does not resolve"
            self._tell.say(f"doi:{identifier['doi']} reserved for {name}{note}")
            self._tell.say(f"  landing page: /doi/{identifier['doi']}")

    def _prove(self, client: Client) -> bool:
        result = self._map["id"]
        up = client.get(f"lineage/{result}", direction="up")
        kinds = sorted({node["type"] for node in up["nodes"]})
        self._tell.say(f"Up from the map: {len(up['nodes'])} records and files ({', '.join(kinds)})")
        member = client.get(f"cohorts/{self._cohort['id']}")["members"][0]["participant"]
        down = client.get(f"lineage/{member}", direction="down")
        self._tell.say(f"Down from one participant ({short(member)}): {len(down['nodes'])} records and files")
        folder = self.folder / "evidence"
        folder.mkdir()
        (folder / "map.prov.ttl").write_bytes(
            client.request("GET", f"/api/v1/prov/{result}", params={"format": "turtle"}).content
        )
        pack = folder / "map.zip"
        size = client.download(f"evidence/{result}", pack)
        self._tell.say(f"PROV in {folder / 'map.prov.ttl'}; evidence pack of {size} bytes in {pack}")
        sound = self._verify(pack)
        self._tell.say(f"Verified with the pack's own verifier, without Sillage: {'valid' if sound else 'NOT VALID'}")
        altered = folder / "altered.zip"
        altered.write_bytes(_flip_a_byte(pack))
        caught = not self._verify(altered)
        self._tell.say(f"One byte changed: {'caught' if caught else 'NOT CAUGHT'}")
        return sound and caught

    def _verify(self, pack: Path) -> bool:
        """Run the verifier that lies in the pack, as an auditor would: Python's standard library and openssl."""
        verifier = pack.with_name("verify.py")
        if not verifier.exists():
            with zipfile.ZipFile(pack) as archive:
                verifier.write_bytes(archive.read("verify.py"))
        done = subprocess.run([sys.executable, "-I", verifier, pack], capture_output=True, check=False)
        return done.returncode == 0


def short(id: str) -> str:
    """Return as much of an id as a person types."""
    return id.removeprefix("urn:uuid:")[:8]


def _flip_a_byte(pack: Path) -> bytes:
    data = bytearray(pack.read_bytes())
    data[len(data) // 2] ^= 1
    return bytes(data)
