"""An evidence pack verifies, here and with the one-file verifier alone, and no change to it goes unseen."""

from __future__ import annotations

import ast
import base64
import hashlib
import json
import os
import random
import subprocess
import sys
import zipfile
import zlib
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from ontology.canonical import canonical_json
from ontology.errors import InvalidRequestError, NotFoundError
from provenance.evidence import (
    PackEntry,
    PackFile,
    Report,
    archive,
    build_pack,
    standalone_verifier,
    verifier,
    verify_pack,
)
from provenance.ledger import merkle
from provenance.ledger.checkpoint import Checkpoint
from provenance.ledger.entry import Entry, body_digest
from provenance.ledger.keys import SigningKey
from provenance.record import ProvNode, document_for

TASK, FILE, RESULT, OUTPUT, AGENT, PLAN = (f"urn:uuid:0000000{n}-0000-4000-8000-000000000000" for n in range(6))
CONTENT = b"the anomaly map\n"
SHA = "1f0f4c0b7c1c2f1b0e0d3ad4ca59fb34b2a26ddd4a8a4e0e5ed1d4a1c4a8a111"


def sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


DOCUMENTS = {
    AGENT: ("Agent", "Ada Lovelace", {"label": "Ada Lovelace", "kind": "person"}),
    PLAN: ("PipelineVersion", "image-qc 1.0", {"label": "image-qc 1.0", "descriptor_digest": "aa" * 32}),
    TASK: (
        "Task",
        "image-qc <sub-01>",
        {
            "label": "image-qc <sub-01>",
            "start_time": "2026-11-21T10:00:00.000000Z",
            "end_time": "2026-11-21T10:05:00.250000Z",
            "exit_code": 0,
            "state": "COMPLETE",
            "inputs": [{"id": FILE, "path": "/inputs/T1w.nii.gz", "sha256": SHA, "size": 123}],
            "outputs": [{"id": OUTPUT, "path": "out/map.nii.gz", "sha256": sha256(CONTENT), "size": len(CONTENT)}],
            "record": {"command": ["qc", "--in", "a <b>"], "host": {"cpu_model": "x"}, "parameters": {"k": 1}},
        },
    ),
    RESULT: (
        "Acquisition",
        "map",
        {
            "label": "map",
            "derived": True,
            "files": [{"id": OUTPUT, "path": "sub-01/map.nii.gz", "sha256": sha256(CONTENT), "size": len(CONTENT)}],
        },
    ),
}
EDGES = [
    (TASK, "prov:used", FILE),
    (RESULT, "prov:wasGeneratedBy", TASK),
    (TASK, "prov:hadPlan", PLAN),
    (TASK, "prov:wasAssociatedWith", AGENT),
]
INPUT = ProvNode(id=FILE, type="File", label="T1w.nii.gz", document={"path": "T1w.nii.gz", "sha256": SHA, "size": 123})
NODES = [ProvNode(id=id, type=t, label=label, document=d) for id, (t, label, d) in DOCUMENTS.items()] + [INPUT]


@dataclass
class Case:
    """Everything that a pack is made from; tests change one thing and build it."""

    entries: list[PackEntry]
    checkpoint: str
    key: SigningKey
    nodes: list[ProvNode]
    content: Path
    target: Path

    def build(self) -> Path:
        build_pack(
            self.target,
            subject=RESULT,
            document=document_for(self.nodes, EDGES),
            entries=self.entries,
            checkpoint=self.checkpoint,
            verifier_key=self.key.verifier().line(),
            report=Report(title="Anomaly map", nodes=self.nodes, edges=EDGES, made="2026-11-21T11:00:00.000000Z"),
            files=[PackFile(id=OUTPUT, path="sub-01/map.nii.gz", source=self.content)],
        )
        return self.target

    def problems(self) -> list[str]:
        return [f"{one.where}: {one.detail}" for one in verify_pack(self.build())]


def stored(versions: list[tuple[str, int, dict[str, object]]]) -> list[tuple[Entry, bytes, bytes]]:
    rows = []
    for sequence, (subject, version, document) in enumerate(versions):
        edges = [[predicate, target] for source, predicate, target in EDGES if source == subject]
        body = canonical_json({"aliases": [], "document": document, "edges": edges, "state": "current"})
        salt = bytes([sequence]) * 16
        entry = Entry(
            sequence=sequence,
            time=f"2026-11-21T10:{sequence:02}:00.000000Z",
            principal=AGENT,
            action="record.put",
            subject=subject,
            version=version,
            body_digest=body_digest(salt, body),
        )
        rows.append((entry, salt, body))
    return rows


@pytest.fixture
def case(tmp_path: Path) -> Case:
    other = f"{FILE[:-1]}9"
    history: list[tuple[str, int, dict[str, object]]] = [
        (other, 1, {"files": [{"id": FILE, "path": "T1w.nii.gz", "sha256": SHA, "size": 123}]}),
        *((id, 1, dict(DOCUMENTS[id][2])) for id in (AGENT, PLAN)),
        (TASK, 1, {"state": "QUEUED"}),
        ("urn:uuid:ffffffff-0000-4000-8000-000000000000", 1, {"nothing": "to do with it"}),
        (TASK, 2, dict(DOCUMENTS[TASK][2])),
        (RESULT, 1, dict(DOCUMENTS[RESULT][2])),
    ]
    return assemble(tmp_path, stored(history), leave_out={4})


def assemble(folder: Path, rows: list[tuple[Entry, bytes, bytes]], leave_out: set[int]) -> Case:
    leaves = [entry.leaf_hash() for entry, _, _ in rows]
    root = merkle.range_root_of(leaves)
    key = SigningKey.generate("ledger.example.org")
    checkpoint = Checkpoint(origin=key.name, size=len(leaves), root=root(0, len(leaves))).sign(key)
    entries = [
        PackEntry(entry=entry, proof=merkle.inclusion_proof(number, len(leaves), root), salt=salt, body=body)
        for number, (entry, salt, body) in enumerate(rows)
        if number not in leave_out
    ]
    content = folder / "map.nii.gz"
    content.write_bytes(CONTENT)
    return Case(entries, checkpoint, key, list(NODES), content, folder / "pack.zip")


def run(pack: Path, folder: Path, *arguments: str, path: str | None = None) -> subprocess.CompletedProcess[str]:
    """Run the verifier that lies in the pack, with an isolated Python, away from the project."""
    script = folder / "verify.py"
    if not script.exists():
        script.write_text(standalone_verifier())
    env = {"PATH": path if path is not None else os.environ["PATH"]}
    command = [sys.executable, "-I", "-S", str(script), str(pack), *arguments]
    return subprocess.run(command, capture_output=True, text=True, cwd=folder, env=env, timeout=240, check=False)


def test_a_pack_verifies_in_process_and_by_its_own_verifier(case: Case, tmp_path: Path) -> None:
    pack = case.build()
    line = case.key.verifier().line()
    assert verify_pack(pack) == []
    assert verify_pack(pack, key=line) == []
    with zipfile.ZipFile(pack) as opened:
        assert opened.testzip() is None
        (tmp_path / "verify.py").write_bytes(opened.read("verify.py"))
    done = run(pack, tmp_path, "--json", "--key", line)
    assert (done.returncode, done.stderr) == (0, "")
    told = json.loads(done.stdout)
    assert told["valid"] is True
    assert told["problems"] == []
    assert told["key"] == line
    assert told["entries"] == 6
    assert told["size"] == 7
    said = run(pack, tmp_path)
    assert said.returncode == 0
    assert "valid: 6 of 7 entries" in said.stdout
    assert "NOT compared with a key that you trust" in said.stdout


def test_the_same_pack_is_the_same_bytes(case: Case) -> None:
    assert case.build().read_bytes() == case.build().read_bytes()


def test_every_byte_counts(case: Case, tmp_path: Path) -> None:
    whole = case.build().read_bytes()
    broken = tmp_path / "broken.zip"
    chosen = random.Random(7)
    offsets = {*range(0, len(whole), 97), *range(len(whole) - 1200, len(whole)), *range(60)}
    for offset in sorted(offsets):
        changed = bytearray(whole)
        changed[offset] ^= 1 << chosen.randrange(8)
        broken.write_bytes(changed)
        assert verify_pack(broken), offset


@pytest.mark.parametrize("cut", [0, 1, 29, 400, 5000, -1, -22, -500])
def test_a_cut_pack_is_found(case: Case, tmp_path: Path, cut: int) -> None:
    whole = case.build().read_bytes()
    broken = tmp_path / "broken.zip"
    broken.write_bytes(whole[:cut])
    assert verify_pack(broken)
    assert run(broken, tmp_path).returncode == 1


def test_bytes_behind_the_end_are_found(case: Case, tmp_path: Path) -> None:
    broken = tmp_path / "broken.zip"
    broken.write_bytes(case.build().read_bytes() + b"\n")
    assert [one.where for one in verify_pack(broken)] == ["archive"]


def repack(case: Case, change: Callable[[dict[str, bytes]], None]) -> list[str]:
    """Change members and make archive and manifest fit again, as one would who knows how packs are made."""
    with zipfile.ZipFile(case.build()) as opened:
        contents = {name: opened.read(name) for name in opened.namelist()}
    ids = {"data/sub-01/map.nii.gz": OUTPUT}
    change(contents)
    members: list[archive.Member] = []
    data = b""
    for name, content in contents.items():
        if name == archive.MANIFEST:
            content = archive.manifest_of(members, {k: v for k, v in ids.items() if k in contents})
        crc = zlib.crc32(content)
        members.append(archive.Member(name, len(content), crc, sha256(content), len(data)))
        data += archive.local_header(name, crc, len(content)) + content
    case.target.write_bytes(data + archive.central_directory(members, len(data)))
    return [f"{one.where}: {one.detail}" for one in verify_pack(case.target)]


def edit_lines(change: Callable[[list[str]], object]) -> Callable[[dict[str, bytes]], None]:
    def edit(contents: dict[str, bytes]) -> None:
        lines = contents["entries.jsonl"].decode().splitlines()
        change(lines)
        contents["entries.jsonl"] = "".join(f"{line}\n" for line in lines).encode()

    return edit


def test_repacking_alone_changes_nothing(case: Case) -> None:
    assert repack(case, lambda contents: None) == []


def test_an_edited_entry_is_found(case: Case) -> None:
    def edit(lines: list[str]) -> None:
        lines[3] = lines[3].replace("record.put", "record.pat")

    assert "entry 3: not in the ledger that the checkpoint signs" in repack(case, edit_lines(edit))


def test_reordered_entries_are_found(case: Case) -> None:
    assert any("out of order" in one for one in repack(case, edit_lines(lambda lines: lines.reverse())))


def test_a_doubled_entry_is_found(case: Case) -> None:
    assert any("there twice" in one for one in repack(case, edit_lines(lambda lines: lines.insert(0, lines[0]))))


def test_a_dropped_earlier_version_is_found(case: Case) -> None:
    assert any("left out" in one for one in repack(case, edit_lines(lambda lines: lines.pop(3))))


def test_a_dropped_last_version_is_found_by_what_the_prov_says(case: Case) -> None:
    assert any("not that of the ledger" in one for one in repack(case, edit_lines(lambda lines: lines.pop(4))))


def test_a_dropped_record_is_found_by_what_the_prov_describes(case: Case) -> None:
    assert f"{PLAN}: described in prov.json, and no entry tells of it" in repack(
        case, edit_lines(lambda lines: lines.pop(2))
    )


def test_swapped_bodies_are_found(case: Case) -> None:
    def swap(lines: list[str]) -> None:
        one, other = json.loads(lines[1]), json.loads(lines[2])
        one["body"], other["body"] = other["body"], one["body"]
        lines[1], lines[2] = json.dumps(one), json.dumps(other)

    assert sum("its body is not the one" in one for one in repack(case, edit_lines(swap))) == 2


def test_an_unreadable_line_is_found(case: Case) -> None:
    for bad in ('{"entry": 1}', "[]", "{", '{"entry":{},"entry":{}}', "[" * 5000):
        found = repack(case, edit_lines(lambda lines, bad=bad: lines.__setitem__(0, bad)))
        assert any("line 1: cannot be read" in one for one in found), bad


def test_other_content_is_found(case: Case) -> None:
    def swap(contents: dict[str, bytes]) -> None:
        contents["data/sub-01/map.nii.gz"] = CONTENT.replace(b"map", b"nap")

    assert any("not the content that the ledger has" in one for one in repack(case, swap))


@pytest.mark.parametrize(
    "name", ["data/../x", "data//x", "/data/x", "data/a\\b", "data/.", "data/C:x", "data/x\n", "data/x.", "other"]
)
def test_a_member_that_leads_elsewhere_is_found(case: Case, name: str) -> None:
    def add(contents: dict[str, bytes]) -> None:
        manifest = contents.pop(archive.MANIFEST)
        contents[name] = b"x"
        contents[archive.MANIFEST] = manifest

    assert repack(case, add)


def test_a_member_too_many_or_too_few_is_found(case: Case) -> None:
    assert any("missing" in one for one in repack(case, lambda contents: contents.pop("report.html") and None))
    assert any("which record" in one for one in repack(case, _add_data))


def _add_data(contents: dict[str, bytes]) -> None:
    manifest = contents.pop(archive.MANIFEST)
    contents["data/unknown.txt"] = b"x"
    contents[archive.MANIFEST] = manifest


def test_prov_that_says_something_else_is_found(case: Case) -> None:
    for old, new in (
        (SHA, "0" * 64),
        ('"$":"123"', '"$":"124"'),
        ("cpu_model", "cpu_moodel"),
        ("10:05:00.25Z", "10:04:00.25Z"),
        ("2026-11-21T10:00:00Z", "2026-11-20T10:00:00Z"),
    ):

        def edit(contents: dict[str, bytes], old: str = old, new: str = new) -> None:
            assert old in contents["prov.json"].decode()
            contents["prov.json"] = contents["prov.json"].decode().replace(old, new).encode()

        assert any("in prov.json is not that of the ledger" in one for one in repack(case, edit)), old


def test_a_relation_that_the_ledger_does_not_have_is_found(case: Case) -> None:
    def edit(contents: dict[str, bytes]) -> None:
        told = json.loads(contents["prov.json"])
        name = f"uuid:{PLAN.removeprefix('urn:uuid:')}"
        told["used"]["_:more"] = {"prov:activity": f"uuid:{TASK.removeprefix('urn:uuid:')}", "prov:entity": name}
        contents["prov.json"] = json.dumps(told).encode()

    assert repack(case, edit) == [f"{TASK}: prov:used {PLAN} in prov.json is not in the ledger"]


def test_a_back_dated_entry_is_found(case: Case, tmp_path: Path) -> None:
    rows = [(one.entry, one.salt, one.body) for one in case.entries]
    rows = [(replace(entry, sequence=n), salt, body) for n, (entry, salt, body) in enumerate(rows)]
    rows[4] = (replace(rows[4][0], time="2026-11-21T09:00:00.000000Z"), rows[4][1], rows[4][2])
    changed = assemble(tmp_path, rows, leave_out=set())  # type: ignore[arg-type]
    assert any("entry 4: back-dated" in one for one in changed.problems())


def test_another_key_is_found(case: Case, tmp_path: Path) -> None:
    other = SigningKey.generate("ledger.example.org")
    pack = case.build()
    assert [one.detail for one in verify_pack(pack, key=other.verifier().line())] == ["not the key that is trusted"]
    assert run(pack, tmp_path, "--key", other.verifier().line()).returncode == 1
    case.key = other
    assert any("another key" in one for one in case.problems())


def test_a_forged_signature_is_found_by_both_verifiers(case: Case, tmp_path: Path) -> None:
    text, _, last = case.checkpoint.rstrip("\n").rpartition(" ")
    raw = bytearray(base64.b64decode(last))
    raw[20] ^= 4
    case.checkpoint = f"{text} {base64.b64encode(raw).decode()}\n"
    assert case.problems() == ["checkpoint.txt: the signature does not fit"]
    done = run(case.target, tmp_path, "--json")
    assert done.returncode == 1
    assert json.loads(done.stdout)["problems"] == [{"where": "checkpoint.txt", "detail": "the signature does not fit"}]


def test_without_openssl_it_says_so(case: Case, tmp_path: Path) -> None:
    done = run(case.build(), tmp_path, path=str(tmp_path))
    assert done.returncode == 2
    assert "openssl cannot be run" in done.stderr


def test_an_old_openssl_is_told_from_a_bad_signature(case: Case, tmp_path: Path) -> None:
    old = tmp_path / "openssl"
    old.write_text("#!/bin/sh\necho 'pkeyutl: Option unknown option -rawin' >&2\nexit 1\n")
    old.chmod(0o755)
    done = run(case.build(), tmp_path, path=f"{tmp_path}:/usr/bin:/bin")
    assert done.returncode == 2
    assert "OpenSSL 3 or later is needed" in done.stderr


def test_a_missing_file_is_no_verdict(tmp_path: Path) -> None:
    done = run(tmp_path / "none.zip", tmp_path)
    assert done.returncode == 2
    assert "Traceback" not in done.stderr
    with pytest.raises(OSError, match=r"none\.zip"):
        verify_pack(tmp_path / "none.zip")


def test_an_ordinary_zip_is_no_pack(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "x.zip", "w") as file:
        file.writestr("a", "b")
    assert verify_pack(tmp_path / "x.zip")


def test_erased_bodies_are_no_problem(case: Case) -> None:
    case.entries[0] = replace(case.entries[0], salt=None, body=None)
    assert case.problems() == []


def test_the_report_tells_what_happened_and_escapes_it(case: Case) -> None:
    with zipfile.ZipFile(case.build()) as opened:
        page = opened.read("report.html").decode()
        crate = json.loads(opened.read("ro-crate-metadata.json"))
    assert "image-qc &lt;sub-01&gt;" in page
    assert "<sub-01>" not in page
    assert "qc --in &#x27;a &lt;b&gt;&#x27;" in page
    assert SHA in page
    assert "Ada Lovelace" in page
    assert "<svg" in page
    assert "http://www.w3.org/2000/svg" in page
    assert "src=" not in page
    root = next(one for one in crate["@graph"] if one["@id"] == "./")
    assert {"@id": "data/sub-01/map.nii.gz"} in root["hasPart"]
    assert root["mainEntity"] == {"@id": RESULT}


def test_what_cannot_be_packed_is_refused_and_leaves_nothing(case: Case, tmp_path: Path) -> None:
    report = Report(title="x", nodes=NODES, edges=EDGES, made="2026-11-21T11:00:00Z")
    target = tmp_path / "other.zip"

    def build(*files: PackFile, key: str = case.key.verifier().line()) -> None:
        build_pack(
            target,
            subject=RESULT,
            document=document_for(NODES, EDGES),
            entries=case.entries,
            checkpoint=case.checkpoint,
            verifier_key=key,
            report=report,
            files=files,
        )

    with pytest.raises(InvalidRequestError):
        build(PackFile(id=OUTPUT, path="../x", source=case.content))
    with pytest.raises(InvalidRequestError):
        build(*(PackFile(id=OUTPUT, path=path, source=case.content) for path in ("a/X", "a/x")))
    with pytest.raises(InvalidRequestError):
        build(key="not a key")
    with pytest.raises(NotFoundError):
        build(PackFile(id=OUTPUT, path="x", source=tmp_path / "gone"))
    assert sorted(path.name for path in tmp_path.iterdir()) == ["map.nii.gz"]


def test_the_verifier_is_one_file_for_an_old_python() -> None:
    tree = ast.parse(standalone_verifier(), feature_version=(3, 9))
    imported = {
        (node.module if isinstance(node, ast.ImportFrom) else node.names[0].name).split(".")[0]  # type: ignore[union-attr]
        for node in ast.walk(tree)
        if isinstance(node, ast.Import | ast.ImportFrom)
    }
    assert imported <= set(sys.stdlib_module_names)


def test_inclusion_agrees_with_the_ledger() -> None:
    leaves = [bytes.fromhex(sha256(bytes([0, n]))) for n in range(40)]
    root = merkle.range_root_of(leaves)
    for size in range(1, 40):
        for index in range(size):
            proof = merkle.inclusion_proof(index, size, root)
            head = root(0, size)
            assert verifier.is_included(leaves[index], index, size, proof, head)
            assert not verifier.is_included(leaves[index], index, size, [*proof, head], head)
            assert not verifier.is_included(leaves[(index + 1) % 40], index, size, proof, head)
