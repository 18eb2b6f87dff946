"""Envelopes and statements, held against the specifications by code that shares nothing with ours."""

from __future__ import annotations

import base64
import hashlib
import json
import subprocess
from pathlib import Path
from typing import Any

import pytest
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.serialization import load_pem_public_key

from ontology.errors import BackendUnavailableError, InvalidRequestError
from provenance.attestation import (
    PAYLOAD_TYPE,
    Envelope,
    PublicKey,
    Statement,
    Subject,
    pre_authentication_encoding,
    public_key,
    seal,
    signing_key,
    verify_envelope,
)
from provenance.ledger.keys import SigningKey

STATEMENT = Statement(
    subjects=[Subject(name="a", sha256="0" * 64)], predicate_type="urn:example:said", predicate={"n": 1}
).to_json()


@pytest.fixture
def key() -> SigningKey:
    return SigningKey.generate("tests")


def verified(envelope: dict[str, Any], pem: str) -> dict[str, Any]:
    """Verify an envelope as the specification tells it, with the cryptography library alone."""
    payload = base64.b64decode(envelope["payload"])
    kind = envelope["payloadType"].encode()
    message = b" ".join([b"DSSEv1", str(len(kind)).encode(), kind, str(len(payload)).encode(), payload])
    loaded: Any = load_pem_public_key(pem.encode())
    for signature in envelope["signatures"]:
        loaded.verify(base64.b64decode(signature["sig"]), message)
    said: dict[str, Any] = json.loads(payload)
    return said


def test_the_encoding_is_the_one_of_the_specification() -> None:
    encoded = pre_authentication_encoding("http://example.com/HelloWorld", b"hello world")
    assert encoded == b"DSSEv1 29 http://example.com/HelloWorld 11 hello world"


def test_others_verify_what_we_sign(key: SigningKey) -> None:
    envelope = seal(STATEMENT, key)
    public = PublicKey(key.verifier().public)
    assert verified(envelope.to_json(), public.pem()) == STATEMENT
    assert set(envelope.to_json()) == {"payload", "payloadType", "signatures"}
    broken = {**envelope.to_json(), "payloadType": "text/plain"}
    with pytest.raises(InvalidSignature):
        verified(broken, public.pem())


def test_the_id_of_a_key_is_what_openssl_makes_of_it(key: SigningKey) -> None:
    public = PublicKey(key.verifier().public)
    done = subprocess.run(
        ["openssl", "pkey", "-pubin", "-outform", "DER"], input=public.pem().encode(), capture_output=True, check=True
    )
    assert hashlib.sha256(done.stdout).hexdigest() == public.id
    assert PublicKey.parse(public.pem()) == public == PublicKey.parse(key.verifier().line())


def test_either_alphabet_and_unknown_members_are_read(key: SigningKey) -> None:
    document = seal(STATEMENT, key).to_json()
    document["payload"] = document["payload"].replace("+", "-").replace("/", "_")
    document["more"] = {"of": "it"}
    read = Envelope.parse(json.dumps(document))
    assert read.signed_by(PublicKey(key.verifier().public))
    assert not read.signed_by(PublicKey(SigningKey.generate("other").verifier().public))


@pytest.mark.parametrize(
    "text",
    [
        "",
        "[]",
        "{",
        "{}",
        "[" * 100_000,
        '{"payload": 1, "payloadType": "x", "signatures": [{"sig": ""}]}',
        '{"payload": "", "payloadType": "x", "signatures": []}',
        '{"payload": "!", "payloadType": "x", "signatures": [{"sig": ""}]}',
        '{"payload": "", "payloadType": "x", "signatures": [{"keyid": "a"}]}',
        '{"payload": "", "payloadType": "x", "signatures": ["a"]}',
    ],
)
def test_what_is_no_envelope_is_refused(text: str) -> None:
    with pytest.raises(InvalidRequestError):
        Envelope.parse(text)


@pytest.mark.parametrize(
    "change",
    [
        {"_type": "https://in-toto.io/Statement/v0.1"},
        {"subject": []},
        {"subject": [{"name": "a", "digest": {"sha512": "0"}}]},
        {"subject": [{"name": "a", "digest": {"sha256": "0"}}]},
        {"predicateType": ""},
        {"predicate": None},
    ],
)
def test_what_is_no_statement_is_refused(change: dict[str, Any]) -> None:
    with pytest.raises(InvalidRequestError):
        Statement.parse(json.dumps({**STATEMENT, **change}).encode())
    assert Statement.parse(json.dumps(STATEMENT).encode()).to_json() == STATEMENT


@pytest.mark.parametrize("text", ["", "x", "a+b+c", "-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----\n"])
def test_what_is_no_key_is_refused(text: str) -> None:
    with pytest.raises(InvalidRequestError):
        PublicKey.parse(text)


def test_a_file_is_verified_with_the_key_beside_it_or_the_trusted_one(tmp_path: Path, key: SigningKey) -> None:
    file = tmp_path / "certificate.json"
    file.write_text(json.dumps(seal(STATEMENT, key).to_json()))
    public = PublicKey(key.verifier().public)
    assert [where for where, _ in verify_envelope(file).problems] == ["signatures"]
    (tmp_path / "certificate.json.pub").write_text(public.pem())
    found = verify_envelope(file)
    assert (found.problems, found.own_key) == ((), True)
    assert verify_envelope(file, key=public.pem()).own_key is False
    other = PublicKey(SigningKey.generate("other").verifier().public)
    assert verify_envelope(file, key=other.pem()).problems != ()
    altered = json.loads(file.read_text())
    altered["payload"] = base64.b64encode(json.dumps({**STATEMENT, "predicate": {"n": 2}}).encode()).decode()
    file.write_text(json.dumps(altered))
    assert verify_envelope(file, key=public.pem()).problems != ()
    file.write_text(json.dumps(seal(STATEMENT, key, payload_type="application/json").to_json()))
    assert [where for where, _ in verify_envelope(file).problems] == ["payloadType"]
    assert PAYLOAD_TYPE in verify_envelope(file).problems[0][1]


def test_a_signing_key_is_made_once_and_kept_from_others(tmp_path: Path) -> None:
    file = tmp_path / "keys" / "certificates.pem"
    assert public_key(file) is None
    first = signing_key(file, "tests")
    assert signing_key(file, "tests").verifier() == first.verifier()
    assert public_key(file) == PublicKey(first.verifier().public)
    assert file.stat().st_mode & 0o777 == 0o600
    assert [path.name for path in file.parent.iterdir()] == ["certificates.pem"]
    file.chmod(0o644)
    with pytest.raises(BackendUnavailableError):
        signing_key(file, "tests")
