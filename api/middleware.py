"""Plain ASGI middleware: a request id on every answer and log line, size limits, safe headers, counters."""

from __future__ import annotations

import contextvars
import logging
import os
import time
from collections import Counter
from collections.abc import Iterable

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from api.problems import asked_by_people, fault_response, too_large_response

logger = logging.getLogger(__name__)

request_id: contextvars.ContextVar[str] = contextvars.ContextVar("sillage_request_id", default="-")

SAFE_HEADERS = {
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "same-origin",
    "X-Frame-Options": "SAMEORIGIN",
    "Content-Security-Policy": (
        "default-src 'self'; img-src 'self' data:; style-src 'self' 'unsafe-inline'; "
        "base-uri 'none'; form-action 'self'; frame-ancestors 'self'"
    ),
}


_RAW_SAFE_HEADERS = [(name.lower().encode(), value.encode()) for name, value in SAFE_HEADERS.items()]


class RequestIdFilter(logging.Filter):
    """Put the request id on every log record."""

    def filter(self, record: logging.LogRecord) -> bool:
        """Add the attribute ``request_id`` and keep the record."""
        record.request_id = request_id.get()
        return True


class Metrics:
    """Counters that ``/metrics`` shows in the Prometheus text format."""

    def __init__(self) -> None:
        self.requests: Counter[tuple[str, int]] = Counter()
        self.seconds = 0.0

    def text(self) -> str:
        """Return the exposition text (Prometheus text format 0.0.4)."""
        lines = ["# TYPE sillage_requests_total counter"]
        lines += [
            f'sillage_requests_total{{method="{method}",status="{status}"}} {count}'
            for (method, status), count in sorted(self.requests.items())
        ]
        lines += [
            "# TYPE sillage_request_seconds_total counter",
            f"sillage_request_seconds_total {self.seconds:.6f}",
        ]
        return "\n".join(lines) + "\n"


class Envelope:
    """Everything that surrounds a request and is not about what it asks."""

    def __init__(self, app: ASGIApp, *, metrics: Metrics, max_body: int) -> None:
        self.app, self.metrics, self.max_body = app, metrics, max_body

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        rid = os.urandom(8).hex()
        scope["sillage.request_id"] = rid
        token = request_id.set(rid)
        begun = time.perf_counter()

        started = False

        async def send_enveloped(message: Message) -> None:
            nonlocal started
            if message["type"] == "http.response.start":
                started = True
                message["headers"] = _with_safe_headers(message["headers"], rid)
                self.metrics.requests[scope["method"], message["status"]] += 1
            await send(message)

        try:
            if self._too_large(scope):
                await too_large_response(self.max_body, rid, for_people=_by_people(scope))(
                    scope, receive, send_enveloped
                )
            else:
                await self.app(scope, receive, send_enveloped)
        except Exception as error:
            logger.error("unforeseen failure", exc_info=error)
            if started:
                raise
            await fault_response(rid, for_people=_by_people(scope))(scope, receive, send_enveloped)
        finally:
            self.metrics.seconds += time.perf_counter() - begun
            request_id.reset(token)

    def _too_large(self, scope: Scope) -> bool:
        for name, value in scope["headers"]:
            if name == b"content-length":
                return not value.isdigit() or int(value) > self.max_body
        return False


def _by_people(scope: Scope) -> bool:
    accept = next((value for name, value in scope["headers"] if name == b"accept"), b"")
    return asked_by_people(scope["path"], accept.decode("latin-1"))


def _with_safe_headers(headers: Iterable[tuple[bytes, bytes]], rid: str) -> list[tuple[bytes, bytes]]:
    """Add the request id, and the safe headers that the answer does not set itself."""
    own = list(headers)
    names = {name.lower() for name, _ in own}
    safe = [(name, value) for name, value in _RAW_SAFE_HEADERS if name not in names]
    return [*own, (b"x-request-id", rid.encode()), *safe]
