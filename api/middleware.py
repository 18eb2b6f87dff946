"""Plain ASGI middleware: a request id on every answer and log line, size limits, safe headers, counters."""

from __future__ import annotations

import contextvars
import json
import logging
import os
import time
from collections import Counter

from starlette.datastructures import MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

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

        async def send_enveloped(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                headers["X-Request-Id"] = rid
                for name, value in SAFE_HEADERS.items():
                    headers.setdefault(name, value)
                self.metrics.requests[scope["method"], message["status"]] += 1
            await send(message)

        try:
            if self._too_large(scope):
                await _refuse_large(send_enveloped, self.max_body)
            else:
                await self.app(scope, receive, send_enveloped)
        finally:
            self.metrics.seconds += time.perf_counter() - begun
            request_id.reset(token)

    def _too_large(self, scope: Scope) -> bool:
        for name, value in scope["headers"]:
            if name == b"content-length":
                return not value.isdigit() or int(value) > self.max_body
        return False


async def _refuse_large(send: Send, limit: int) -> None:
    body = json.dumps(
        {
            "type": "about:blank",
            "title": "Content Too Large",
            "status": 413,
            "detail": f"The body is larger than {limit // 1_000_000} MB.",
            "next_step": "Raise the setting max_body_mb, or register data by path.",
        }
    ).encode()
    headers = [(b"content-type", b"application/problem+json"), (b"connection", b"close")]
    await send({"type": "http.response.start", "status": 413, "headers": headers})
    await send({"type": "http.response.body", "body": body})
