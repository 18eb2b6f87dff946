"""Certificates by the client: register a case, certify, run under a policy, drift, expire, revoke, and hand on."""

from __future__ import annotations

import base64
import hashlib
import json
import time
import zipfile
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.serialization import load_pem_public_key

from api.catalogue import Catalogue
from api.operations import certificates
from catalog.model import Commit, Put
from ontology.canonical import canonical_json
from provenance.evidence import verify_pack
from sillage.client import Client, ProblemError
from tests.api.conftest import write_pipeline

MEASURE = """
mkdir -p out
for f in "$@"; do n=$(wc -c < "$f"); name=$(basename "$f" .nii.gz)
  printf '{"bytes": %d, "made": "%s"}' "$n" "$(date +%s)" > "out/${name}_size.json"
  printf 'name\\tbytes\\n%s\\t%d\\n' "$name" "$n" > "out/${name}_size.tsv"
done
"""
IMAGE = b"reference image"
NAME = "sub-ref_T1w"
RULE = {"kind": "json", "members": {"/bytes": {"absolute": 2}}, "ignore": ["/made"]}


def a_case(**changes: Any) -> dict[str, Any]:
    """Return a reference case of the pipeline above."""
    return {
        "format": "sillage-reference/1",
        "label": "Fifteen bytes",
        "about": "Written by a test; CC0-1.0.",
        "inputs": {"images": [f"inputs/sub-ref/anat/{NAME}.nii.gz"]},
        "parameters": {},
        "expected": [
            {"path": f"out/{NAME}_size.json", "file": "expected/size.json", "compare": RULE},
            {"path": f"out/{NAME}_size.tsv", "file": "expected/size.tsv", "compare": {"kind": "table"}},
        ],
        **changes,
    }


def its_files(size: int = len(IMAGE)) -> dict[str, bytes]:
    return {
        f"inputs/sub-ref/anat/{NAME}.nii.gz": IMAGE,
        "expected/size.json": json.dumps({"bytes": size, "made": "long ago"}).encode(),
        "expected/size.tsv": f"name\tbytes\n{NAME}\t{len(IMAGE)}\n".encode(),
        "make.py": b"not kept",
    }


Register = Callable[..., dict[str, Any]]


@pytest.fixture
def register_case(client: Client) -> Register:
    def make(files: dict[str, bytes] | None = None, **changes: Any) -> dict[str, Any]:
        encoded = {path: base64.b64encode(data).decode() for path, data in (files or its_files()).items()}
        body = {"reference": a_case(**changes), "files": encoded}
        answer: dict[str, Any] = client.post("pipelines/measure/versions/1.0.0/references", body)
        return answer

    return make


@pytest.fixture
def pipeline(client: Client, tmp_path: Path, bubblewrap: str) -> dict[str, Any]:
    folder = tmp_path / "pipeline"
    descriptor = write_pipeline(folder, MEASURE, name="measure")
    descriptor["output-files"] = [
        {"id": "sizes", "name": "Sizes", "path-template": "out/*.json"},
        {"id": "tables", "name": "Tables", "path-template": "out/*.tsv"},
    ]
    return client.register_pipeline(descriptor, folder)


@pytest.fixture
def certify(client: Client, pipeline: dict[str, Any]) -> Register:
    def make(**asked: Any) -> dict[str, Any]:
        task = client.post("pipelines/measure/versions/1.0.0/certify", asked)
        return client.wait(task["id"])

    return make


@pytest.fixture
def certified(certify: Register, register_case: Register) -> str:
    """Id of a certificate in force."""
    register_case()
    found = certify()["certification"]["report"]["certificate"]
    assert found is not None
    return str(found)


@pytest.fixture
def cohort(client: Client, registered: dict[str, Any]) -> str:
    return str(client.freeze_cohort("has(suffix = 'T1w')")["id"])


def catalogue_of(client: Client) -> Catalogue:
    catalogue: Catalogue = client._transport._app.state.catalogue  # type: ignore[union-attr]
    return catalogue


@pytest.fixture
def policy(client: Client) -> Callable[[str], None]:
    def choose(uncertified: str) -> None:
        catalogue = catalogue_of(client)
        catalogue.settings = catalogue.settings.model_copy(update={"uncertified": uncertified})

    return choose


def standing(client: Client) -> dict[str, Any]:
    found: dict[str, Any] = client.get("pipelines/measure/versions/1.0.0")["standing"]
    return found


def test_a_case_within_tolerance_earns_a_certificate_that_others_verify(
    client: Client, certify: Register, register_case: Register
) -> None:
    assert standing(client)["state"] == "uncertified"
    case = register_case(its_files(size=len(IMAGE) + 2))
    assert register_case(its_files(size=len(IMAGE) + 2))["id"] == case["id"]
    task = certify(days=7)
    report = task["certification"]["report"]
    assert (task["state"], report["passed"]) == ("COMPLETE", True)
    assert [item["kind"] for item in report["comparisons"]] == ["json", "table"]
    assert report["comparisons"][0]["numbers"]["largest_absolute"] == 2
    shown = client.get(f"certificates/{report['certificate']}")
    envelope = client.request("GET", f"/api/v1/certificates/{report['certificate']}/envelope")
    assert envelope.headers["content-type"] == "application/vnd.dsse.envelope.v1+json"
    payload, kind = base64.b64decode(envelope.json()["payload"]), b"application/vnd.in-toto+json"
    message = b"DSSEv1 %d %b %d %b" % (len(kind), kind, len(payload), payload)
    key: Any = load_pem_public_key(shown["public_key"].encode())
    key.verify(base64.b64decode(envelope.json()["signatures"][0]["sig"]), message)
    statement = json.loads(payload)
    assert statement == shown["statement"]
    assert statement["_type"] == "https://in-toto.io/Statement/v1"
    version = client.get("pipelines/measure/versions/1.0.0")
    named = {subject["name"]: subject["digest"]["sha256"] for subject in statement["subject"]}
    assert named["descriptor"] == version["descriptor_digest"]
    assert named["files/run.sh"] == hashlib.sha256(MEASURE.encode()).hexdigest()
    said = statement["predicate"]
    assert said["reference"] == {"id": case["id"], "label": "Fifteen bytes", "digest": case["digest"]}
    assert said["task"]["id"] == task["id"]
    assert said["task"]["record_digest"] == hashlib.sha256(canonical_json(task["record"])).hexdigest()
    assert said["hardware"]["cpu_model"] == task["record"]["host"]["cpu_model"]
    assert said["comparisons"] == report["comparisons"]
    assert said["policy"] == {"uncertified": "warn", "days": 7}
    assert standing(client)["state"] == "certified"
    assert client.get("pipelines")["items"][0]["standing"] == "certified"
    assert [item["state"] for item in client.get("certificates")["items"]] == ["certified"]


def test_a_certificate_is_traced_to_the_run_and_the_case(client: Client, certified: str) -> None:
    up = client.get(f"lineage/{certified}", direction="up")
    assert {"Certificate", "Task", "Reference", "File", "PipelineVersion"} <= {node["type"] for node in up["nodes"]}
    assert client.post("check")["valid"] is True


@pytest.mark.parametrize(
    ("size", "changes", "says"),
    [
        (len(IMAGE) + 3, {}, "/bytes"),
        (
            len(IMAGE),
            {"expected": [{"path": "out/never.txt", "compare": {"kind": "present"}}]},
            "the task did not write it",
        ),
    ],
)
def test_a_case_beyond_tolerance_earns_none_and_the_report_is_kept(
    client: Client, certify: Register, register_case: Register, size: int, changes: dict[str, Any], says: str
) -> None:
    register_case(its_files(size=size), **changes)
    task = certify()
    report = client.get(f"tasks/{task['id']}")["certification"]["report"]
    assert (task["state"], report["passed"], report["certificate"]) == ("COMPLETE", False, None)
    assert says in report["detail"]
    assert client.get("certificates")["total"] == 0
    assert standing(client)["state"] == "uncertified"


def test_a_run_that_fails_earns_none_and_says_why(client: Client, pipeline: Any, tmp_path: Path) -> None:
    folder = tmp_path / "failing"
    client.register_pipeline(write_pipeline(folder, "exit 3", name="failing"), folder)
    encoded = {f"inputs/{NAME}.nii.gz": base64.b64encode(IMAGE).decode()}
    case = a_case(
        inputs={"images": [f"inputs/{NAME}.nii.gz"]},
        expected=[{"path": "out/a.txt", "compare": {"kind": "present"}}],
    )
    client.post("pipelines/failing/versions/1.0.0/references", {"reference": case, "files": encoded})
    task = client.wait(client.post("pipelines/failing/versions/1.0.0/certify")["id"])
    assert task["state"] == "EXECUTOR_ERROR"
    assert task["certification"]["report"]["passed"] is False
    assert "3" in task["certification"]["report"]["detail"]


def test_without_a_case_there_is_nothing_to_certify_by(client: Client, pipeline: Any) -> None:
    with pytest.raises(ProblemError) as refused:
        client.post("pipelines/measure/versions/1.0.0/certify")
    assert refused.value.status == 404
    assert "sillage pipeline reference measure@1.0.0" in str(refused.value.next_step)


@pytest.mark.parametrize(
    ("changes", "files", "where"),
    [
        ({"format": "other"}, {}, "/format"),
        ({"label": " "}, {}, "/label"),
        ({"extra": 1}, {}, "/extra"),
        ({"inputs": {"nosuch": [f"inputs/sub-ref/anat/{NAME}.nii.gz"]}}, {}, "/inputs/nosuch"),
        ({"inputs": {}}, {}, "/inputs"),
        ({"inputs": {"images": ["inputs/../../etc/passwd"]}}, {}, "/inputs/images/0"),
        ({"inputs": {"images": ["inputs/none.nii.gz"]}}, {}, "/inputs/images/0"),
        ({"parameters": {"nosuch": 1}}, {}, "/parameters/nosuch"),
        ({"expected": []}, {}, "/expected"),
        ({"expected": [{"path": "../x", "compare": {"kind": "present"}}]}, {}, "/expected/0/path"),
        ({"expected": [{"path": "out/x", "file": "expected/size.tsv", "compare": {}}]}, {}, "/expected/0/compare/kind"),
        ({}, {"expected/size.json": b"{"}, "/expected/0/file"),
        ({}, {"expected/size.tsv": b""}, "/expected/1/file"),
    ],
)
def test_what_is_wrong_with_a_case_is_named_by_its_place(
    pipeline: Any, register_case: Register, changes: dict[str, Any], files: dict[str, bytes], where: str
) -> None:
    with pytest.raises(ProblemError) as refused:
        register_case({**its_files(), **files}, **changes)
    assert refused.value.status == 422
    assert refused.value.problem["problems"][0]["field"] == where


def test_only_files_that_the_case_names_are_kept(catalog: Path, pipeline: Any, register_case: Register) -> None:
    case = register_case()
    folder = catalog / "references" / case["files_digest"]
    kept = {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}
    assert kept == set(its_files()) - {"make.py"}


def test_whoever_runs_pipelines_does_not_certify_them(
    pipeline: Any, register_case: Register, somebody: Callable[..., Client], certified: str
) -> None:
    for role, status in (("operator", 403), ("reader", 403), ("certifier", 202)):
        other = somebody(role)
        assert other.get(f"certificates/{certified}")["state"] == "certified"
        try:
            other.post("pipelines/measure/versions/1.0.0/certify")
            answered = 202
        except ProblemError as error:
            answered = error.status
        assert answered == status, role
    with pytest.raises(ProblemError) as refused:
        somebody("operator").post(f"certificates/{certified}/revoke", {"reason": "because"})
    assert refused.value.status == 403


def run(client: Client, cohort: str) -> dict[str, Any]:
    """Run the pipeline over a cohort and return the first of its tasks."""
    batch = client.wait(client.run("measure", cohort=cohort)["id"])
    return client.get(f"tasks/{batch['items'][0]['id']}") if batch["type"] == "TaskBatch" else batch


def test_every_task_says_which_certificate_was_in_force(client: Client, cohort: str, certified: str) -> None:
    task = run(client, cohort)
    digest = client.get(f"certificates/{certified}")["digest"]
    for said in (task["certificate"], task["record"]["plan"]["certificate"]):
        assert (said["state"], said["id"], said["digest"]) == ("certified", certified, digest)
    assert task.get("remarks") in (None, [])
    up = client.get(f"lineage/{task['outputs'][0]['id']}", direction="up")
    assert "Certificate" not in {node["type"] for node in up["nodes"]}


@pytest.mark.parametrize(("uncertified", "remarks"), [("allow", 0), ("warn", 1)])
def test_without_one_a_task_runs_and_is_remarked_on_as_the_policy_says(
    client: Client, cohort: str, pipeline: Any, policy: Callable[[str], None], uncertified: str, remarks: int
) -> None:
    policy(uncertified)
    task = run(client, cohort)
    assert task["state"] == "COMPLETE"
    assert (task["certificate"]["state"], task["certificate"]["id"]) == ("uncertified", None)
    assert task["record"]["plan"]["certificate"]["reason"] == "it was never certified"
    assert [text for text in task.get("remarks") or [] if "uncertified" in text][remarks:] == []
    assert len([text for text in task.get("remarks") or [] if "uncertified" in text]) == remarks


def test_under_refusal_only_what_is_certified_runs(
    client: Client, cohort: str, certify: Register, register_case: Register, policy: Callable[[str], None]
) -> None:
    policy("refuse")
    with pytest.raises(ProblemError) as refused:
        client.run("measure", cohort=cohort)
    assert (refused.value.status, refused.value.code) == (403, "not-certified")
    assert refused.value.problem["standing"]["state"] == "uncertified"
    assert "sillage pipeline certify measure@1.0.0" in str(refused.value.next_step)
    register_case()
    assert certify()["certification"]["report"]["passed"]
    assert run(client, cohort)["state"] == "COMPLETE"


def test_a_certificate_expires_and_drifts(
    client: Client, certified: str, cohort: str, policy: Callable[[str], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    policy("refuse")
    with monkeypatch.context() as later:
        later.setattr(certificates, "utc_now", lambda: "2999-01-01T00:00:00.000000Z")
        assert standing(client)["state"] == "expired"
        with pytest.raises(ProblemError, match="expired"):
            client.run("measure", cohort=cohort)
    real = certificates.environment_for
    with monkeypatch.context() as elsewhere:
        elsewhere.setattr(certificates, "environment_for", lambda *a: replace(real(*a), digest="0" * 64))
        found = standing(client)
        assert (found["state"], found["id"]) == ("drifted", certified)
        with pytest.raises(ProblemError, match="environment changed"):
            client.run("measure", cohort=cohort)
    assert standing(client)["state"] == "certified"


def test_what_changed_in_an_environment_is_named() -> None:
    said = certificates._changes(
        ["numpy==2.0", "scipy==1.15", "torch==2.6"], ["numpy==2.1", "pillow==11", "torch==2.6"]
    )
    assert said == " (numpy 2.0 -> 2.1, pillow was not there -> 11, scipy 1.15 -> gone)"


def test_a_certificate_that_was_altered_counts_for_nothing(client: Client, certified: str) -> None:
    catalogue = catalogue_of(client)
    record = catalogue.repository.get(certified)
    statement = json.loads(base64.b64decode(record.document["envelope"]["payload"]))
    statement["predicate"]["expires"] = "2999-01-01T00:00:00.000000Z"
    payload = base64.b64encode(json.dumps(statement).encode()).decode()
    document = {**record.document, "envelope": {**record.document["envelope"], "payload": payload}}
    edges = [(edge.predicate, edge.target) for edge in catalogue.repository.edges_from([certified])]
    put = Put(id=certified, type="Certificate", document=document, edges=edges)
    catalogue.repository.commit(Commit(principal=catalogue.iri, action="certificate.alter", changes=[put]))
    found = standing(client)
    assert found["state"] == "uncertified"
    assert "signature" in found["reason"]


def test_revoking_lists_everything_that_rests_on_it(
    client: Client, certified: str, cohort: str, registered: Any, policy: Callable[[str], None]
) -> None:
    task = run(client, cohort)
    results = {client.show(output["id"])["part_of"] for output in task["outputs"]}
    body = client.post(f"certificates/{certified}/revoke", {"reason": "wrong sign of the axis"})
    assert body["standing"]["state"] == "revoked"
    listed = {item["id"]: item for item in body["dependents"]["items"]}
    assert body["dependents"]["total"] == len(listed) == 4
    assert results <= {node["id"] for node in listed[task["id"]]["derived"]}
    first = client.get(f"certificates/{certified}/dependents", limit=3)
    rest = client.get(f"certificates/{certified}/dependents", limit=3, cursor=first["next"])
    assert {item["id"] for page in (first, rest) for item in page["items"]} == set(listed)
    with pytest.raises(ProblemError) as again:
        client.post(f"certificates/{certified}/revoke", {"reason": "once more"})
    assert again.value.status == 409
    entry = client.get("audit/entries", action="certificate.revoke")["items"][0]
    assert (entry["subject"], entry["reason"]) == (certified, "wrong sign of the axis")
    policy("refuse")
    with pytest.raises(ProblemError, match="wrong sign of the axis"):
        client.run("measure", cohort=cohort)


def test_another_certificate_stays_in_force_when_one_is_revoked(
    client: Client, certified: str, certify: Register
) -> None:
    other = certify()["certification"]["report"]["certificate"]
    body = client.post(f"certificates/{other}/revoke", {"reason": "issued twice"})
    assert (body["standing"]["state"], body["standing"]["id"]) == ("certified", certified)


@pytest.fixture
def one_slot(catalog: Path) -> Iterator[Client]:
    (catalog / "sillage.toml").write_text("slots = 1\n")
    with Client(catalog=catalog) as made:
        yield made


def occupy(client: Client, folder: Path, cohort: str) -> None:
    """Let a task hold the only slot."""
    client.register_pipeline(write_pipeline(folder, "sleep 600", name="slow", wall_s=600), folder)
    task = client.run("slow", cohort=cohort)
    while client.get(f"tasks/{task['id']}")["state"] != "RUNNING":
        time.sleep(0.02)


def release(client: Client) -> None:
    for task in client.get("tasks", state="RUNNING")["items"]:
        if task["pipeline_name"] == "slow":
            client.post(f"tasks/{task['id']}/cancel")


@pytest.mark.parametrize(("uncertified", "state"), [("refuse", "SYSTEM_ERROR"), ("warn", "COMPLETE")])
def test_a_task_that_waited_while_its_pipeline_was_revoked(
    one_slot: Client, study: Path, tmp_path: Path, bubblewrap: str, uncertified: str, state: str
) -> None:
    client, folder = one_slot, tmp_path / "quick"
    client.register_dataset(study)
    cohort = client.freeze_cohort("age = 34")["id"]
    client.register_pipeline(write_pipeline(folder, "mkdir -p out; echo ran > out/ran.txt", name="quick"), folder)
    case = a_case(
        inputs={"images": [f"inputs/{NAME}.nii.gz"]}, expected=[{"path": "out/ran.txt", "compare": {"kind": "present"}}]
    )
    encoded = {f"inputs/{NAME}.nii.gz": base64.b64encode(IMAGE).decode()}
    client.post("pipelines/quick/versions/1.0.0/references", {"reference": case, "files": encoded})
    done = client.wait(client.post("pipelines/quick/versions/1.0.0/certify")["id"])
    certificate = done["certification"]["report"]["certificate"]
    occupy(client, tmp_path / "slow", cohort)
    catalogue = catalogue_of(client)
    catalogue.settings = catalogue.settings.model_copy(update={"uncertified": uncertified})
    waiting = client.run("quick", cohort=cohort)
    assert client.get(f"tasks/{waiting['id']}")["certificate"]["state"] == "certified"
    client.post(f"certificates/{certificate}/revoke", {"reason": "found wrong"})
    release(client)
    ended = client.wait(waiting["id"])
    assert ended["state"] == state
    assert ended["certificate"]["state"] == "revoked"
    assert ended["record"]["plan"]["certificate"]["state"] == "revoked"
    if uncertified == "refuse":
        assert (ended["reason"], ended["outputs"], ended.get("start_time")) == ("not-certified", [], None)
        assert "found wrong" in ended["detail"]
    else:
        assert any("revoked" in text for text in ended["remarks"])
    assert client.get(f"certificates/{certificate}/dependents")["total"] == 0


def test_an_evidence_pack_has_the_certificate_and_its_revocation(
    client: Client, cohort: str, certified: str, tmp_path: Path
) -> None:
    task = run(client, cohort)
    client.post(f"certificates/{certified}/revoke", {"reason": "found wrong"})
    pack = tmp_path / "pack.zip"
    client.download(f"evidence/{task['outputs'][0]['id']}", pack)
    assert verify_pack(pack) == []
    with zipfile.ZipFile(pack) as archive:
        rows = [json.loads(line) for line in archive.read("entries.jsonl").splitlines()]
    about = {row["entry"]["action"]: row for row in rows if row["entry"]["subject"] == certified}
    assert set(about) == {"certificate.issue", "certificate.revoke"}
    envelope = json.loads(about["certificate.issue"]["body"])["document"]["envelope"]
    assert envelope == client.get(f"certificates/{certified}/envelope")


def test_a_backup_keeps_cases_and_the_key(client: Client, certified: str, tmp_path: Path) -> None:
    from api.archive import restore

    client.download("backup", tmp_path / "backup.tar")
    restore(tmp_path / "backup.tar", tmp_path / "restored")
    with Client(catalog=tmp_path / "restored") as other:
        assert standing(other)["state"] == "certified"
        case = other.get("pipelines/measure/versions/1.0.0/references")["items"][0]
        assert set(its_files()) - {"make.py"} == {
            path.relative_to(tmp_path / "restored" / "references" / case["files_digest"]).as_posix()
            for path in (tmp_path / "restored" / "references").rglob("*")
            if path.is_file()
        }
