#!/usr/bin/env python3
"""Verify an evidence pack with nothing but Python's standard library and the command ``openssl``.

    python verify.py PACK [--key KEY] [--json]

KEY is the verifier key that you trust: the line ``name+hash+key``, or a file that holds it. Ask the laboratory for
it by another way than this pack. Without it everything is checked except whose key signed.

Exit code: 0 the pack is sound, 1 it is not, 2 it could not be checked.

What is checked: the archive, byte for byte; the digest of every member; the signature on the checkpoint (Ed25519);
for every ledger entry its inclusion in the signed tree (RFC 9162), its place and time in order, and its body's
digest; that no version of a record is left out before a later one; that everything the PROV describes is in the
ledger, with the digests, sizes and times that it has there; and the content of the files that come with the pack.
What a pack cannot prove: that its report says the same as its PROV. The report is for reading.
"""

from __future__ import annotations

import argparse
import base64
import hashlib
import json
import re
import subprocess
import sys
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from provenance.evidence.archive import NotSoundError, Problem, check_manifest, read_archive

_PEM_HEAD = bytes.fromhex("302a300506032b6570032100")
_NOTE = re.compile(
    "((\\S+)\n(0|[1-9][0-9]{0,18})\n([A-Za-z0-9+/]{43}=)\n)\n\u2014 (\\S+) ([A-Za-z0-9+/]{91}=)\n", re.ASCII
)
_TIME = re.compile(r"([0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2})(?:\.([0-9]{1,9}))?Z")
_PROV = "http://www.w3.org/ns/prov#"
_COMPARED = {
    "urn:sillage:vocabulary:sha256": "sha256",
    "urn:sillage:vocabulary:exit_code": "exit_code",
    "urn:sillage:vocabulary:environment": "environment",
    "urn:sillage:vocabulary:parameters": "parameters",
    "urn:sillage:vocabulary:record": "record",
    "http://www.w3.org/ns/dcat#byteSize": "size",
    _PROV + "startTime": "start_time",
    _PROV + "endTime": "end_time",
}
"""What the PROV says that the ledger says too."""

_ELEMENTS = ("entity", "activity", "agent")
_RELATIONS: dict[str, tuple[str, list[tuple[str, str]]]] = {
    "used": ("activity", [("entity", "prov:used")]),
    "wasGeneratedBy": ("entity", [("activity", "prov:wasGeneratedBy")]),
    "wasDerivedFrom": ("generatedEntity", [("usedEntity", "prov:wasDerivedFrom")]),
    "wasInformedBy": ("informed", [("informant", "prov:wasInformedBy")]),
    "wasAttributedTo": ("entity", [("agent", "prov:wasAttributedTo")]),
    "wasAssociatedWith": ("activity", [("agent", "prov:wasAssociatedWith"), ("plan", "prov:hadPlan")]),
    "actedOnBehalfOf": ("delegate", [("responsible", "prov:actedOnBehalfOf")]),
    "wasInfluencedBy": ("influencee", [("influencer", "prov:wasInfluencedBy")]),
    "specializationOf": ("specificEntity", [("generalEntity", "prov:specializationOf")]),
    "hadMember": ("collection", [("entity", "prov:hadMember")]),
}
"""Which arguments of a relation are an edge of the ledger, and which edge."""

SignatureCheck = Callable[[bytes, bytes, bytes], bool]
"""Tells whether, under a public key, a signature fits a message."""


class CannotCheckError(Exception):
    """Something that the check needs is not here; says nothing about the pack."""


class Verdict(NamedTuple):
    """The outcome; ``fingerprint`` is the SHA-256 of the public key, ``size`` that of the ledger."""

    problems: list[Problem]
    key: str
    fingerprint: str
    entries: int
    size: int


def read_key(line: str) -> tuple[str, bytes, bytes]:
    """Return name, four-byte hash and public key of a verifier key (C2SP signed-note).

    Raises:
        NotSoundError: It is not an Ed25519 verifier key.
    """
    try:
        name, short, encoded = line.strip().split("+", 2)
        raw = base64.b64decode(encoded, validate=True)
    except ValueError:
        raise NotSoundError("keys/checkpoint.vkey", "not a verifier key (name+hash+key)") from None
    hashed = hashlib.sha256(name.encode() + b"\n" + raw).digest()[:4]
    if len(raw) != 33 or raw[0] != 1 or short != hashed.hex():
        raise NotSoundError("keys/checkpoint.vkey", "not an Ed25519 verifier key, or its hash is not its own")
    return name, hashed, raw[1:]


def pem_of(public: bytes) -> str:
    """Return an Ed25519 public key as PEM (RFC 8410)."""
    encoded = base64.b64encode(_PEM_HEAD + public).decode()
    return f"-----BEGIN PUBLIC KEY-----\n{encoded}\n-----END PUBLIC KEY-----\n"


def open_checkpoint(note: str, line: str, check: SignatureCheck) -> tuple[int, bytes]:
    """Return the size and root that a checkpoint says and its key signed (C2SP tlog-checkpoint).

    Raises:
        NotSoundError: It is not a checkpoint under one signature by this key.
    """
    name, hashed, public = read_key(line)
    found = _NOTE.fullmatch(note)
    if found is None or found[2] != name or found[5] != name:
        raise NotSoundError("checkpoint.txt", f"not a checkpoint of {name} under one signature by it")
    raw = base64.b64decode(found[6])
    if raw[:4] != hashed:
        raise NotSoundError("checkpoint.txt", "signed by another key than that of the pack")
    if not check(public, raw[4:], found[1].encode()):
        raise NotSoundError("checkpoint.txt", "the signature does not fit")
    return int(found[3]), base64.b64decode(found[4])


def check_with_openssl(public: bytes, signature: bytes, message: bytes) -> bool:
    """Tell whether an Ed25519 signature fits; Python's own library has no call for it.

    Raises:
        CannotCheckError: There is no openssl, or one before version 3.
    """
    with tempfile.TemporaryDirectory() as folder:
        key, sig, text = (Path(folder) / name for name in ("key.pem", "signature", "message"))
        key.write_text(pem_of(public))
        sig.write_bytes(signature)
        text.write_bytes(message)
        command = ["openssl", "pkeyutl", "-verify", "-pubin", "-inkey", str(key), "-rawin"]
        command += ["-sigfile", str(sig), "-in", str(text)]
        try:
            done = subprocess.run(command, capture_output=True, text=True, timeout=60)
        except (OSError, subprocess.SubprocessError) as error:
            raise CannotCheckError(f"the command openssl cannot be run ({type(error).__name__})") from None
    if done.returncode == 0:
        return True
    if "Signature Verification Failure" in done.stdout + done.stderr:
        return False
    raise CannotCheckError("this openssl cannot check Ed25519 signatures: OpenSSL 3 or later is needed")


def canonical(value: Any) -> bytes:
    """Return canonical JSON (RFC 8785) of what entries are made of: texts and whole numbers."""
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"), sort_keys=True).encode()


def is_included(leaf: bytes, index: int, size: int, proof: Sequence[bytes], root: bytes) -> bool:
    """Tell whether a leaf hash is at ``index`` in the tree of this size and root (RFC 9162, section 2.1.3.2)."""
    position, last, hashed = index, size - 1, leaf
    for sibling in proof:
        if last == 0:
            return False
        if position & 1 or position == last:
            hashed = hashlib.sha256(b"\1" + sibling + hashed).digest()
            while position and not position & 1:
                position, last = position >> 1, last >> 1
        else:
            hashed = hashlib.sha256(b"\1" + hashed + sibling).digest()
        position, last = position >> 1, last >> 1
    return 0 <= index < size and last == 0 and hashed == root


def distinct(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """Refuse JSON that says one thing twice."""
    found = dict(pairs)
    if len(found) < len(pairs):
        raise ValueError("a member is given twice")
    return found


class Ledger:
    """What the entries of a pack say, gathered while they are checked."""

    def __init__(self, size: int, root: bytes) -> None:
        self.size, self.root = size, root
        self.problems: list[Problem] = []
        self.count, self.sequence, self.time = 0, -1, ""
        self.versions: dict[str, list[int]] = {}
        self.facts: dict[str, dict[str, Any]] = {}
        self.edges: dict[str, set[tuple[str, str]]] = {}
        self.owners: dict[str, str] = {}
        self.whole = True

    def read(self, line: str) -> None:
        """Check one line of ``entries.jsonl``."""
        self.count += 1
        try:
            row = json.loads(line, object_pairs_hook=distinct)
            entry, body = row["entry"], row["body"]
            sequence, time, subject, digest = (entry.get(k) for k in ("sequence", "time", "subject", "body_digest"))
            proof = [bytes.fromhex(one) for one in row["proof"]]
            leaf = hashlib.sha256(b"\0" + canonical(entry)).digest()
            text = None if body is None else bytes.fromhex(row["salt"]) + body.encode()
            told = None if body is None else json.loads(body)
        except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
            self.problems.append(Problem(f"entries.jsonl line {self.count}", "cannot be read"))
            return
        where = f"entry {sequence}"
        if type(sequence) is not int or not is_included(leaf, sequence, self.size, proof, self.root):
            self.problems.append(Problem(where, "not in the ledger that the checkpoint signs"))
            return
        self._in_order(where, sequence, str(time))
        if type(entry.get("version")) is int:
            self.versions.setdefault(str(subject), []).append(entry["version"])
        if text is None:
            self.whole = self.whole and digest is None
        elif hashlib.sha256(text).hexdigest() != digest:
            self.problems.append(Problem(where, "its body is not the one that was entered"))
        else:
            self._learn(str(subject), told)

    def _in_order(self, where: str, sequence: int, time: str) -> None:
        if sequence <= self.sequence:
            self.problems.append(Problem(where, "out of order, or there twice"))
        found = _TIME.fullmatch(time)
        normal = found[1] + (found[2] or "").ljust(9, "0") if found else ""
        if normal < self.time or not found:
            self.problems.append(Problem(where, "back-dated: its time is before that of an earlier entry"))
        self.sequence, self.time = sequence, max(self.time, normal)

    def _learn(self, subject: str, body: Any) -> None:
        """Remember what a record's body says of it, of its files, and of what it rests on."""
        document = body.get("document") if isinstance(body, dict) else None
        if not isinstance(document, dict):
            return
        self.facts[subject] = document
        edges = [edge for edge in body.get("edges") or [] if isinstance(edge, list) and len(edge) == 2]
        # A revision is a derivation (PROV-DM 5.2.2).
        self.edges[subject] = {(str(p).replace("wasRevisionOf", "wasDerivedFrom"), str(t)) for p, t in edges}
        files = document.get("files")
        for file in files if isinstance(files, list) else []:
            if isinstance(file, dict) and isinstance(file.get("id"), str):
                self.facts[file["id"]] = file
                self.owners[file["id"]] = subject

    def finish(self) -> list[Problem]:
        """Return all problems, with the versions that were left out."""
        for subject, versions in self.versions.items():
            if versions != list(range(1, len(versions) + 1)):
                self.problems.append(Problem(subject, "entries of earlier versions were left out"))
        if not self.count:
            self.problems.append(Problem("entries.jsonl", "no entries"))
        return self.problems


def check_prov(text: str, ledger: Ledger) -> list[Problem]:
    """Check that everything that the PROV-JSON describes is in the ledger, as it is described."""
    try:
        root = json.loads(text, object_pairs_hook=distinct)
        prefixes = {"prov": _PROV, **root.get("prefix", {})}
        sections = {
            section: [
                (expand(id, prefixes), {expand(name, prefixes): value for name, value in members.items()})
                for id, members in root.get(section, {}).items()
            ]
            for section in (*_ELEMENTS, *_RELATIONS)
        }
        told = {
            (expand(members[_PROV + first], prefixes), predicate, expand(members[_PROV + second], prefixes))
            for section, (first, others) in _RELATIONS.items()
            for _, members in sections[section]
            for second, predicate in others
            if _PROV + second in members
        }
    except (ValueError, AttributeError, TypeError, KeyError, RecursionError):
        return [Problem("prov.json", "cannot be read")]
    problems = [] if sections["entity"] else [Problem("prov.json", "describes nothing")]
    for section in _ELEMENTS:
        for id, members in sections[section]:
            problems += check_element(id, members, ledger)
    for source, predicate, target in sorted(told):
        known = ledger.edges.get(ledger.owners.get(source, source))
        if (predicate, target) not in (known or ()) and (ledger.whole or known is not None):
            problems.append(Problem(source, f"{predicate} {target} in prov.json is not in the ledger"))
    return problems


def check_element(id: str, members: dict[str, Any], ledger: Ledger) -> list[Problem]:
    """Check one entity, activity or agent against the body that tells of it."""
    facts = ledger.facts.get(id)
    if facts is None:
        unknown = ledger.whole and id not in ledger.versions
        return [Problem(id, "described in prov.json, and no entry tells of it")] if unknown else []
    return [
        Problem(id, f"{key} in prov.json is not that of the ledger")
        for name, key in _COMPARED.items()
        if name in members and not agrees(members[name], facts.get(key))
    ]


def agrees(said: Any, known: Any) -> bool:
    """Tell whether a value of PROV-JSON is that of a record; JSON is compared as what it says."""
    if not isinstance(known, dict):
        return plain(said) == plain(known)
    try:
        return bool(json.loads(said["$"], object_pairs_hook=distinct) == known)
    except (ValueError, TypeError, KeyError, RecursionError):
        return False


def expand(name: str, prefixes: dict[str, str]) -> str:
    """Return the IRI that a prefixed name means."""
    prefix, _, local = name.partition(":")
    return prefixes[prefix] + local if prefix in prefixes else name


def plain(value: Any) -> str:
    """Return a value of PROV-JSON or of a record as text, times without what does not matter."""
    text = str(value["$"] if isinstance(value, dict) and "$" in value else value)
    found = _TIME.fullmatch(text)
    return f"{found[1]}.{(found[2] or '').rstrip('0')}Z" if found else text


def verify(path: Path, key: str | None = None, check: SignatureCheck = check_with_openssl) -> Verdict:
    """Verify a pack.

    Args:
        path: The pack.
        key: The verifier key that is trusted.
        check: Verifies Ed25519 signatures.

    Raises:
        OSError: The file cannot be read.
        CannotCheckError: The signature cannot be checked here.
    """
    line, fingerprint = "", ""
    try:
        with open(path, "rb") as file:
            members = read_archive(file)
        problems, ids = check_manifest(members)
        line = members["keys/checkpoint.vkey"].text.strip()
        public = read_key(line)[2]
        fingerprint = hashlib.sha256(public).hexdigest()
        if members["keys/checkpoint.pem"].text != pem_of(public):
            problems.append(Problem("keys/checkpoint.pem", "not the key of keys/checkpoint.vkey"))
        if key is not None and key.strip() != line:
            problems.append(Problem("keys/checkpoint.vkey", "not the key that is trusted"))
        ledger = Ledger(*open_checkpoint(members["checkpoint.txt"].text, line, check))
        for row in members["entries.jsonl"].text.split("\n")[:-1]:
            ledger.read(row)
        problems += ledger.finish()
        problems += check_prov(members["prov.json"].text, ledger)
        for name, id in ids.items():
            facts = ledger.facts.get(id, {})
            if (members[name].sha256, members[name].size) != (facts.get("sha256"), facts.get("size")):
                problems.append(Problem(name, f"not the content that the ledger has for {id}"))
        return Verdict(problems, line, fingerprint, ledger.count, ledger.size)
    except NotSoundError as error:
        return Verdict([error.problem], line, fingerprint, 0, 0)


def main() -> int:
    """Run the command line."""
    parser = argparse.ArgumentParser(description="Verify an evidence pack.")
    parser.add_argument("pack", type=Path)
    parser.add_argument("--key", help="verifier key that you trust (name+hash+key), or a file that holds it")
    parser.add_argument("--json", action="store_true", help="print one JSON document")
    asked = parser.parse_args()
    try:
        key = Path(asked.key).read_text() if asked.key and Path(asked.key).is_file() else asked.key
        verdict = verify(asked.pack, key)
    except (OSError, CannotCheckError) as error:
        print(f"cannot be checked: {error}", file=sys.stderr)
        return 2
    if asked.json:
        problems = [problem._asdict() for problem in verdict.problems]
        print(json.dumps({"valid": not problems, **verdict._asdict(), "problems": problems}, indent=1))
    else:
        for problem in verdict.problems:
            print(f"{problem.where}: {problem.detail}")
        print("NOT VALID" if verdict.problems else f"valid: {verdict.entries} of {verdict.size} entries of the ledger")
        print(f"key: {verdict.key or '-'}\nfingerprint (SHA-256): {verdict.fingerprint or '-'}")
        print("compared with the key that you gave" if key else "NOT compared with a key that you trust: give --key")
    return 1 if verdict.problems else 0


if __name__ == "__main__":
    sys.exit(main())
