"""Terms: finding, showing, and loading whole ontologies."""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path
from typing import Any

from api.access import Permission, Principal
from api.catalogue import Catalogue
from catalog.model import Commit, Put
from catalog.search.query import Or, Query, Under
from ontology.errors import BackendUnavailableError
from ontology.identifiers import new_iri
from ontology.terms import Term


def term_body(term: Term) -> dict[str, Any]:
    """Return the wire form of a term."""
    return {
        "id": term.iri,
        "type": "Term",
        "curie": term.curie,
        "label": term.label,
        "synonyms": list(term.synonyms),
        "definition": term.definition,
        "xrefs": list(term.xrefs),
        "labels": dict(term.labels),
        "deprecated": term.deprecated,
        "replaced_by": term.replaced_by,
        "vocabulary": term.vocabulary,
    }


def brief(term: Term) -> dict[str, Any]:
    """Return a term as others refer to it."""
    return {"id": term.iri, "curie": term.curie, "label": term.label}


def find(catalogue: Catalogue, principal: Principal, text: str, *, limit: int = 20) -> dict[str, Any]:
    """Return the terms that ``text`` may mean, best first."""
    found = catalogue.terms.find(text, limit=limit)
    return {"items": [term_body(term) for term in found], "total": len(found), "next": None}


def show(catalogue: Catalogue, principal: Principal, reference: str) -> dict[str, Any]:
    """Return a term with its parents, children, and in how many of the readable participants it is used."""
    resolution = catalogue.terms.resolve(reference)
    term = resolution.term
    body = term_body(term)
    body["notice"] = resolution.notice
    body["parents"] = [brief(parent) for parent in catalogue.terms.parents(term.iri)]
    body["children"] = [brief(child) for child in catalogue.terms.children(term.iri)]
    body["descendants"] = len(catalogue.terms.descendants(term.iri)) - 1
    body["uses"] = _uses(catalogue, principal, term)
    return body


def _uses(catalogue: Catalogue, principal: Principal, term: Term) -> int | None:
    """Return how many participants have the term, or a narrower one, as a value; None while search is away."""
    try:
        catalogue.refresh_search()
    except BackendUnavailableError:
        return None
    datasets = principal.datasets(Permission.READ)
    properties = [
        item.name
        for item in catalogue.search.properties(datasets=datasets)
        if item.level == "participant" and "term" in item.kinds
    ]
    if not properties:
        return 0
    conditions = tuple(Under(name, term.iri) for name in properties)
    query = Query(Or(conditions)) if len(conditions) > 1 else Query(conditions[0])
    return catalogue.search.find(query, datasets=datasets, limit=1).count


def load(catalogue: Catalogue, principal: Principal, source: Path, *, name: str) -> dict[str, Any]:
    """Load an ontology file (OBO, OWL, Turtle/SKOS) beside what is there; queries use it at once.

    The source is kept in the catalogue by its digest, so that the terms can be rebuilt.

    Raises:
        NotPermittedError: The caller may not load terms.
        InvalidRequestError: The file is not one of the formats read; nothing was loaded.
    """
    principal.require(Permission.LOAD_TERMS)
    report = catalogue.terms.load(source)
    keep = catalogue.directory / "terms" / f"{report.digest}{Path(name).suffix}"
    if not keep.exists():
        keep.parent.mkdir(exist_ok=True)
        with tempfile.NamedTemporaryFile(dir=keep.parent, delete=False) as partial, source.open("rb") as original:
            shutil.copyfileobj(original, partial)
        Path(partial.name).replace(keep)
    alias = f"vocabulary:{report.digest}"
    iri = catalogue.repository.find_alias(alias)
    if iri is None:
        iri = new_iri()
        document = {
            "label": report.name or name,
            "version_info": report.version,
            "source_digest": report.digest,
            "format": report.format,
            "terms": report.terms,
            "deprecated": report.deprecated,
        }
        put = Put(id=iri, type="Vocabulary", document=document, aliases=[alias])
        catalogue.repository.commit(Commit(principal=principal.agent, action="terms.load", changes=[put]))
    return {
        "id": iri,
        "type": "Vocabulary",
        "label": report.name or name,
        "format": report.format,
        "terms": report.terms,
        "deprecated": report.deprecated,
        "digest": catalogue.terms.digest,
        "problems": [{"path": name, "field": "", "detail": text} for text in report.problems],
    }
