"""What is sent to register a pipeline: a descriptor, and the files that it runs; and where in it something is wrong."""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from starlette.datastructures import FormData, UploadFile
from starlette.exceptions import HTTPException
from starlette.requests import Request

from api.operations.pipelines import MAX_FILES_BYTES
from api.pages.json_places import WIDEST, Line, excerpt, place_of, places_of
from executors.pipelines.descriptor import MAX_BYTES
from ontology.errors import InvalidRequestError, SillageError

MAX_FILES: Final = 5000
CARRIED_BYTES: Final = 2_000_000
"""Files up to this size together come back with a form that is refused, so that nobody chooses them again."""
DESCRIPTOR: Final = "descriptor.json"
_BESIDE, _OWN = "beside.", "own."
_BUILT = "__pycache__"

Files = Mapping[str, bytes]


@dataclass(frozen=True, slots=True, kw_only=True)
class Sent:
    """What somebody sent.

    Attributes:
        text: The descriptor as it was pasted or lies in its file.
        beside: Files by their path from the folder in which the descriptor lies.
        own: Files by their path from the folder that the descriptor names as that of the pipeline.
    """

    text: str = ""
    beside: Files = field(default_factory=dict)
    own: Files = field(default_factory=dict)

    def document(self) -> dict[str, Any]:
        """Return the descriptor.

        Raises:
            InvalidRequestError: There is none, it is too large, no JSON or no object; ``params['at']`` is where.
        """
        if not self.text.strip():
            raise InvalidRequestError(
                "There is no descriptor.", field="text", next_step="Choose its file or its folder, or paste it."
            )
        if len(self.text.encode()) > MAX_BYTES:
            raise InvalidRequestError(f"A descriptor has at most {MAX_BYTES:,} bytes.", field="text")
        try:
            document = json.loads(self.text)
        except json.JSONDecodeError as error:
            raise InvalidRequestError(f"This is not JSON: {error.msg}.", params={"at": error.pos}) from error
        except (ValueError, RecursionError) as error:
            raise InvalidRequestError(f"The descriptor is not JSON ({error}).", field="text") from error
        if not isinstance(document, dict):
            raise InvalidRequestError("A descriptor is a JSON object: { ... }.", params={"at": 0})
        return document

    def files(self, document: Mapping[str, Any]) -> dict[str, bytes]:
        """Return the pipeline's files by their path from the folder that its descriptor names.

        Raises:
            InvalidRequestError: Files came for a pipeline that says it has none.
        """
        folder = _folder_of(document)
        if folder is None:
            if self.own:
                raise InvalidRequestError(
                    "The descriptor names no folder with files of its own, so nothing would run these.",
                    field="files",
                    next_step='Say "files": "." in custom.sillage, or leave the files away.',
                )
            return {}
        prefix = "" if folder.strip("/") in (".", "") else folder.strip("/").removeprefix("./") + "/"
        inside = {path.removeprefix(prefix): data for path, data in self.beside.items() if path.startswith(prefix)}
        return {**inside, **self.own}

    @property
    def carried(self) -> list[dict[str, Any]]:
        """The files as a refused form brings them back; none where they are too large for that."""
        if not self.names or self.byte_size > CARRIED_BYTES:
            return []
        named = [(_BESIDE, path, data) for path, data in self.beside.items()]
        named += [(_OWN, path, data) for path, data in self.own.items()]
        return [
            {"name": f"{kind}{path}", "path": path, "size": len(data), "data": base64.b64encode(data).decode()}
            for kind, path, data in sorted(named, key=lambda item: item[1])
        ]

    @property
    def names(self) -> list[str]:
        """The paths of all files."""
        return sorted({*self.beside, *self.own})

    @property
    def byte_size(self) -> int:
        """Bytes of all files together."""
        return sum(map(len, (*self.beside.values(), *self.own.values())))


def _folder_of(document: Mapping[str, Any]) -> str | None:
    block = document.get("custom")
    block = block.get("sillage") if isinstance(block, dict) else None
    folder = block.get("files") if isinstance(block, dict) else None
    return folder if isinstance(folder, str) and folder else None


async def sent_with(request: Request) -> Sent:
    """Return what a form sent.

    Raises:
        InvalidRequestError: It has too many files, or they are too large together, or it cannot be read.
    """
    try:
        form = await request.form(max_files=MAX_FILES, max_fields=MAX_FILES * 3, max_part_size=2 * MAX_BYTES)
    except HTTPException as error:
        raise InvalidRequestError(
            f"the form cannot be read: {error.detail}",
            next_step=f"Send a descriptor of at most {MAX_BYTES:,} bytes, and at most {MAX_FILES:,} files.",
        ) from error
    try:
        return await _read(form)
    finally:
        await form.close()


async def _read(form: FormData) -> Sent:
    beside, own = _carried(form, _BESIDE), _carried(form, _OWN)
    beside |= {_below(path): data for path, data in (await _files(form, "folder")).items()}
    own |= await _files(form, "files")
    chosen = next(iter((await _files(form, "descriptor")).values()), None)
    typed = form.get("text")
    text = typed if isinstance(typed, str) else ""
    if chosen is None and not text.strip():
        chosen = beside.get(DESCRIPTOR)
    if chosen is not None:
        text = chosen.decode("utf-8-sig", errors="replace")
    text = text.replace("\r\n", "\n")  # So a browser sends the ends of lines.
    if DESCRIPTOR in beside and not _same(beside[DESCRIPTOR], text):
        beside[DESCRIPTOR] = text.encode()
    return Sent(text=text, beside=beside, own=own)


def _same(file: bytes, text: str) -> bool:
    """Tell whether a descriptor's file still says what stands in the form, where it may have been mended."""
    try:
        return bool(json.loads(file) == json.loads(text))
    except (ValueError, RecursionError):
        return False


async def _files(form: FormData, name: str) -> dict[str, bytes]:
    found, size = {}, 0
    for item in form.getlist(name):
        if not isinstance(item, UploadFile) or not item.filename:
            continue
        if _BUILT in item.filename.split("/"):
            continue
        size += item.size or 0
        if size > MAX_FILES_BYTES:
            raise InvalidRequestError(f"the files may have {MAX_FILES_BYTES // 1_000_000} MB together", field="files")
        found[item.filename] = await item.read()
    return found


def _below(path: str) -> str:
    """Return a path from within the folder that was chosen, whose own name a browser puts before it."""
    return path.partition("/")[2] or path


def _carried(form: FormData, kind: str) -> dict[str, bytes]:
    kept = set(form.getlist("keep"))
    found = {}
    for name, value in form.multi_items():
        if name.startswith(kind) and name in kept and isinstance(value, str):
            try:
                found[name.removeprefix(kind)] = base64.b64decode(value, validate=True)
            except binascii.Error as error:
                raise InvalidRequestError(f"a file is not base64: {error}", field="files") from error
    return found


@dataclass(frozen=True, slots=True, kw_only=True)
class Refusal:
    """Why a registration was refused, as its page shows it.

    Attributes:
        count: How many things are wrong.
        text: The descriptor as it stands in the form: on several lines, where it was all on one.
        lines: The lines of the descriptor that something is wrong with, and those about them.
        of_files: What is wrong with the files.
        other: What is wrong, and has no place in either.
        next_step: What to do.
    """

    count: int
    text: str
    lines: list[Line]
    of_files: str | None
    other: str | None
    next_step: str | None


def refusal(error: SillageError, text: str) -> Refusal:
    """Return why a registration was refused, each reason at the place in the descriptor that it belongs to."""
    text, found = _laid_out(text), []
    at = error.params.get("at")
    if at is not None:
        found = [{"at": at, "detail": error.detail}]
    elif (places := _places(text)) is not None:
        listed = error.params.get("problems") or [{"field": error.field or "-", "detail": error.detail}]
        found = [each | {"at": where} for each in listed if (where := _where(places, str(each["field"]))) is not None]
    files = error.detail if error.field == "files" and not found else None
    return Refusal(
        count=max(1, len(found)),
        text=text,
        lines=excerpt(text, found),
        of_files=files,
        other=None if found or files else error.detail,
        next_step=error.next_step(),
    )


def _laid_out(text: str) -> str:
    """Return a descriptor on several lines, where it was written on one that nobody can read."""
    if all(len(line) <= WIDEST for line in text.split("\n")):
        return text
    try:
        return json.dumps(json.loads(text), indent=2, ensure_ascii=False)
    except (ValueError, RecursionError):
        return text


def _places(text: str) -> dict[str, int] | None:
    try:
        json.loads(text)
    except (ValueError, RecursionError):
        return None
    return places_of(text)


def _where(places: Mapping[str, int], named: str) -> int | None:
    """Return the place in the descriptor that the field of an error means; None where it is none of it."""
    if named == "" or named.startswith("/"):
        return place_of(places, named)
    return places.get(f"/{named}")
