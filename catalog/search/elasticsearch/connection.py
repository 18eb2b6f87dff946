"""The server: the one module that knows the client library, and what its errors mean for an index.

The library is imported when a connection is made, never at import.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, Final
from urllib.parse import unquote, urlsplit

from ontology.errors import (
    BackendUnavailableError,
    InvalidRequestError,
    NotInstalledError,
    SillageError,
    StorageFullError,
)

_CONFLICT: Final = 409
_GONE: Final = 404
_INDEX_GONE: Final = "index_not_found_exception"
"""Of an index that is removed while a question is on its way to its shards, with the status 503."""
_UNAVAILABLE: Final = 503
_NO_SHARD: Final = "search_phase_execution_exception"
"""Of a question that found no shard at all, with the status 503."""
_SHARD_AWAY: Final = frozenset(
    {
        "no_shard_available_action_exception",
        "illegal_index_shard_state_exception",
        "index_shard_not_started_exception",
        "index_shard_not_recovering_exception",
        "index_shard_closed_exception",
    }
)
"""Of an index that another process is just making or removing, and of a server that has just started."""
_SHARD_SECONDS: Final = 10.0
_PAUSE: Final = 0.05
_BUSY: Final = 429
_REFUSED: Final = (401, 403)
_FULL: Final = "read-only-allow-delete"


class IndexGoneError(BackendUnavailableError):
    """The index that was asked is not there (any more)."""


class ShardAwayError(BackendUnavailableError):
    """The index is there, and nothing of it answers at this moment."""


class IndexExistsError(BackendUnavailableError):
    """An index of that name is there already."""


class LostRaceError(BackendUnavailableError):
    """Somebody else wrote first."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """How patient the index is with its server, and with other writers.

    Attributes:
        request_seconds: The longest that one request may take.
        patience_seconds: A writer of whom nothing was heard for so long is taken to be dead.
        batch_records: Records that are applied between two stamps.
        request_bytes: About how much is written in one request.
    """

    request_seconds: float = 30.0
    patience_seconds: float = 15.0
    batch_records: int = 10_000
    request_bytes: int = 4_000_000


@dataclass(frozen=True, slots=True)
class Address:
    """Where a server is and how one shows oneself to it; what is printed of it has no secrets."""

    url: str
    basic_auth: tuple[str, str] | None = field(default=None, repr=False)
    api_key: str | None = field(default=None, repr=False)

    def __str__(self) -> str:
        """Return the URL."""
        return self.url


def address(url: str, auth: tuple[str, str] | str | None = None) -> Address:
    """Return the address that a URL and perhaps credentials (user and password, or an API key) stand for.

    Raises:
        InvalidRequestError: It is no URL of a server; the error does not repeat it, for it may hold a password.
    """
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        parts, port = urlsplit(""), None
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise InvalidRequestError(
            "the URL of Elasticsearch begins with http:// or https:// and names a host",
            field="url",
            next_step="Write it like https://search.example.org:9200.",
        )
    host = f"[{parts.hostname}]" if ":" in parts.hostname else parts.hostname
    plain = f"{parts.scheme}://{host}:{port or (443 if parts.scheme == 'https' else 9200)}{parts.path.rstrip('/')}"
    if auth is None and parts.username:
        auth = (unquote(parts.username), unquote(parts.password or ""))
    if isinstance(auth, str):
        return Address(plain, api_key=auth)
    return Address(plain, basic_auth=auth)


class Server:
    """A connection pool to one server; requests from several threads at once are fine."""

    def __init__(self, at: Address, limits: Limits, *, verify_certs: bool = True, ca_certs: str | None = None) -> None:
        try:
            import elasticsearch
        except ImportError as error:
            raise NotInstalledError(
                "the client of Elasticsearch is not installed", next_step='pip install "sillage[elasticsearch]"'
            ) from error
        self.at = at
        self._closed = False
        self._api_error: type[Exception] = elasticsearch.ApiError
        self._transport_error: type[Exception] = elasticsearch.TransportError
        self._timeout: type[Exception] = elasticsearch.ConnectionTimeout
        secured: dict[str, Any] = {}
        if at.url.startswith("https"):
            secured = {"verify_certs": verify_certs, "ssl_show_warn": False, "ca_certs": ca_certs}
        with self._translated():
            self._client = elasticsearch.Elasticsearch(
                at.url,
                basic_auth=at.basic_auth,
                api_key=at.api_key,
                request_timeout=limits.request_seconds,
                max_retries=1,
                connections_per_node=16,
                **secured,
            )

    @property
    def closed(self) -> bool:
        """Whether :meth:`close` was called."""
        return self._closed

    def ask(self, method: str, path: str, body: Any = None, **parameters: str) -> Any:
        """Send a request and return the body of the answer.

        An index of which nothing answers is most often one that is just being made, or removed: it is asked again for
        some seconds.

        Raises:
            IndexGoneError: There is no such index or document.
            ShardAwayError: Nothing of the index answers.
            LostRaceError: The document is not what the caller takes it to be.
            StorageFullError: The server's disk is so full that it takes no more writes.
            BackendUnavailableError: The server is away, too slow, refuses the credentials, or cannot answer.
        """
        until = time.monotonic() + _SHARD_SECONDS
        while True:
            try:
                return self._asked(method, path, body, parameters)
            except ShardAwayError:
                if time.monotonic() > until:
                    raise
                time.sleep(_PAUSE)

    def _asked(self, method: str, path: str, body: Any, parameters: Mapping[str, str]) -> Any:
        if self._closed:
            raise BackendUnavailableError("the search index is closed")
        kind = "application/x-ndjson" if isinstance(body, bytes) else "application/json"
        headers = {"accept": "application/json"} | ({} if body is None else {"content-type": kind})
        with self._translated():
            answer = self._client.perform_request(
                method, path, params=dict(parameters) or None, headers=headers, body=body
            )
        return answer.body

    def close(self) -> None:
        """Close all connections; harmless to repeat."""
        if not self._closed:
            self._closed = True
            self._client.close()

    @contextmanager
    def _translated(self) -> Iterator[None]:
        try:
            yield
        except self._timeout as error:
            raise BackendUnavailableError(
                f"Elasticsearch at {self.at} did not answer in time", next_step="Try again; see the server's load."
            ) from error
        except self._transport_error as error:
            raise BackendUnavailableError(
                f"Elasticsearch at {self.at} cannot be reached ({type(error).__name__})",
                next_step="Start the server, or correct its URL in the settings; the catalogue itself works meanwhile.",
            ) from error
        except self._api_error as error:
            raise meaning(getattr(error, "status_code", 0), getattr(error, "body", None), self.at) from error


def meaning(status: int, body: Any, at: Address) -> SillageError:
    """Return the error of the taxonomy that a refusal of the server means."""
    kind, reason = _cause(body)
    if kind == "cluster_block_exception" and _FULL in reason:
        return StorageFullError(
            f"Elasticsearch at {at} takes no more writes: its disk is too full",
            next_step="Free space on the server's disk; until then search answers from what the index has.",
        )
    if kind in _SHARD_AWAY or (status, kind) == (_UNAVAILABLE, _NO_SHARD):
        return ShardAwayError(
            f"the search index on Elasticsearch at {at} does not answer at this moment ({kind})",
            next_step="Try again; if it goes on, see the health of the server's indices named sillage-*.",
        )
    if status == _GONE or kind == _INDEX_GONE:
        return IndexGoneError(
            f"the search index is not on Elasticsearch at {at} any more",
            next_step="Ask again: it is then built anew from the catalogue. `sillage reindex` does it at once.",
        )
    if kind == "resource_already_exists_exception":
        return IndexExistsError(f"there is such an index on Elasticsearch at {at} already")
    if status == _CONFLICT:
        return LostRaceError(f"another process wrote to the search index first ({kind})")
    if status in _REFUSED and kind != "cluster_block_exception":
        return BackendUnavailableError(
            f"Elasticsearch at {at} refuses the credentials ({status})",
            next_step="Correct user, password or API key in the settings; they need all rights on indices sillage-*.",
        )
    if status == _BUSY:
        return BackendUnavailableError(f"Elasticsearch at {at} has too much to do: {reason}", next_step="Try again.")
    return BackendUnavailableError(f"Elasticsearch at {at} could not answer ({status} {kind}): {reason}")


def _cause(body: Any) -> tuple[str, str]:
    """Return type and text of the innermost cause that the server gives."""
    error = body.get("error") if isinstance(body, Mapping) else None
    error = error if error is not None else body
    if not isinstance(error, Mapping):
        return "error", str(error)[:300]
    causes: Sequence[Any] = error.get("root_cause") or [error]
    cause = causes[0] if isinstance(causes[0], Mapping) else error
    return str(cause.get("type", "error")), str(cause.get("reason") or error.get("reason", ""))[:300]
