"""The content of files: for download, shown in a sandbox where it is HTML, and slices of images as pictures."""

from __future__ import annotations

from fastapi import APIRouter, Response
from fastapi.responses import FileResponse

from api.access import Permission
from api.dependencies import Caller, Open
from api.operations import records
from api.operations.input_files import host_path
from api.operations.outputs import media_type
from api.pages.preview import slices_png
from ontology.errors import InvalidRequestError

router = APIRouter()
FILE = frozenset({"File"})
# What pipelines and participants' files say must not act in our name: no script, nothing fetched.
SANDBOX = "sandbox; default-src 'none'; img-src data:; style-src 'unsafe-inline'; font-src data:"
INLINE = ("image/png", "image/jpeg", "text/html", "text/plain", "text/csv", "application/json", "application/pdf")
PREVIEW_LIMIT = 512 * 1024 * 1024


@router.get("/files/{id}/content")
def content(id: str, catalogue: Open, principal: Caller) -> Response:
    """Send a file's content."""
    file = records.find(catalogue, principal, id, types=FILE, permission=Permission.READ_DATA)
    path = host_path(catalogue, file)
    records.note_access(catalogue, principal, "file.read", file.id)
    name = file.document["path"].rsplit("/", 1)[-1]
    kind = media_type(name)
    disposition = "inline" if kind in INLINE else "attachment"
    headers = {"Content-Security-Policy": SANDBOX, "Cache-Control": "private, max-age=3600"}
    return FileResponse(path, media_type=kind, filename=name, content_disposition_type=disposition, headers=headers)


@router.get("/files/{id}/preview.png")
def preview(id: str, catalogue: Open, principal: Caller) -> Response:
    """Send three middle slices of a NIfTI image as a picture."""
    file = records.find(catalogue, principal, id, types=FILE, permission=Permission.READ_DATA)
    if (file.document.get("size") or 0) > PREVIEW_LIMIT:
        raise InvalidRequestError("the image is too large for a preview", field="id")
    png = slices_png(host_path(catalogue, file), name=file.document["path"])
    records.note_access(catalogue, principal, "file.preview", file.id)
    return Response(png, media_type="image/png", headers={"Cache-Control": "private, max-age=3600"})
