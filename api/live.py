"""Following tasks live: one look at a task serves everybody who follows it.

Each follower keeps its own place and takes from what was looked at last, when it has time. One that is slow, or goes
away, therefore costs nothing: nothing is kept for it.
"""

from __future__ import annotations

import asyncio
import json
import logging
import time
from collections import deque
from collections.abc import AsyncGenerator, AsyncIterator, Mapping
from contextlib import asynccontextmanager, suppress
from dataclasses import asdict, dataclass, field
from typing import Any

from starlette.concurrency import run_in_threadpool

from api.catalogue import Catalogue
from api.operations import batches
from api.task_service import read_log
from catalog.model import Record
from executors.runner import STREAMS
from executors.states import TaskState
from ontology.errors import InvalidRequestError, SillageError

logger = logging.getLogger(__name__)

LOOK_S = 0.5
USAGE_S = 1.0
HEARTBEAT_S = 15.0
LONGEST_S = 900.0
"""After so long a follower has to come again, with its token; browsers do by themselves, from where they were."""
KEPT_BYTES = 256_000
PIECE = 64_000
KEPT_USAGES = 120
_TOLD = ("state", "attempt", "detail", "reason", "exit_code", "progress", "start_time", "end_time", "reused")


@dataclass(slots=True)
class Place:
    """How far a follower has come: attempt, and bytes of each stream. Its text is the id of an event (SSE)."""

    attempt: int = 1
    offsets: dict[str, int] = field(default_factory=lambda: dict.fromkeys(STREAMS, 0))

    @classmethod
    def parse(cls, text: str | None) -> Place:
        """Return the place that an event's id names; the beginning without one.

        Raises:
            InvalidRequestError: It is no id of ours.
        """
        if not text:
            return cls()
        try:
            attempt, out, err = (int(part) for part in text.split(":"))
            if min(attempt, out, err) < 0:
                raise ValueError(text)
        except ValueError as error:
            raise InvalidRequestError(f"{text!r} is not the id of an event", field="Last-Event-ID") from error
        return cls(attempt, dict(zip(STREAMS, (out, err), strict=True)))

    def __str__(self) -> str:
        return ":".join(str(part) for part in (self.attempt, *(self.offsets[stream] for stream in STREAMS)))

    def of_attempt(self, attempt: int) -> None:
        """Go to the beginning of another attempt, unless this is the one."""
        if attempt != self.attempt:
            self.attempt, self.offsets = attempt, dict.fromkeys(STREAMS, 0)


@dataclass(slots=True)
class Tail:
    """The newest bytes of a log, and where they begin in it."""

    start: int = 0
    data: bytes = b""

    @property
    def end(self) -> int:
        """Offset behind the last byte."""
        return self.start + len(self.data)

    def append(self, piece: bytes) -> None:
        """Take more in, and let go of what is old."""
        data = self.data + piece
        gone = max(0, len(data) - KEPT_BYTES)
        self.start, self.data = self.start + gone, data[gone:]


class Watched:
    """One task or batch that somebody follows."""

    def __init__(self, catalogue: Catalogue, record: Record) -> None:
        self._catalogue, self._iri = catalogue, record.id
        self._is_batch = record.type == "TaskBatch"
        self._changed = asyncio.Condition()
        self._looker: asyncio.Task[None] | None = None
        self.followers = 0
        self.version = 0
        self.body: dict[str, Any] = {}
        self.usages: deque[dict[str, Any]] = deque(maxlen=KEPT_USAGES)
        self.tails: dict[str, Tail] = {}
        self.failure: Exception | None = None
        self.settled = False
        """It has ended, and all that it printed was read."""

    def begin(self, place: Place) -> None:
        """Start looking, at the logs from where the first follower is."""
        self.tails = {stream: Tail(start=place.offsets[stream]) for stream in STREAMS}
        self._looker = asyncio.create_task(self._look_on(place.attempt))

    def end(self) -> None:
        """Stop looking."""
        if self._looker is not None:
            self._looker.cancel()

    async def news(self, since: int, limit_s: float) -> bool:
        """Wait until a look found something after ``since``; False when the time is over."""
        async with self._changed:
            with suppress(TimeoutError):
                await asyncio.wait_for(self._changed.wait_for(lambda: self.version > since), limit_s)
        return self.version > since

    async def _look_on(self, attempt: int) -> None:
        with self._catalogue.task_news.listening(self._iri) as news:
            while not self.settled and self.failure is None:
                began = time.monotonic()
                try:
                    changed, attempt = await run_in_threadpool(self._look, attempt)
                except Exception as error:
                    # Whoever follows must hear of it, whatever it is: nobody would look for them any more.
                    self.failure, changed = error, True
                    if not isinstance(error, SillageError):
                        logger.exception("following %s failed", self._iri)
                if changed:
                    async with self._changed:
                        self.version += 1
                        self._changed.notify_all()
                    await asyncio.sleep(max(0.0, LOOK_S / 2 - (time.monotonic() - began)))
                else:
                    await news.wait(LOOK_S)

    def _look(self, attempt: int) -> tuple[bool, int]:
        """Look once; tell whether anything is new, and which attempt it is."""
        record = self._catalogue.repository.get(self._iri)
        if self._is_batch:
            body = {"id": record.id, "type": record.type, **batches.status(self._catalogue, record)}
            changed = body != self.body
            self.body, self.settled = body, TaskState(body["state"]).is_final
            return changed, attempt
        body = {"id": record.id, "type": record.type} | {name: record.document.get(name) for name in _TOLD}
        changed = body != self.body
        self.body = body
        if record.document["attempt"] != attempt:
            attempt, self.tails = record.document["attempt"], {stream: Tail() for stream in STREAMS}
        printed = [self._read(record, stream) for stream in STREAMS]
        self.settled = TaskState(body["state"]).is_final and not any(printed)
        return any([changed, self._use(record), self.settled, *printed]), attempt

    def _read(self, record: Record, stream: str) -> bool:
        tail = self.tails[stream]
        piece = read_log(self._catalogue, record, stream, tail.end, PIECE)
        tail.append(piece)
        return bool(piece)

    def _use(self, record: Record) -> bool:
        """Ask what the task uses, at most once a second."""
        usage = self._catalogue.runner(record.document["runner"]).usage(record.id)
        if usage is None:
            return False
        last = self.usages[-1] if self.usages else None
        if last is not None and usage.wall_s - last["wall_s"] < USAGE_S and usage.wall_s >= last["wall_s"]:
            return False
        self.usages.append(asdict(usage))
        return True


class Live:
    """What is followed now, in one event loop."""

    def __init__(self, catalogue: Catalogue) -> None:
        self._catalogue = catalogue
        self._watched: dict[str, Watched] = {}

    @asynccontextmanager
    async def _following(self, record: Record, place: Place) -> AsyncIterator[Watched]:
        watched = self._watched.get(record.id)
        if watched is None or watched.settled or watched.failure is not None:
            watched = self._watched[record.id] = Watched(self._catalogue, record)
            watched.begin(place)
        watched.followers += 1
        try:
            yield watched
        finally:
            watched.followers -= 1
            if not watched.followers:
                watched.end()
                if self._watched.get(record.id) is watched:
                    del self._watched[record.id]

    async def events(self, record: Record, place: Place, *, logs: bool) -> AsyncGenerator[str, None]:
        """Yield server-sent events of a task or batch until it has ended (WHATWG HTML, 9.2).

        Args:
            record: The task or batch, as it was when the request came.
            place: Where the follower is.
            logs: Whether it may read what the task prints.
        """
        until = time.monotonic() + LONGEST_S
        async with self._following(record, place) as watched:
            follower = _Follower(self._catalogue, record, watched, place, logs=logs)
            seen = 0
            while time.monotonic() < until:
                if not await watched.news(seen, HEARTBEAT_S):
                    yield ": nothing new\n\n"
                    continue
                seen = watched.version
                ended = watched.settled
                async for event in follower.take():
                    yield event
                if watched.failure is not None:
                    return
                if ended:
                    yield _event("end", watched.body, place)
                    return


class _Follower:
    """One follower's part of what was looked at."""

    def __init__(self, catalogue: Catalogue, record: Record, watched: Watched, place: Place, *, logs: bool) -> None:
        self._catalogue, self._record, self._watched, self._place, self._logs = catalogue, record, watched, place, logs
        self._told: Mapping[str, Any] | None = None
        self._used = -1.0

    async def take(self) -> AsyncGenerator[str, None]:
        """Yield what is new to this follower."""
        watched, place = self._watched, self._place
        body = watched.body
        if body and body != self._told:
            self._told = body
            yield _event("state", body, place)
        if not watched.tails or "attempt" not in body:
            return
        place.of_attempt(body["attempt"])
        for usage in list(watched.usages):
            if usage["wall_s"] > self._used:
                self._used = usage["wall_s"]
                yield _event("usage", usage, place)
        for stream in STREAMS if self._logs else ():
            while text := await self._lines(stream):
                said = {"stream": stream, "offset": place.offsets[stream], "text": text.decode(errors="replace")}
                place.offsets[stream] += len(text)
                yield _event("log", said, place)

    async def _lines(self, stream: str) -> bytes:
        """Return whole lines that this follower has not seen; a rest without an end only when no more will come."""
        tail, offset = self._watched.tails[stream], self._place.offsets[stream]
        if offset >= tail.start:
            piece = tail.data[offset - tail.start :][:PIECE]
        else:
            piece = await run_in_threadpool(read_log, self._catalogue, self._record, stream, offset, PIECE)
        whole = piece.rfind(b"\n") + 1
        return piece if self._watched.settled or len(piece) >= PIECE > whole == 0 else piece[:whole]


def _event(name: str, data: Mapping[str, Any], place: Place) -> str:
    return f"id: {place}\nevent: {name}\ndata: {json.dumps(data)}\n\n"
