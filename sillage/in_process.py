"""A catalogue without a server: an httpx transport that hands requests to the application in this process.

So the command line on a directory and over HTTP take the same path through permissions, audit and errors.
"""

from __future__ import annotations

import asyncio
import gc
import queue
import threading
from collections.abc import Awaitable, Callable, Iterable, Iterator
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import httpx

if TYPE_CHECKING:
    from fastapi import FastAPI

BASE_URL = "http://sillage.local"
LET_GO_S = 5.0
"""How long the end of requests that are under way is waited for when the application is shut down."""


class _Body(httpx.SyncByteStream):
    """The response body, chunk by chunk as the application sends it."""

    def __init__(self, chunks: queue.SimpleQueue[bytes | None], gone: threading.Event) -> None:
        self._chunks, self._gone = chunks, gone

    def __iter__(self) -> Iterator[bytes]:
        while (chunk := self._chunks.get()) is not None:
            yield chunk

    def close(self) -> None:
        """Tell the application that nobody reads any more."""
        self._gone.set()


class InProcessTransport(httpx.BaseTransport):
    """Runs the application's event loop in a thread of its own, start-up and shutdown included."""

    def __init__(self, app: FastAPI) -> None:
        self._app = app
        self._under_way: set[asyncio.Task[Any]] = set()
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="sillage-app", daemon=True)
        self._thread.start()
        self._lifespan: AbstractAsyncContextManager[Any] = app.router.lifespan_context(app)
        try:
            self._run(self._lifespan.__aenter__())
        except BaseException:
            self._stop()
            raise

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        """Send one request through the application and return its response, body still streaming."""
        chunks: queue.SimpleQueue[bytes | None] = queue.SimpleQueue()
        gone = threading.Event()
        head: asyncio.Future[tuple[int, list[tuple[bytes, bytes]]]] = asyncio.Future(loop=self._loop)
        started = asyncio.run_coroutine_threadsafe(self._serve(request, chunks, gone, head), self._loop)
        status, headers = asyncio.run_coroutine_threadsafe(_first_of(head, started), self._loop).result()
        return httpx.Response(status, headers=headers, stream=_Body(chunks, gone), request=request)

    async def _serve(
        self,
        request: httpx.Request,
        chunks: queue.SimpleQueue[bytes | None],
        gone: threading.Event,
        head: asyncio.Future[tuple[int, list[tuple[bytes, bytes]]]],
    ) -> None:
        task = asyncio.current_task()
        assert task is not None  # noqa: S101 - a coroutine that runs belongs to a task
        self._under_way.add(task)
        task.add_done_callback(self._under_way.discard)

        async def send(message: Any) -> None:
            if message["type"] == "http.response.start" and not head.done():
                head.set_result((message["status"], list(message.get("headers", ()))))
            elif message["type"] == "http.response.body":
                if message.get("body"):
                    chunks.put(message["body"])
                if not message.get("more_body"):
                    chunks.put(None)

        try:
            await self._app(_scope(request), _receiver(request.read(), gone), send)
        except Exception:
            # The application has answered 500 and logged the cause before it lets the exception through.
            if not head.done():
                raise
        finally:
            chunks.put(None)

    def close(self) -> None:
        """Shut the application down: answers that nobody reads are ended, tasks handed over, files released."""
        if self._loop.is_running():
            try:
                self._run(_end(self._under_way))
                self._run(self._lifespan.__aexit__(None, None, None))
            finally:
                self._stop()

    def _run(self, coroutine: Any) -> Any:
        return asyncio.run_coroutine_threadsafe(coroutine, self._loop).result()

    def _stop(self) -> None:
        # What only waits must not be found by whoever collects garbage: it could not end there.
        self._run(_end(asyncio.all_tasks(self._loop)))
        self._run(self._loop.shutdown_asyncgens())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()


async def _end(tasks: Iterable[asyncio.Task[Any]]) -> None:
    """Cancel tasks and wait for their end, but not for ever: a thread that one of them waits for is not cancelled."""
    others = [task for task in tasks if task is not asyncio.current_task()]
    for task in others:
        task.cancel()
    if others:
        await asyncio.wait(others, timeout=LET_GO_S)


def _receiver(body: bytes, gone: threading.Event) -> Callable[[], Awaitable[dict[str, Any]]]:
    """Return the ASGI ``receive`` of one request: its body once, then silence until nobody reads any more."""
    sent = False

    async def receive() -> dict[str, Any]:
        nonlocal sent
        if not sent:
            sent = True
            return {"type": "http.request", "body": body, "more_body": False}
        while not gone.is_set():
            await asyncio.sleep(0.05)
        return {"type": "http.disconnect"}

    return receive


async def _first_of(head: asyncio.Future[Any], serving: Any) -> Any:
    served = asyncio.wrap_future(serving)
    done, _ = await asyncio.wait({head, served}, return_when=asyncio.FIRST_COMPLETED)
    if head in done:
        return head.result()
    served.result()
    raise httpx.RemoteProtocolError("the application ended without an answer")


def _scope(request: httpx.Request) -> dict[str, Any]:
    return {
        "type": "http",
        "asgi": {"version": "3.0", "spec_version": "2.4"},
        "http_version": "1.1",
        "method": request.method,
        "scheme": request.url.scheme,
        "path": request.url.path,
        "raw_path": request.url.raw_path.split(b"?")[0],
        "query_string": request.url.query,
        "root_path": "",
        "headers": [(name.lower(), value) for name, value in request.headers.raw],
        "server": (request.url.host, request.url.port or 80),
        "client": ("127.0.0.1", 0),
        "state": {},
        "extensions": {},
    }


def mount(directory: Path) -> tuple[InProcessTransport, str | None]:
    """Open the catalogue in ``directory``; return the transport and the administrator's token.

    Raises:
        NotInstalledError: The extra ``server`` is not installed.
        NotFoundError: No catalogue is there.
    """
    from ontology.errors import NotInstalledError

    gc.disable()  # Modules stay: looking for garbage while they load takes a tenth of the time and finds none.
    try:
        from api.app import create_app
        from api.catalogue import administrator_token
    except ModuleNotFoundError as error:
        raise NotInstalledError(
            f"a catalogue on this machine needs {error.name}", next_step='pip install "sillage[server]"'
        ) from error
    finally:
        gc.enable()
    app = create_app(directory)
    app.state.in_process = True
    return InProcessTransport(app), administrator_token(directory)
