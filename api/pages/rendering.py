"""Templates and what every one of them may use."""

from __future__ import annotations

from collections.abc import Iterable
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fastapi import Request
from fastapi.responses import HTMLResponse

from api.access import Permission, Principal
from api.catalogue import Catalogue
from api.dependencies import COOKIE, open_catalogue_of
from api.identity import ANONYMOUS
from api.operations import identifiers
from api.pages.wording import coded, duration, granted, interval, number, size, summed, unit, used, when
from catalog.model import Record

if TYPE_CHECKING:
    from jinja2 import Environment

IMAGE_TYPES = (".png", ".jpg", ".jpeg", ".webp", ".svg")
NIFTI = (".nii", ".nii.gz")
FILTERS = (coded, duration, granted, interval, number, size, summed, unit, used, when)


@cache
def _templates() -> Environment:
    from jinja2 import Environment, FileSystemLoader, select_autoescape

    loader = FileSystemLoader(Path(__file__).parent / "templates")
    environment = Environment(loader=loader, autoescape=select_autoescape(default=True), trim_blocks=True)
    environment.globals["short"] = short
    environment.filters |= {each.__name__: each for each in FILTERS}
    return environment


def short(id: str) -> str:
    """Return the part of an id that a person reads."""
    return id.removeprefix("urn:uuid:")[:8] if id.startswith("urn:uuid:") else id


def page(
    request: Request, template: str, principal: Principal | None, *, status: int = 200, **values: Any
) -> HTMLResponse:
    """Return a rendered page."""
    catalogue = open_catalogue_of(request)
    html = (
        _templates()
        .get_template(template)
        .render(
            site=catalogue.title,
            principal=principal,
            anonymous=principal is None or principal.agent == ANONYMOUS,
            # An error is shown before anybody knows who asks; the way out is offered to whoever came in.
            entered=COOKIE in request.cookies and request.url.path != "/login",
            here="/" + request.url.path.split("/")[1],
            **values,
        )
    )
    return HTMLResponse(html, status)


def titles_of(catalogue: Catalogue, datasets: Iterable[str | None]) -> dict[str, str]:
    """Return the titles of datasets by id."""
    known = catalogue.repository.get_many({iri for iri in datasets if iri})
    return {iri: str(record.document.get("title") or record.document.get("label")) for iri, record in known.items()}


def names_of(catalogue: Catalogue, iris: Iterable[str | None]) -> dict[str, str]:
    """Return by what people call some records: their labels, of those that have one."""
    known = catalogue.repository.get_many({iri for iri in iris if iri})
    return {iri: str(record.document["label"]) for iri, record in known.items() if record.document.get("label")}


def pictures_of(files: Iterable[dict[str, Any]]) -> list[dict[str, str]]:
    """Return the pictures that can be shown of files: those that are pictures, and slices of NIfTI images."""
    found = []
    for file in files:
        name = file["path"].rsplit("/", 1)[-1]
        if name.lower().endswith(IMAGE_TYPES):
            found.append({"src": f"/files/{file['id']}/content", "alt": name})
        elif name.endswith(NIFTI) and file.get("size"):
            found.append({"src": f"/files/{file['id']}/preview.png", "alt": f"{name}, three middle slices"})
    return found


def identifier_of(catalogue: Catalogue, subject: str) -> dict[str, Any] | None:
    """Return what a page says of a record's DOI; None when it has none."""
    found = identifiers.of(catalogue, subject)
    return dict(found.document) if found else None


def can_read_data(principal: Principal, record: Record) -> bool:
    """Tell whether the principal may open the files of a record."""
    return principal.may(Permission.READ_DATA, record)


def may_change(principal: Principal, owner: object) -> bool:
    """Tell whether the principal made something, or may change what others made."""
    return owner == principal.agent or principal.everywhere(Permission.MAINTAIN)
