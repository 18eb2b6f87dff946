"""Authenticated reading of a dataset's record over HTTP against a bare ASGI application.

    python -m benchmarks.record_read [--rounds N] [--quick] [--json]

Both are served by the same uvicorn with the same settings, each in a process of its own, and asked by a process
of its own over several connections that stay open. The bare application answers a fixed body of the same size,
and does nothing else: no route, no token, no record. Rounds alternate; compared are answers per second.
The service gives an answer again while the ledger has not grown; ``made afresh`` is the rate with that turned off.
"""

from __future__ import annotations

import asyncio
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

from api.catalogue import administrator_token, create
from benchmarks.bids_study import Study
from benchmarks.measuring import Row, medians, options, report
from sillage.client import Client

CONNECTIONS = 8
HEAD_END = b"\r\n\r\n"


def serve(kind: str, argument: str) -> None:
    """Serve the catalogue, or the bare application, on a free port; print the port."""
    import socket

    import uvicorn

    listener = socket.create_server(("127.0.0.1", 0), backlog=64)
    app: Any
    if kind in ("sillage", "sillage-afresh"):
        from api import kept_answers
        from api.app import create_app

        if kind == "sillage-afresh":
            kept_answers.MOST_ANSWERS = 0
        app = create_app(Path(argument))
    else:
        app = bare(int(argument))
    print(listener.getsockname()[1], flush=True)
    config = uvicorn.Config(app, log_config=None, access_log=False)
    uvicorn.Server(config).run(sockets=[listener])


def bare(size: int) -> Any:
    """Return an ASGI application that answers ``size`` bytes to everything."""
    body = b"x" * size
    headers = [(b"content-type", b"application/json"), (b"content-length", str(size).encode())]

    async def app(scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] == "lifespan":
            while (message := await receive())["type"] != "lifespan.shutdown":
                await send({"type": message["type"] + ".complete"})
            await send({"type": "lifespan.shutdown.complete"})
            return
        while (await receive()).get("more_body"):
            pass
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": body})

    return app


@contextmanager
def server(kind: str, argument: str) -> Iterator[int]:
    """Start a server and lend its port."""
    command = [sys.executable, "-m", "benchmarks.record_read", "--serve", kind, argument]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    try:
        assert process.stdout is not None
        yield int(process.stdout.readline())
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(30)


async def ask(port: int, request: bytes, until: float) -> int:
    """Send a request again and again on one connection; return how many were answered with 200."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    answered = 0
    while time.perf_counter() < until:
        writer.write(request)
        head = await reader.readuntil(HEAD_END)
        fields = head.lower().split(b"content-length:", 1)[1]
        await reader.readexactly(int(fields.split(b"\r\n", 1)[0]))
        if not head.startswith(b"HTTP/1.1 200"):
            raise SystemExit(f"the answer was {head[:40]!r}")
        answered += 1
    writer.close()
    return answered


def load(port: int, request: bytes, seconds: float) -> float:
    """Return the answers per second over all connections."""
    try:
        import uvloop

        run = uvloop.run
    except ImportError:
        run = asyncio.run

    async def all_of_them() -> float:
        began = time.perf_counter()
        counts = await asyncio.gather(*(ask(port, request, began + seconds) for _ in range(CONNECTIONS)))
        return sum(counts) / (time.perf_counter() - began)

    return run(all_of_them())


def request_for(path: str, token: str) -> bytes:
    """Return the bytes of a GET request."""
    return (f"GET {path} HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {token}\r\nAccept: */*\r\n\r\n").encode()


def measure(rounds: int, seconds: float) -> list[Row]:
    """Return the rows."""
    with tempfile.TemporaryDirectory() as name, ExitStack() as stack:
        folder = Path(name)
        create(folder / "catalog")
        Study(folder / "study", 2).write()
        with Client(catalog=folder / "catalog") as client:
            dataset = client.register_dataset(folder / "study")["id"]
            size = len(client.request("GET", f"/api/v1/datasets/{dataset}").content)
        request = request_for(f"/api/v1/datasets/{dataset}", str(administrator_token(folder / "catalog")))
        ports = {
            "ours": stack.enter_context(server("sillage", str(folder / "catalog"))),
            "afresh": stack.enter_context(server("sillage-afresh", str(folder / "catalog"))),
            "bare": stack.enter_context(server("bare", str(size))),
        }
        found: dict[str, list[float]] = {name: [] for name in ports}
        for number in range(-1, rounds):
            for who in list(ports) if number % 2 == 0 else reversed(list(ports)):
                rate = load(ports[who], request, seconds)
                if number >= 0:
                    found[who].append(rate)
        rate = medians(found)
    rows = []
    for measure, who in (("authenticated record read", "ours"), ("the same, answer made afresh", "afresh")):
        rows.append(
            Row(
                measure=measure,
                ours=rate[who],
                against=f"bare ASGI, {size} bytes",
                other=rate["bare"],
                unit="/s",
                passes=0.4,
                goal=0.75,
                higher_is_better=True,
                note=f"{CONNECTIONS} connections, one server process each",
            )
        )
    return rows


def main() -> None:
    """Read the options and print the table."""
    if sys.argv[1:2] == ["--serve"]:
        serve(*sys.argv[2:4])
        return
    asked = options("Record reads over HTTP against a bare ASGI application.", rounds=7)
    report("record_read", measure(asked.rounds, 0.5 if asked.quick else 3.0), as_json=asked.json)


if __name__ == "__main__":
    main()
