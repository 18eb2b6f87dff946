"""The one thread that submits what waits, hands on what nodes tell, and asks the cluster about what they do not."""

from __future__ import annotations

import logging
import math
import sys
import threading
import time
from collections import defaultdict
from collections.abc import Callable, Collection, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from uuid import uuid4

import executors
from executors.model import Resources
from executors.slurm.commands import PREFIX, Job, Place, RefusedError, Request, Slurm, find
from executors.slurm.follow import Following
from executors.slurm.post import Orders, batch_folder, item
from executors.slurm.states import Meaning
from executors.states import EventKind
from ontology.errors import BackendUnavailableError

log = logging.getLogger(__name__)

LET_GO_S = 5.0
_LEAST_ASK_S = 0.2
_HANDS = 8
_AGENT_BYTES = 256 << 20
"""Memory that what carries a task through needs beside the task itself."""
_MARGIN_S = 120.0
"""Time that a job is given beyond its task's: the node ends the task exactly, the cluster only makes sure."""
_PATIENCE_S = 60.0
"""So long a canceled task may take to end by itself before its job is ended."""

_SCRIPT = """\
#!/bin/sh
exec {python} -s -m executors.slurm.node {batch}
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Manner:
    """How a runner uses its cluster.

    Attributes:
        sandbox: As for the local runner, on the nodes.
        grace_s: Seconds between asking a task to end and killing it.
        options: Further words for ``sbatch``: partition, account and whatever else.
        poll_s: Seconds between looks at the shared folder.
        ask_s: Seconds between questions to the cluster.
        settle_s: Seconds until what a node wrote last is surely seen here.
    """

    sandbox: str
    grace_s: float
    options: tuple[str, ...]
    poll_s: float
    ask_s: float
    settle_s: float


class Dispatcher:
    """Carries every attempt of one runner through, in a thread of its own and a few hands."""

    def __init__(self, root: Path, slurm: Slurm, manner: Manner) -> None:
        self.live: dict[str, Following] = {}
        self.guard = threading.RLock()
        self._root = root
        self._slurm = slurm
        self._manner = manner
        self._waiting: list[Following] = []
        self._hands = ThreadPoolExecutor(_HANDS, thread_name_prefix="task")
        self._news = threading.Event()
        self._closed = False
        self._asked_at = -math.inf
        self._is_away = False
        self._thread = threading.Thread(target=self._run, name="slurm", daemon=True)
        self._thread.start()

    def follow(self, following: Following, *, submit: bool) -> None:
        """Take an attempt on; the guard is held."""
        self.live[following.spec.id] = following
        if submit:
            self._waiting.append(following)
        self._news.set()

    def stop(self, following: Following, meaning: Meaning) -> None:
        """Have an attempt end that no job can begin any more."""
        following.settle(meaning)
        self._end_job(following)
        self._news.set()

    def wake(self, following: Following) -> None:
        """Let the node look at once for the word that was left there."""
        following.cancel_at = time.monotonic()
        self._quietly(lambda: self._slurm.wake(following.post.job or ""))

    def close(self) -> None:
        """Follow nothing any more; harmless to repeat."""
        with self.guard:
            if self._closed:
                return
            self._closed = True
            for following in self.live.values():
                following.letting_go = True
        self._news.set()
        self._thread.join(LET_GO_S)
        self._hands.shutdown(wait=False, cancel_futures=True)
        until = time.monotonic() + LET_GO_S
        while any(following.busy for following in list(self.live.values())) and time.monotonic() < until:
            time.sleep(0.005)
        with self.guard:
            for following in self.live.values():
                following.release_lock()
                following.finished.set()
            self.live.clear()

    def _run(self) -> None:
        while not self._closed:
            self._news.wait(self._manner.poll_s)
            self._news.clear()
            began = time.monotonic()
            for step in (self._submit_waiting, self._hand_on, self._ask_if_due):
                try:
                    step()
                except Exception:
                    log.exception("the Slurm runner could not go on; it tries again")
            self._rest(time.monotonic() - began)

    def _rest(self, took_s: float) -> None:
        """Rest as long as the last round took: a slow shared folder is not asked without a pause."""
        until = time.monotonic() + min(took_s, 5.0)
        while not self._closed and time.monotonic() < until:
            time.sleep(0.01)

    def _hand_on(self) -> None:
        with self.guard:
            ready = [f for f in self.live.values() if not f.busy]
        for following in ready:
            if following.has_news():
                following.busy = True
                self._hands.submit(self._advance, following)

    def _advance(self, following: Following) -> None:
        over = False
        try:
            over = following.advance()
        except Exception:
            log.exception("task %s could not be followed; it is tried again", following.spec.id)
        finally:
            if over:
                with self.guard:
                    self.live.pop(following.spec.id, None)
                    following.release_lock()
                following.finished.set()
            following.busy = False
        if following.has_question:
            self._news.set()

    def _submit_waiting(self) -> None:
        with self.guard:
            waiting, self._waiting = self._waiting, []
        groups: dict[Resources, list[Following]] = defaultdict(list)
        for following in waiting:
            if not (following.letting_go or following.finished.is_set() or following.post.is_barred):
                groups[following.spec.resources].append(following)
        for resources, group in groups.items():
            try:
                size = self._slurm.longest_array()
            except (BackendUnavailableError, RefusedError) as error:
                self._note_away(error)
                with self.guard:
                    self._waiting += group
                continue
            for start in range(0, len(group), size):
                self._submit(group[start : start + size], resources)

    def _submit(self, group: Sequence[Following], resources: Resources) -> None:
        """Submit tasks that need the same as one array; which job is whose is written down before that."""
        name = f"{PREFIX}{uuid4().hex[:20]}"
        folder = batch_folder(self._root, name)
        Orders(
            tasks=str(self._root / "tasks"),
            sandbox=self._manner.sandbox,
            grace_s=self._manner.grace_s,
            items=[item(following.post.folder) for following in group],
        ).write(folder)
        for index, following in enumerate(group):
            following.post.place = Place(name, index)
            following.unsure = True
        request = Request(
            name=name,
            script=_SCRIPT.format(python=_quoted(sys.executable), batch=_quoted(str(folder))),
            count=len(group),
            log=folder / "%a.log",
            options=(*job_options(resources, self._manner.grace_s), *self._manner.options),
            environ={"PYTHONPATH": str(Path(executors.__file__).parents[1]), "PYTHONDONTWRITEBYTECODE": "1"},
        )
        try:
            array = self._slurm.submit(request)
        except BackendUnavailableError as error:
            self._note_away(error)
        except RefusedError as error:
            for following in group:
                following.settle(Meaning(EventKind.ABORT, "refused", f"The cluster does not take the job: {error}."))
        else:
            self._note_jobs(group, array)
        self._news.set()

    def _note_jobs(self, group: Sequence[Following], array: str) -> None:
        for index, following in enumerate(group):
            following.post.folder.write("job", f"{array}_{index}")
            following.unsure, following.absent_since = False, None
            if following.post.is_barred:
                self._end_job(following)

    def _ask_if_due(self) -> None:
        with self.guard:
            asked = [f for f in self.live.values() if not f.busy and f.place is not None]
        pause = _LEAST_ASK_S if any(f.has_question for f in asked) else self._manner.ask_s
        if not asked or time.monotonic() < self._asked_at + pause:
            return
        self._asked_at = time.monotonic()
        try:
            self._ask(asked)
        except BackendUnavailableError as error:
            self._note_away(error)
        else:
            self._is_away = False

    def _ask(self, asked: Sequence[Following]) -> None:
        """Compare what is followed with what the cluster has.

        Raises:
            BackendUnavailableError: It did not answer; nothing is concluded from that.
        """
        by_place = self._slurm.jobs()
        by_id = {job.id: job for job in by_place.values()}
        gone: list[Following] = []
        for following in asked:
            agent = following.post.agent
            place = following.place
            job = by_id.get(agent) if agent is not None else find(by_place, place) if place is not None else None
            if self._look(following, job):
                gone.append(following)
        if gone:
            self._explain(gone, by_place, by_id)

    def _look(self, following: Following, job: Job | None) -> bool:
        """Take note of a job as it is now; True when there is none that lives, and nothing more is to be expected."""
        now = time.monotonic()
        if job is not None and following.unsure:
            following.post.folder.write("job", job.id)
            following.unsure = False
        if job is not None and not job.state.is_final:
            following.absent_since = None
            following.remark(job)
            if following.cancel_at is not None and now > following.cancel_at + self._manner.grace_s + _PATIENCE_S:
                self._end_job(following)
            return False
        if following.has_question:
            return True
        if following.absent_since is None:
            following.absent_since = now
        return now >= following.absent_since + self._manner.settle_s

    def _explain(self, gone: Sequence[Following], by_place: dict[Place, Job], by_id: dict[str, Job]) -> None:
        """Settle what became of tasks that no job stands for any more."""
        unseen = {f.place.batch for f in gone if f.place is not None and f.post.job not in by_id}
        history = self._slurm.history(unseen) if unseen else {}
        ids = {job.id: job for job in history.values()} | by_id
        for following in gone:
            place = following.place
            job = ids.get(following.post.job or "") or find(history | by_place, place) if place else None
            if following.unsure and job is None and following.post.agent is None:
                self._submit_again(following)
            else:
                following.answer(None if job is None else job.state)
        self._news.set()

    def _submit_again(self, following: Following) -> None:
        """Submit a task of which the cluster has never heard. Should it have, only one job takes the task up."""
        following.absent_since = None
        with self.guard:
            self._waiting.append(following)

    def _end_job(self, following: Following) -> None:
        job = following.post.job
        if job is not None:
            self._quietly(lambda: self._slurm.cancel([job]))

    def _quietly(self, action: Callable[[], None]) -> None:
        """Do something that will be done again, or is not needed, should it fail now."""

        def attempt() -> None:
            try:
                action()
            except BackendUnavailableError as error:
                self._note_away(error)

        if not self._closed:
            self._hands.submit(attempt)

    def _note_away(self, error: Exception) -> None:
        if not self._is_away:
            self._is_away = True
            log.warning("the cluster does not answer; what runs there goes on: %s", error)

    def end_forgotten(self, batches: Collection[Place]) -> None:
        """End the jobs that still live of tasks that the ledger holds to have ended."""

        def end() -> None:
            jobs = self._slurm.jobs()
            found = [jobs[place] for place in batches if place in jobs]
            self._slurm.cancel([job.id for job in found if not job.state.is_final])

        if batches:
            self._quietly(end)


def job_options(resources: Resources, grace_s: float) -> tuple[str, ...]:
    """Return what a task asks for in the words of ``sbatch``."""
    minutes = math.ceil((resources.wall_s + grace_s + _MARGIN_S) / 60)
    options = [f"--cpus-per-task={resources.cpu_cores}", f"--time={minutes}"]
    if resources.ram_bytes is not None:
        options.append(f"--mem={math.ceil((resources.ram_bytes + _AGENT_BYTES) / (1 << 20))}M")
    if resources.gpus:
        options.append(f"--gres=gpu:{resources.gpus}")
    return tuple(options)


def _quoted(text: str) -> str:
    return "'" + text.replace("'", "'\\''") + "'"
