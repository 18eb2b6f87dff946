"""A board on which every process that runs tasks of one folder notes what it holds and what it waits for.

So a service and a command line beside it promise the machine once, and whose turn it is is decided by all alike. A note
holds as long as the process lives that made it, told apart by number, start time and boot; what it held is held on by
its tasks, as long as those run. Nobody waits for a process that has stopped: its wishes go stale, its lock is not
waited for longer than a moment.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import json
import logging
import os
import struct
import time
import zlib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any
from uuid import uuid4

from executors.attempts.folder import ProcessIdentity, TaskFolder, boot_id, is_alive, start_ticks

log = logging.getLogger(__name__)

LOCK_S = 2.0
"""Who holds the lock needs it for less than a millisecond; on a busy machine it may have to wait for a processor."""
STALE_S = 5.0
"""A wish that was not confirmed for so long is not waited for."""
CONFIRM_S = 1.0
FILE = "slots"
HALF = 1 << 20
"""The file holds the last two states; the second begins here."""
_HEAD = struct.Struct("<QIQ")
"""Number of the state, checksum, and how many bytes of JSON follow."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Claim:
    """What a task holds, or waits for.

    Attributes:
        key: The task.
        owner: Who submitted it.
        cpu_cores: Cores.
        ram_bytes: Memory.
        gpus: The GPUs that it holds; of one that waits, all that it could be given.
        gpu_count: How many of these it waits for.
        since: When it began to wait (CLOCK_MONOTONIC, the same for all processes).
    """

    key: str
    owner: str | None
    cpu_cores: int
    ram_bytes: int
    gpus: tuple[int, ...] = ()
    gpu_count: int = 0
    since: float = 0.0


@dataclass(frozen=True, slots=True)
class Others:
    """What all other processes hold and wait for."""

    held: tuple[Claim, ...] = ()
    wanted: tuple[Claim, ...] = ()


@dataclass(slots=True)
class Page:
    """The board as it was opened, and what is to stand on it for this process."""

    others: Others
    held: Sequence[Claim] = ()
    wanted: Sequence[Claim] = ()


class Alone:
    """The board of who shares the machine with nobody."""

    is_shared = False

    @contextlib.contextmanager
    def open(self) -> Iterator[Page]:
        """Yield a page on which nobody else has noted anything."""
        yield Page(Others())

    def leave(self) -> None:
        """Nothing is to be taken back."""


class Board(Alone):
    """The board of one folder of tasks.

    Args:
        place: Folder in which the board lies.
        tasks: Root of the tasks' folders, which tell whether a task still runs.
    """

    is_shared = True

    def __init__(self, place: Path, tasks: Path) -> None:
        self._file = os.open(place / FILE, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        self._tasks = tasks
        own = Path("/proc/self/stat").read_text()
        self._process = [os.getpid(), start_ticks(own), boot_id()]
        self._name = uuid4().hex
        self._last = Others()
        self._left = False

    @contextlib.contextmanager
    def open(self) -> Iterator[Page]:
        """Yield the board while nobody else changes it; what then stands on the page is noted.

        A board that cannot be read or written is as it was last seen: a full disk stops no task.
        """
        if self._left or not self._acquire():
            yield Page(self._last)
            return
        try:
            sheet, others = self._look()
            page = Page(others)
            self._last = page.others
            yield page
            self._note(sheet, page.held, page.wanted)
        finally:
            fcntl.flock(self._file, fcntl.LOCK_UN)

    def leave(self) -> None:
        """Note nothing any more; what runs goes on, and holds what it has until it ends or is taken up again."""
        if self._left:
            return
        if self._acquire():
            try:
                sheet, _ = self._look()
                mine = sheet.holders.pop(self._name, None)
                sheet.orphans += [] if mine is None else mine["held"]
                self._write(sheet)
            finally:
                fcntl.flock(self._file, fcntl.LOCK_UN)
        self._left = True
        os.close(self._file)

    def _acquire(self) -> bool:
        until, pause = time.monotonic() + LOCK_S, 0.0002
        while True:
            try:
                fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                if time.monotonic() > until:
                    return False
                time.sleep(pause)
                pause = min(2 * pause, 0.01)
            else:
                return True

    def _look(self) -> tuple[_Sheet, Others]:
        try:
            sheet = self._read()
            return sheet, self._others(sheet)
        except (ValueError, TypeError, KeyError):
            log.warning("what other processes hold of the machine cannot be understood: %s", FILE)
            return _Sheet(number=self._newest()[0]), Others()

    def _read(self) -> _Sheet:
        """Return what is noted, without what the dead have left."""
        number, body = self._newest()
        sheet = _Sheet(**json.loads(body), number=number, seen=body) if body else _Sheet(number=number)
        for name, holder in list(sheet.holders.items()):
            if name != self._name and not is_alive(ProcessIdentity(*holder["process"])):
                sheet.orphans += sheet.holders.pop(name)["held"]
        sheet.orphans = [claim for claim in sheet.orphans if self._runs(claim["key"])]
        return sheet

    def _newest(self) -> tuple[int, bytes]:
        """Return the newer half of the file that is whole, with its number; nothing when none is."""
        found = []
        for start in (0, HALF):
            with contextlib.suppress(struct.error, OSError):
                number, check, size = _HEAD.unpack(os.pread(self._file, _HEAD.size, start))
                found.append((number, check, min(size, HALF), start))
        for number, check, size, start in sorted(found, reverse=True):
            body = os.pread(self._file, size, start + _HEAD.size)
            if size and zlib.crc32(body, number & 0xFFFFFFFF) == check:
                return number, body
        return 0, b""

    def _runs(self, key: str) -> bool:
        folder = TaskFolder.latest(self._tasks, key)
        identity = None if folder is None else folder.started()
        return identity is not None and is_alive(identity)

    def _others(self, sheet: _Sheet) -> Others:
        now = time.monotonic()
        foreign = [holder for name, holder in sheet.holders.items() if name != self._name]
        held = [*sheet.orphans, *(claim for holder in foreign for claim in holder["held"])]
        fresh = [holder for holder in foreign if now < holder["at"] + STALE_S]
        wanted = [claim for holder in fresh for claim in holder["wanted"]]
        return Others(_claims(held), _claims(wanted))

    def _note(self, sheet: _Sheet, held: Sequence[Claim], wanted: Sequence[Claim]) -> None:
        keys, now = {claim.key for claim in held}, time.monotonic()
        sheet.orphans = [claim for claim in sheet.orphans if claim["key"] not in keys]
        before = sheet.holders.pop(self._name, {"at": now})
        mine = {"process": self._process, "at": before["at"], "held": _plain(held), "wanted": _plain(wanted)}
        if (mine["wanted"] and now > mine["at"] + CONFIRM_S) or mine["wanted"] != before.get("wanted"):
            mine["at"] = now
        if mine["held"] or mine["wanted"]:
            sheet.holders[self._name] = mine
        self._write(sheet)

    def _write(self, sheet: _Sheet) -> None:
        """Write over the older half: whoever is killed in the middle leaves the newer one as it is."""
        noted = {"holders": sheet.holders, "orphans": sheet.orphans}
        body, number = json.dumps(noted, separators=(",", ":")).encode(), sheet.number + 1
        if body == sheet.seen:
            return
        start = HALF * (number % 2)
        try:
            if len(body) > HALF - _HEAD.size:
                raise OSError(errno.EFBIG, os.strerror(errno.EFBIG))
            os.pwrite(self._file, body, start + _HEAD.size)
            os.pwrite(self._file, _HEAD.pack(number, zlib.crc32(body, number & 0xFFFFFFFF), len(body)), start)
        except OSError as error:
            log.warning("what is held of the machine cannot be noted (%s)", error.strerror)


@dataclass(slots=True)
class _Sheet:
    holders: dict[str, dict[str, Any]] = field(default_factory=dict)
    orphans: list[dict[str, Any]] = field(default_factory=list)
    number: int = 0
    seen: bytes = b""


def _claims(items: Iterable[dict[str, Any]]) -> tuple[Claim, ...]:
    return tuple(Claim(**{**item, "gpus": tuple(item["gpus"])}) for item in items)


def _plain(claims: Iterable[Claim]) -> list[dict[str, Any]]:
    return [{**asdict(claim), "gpus": list(claim.gpus)} for claim in claims]
