"""Media types of the files that imaging datasets hold (IANA names where there is one)."""

from __future__ import annotations

_BY_EXTENSION = {
    "bmp": "image/bmp",
    "bval": "text/plain",
    "bvec": "text/plain",
    "cff": "application/yaml",
    "csv": "text/csv",
    "dcm": "application/dicom",
    "gz": "application/gzip",
    "html": "text/html",
    "jpeg": "image/jpeg",
    "jpg": "image/jpeg",
    "json": "application/json",
    "md": "text/markdown",
    "pdf": "application/pdf",
    "png": "image/png",
    "rst": "text/x-rst",
    "svg": "image/svg+xml",
    "tif": "image/tiff",
    "tiff": "image/tiff",
    "tsv": "text/tab-separated-values",
    "txt": "text/plain",
    "xml": "application/xml",
    "yaml": "application/yaml",
    "yml": "application/yaml",
    "zip": "application/zip",
}
_BY_NAME = {"README": "text/plain", "CHANGES": "text/plain", "LICENSE": "text/plain"}
UNKNOWN = "application/octet-stream"


def media_type(path: str) -> str:
    """Return the media type that the name of a file suggests; ``application/octet-stream`` when it says nothing."""
    name = path.rpartition("/")[2]
    extension = name.rpartition(".")[2] if "." in name else ""
    return _BY_EXTENSION.get(extension.lower()) or _BY_NAME.get(name, UNKNOWN)
