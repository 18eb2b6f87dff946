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
from executors.slurm.commands import RefusedError, Request, Slurm
from executors.slurm.follow import Following
from executors.slurm.jobs import PREFIX, Job, Place, Shape, find
from executors.slurm.post import Orders, batch_folder, item, last_line
from executors.slurm.states import AGAIN, REQUEUED, JobState, Meaning
from executors.slurm.wishes import GpuKind, job_options
from executors.states import EventKind
from ontology.errors import BackendUnavailableError, UnsupportedError

log = logging.getLogger(__name__)

LET_GO_S = 5.0
_LEAST_ASK_S = 0.2
_HANDS = 8
_SUBMISSIONS = 3
"""So often a task is submitted whose jobs vanish or lose their node before they take it up."""
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
        container_engine: Likewise.
        container_pull: Likewise.
        observe: Likewise.
        grace_s: Seconds between asking a task to end and killing it.
        partition: Partition that jobs go to; None for the cluster's default.
        options: Further words for ``sbatch``: partition, account and whatever else.
        gpus: Kinds of GPU that the cluster has, as far as the settings say.
        poll_s: Seconds between looks at the shared folder.
        ask_s: Seconds between questions to the cluster.
        settle_s: Seconds until what a node wrote last is surely seen here.
    """

    sandbox: str
    container_engine: str
    container_pull: bool
    observe: str
    grace_s: float
    partition: str | None
    options: tuple[str, ...]
    gpus: tuple[GpuKind, ...]
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
        agent = following.post.agent
        if agent is not None:
            self._quietly(lambda: self._slurm.wake(agent.place.batch, agent.job))

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
                shape, size = self._slurm.shape(self._manner.partition), self._slurm.longest_array()
                options = self._options(resources, shape)
            except UnsupportedError as error:
                self._refuse(group, error)
            except (BackendUnavailableError, RefusedError) as error:
                self._note_away(error)
                with self.guard:
                    self._waiting += group
            else:
                for start in range(0, len(group), size):
                    self._submit(group[start : start + size], options)

    @staticmethod
    def _refuse(group: Sequence[Following], error: Exception) -> None:
        detail = f"The cluster does not take the job: {str(error).rstrip('.')}."
        for following in group:
            following.settle(Meaning(EventKind.ABORT, "refused", detail))

    def _options(self, resources: Resources, shape: Shape) -> tuple[str, ...]:
        manner = self._manner
        wishes = job_options(resources, grace_s=manner.grace_s, shape=shape, kinds=manner.gpus)
        return (*wishes, *manner.options)

    def _submit(self, group: Sequence[Following], options: tuple[str, ...]) -> None:
        """Submit tasks that need the same as one array; which job is whose is written down before that."""
        name = f"{PREFIX}{uuid4().hex[:20]}"
        folder = batch_folder(self._root, name)
        Orders(
            tasks=str(self._root / "tasks"),
            sandbox=self._manner.sandbox,
            container_engine=self._manner.container_engine,
            container_pull=self._manner.container_pull,
            observe=self._manner.observe,
            grace_s=self._manner.grace_s,
            items=[item(following.post.folder) for following in group],
        ).write(folder)
        for index, following in enumerate(group):
            following.post.place = Place(name, index)
            following.unsure = True
            following.submissions += 1
        request = Request(
            name=name,
            script=_SCRIPT.format(python=_quoted(sys.executable), batch=_quoted(str(folder))),
            count=len(group),
            log=folder / "%a.log",
            options=options,
            environ={"PYTHONPATH": str(Path(executors.__file__).parents[1]), "PYTHONDONTWRITEBYTECODE": "1"},
        )
        try:
            array = self._slurm.submit(request)
        except BackendUnavailableError as error:
            self._note_away(error)
        except RefusedError as error:
            self._refuse(group, error)
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
        gone: list[tuple[Following, Place, Job | None]] = []
        for following in asked:
            place = following.place
            if place is not None:
                job = find(by_place, place)
                if self._look(following, job):
                    gone.append((following, place, job))
        if gone:
            self._explain(gone)

    def _look(self, following: Following, job: Job | None) -> bool:
        """Take note of a job as it is now; True when there is none that lives, and nothing more is to be expected."""
        now = time.monotonic()
        if job is not None and following.unsure:
            following.post.folder.write("job", job.id)
            following.unsure = False
        if job is not None and not job.state.is_final:
            following.absent_since = None
            following.remark(job)
            if job.state is JobState.WAITING and following.has_question:
                following.settle(REQUEUED)
                self._end_job(following)
            if following.cancel_at is not None and now > following.cancel_at + self._manner.grace_s + _PATIENCE_S:
                self._end_job(following)
            return False
        if following.has_question:
            return True
        if following.absent_since is None:
            following.absent_since = now
        return now >= following.absent_since + self._manner.settle_s

    def _explain(self, gone: Sequence[tuple[Following, Place, Job | None]]) -> None:
        """Settle what became of tasks that no job stands for any more; what nobody can tell now stays open."""
        unseen = {place.batch for _, place, job in gone if job is None}
        history: dict[Place, Job] | None = {}
        try:
            history = self._slurm.history(unseen) if unseen else {}
        except BackendUnavailableError as error:
            history = None
            self._note_away(error)
        for following, place, seen in gone:
            job = seen or find(history or {}, place)
            if job is None and history is None:
                continue
            if self._may_submit_again(following, job):
                self._submit_again(following)
            else:
                printed = last_line(batch_folder(self._root, place.batch), place.index)
                following.answer(None if job is None else job.state, printed)
        self._news.set()

    def _may_submit_again(self, following: Following, job: Job | None) -> bool:
        """Tell whether no job took the task up, and none was ended for a cause that would come again."""
        if following.post.agent is not None or following.post.is_barred:
            return False
        if following.unsure and job is None:
            return True
        return (job is None or job.state in AGAIN) and following.submissions < _SUBMISSIONS

    def _submit_again(self, following: Following) -> None:
        """Submit a task that no job has taken up. Should one do it yet, only one of them can."""
        following.absent_since = None
        with self.guard:
            self._waiting.append(following)

    def _end_job(self, following: Following) -> None:
        place, job = following.place, following.post.job
        if place is not None and job is not None:
            self._quietly(lambda: self._slurm.cancel([(place.batch, job)]))

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
            self._slurm.cancel([(job.place.batch, job.id) for job in found if not job.state.is_final])

        if batches:
            self._quietly(end)


def _quoted(text: str) -> str:
    return "'" + text.replace("'", "'\\''") + "'"
