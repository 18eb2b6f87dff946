"""Registers DOIs with DataCite (REST API, JSON:API 1.0): ``/dois`` with states by events."""

from __future__ import annotations

import base64
import logging
import time
from collections.abc import Callable, Mapping
from typing import Any
from urllib.parse import quote, urlsplit

import httpx
from typing_extensions import override

from catalog.doi.contract import DRAFT, FINDABLE, REGISTERED, TEST_PREFIX, Registered, Registrar
from catalog.doi.xml import datacite_xml
from ontology.errors import (
    BackendUnavailableError,
    ConflictError,
    InvalidRequestError,
    NotFoundError,
    OutcomeUnknownError,
    SillageError,
    ValidationFailedError,
)

logger = logging.getLogger(__name__)

_MEDIA_TYPE = "application/vnd.api+json"
_ATTEMPTS = 4
_FIRST_WAIT_S = 0.5
_LONGEST_WAIT_S = 20.0
_REFUSED = frozenset({429, 503})
"""Answers that say that nothing was done."""

_LOOPBACK = frozenset({"localhost", "127.0.0.1", "::1"})
_STATES = frozenset({DRAFT, REGISTERED, FINDABLE})


class DataCiteRegistrar(Registrar):
    """A repository account at DataCite.

    Every request may be repeated without harm, so one whose outcome is not known is repeated, a bounded number of
    times; if the outcome is still not known then, :class:`OutcomeUnknownError` says so.

    Args:
        base_url: ``https://api.datacite.org``, or ``https://api.test.datacite.org``.
        repository_id: The repository's symbol, e.g. ``ABCD.EFGH``.
        password: Its password.
        prefix: A prefix that is assigned to it.
        timeout_s: Time limit of one request.
        sleep: Waits between attempts; tests give their own.

    Raises:
        InvalidRequestError: The address would send the password in the clear, or the prefix is none.
    """

    def __init__(
        self,
        base_url: str,
        repository_id: str,
        password: str,
        prefix: str,
        *,
        timeout_s: float = 30.0,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        super().__init__(prefix=prefix)
        parts = urlsplit(base_url)
        if parts.scheme != "https" and not (parts.scheme == "http" and parts.hostname in _LOOPBACK):
            raise InvalidRequestError(
                "the address of DataCite must be https: the password goes with every request", field="datacite_url"
            )
        self._base = base_url.rstrip("/")
        self._resolves = prefix != TEST_PREFIX and not (parts.hostname or "").startswith("api.test.")
        self._repository = repository_id
        self._auth = (repository_id, password)
        self._timeout_s = timeout_s
        self._sleep = sleep

    @override
    def reserve(self, metadata: Mapping[str, Any], *, doi: str) -> Registered:
        name = self._own(doi)
        attributes = _attributes(name, metadata, url=metadata.get("url"))
        response = self._send("POST", "/dois", attributes)
        if response.status_code == 422 and _is_taken(response):
            return self._reserve_again(name, attributes)
        return self._registered(name, response)

    @override
    def publish(self, doi: str, *, url: str | None, metadata: Mapping[str, Any]) -> Registered:
        name = self._own(doi)
        if not url:
            raise ConflictError(
                f"DOI {name} has no public address to lead to",
                field="url",
                next_step="Set base_url to the address under which the catalogue can be reached.",
            )
        return self._registered(name, self._put(name, {**_attributes(name, metadata, url=url), "event": "publish"}))

    @override
    def hide(self, doi: str) -> Registered:
        name = self._own(doi)
        known = self._send("GET", f"/dois/{quote(name)}")
        if known.status_code == 404:
            raise NotFoundError(f"DataCite does not know DOI {name}", field="doi")
        self._registered(name, known)
        return self._registered(name, self._put(name, {"doi": name, "event": "hide"}))

    def _reserve_again(self, name: str, attributes: Mapping[str, Any]) -> Registered:
        """Bring our own draft up to date; a DOI of somebody else, or one that is public already, is left alone."""
        known = self._send("GET", f"/dois/{quote(name)}")
        if known.status_code == 404:
            raise ConflictError(f"DOI {name} is taken by another repository", field="doi")
        data = _data(known)
        client = str(((data.get("relationships") or {}).get("client") or {}).get("data", {}).get("id", ""))
        if client.casefold() != self._repository.casefold():
            raise ConflictError(f"DOI {name} is taken by another repository", field="doi")
        found = self._registered(name, known)
        return found if found.state != DRAFT else self._registered(name, self._put(name, attributes))

    def _put(self, name: str, attributes: Mapping[str, Any]) -> httpx.Response:
        return self._send("PUT", f"/dois/{quote(name)}", attributes)

    def _send(self, method: str, path: str, attributes: Mapping[str, Any] | None = None) -> httpx.Response:
        """Send a request until it is answered, waiting longer each time; answers below 500 are the caller's."""
        body = {"data": {"type": "dois", "attributes": dict(attributes)}} if attributes is not None else None
        unknown = False
        reason = ""
        wait = _FIRST_WAIT_S
        with httpx.Client(auth=self._auth, timeout=self._timeout_s, follow_redirects=False) as client:
            for attempt in range(_ATTEMPTS):
                if attempt:
                    self._sleep(wait)
                    wait *= 2
                try:
                    response = client.request(method, f"{self._base}{path}", json=body, headers=_headers(body))
                except (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout) as error:
                    reason = f"it cannot be reached ({type(error).__name__})"
                except httpx.HTTPError as error:
                    unknown, reason = True, f"it did not answer ({type(error).__name__})"
                else:
                    if response.status_code < 500 and response.status_code not in _REFUSED:
                        return response
                    reason = f"it answered {response.status_code}"
                    unknown = unknown or response.status_code not in _REFUSED
                    wait = max(wait, _asked_to_wait(response))
                logger.info("DataCite: %s %s, attempt %d: %s", method, path, attempt + 1, reason)
        if unknown and method != "GET":
            raise OutcomeUnknownError(
                f"it is not known whether DataCite did it: {reason}",
                next_step="Repeat the command: it is harmless if it had been done.",
            )
        raise BackendUnavailableError(f"DataCite is away: {reason}", next_step="Try again later.")

    def _registered(self, name: str, response: httpx.Response) -> Registered:
        _raise_for(response, name)
        attributes = _data(response).get("attributes") or {}
        state = str(attributes.get("state"))
        if state not in _STATES or str(attributes.get("doi", "")).lower() != name:
            raise OutcomeUnknownError(f"DataCite's answer about DOI {name} cannot be read", field="doi")
        return Registered(doi=name, state=state, resolvable=self._resolves and state != DRAFT)


def _attributes(name: str, metadata: Mapping[str, Any], *, url: str | None) -> dict[str, Any]:
    """Return what DataCite stores: the XML is the metadata, so that what is checked is what is sent."""
    document = datacite_xml({**metadata, "doi": name})
    attributes: dict[str, Any] = {"doi": name, "xml": base64.b64encode(document).decode()}
    if url:
        attributes["url"] = url
    return attributes


def _headers(body: Any) -> dict[str, str]:
    return {"Accept": _MEDIA_TYPE} | ({} if body is None else {"Content-Type": _MEDIA_TYPE})


def _asked_to_wait(response: httpx.Response) -> float:
    text = response.headers.get("Retry-After", "")
    return min(float(text), _LONGEST_WAIT_S) if text.isdecimal() else 0.0


def _data(response: httpx.Response) -> Mapping[str, Any]:
    try:
        body = response.json()
    except ValueError:
        return {}
    data = body.get("data") if isinstance(body, Mapping) else None
    return data if isinstance(data, Mapping) else {}


def _errors(response: httpx.Response) -> list[dict[str, str]]:
    """Return DataCite's complaints as ``{field, detail}``."""
    try:
        body = response.json()
    except ValueError:
        return []
    listed = body.get("errors") if isinstance(body, Mapping) else None
    return [
        {"field": _field(item), "detail": str(item.get("title") or item.get("detail") or "refused")}
        for item in listed or []
        if isinstance(item, Mapping)
    ]


def _field(item: Mapping[str, Any]) -> str:
    """Return the property at fault: DataCite gives a name, the JSON:API standard a pointer."""
    source = item.get("source")
    if isinstance(source, Mapping):
        source = str(source.get("pointer") or "").rpartition("/")[2]
    return str(source or "metadata")


def _is_taken(response: httpx.Response) -> bool:
    return any("taken" in error["detail"].casefold() for error in _errors(response))


def _raise_for(response: httpx.Response, name: str) -> None:
    status = response.status_code
    if status in (200, 201):
        return
    if status in (401, 403):
        raise BackendUnavailableError(
            f"DataCite refuses this account for DOI {name}",
            next_step="Check datacite_repository, datacite_password and doi_prefix.",
        )
    if status == 404:
        raise NotFoundError(f"DataCite does not know DOI {name}", field="doi")
    raise _refusal(status, _errors(response), name)


def _refusal(status: int, errors: list[dict[str, str]], name: str) -> SillageError:
    if status in (400, 422):
        said = "; ".join(f"{error['field']}: {error['detail']}" for error in errors) or "without saying why"
        return ValidationFailedError(
            f"DataCite refuses the metadata of DOI {name}: {said}",
            field=errors[0]["field"] if errors else "metadata",
            params={"problems": errors},
        )
    return BackendUnavailableError(f"DataCite answered {status} about DOI {name}")
