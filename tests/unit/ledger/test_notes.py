"""Signed notes, checkpoints and keys (C2SP signed-note, tlog-checkpoint)."""

from __future__ import annotations

import base64
import hashlib
import os
import shutil
import subprocess
from pathlib import Path

import pytest

from ontology.errors import BackendUnavailableError, IntegrityError, InvalidRequestError
from provenance.ledger.checkpoint import Checkpoint
from provenance.ledger.entry import Entry
from provenance.ledger.keys import SigningKey, VerifierKey
from provenance.ledger.merkle import EMPTY_ROOT
from provenance.ledger.note import open_note, sign_note

NAME = "sillage/6f1c2f0e-3a55-4c7b-9f6e-0d6f2f9f8c11"


@pytest.fixture(scope="module")
def key() -> SigningKey:
    return SigningKey.generate(NAME)


def test_the_format_of_a_checkpoint_to_the_byte(key: SigningKey) -> None:
    note = Checkpoint(origin=NAME, size=0, root=EMPTY_ROOT).sign(key)
    text = f"{NAME}\n0\n47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=\n"
    assert note.startswith(f"{text}\n\N{EM DASH} {NAME} ")
    assert note.endswith("\n")
    assert note.count("\n") == 5
    raw = base64.b64decode(note.rsplit(" ", 1)[1].strip())
    public = key.private.public_key().public_bytes_raw()
    assert raw[:4] == hashlib.sha256(NAME.encode() + b"\n\x01" + public).digest()[:4]
    assert len(raw) == 68
    key.private.public_key().verify(raw[4:], text.encode())


def test_the_format_of_a_verifier_key(key: SigningKey) -> None:
    line = key.verifier().line()
    name, hashed, encoded = line.split("+", 2)
    raw = base64.b64decode(encoded)
    assert (name, raw[:1], len(raw)) == (NAME, b"\x01", 33)
    assert hashed == hashlib.sha256(NAME.encode() + b"\n" + raw).hexdigest()[:8]
    assert VerifierKey.parse(line) == key.verifier()


def test_openssl_accepts_the_signature(key: SigningKey, tmp_path: Path) -> None:
    if shutil.which("openssl") is None:
        pytest.skip("openssl is not installed")
    note = Checkpoint(origin=NAME, size=7, root=bytes(32)).sign(key)
    text, _, signature = note.rpartition("\n\n")
    (tmp_path / "text").write_text(text + "\n", encoding="utf-8")
    (tmp_path / "signature").write_bytes(base64.b64decode(signature.rsplit(" ", 1)[1])[4:])
    der = bytes.fromhex("302a300506032b6570032100") + key.verifier().public
    (tmp_path / "public.der").write_bytes(der)
    command = "openssl pkeyutl -verify -pubin -keyform DER -inkey public.der -rawin -in text -sigfile signature"
    done = subprocess.run(
        command.split(),
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, "Verified Successfully" in done.stdout) == (0, True), done.stderr


def test_a_checkpoint_comes_back(key: SigningKey) -> None:
    checkpoint = Checkpoint(origin=NAME, size=20852163, root=os.urandom(32))
    assert Checkpoint.open(checkpoint.sign(key), key.verifier()) == checkpoint
    assert Checkpoint.parse(checkpoint.text() + "an extension\n") == checkpoint


@pytest.mark.parametrize(
    "text",
    [
        "",
        "origin\n1\n",
        f"origin\n01\n{base64.b64encode(bytes(32)).decode()}\n",
        f"origin\n-1\n{base64.b64encode(bytes(32)).decode()}\n",
        f"origin\n1\n{base64.b64encode(bytes(31)).decode()}\n",
        "origin\n1\nnot base64!\n",
        f"\n1\n{base64.b64encode(bytes(32)).decode()}\n",
        f"origin\n1\n{base64.b64encode(bytes(32)).decode()}",
        f"origin\n1\n{base64.b64encode(bytes(32)).decode()}\n\nextension\n",
    ],
)
def test_what_is_no_checkpoint_is_refused(text: str) -> None:
    with pytest.raises(InvalidRequestError):
        Checkpoint.parse(text)


def test_a_changed_note_is_refused(key: SigningKey) -> None:
    note = Checkpoint(origin=NAME, size=10, root=bytes(32)).sign(key)
    with pytest.raises(IntegrityError):
        Checkpoint.open(note.replace("\n10\n", "\n11\n"), key.verifier())
    with pytest.raises(IntegrityError):
        Checkpoint.open(note, SigningKey.generate(NAME).verifier())
    with pytest.raises(IntegrityError):
        Checkpoint.open(note, SigningKey.generate("somebody/else").verifier())


def test_a_checkpoint_of_another_ledger_is_refused(key: SigningKey) -> None:
    note = Checkpoint(origin="another", size=1, root=bytes(32)).sign(key)
    with pytest.raises(InvalidRequestError):
        Checkpoint.open(note, key.verifier())


def test_signatures_of_witnesses_are_passed_over(key: SigningKey) -> None:
    witness = SigningKey.generate("witness.example/w")
    note = sign_note("text\n\nwith an empty line\n", key)
    line = sign_note("text\n\nwith an empty line\n", witness).rpartition("\n\n")[2]
    both = note + line
    assert open_note(both, [key.verifier()]) == "text\n\nwith an empty line\n"
    assert open_note(both, [witness.verifier()]) == open_note(both, [key.verifier(), witness.verifier()])
    forged = note + sign_note("another text\n", witness).rpartition("\n\n")[2]
    assert open_note(forged, [key.verifier()])
    with pytest.raises(IntegrityError):
        open_note(forged, [key.verifier(), witness.verifier()])


@pytest.mark.parametrize("text", ["", "no newline", "a\rb\n", "a\x00\n"])
def test_a_text_that_cannot_be_a_note_is_refused(key: SigningKey, text: str) -> None:
    with pytest.raises(InvalidRequestError):
        sign_note(text, key)


@pytest.mark.parametrize(
    "note",
    [
        "",
        "text\n",
        "text\n\n",
        "text\n\nno dash\n",
        "text\n\n\N{EM DASH} name\n",
        "text\n\n\N{EM DASH} name !!!!\n",
        "text\n\n\N{EM DASH} name AAAA\n",
        "text\n\n\N{EM DASH} na+me AAAAAAAA\n",
        "text\n\n\N{EM DASH} name AAAAAAAA",
        "te\x01xt\n\n\N{EM DASH} name AAAAAAAA\n",
    ],
)
def test_what_is_no_note_is_refused(key: SigningKey, note: str) -> None:
    with pytest.raises(InvalidRequestError):
        open_note(note, [key.verifier()])


@pytest.mark.parametrize("name", ["", "two words", "a+b", "tab\t"])
def test_a_name_that_cannot_name_a_key_is_refused(name: str) -> None:
    with pytest.raises(InvalidRequestError):
        SigningKey.generate(name)


@pytest.mark.parametrize("line", ["", "a+b", "a+00000000+AAAA", "a+zz+!!!", f"a b+00000000+{'A' * 44}"])
def test_what_is_no_verifier_key_is_refused(line: str) -> None:
    with pytest.raises(InvalidRequestError):
        VerifierKey.parse(line)


def test_keys_are_kept_from_other_eyes(key: SigningKey, tmp_path: Path) -> None:
    path = tmp_path / "key.pem"
    key.save(path)
    assert path.stat().st_mode & 0o777 == 0o600
    assert SigningKey.load(path, NAME).verifier() == key.verifier()
    assert "PRIVATE" not in repr(key)
    with pytest.raises(FileExistsError):
        key.save(path)
    path.chmod(0o640)
    with pytest.raises(BackendUnavailableError):
        SigningKey.load(path, NAME)


def test_a_damaged_key_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "key.pem"
    with pytest.raises(BackendUnavailableError):
        SigningKey.load(path, NAME)
    path.write_text("-----BEGIN PRIVATE KEY-----\nnonsense\n-----END PRIVATE KEY-----\n")
    path.chmod(0o600)
    with pytest.raises(IntegrityError):
        SigningKey.load(path, NAME)


def test_an_entry_with_half_a_surrogate_is_refused() -> None:
    entry = Entry(sequence=0, time="t", principal="p", action="a", subject="s", reason="\ud800")
    with pytest.raises(InvalidRequestError):
        entry.canonical()
