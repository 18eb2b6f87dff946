"""DOIs: reserve, mint (publish) and hide, with metadata of DataCite kernel 4.7."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from api.access import Permission, Principal
from api.catalogue import Catalogue
from api.operations import records
from api.operations.dataset_dois import tell_dataset
from api.wire import record_body
from catalog.doi.contract import Registered
from catalog.doi.metadata import Related, datacite_metadata
from catalog.model import Commit, MustBeAt, Put, Record
from ontology.errors import ConflictError, NotFoundError
from ontology.identifiers import new_iri, normalise_doi
from ontology.namespaces import DERIVED_FROM, IDENTIFIES

CITABLE = frozenset({"Dataset", "DatasetVersion", "Cohort", "PipelineVersion"})


def reserve(catalogue: Catalogue, principal: Principal, reference: str) -> dict[str, Any]:
    """Reserve a DOI (state *draft*) for a dataset, a version, a cohort or a pipeline version; idempotent.

    Raises:
        NotPermittedError: The caller may not publish it.
        ValidationFailedError: A property that DataCite demands is missing; each is named.
    """
    record = records.find(catalogue, principal, reference, types=CITABLE, permission=Permission.PUBLISH)
    principal.require(Permission.PUBLISH)
    existing = of(catalogue, record.id)
    if existing is not None and existing.document["doi"].startswith(f"{catalogue.registrar.prefix}/"):
        return record_body(existing, principal)
    doi = catalogue.registrar.new_doi()
    metadata = _metadata(catalogue, record, doi)
    registered = catalogue.registrar.reserve(metadata, doi=doi)
    put = Put(
        id=new_iri(),
        type="Identifier",
        document={
            "label": registered.doi,
            "doi": registered.doi,
            "subject": record.id,
            "datasets": sorted(_governing(record)),
            "state": registered.state,
            "resolvable": registered.resolvable,
            "metadata": metadata,
        },
        edges=[(IDENTIFIES, record.id)],
        aliases=[f"doi:{registered.doi}"],
    )
    catalogue.repository.commit(Commit(principal=principal.agent, action="identifier.reserve", changes=[put]))
    return record_body(catalogue.repository.get(put.id), principal)


def mint(catalogue: Catalogue, principal: Principal, reference: str) -> dict[str, Any]:
    """Make a reserved DOI findable (DataCite event *publish*).

    Raises:
        ConflictError: Without a DataCite account a DOI cannot be made to resolve.
    """
    identifier, record = _both(catalogue, principal, reference)
    doi = identifier.document["doi"]
    metadata = _metadata(catalogue, record, doi)
    registered = catalogue.registrar.publish(doi, url=landing_url(catalogue, doi), metadata=metadata)
    minted = _change(catalogue, principal, identifier, "identifier.mint", registered, metadata)
    tell_dataset(catalogue, principal, record, doi, published=True)
    return minted


def hide(catalogue: Catalogue, principal: Principal, reference: str, *, reason: str | None = None) -> dict[str, Any]:
    """Take a DOI out of DataCite's index (event *hide*); its landing page stays, as a tombstone should."""
    identifier, record = _both(catalogue, principal, reference)
    doi = identifier.document["doi"]
    registered = catalogue.registrar.hide(doi)
    metadata = identifier.document["metadata"]
    hidden = _change(catalogue, principal, identifier, "identifier.hide", registered, metadata, reason=reason)
    tell_dataset(catalogue, principal, record, doi, published=False)
    return hidden


def by_doi(catalogue: Catalogue, doi: str) -> tuple[Record, Record]:
    """Return the identifier and its subject; the metadata of a reserved DOI are public by intent.

    Raises:
        NotFoundError: No such DOI here.
    """
    name = normalise_doi(doi)
    iri = catalogue.repository.find_alias(f"doi:{name}")
    if iri is None:
        raise NotFoundError(f"DOI {name} is not registered here", field="doi")
    identifier = catalogue.repository.get(iri)
    return identifier, catalogue.repository.get(identifier.document["subject"])


def landing_url(catalogue: Catalogue, doi: str) -> str | None:
    """Return the public address of a DOI's landing page; None while the service has no public address.

    Raises:
        ConflictError: Never; a caller that needs the address says so itself.
    """
    base = catalogue.settings.base_url
    return f"{base.rstrip('/')}/doi/{doi}" if base else None


def _both(catalogue: Catalogue, principal: Principal, reference: str) -> tuple[Record, Record]:
    record = records.find(catalogue, principal, reference)
    identifier = record if record.type == "Identifier" else of(catalogue, record.id)
    if identifier is None:
        raise ConflictError(
            f"{record.id} has no DOI", field="id", next_step=f"Reserve one: sillage doi reserve {record.id}"
        )
    subject = records.find(
        catalogue, principal, identifier.document["subject"], types=CITABLE, permission=Permission.PUBLISH
    )
    principal.require(Permission.PUBLISH)
    return identifier, subject


def of(catalogue: Catalogue, subject: str) -> Record | None:
    """Return the newest identifier of a record, or None; one of the test prefix gives way to a real one."""
    edges = catalogue.repository.edges_to([subject], [IDENTIFIES])
    found = catalogue.repository.get_many([edge.source for edge in edges])
    return max(found.values(), key=lambda identifier: identifier.sequence, default=None)


def _change(
    catalogue: Catalogue,
    principal: Principal,
    identifier: Record,
    action: str,
    registered: Registered,
    metadata: dict[str, Any],
    *,
    reason: str | None = None,
) -> dict[str, Any]:
    document = {**identifier.document, "state": registered.state, "metadata": metadata}
    document["resolvable"] = registered.resolvable
    catalogue.repository.commit(
        Commit(
            principal=principal.agent,
            action=action,
            reason=reason,
            changes=[
                Put(
                    id=identifier.id,
                    type="Identifier",
                    document=document,
                    edges=[(IDENTIFIES, identifier.document["subject"])],
                    aliases=[f"doi:{identifier.document['doi']}"],
                )
            ],
            requirements=[MustBeAt(identifier.id, identifier.version)],
        )
    )
    return record_body(catalogue.repository.get(identifier.id), principal)


def _metadata(catalogue: Catalogue, record: Record, doi: str) -> dict[str, Any]:
    subject: dict[str, Any] = {"created": record.created, "modified": record.modified}
    if record.type == "DatasetVersion":
        # A version says only what is its own; who made the data, and on what terms, its dataset says.
        dataset = catalogue.repository.get(record.document["dataset"]).document
        subject |= {name: dataset.get(name) for name in ("title", "creators", "license", "description", "keywords")}
        subject["title"] = f"{subject['title'] or dataset['label']}, version {record.document['name']}"
    subject |= {**record.document, "id": record.id, "type": record.type, "version": record.version}
    if not subject.get("creators"):
        subject["creators"] = _creators(catalogue, record)
    return datacite_metadata(
        subject,
        doi=doi,
        publisher=catalogue.settings.publisher,
        url=landing_url(catalogue, doi),
        year=datetime.now(UTC).year,
        related=_related(catalogue, record),
    )


def _creators(catalogue: Catalogue, record: Record) -> list[dict[str, Any]]:
    """Return the agent who made a cohort or pipeline, or the catalogue itself, as creator."""
    creator = record.document.get("creator")
    if creator:
        agent = catalogue.repository.get(creator)
        return [{"name": agent.document["label"], "orcid": agent.document.get("orcid")}]
    return [{"name": catalogue.title}]


def _source(stated: Any) -> str | None:
    """Return the identifier of a source dataset: ours, or what BIDS gives (``DOI``, or an absolute ``URL``)."""
    if not isinstance(stated, Mapping):
        return str(stated)
    doi, url = str(stated.get("DOI") or ""), str(stated.get("URL") or "")
    doi = doi.removeprefix("https://doi.org/").removeprefix("doi:")
    return doi if doi.startswith("10.") else url if url.startswith(("https://", "http://")) else None


def _related(catalogue: Catalogue, record: Record) -> list[Related]:
    """Return relations to other records, by DOI where they have one and by URN otherwise."""
    stated = map(_source, record.document.get("source_datasets") or [])
    relations = [("IsDerivedFrom", iri) for iri in stated if iri]
    relations += [("IsDerivedFrom", iri) for iri in record.document.get("datasets") or []]
    if record.type == "Cohort":
        edges = catalogue.repository.edges_from([record.id], [DERIVED_FROM])
        relations += [("IsDerivedFrom", edge.target) for edge in edges]
    if record.type == "DatasetVersion":
        relations.append(("IsVersionOf", record.document["dataset"]))
    found = []
    for relation, iri in relations:
        known = catalogue.repository.get_many([iri]).get(iri)
        doi = of(catalogue, iri) if known else None
        if doi is not None:
            found.append(Related(identifier=doi.document["doi"], kind="DOI", relation=relation))
        else:
            kind = "DOI" if iri.startswith("10.") else "URN" if iri.startswith("urn:") else "URL"
            found.append(Related(identifier=iri, kind=kind, relation=relation))
    return found


def _governing(record: Record) -> set[str]:
    datasets = record.document.get("datasets")
    return set(datasets) if datasets else {record.dataset} if record.dataset else set()
