"""One attempt of one task, from its inputs to its final event, in a thread of its own."""

from __future__ import annotations

import logging
import os
import resource
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from executors.attempts.ending import end_at_once, sweep
from executors.attempts.folder import ProcessIdentity, TaskFolder, is_alive
from executors.attempts.inputs import InputInspector, InputRefusedError, Inspected, changed_since, promised
from executors.attempts.outcome import STATES, Ending, as_utc, classify, digest_logs, resource_use, time_of
from executors.attempts.outputs import collect, remove_mount_points
from executors.attempts.sandbox import Launch, Sandbox, read_only_contents, task_environ
from executors.attempts.watch import Usage, Watch, cut_logs
from executors.attempts.wrapper import Child, start
from executors.capture import ObservedInput, Outcome, Run, task_record
from executors.host import Gpu, list_gpus
from executors.model import StagedOutput, TaskEvent, TaskSpec
from executors.model import Usage as Look
from executors.observation.energy import Energy, EnergyMeter
from executors.observation.observer import Observer, look, wait_for_end
from executors.observation.reported import take_report
from executors.runner import EventSink
from executors.states import EventKind, TaskState
from ontology.errors import ConflictError, UnsupportedError

log = logging.getLogger(__name__)

CLAIM_S = 2.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Machine:
    """What all attempts of a runner share."""

    sandbox: Sandbox
    warning: str | None
    inspector: InputInspector
    grace_s: float
    observer: Observer = field(default_factory=Observer)


@dataclass(slots=True)
class _Progress:
    """What is known of the run so far."""

    began: float = 0.0
    began_clock: float = 0.0
    ended_clock: float = 0.0
    gpus: tuple[int, ...] = ()
    inspected: Inspected | None = None
    launch: Launch | None = None
    usage: Usage = field(default_factory=Usage)
    waited: tuple[float, float, int] | None = None
    verdict: tuple[str, str] | None = None
    meter: EnergyMeter | None = None
    energy: Energy | None = None
    reported: dict[str, Any] | None = None
    complaint: str | None = None


class Attempt:
    """Carries one attempt through. Exactly one final event is emitted, unless told to let go before."""

    def __init__(self, spec: TaskSpec, folder: TaskFolder, sink: EventSink, machine: Machine, lock: int = -1) -> None:
        self.spec = spec
        self.folder = folder
        self.finished = threading.Event()
        """Set by the runner once it has forgotten this attempt."""
        self.concluding = False
        """Whether the final event is being delivered; the one who takes it may release the task then."""
        self.unnoted = False
        """Whether the final event was taken and the disk had no room for a note of it."""
        self.discard = False
        """Whether the folder is to be deleted once the final event was taken."""
        self._sink = sink
        self._machine = machine
        self._lock = lock
        self._watch: Watch | None = None
        self._letting_go = False
        self._guard = threading.Lock()
        self._known = _Progress()

    def run(self, gpus: tuple[int, ...]) -> None:
        """Start the task on these GPUs and see it through."""
        self._known.gpus = gpus
        self._carefully(self._run_afresh)

    def rejoin(self, identity: ProcessIdentity) -> None:
        """Watch a task again that an earlier service started, and see it through."""
        self._carefully(lambda: self._rejoin(identity))

    def conclude(self) -> None:
        """Give a task that ended while nobody watched its final event."""
        self._known.gpus = self.folder.gpus()
        self._carefully(self._finish)

    def stop_unstarted(self) -> None:
        """End a task that was canceled before it began."""
        self._carefully(self._stop_unstarted)

    def _stop_unstarted(self) -> None:
        self.folder.ask_to_cancel()
        identity = None if self.folder.claim() else self._earlier_start()
        if identity is not None:
            self._rejoin(identity)
            return
        outcome = Outcome(exit_code=None, reason="canceled", detail="The task was canceled before it began.")
        self._end(Ending(EventKind.STOP, outcome))

    def draft(self) -> dict[str, object]:
        """Return the record as far as it is known, for whoever must complete it should this process not live to."""
        return self._record(Outcome(exit_code=None), ())

    def wake(self) -> None:
        """Look now whether somebody asked for the end."""
        with self._guard:
            if self._watch is not None:
                self._watch.wake()

    def look(self) -> Look | None:
        """Return what the task used when it was last looked at; None while it does not run."""
        with self._guard:
            return None if self._watch is None else self._watch.look

    def let_go(self) -> None:
        """Emit nothing more, and leave the task alone."""
        with self._guard:
            self._letting_go = True
            if self._watch is not None:
                self._watch.let_go()

    def hold(self, lock: int) -> None:
        """Be the one that watches this attempt, by a lock on its folder; given back at its end."""
        with self._guard:
            self._lock = lock

    def release_lock(self) -> None:
        """Let another process watch this attempt; harmless to repeat."""
        with self._guard:
            if self._lock >= 0:
                self.folder.unlock(self._lock)
                self._lock = -1

    def _carefully(self, step: Callable[[], None]) -> None:
        """Do a step; whatever goes wrong with it is our fault, and said so in an event."""
        try:
            step()
        except Exception:
            log.exception("task %s could not be carried through", self.spec.id)
            identity = self.folder.started()
            if identity is not None and is_alive(identity):
                end_at_once(self.folder, identity.pid)
            detail = "The runner itself failed; the service's log says how."
            self._end(Ending(EventKind.ABORT, Outcome(exit_code=None, reason="fault", detail=detail)))
        finally:
            self.release_lock()

    def _run_afresh(self) -> None:
        spec, known = self.spec, self._known
        self._emit(EventKind.INITIALIZE, TaskState.INITIALIZING)
        if self._machine.warning is not None:
            self._emit(EventKind.WARN, None, reason="no-sandbox", detail=self._machine.warning)
        try:
            known.inspected = self._machine.inspector.inspect(spec)
        except InputRefusedError as error:
            self._end(Ending(EventKind.ABORT, Outcome(exit_code=None, reason=error.reason, detail=str(error))))
            return
        write_contents(spec, self.folder)
        if self._letting_go:
            return
        if self.folder.asked_to_cancel():
            self._stop_unstarted()
            return
        try:
            known.launch = self._machine.sandbox.launch(spec, self.folder, known.gpus)
        except UnsupportedError as error:
            self._end(Ending(EventKind.ABORT, Outcome(exit_code=None, reason="sandbox", detail=error.detail)))
            return
        watching = self._machine.observer.prepare(spec, self.folder, self._machine.sandbox)
        if known.gpus:
            self.folder.write("gpus", ",".join(map(str, known.gpus)))
        known.meter = EnergyMeter(self._gpus())
        known.began, known.began_clock = time.monotonic(), time.time()
        watching.hold(self.folder)
        child = start(watching.around(known.launch), self.folder, spec.resources, watching.reader)
        self._emit(EventKind.START, TaskState.RUNNING)
        self._attend(child)

    def _rejoin(self, identity: ProcessIdentity) -> None:
        known = self._known
        known.gpus = self.folder.gpus()
        age = time.clock_gettime(time.CLOCK_BOOTTIME) - identity.start_ticks / os.sysconf("SC_CLK_TCK")
        known.began = time.monotonic() - age
        try:
            child = Child(identity.pid, os.pidfd_open(identity.pid))
        except ProcessLookupError:
            self._finish()
            return
        if is_alive(identity):
            self._attend(child)
        else:
            os.close(child.pidfd)
            self._finish()

    def _attend(self, child: Child) -> None:
        """Watch a running task to its end, unless told to let go of it."""
        watch = Watch(self.spec, self.folder, child, began=self._known.began, grace_s=self._machine.grace_s)
        with self._guard:
            self._watch = watch
            if self._letting_go:
                watch.let_go()
        try:
            ended = watch.run()
        finally:
            with self._guard:
                self._watch = None
            watch.close()
        if ended and not self._was_started_before(child):
            self._known.ended_clock = time.time()
            self._known.usage = watch.usage
            if self._known.meter is not None:
                self._known.energy = self._known.meter.read(time.monotonic() - self._known.began)
            if watch.verdict is not None:
                self._known.verdict = (watch.verdict.reason, watch.verdict.detail)
            waited = _reap(child.pid)
            self._known.waited = None if self.folder.sandboxed else waited
            self._finish()

    def _was_started_before(self, child: Child) -> bool:
        """Notice that an earlier service's wrapper won the claim to this attempt, and watch that one instead."""
        identity = self._earlier_start()
        if identity is None or identity.pid == child.pid:
            return False
        _reap(child.pid)
        self._rejoin(identity)
        return True

    def _earlier_start(self) -> ProcessIdentity | None:
        """Return who has begun this attempt; a claim may be there a moment before its name is in it."""
        until = time.monotonic() + CLAIM_S
        while (identity := self.folder.started()) is None and self.folder.is_claimed and time.monotonic() < until:
            time.sleep(0.002)
        return identity

    def _finish(self) -> None:
        """Decide how the run ended, collect what it owes, and say so."""
        spec, known = self.spec, self._known
        if not sweep(self.folder):
            log.error("processes of task %s cannot be killed", spec.id)
        cut_logs(self.folder, limit=spec.resources.log_bytes)  # What outlived the command may have printed until now.
        nested = known.launch.nested if known.launch is not None else ()
        remove_mount_points(nested, self.folder.work)
        ending = classify(
            self.folder, known.verdict or self.folder.verdict(), watched_through=wait_for_end(self.folder)
        )
        known.reported, known.complaint = take_report(self.folder.work, self.folder.path / "report.json")
        outputs: tuple[StagedOutput, ...] = ()
        doubt = self._doubt() if ending.kind is EventKind.COMPLETE else None
        if doubt is not None:
            ending = Ending(EventKind.ABORT, Outcome(exit_code=0, reason="input-changed", detail=doubt))
        if ending.kind is EventKind.COMPLETE:
            collected = collect(spec, self.folder)
            outputs = collected.outputs
            if collected.problem is not None:
                reason, detail = collected.problem
                ending = Ending(EventKind.FAIL, Outcome(exit_code=0, reason=reason, detail=detail))
        self._end(ending, outputs)

    def _doubt(self) -> str | None:
        """Return why what a task made cannot be taken although it succeeded: an input is not what it was.

        Where an earlier service began the task, what it saw of the inputs went with it; they are looked at again.
        """
        known = self._known
        try:
            if known.inspected is None:
                known.inspected = self._machine.inspector.inspect(self.spec)
                return None
        except InputRefusedError as error:
            return f"{str(error).rstrip('.')}; it was when the task began."
        changed = changed_since(self.spec, known.inspected)
        return None if changed is None else f"Input {changed} changed while the task ran."

    def _inputs(self) -> tuple[ObservedInput, ...]:
        """Return the inputs as they were when mounted; nothing for a task that was given none yet."""
        if self._known.inspected is not None:
            return self._known.inspected.observed
        return promised(self.spec) if self.folder.started() is not None else ()

    def _end(self, ending: Ending, outputs: tuple[StagedOutput, ...] = ()) -> None:
        outcome = ending.outcome
        event = TaskEvent(
            kind=ending.kind,
            state=STATES[ending.kind],
            attempt=self.spec.attempt,
            reason=outcome.reason,
            detail=outcome.detail,
            exit_code=outcome.exit_code,
            outputs=outputs if ending.kind is EventKind.COMPLETE else (),
            record=self._record(outcome, outputs),
        )
        self.concluding = True
        if self._deliver(event):
            self._close_folder(event)

    def _close_folder(self, event: TaskEvent) -> None:
        """Note that the final event was taken, or delete everything if the one who took it said so."""
        try:
            if self.discard:
                self.folder.delete()
            else:
                self.folder.write("ended", event.kind.value)
        except OSError:
            self.unnoted = True
            log.warning("the end of task %s could not be noted; its final event will come twice", self.spec.id)

    def _record(self, outcome: Outcome, outputs: tuple[StagedOutput, ...]) -> dict[str, object]:
        spec, known = self.spec, self._known
        began = known.began_clock or time_of(self.folder.path / "started") or time.time()
        ended = max(known.ended_clock or time_of(self.folder.path / "exit") or time.time(), began)
        own_peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
        run = Run(
            spec=spec,
            started=as_utc(began),
            ended=as_utc(ended),
            outcome=outcome,
            inputs=self._inputs(),
            outputs=outputs,
            use=resource_use(known.usage, ended - began, known.waited, own_peak),
            logs=digest_logs(self.folder),
            sandbox=self._machine.sandbox.describe(),
            observed=look(spec, self.folder, confined="filesystem" in self._machine.sandbox.enforced),
            environ=task_environ(spec, known.gpus),
            gpus=self._gpus(),
            energy=known.energy,
            reported=known.reported,
            warnings=tuple(filter(None, (self._machine.warning, known.complaint))),
        )
        return task_record(run)

    def _gpus(self) -> tuple[Gpu, ...]:
        """Return the GPUs that the task was given, as far as a driver tells of them."""
        given = self._known.gpus
        return tuple(gpu for gpu in list_gpus() if gpu.index in given) if given else ()

    def _emit(
        self, kind: EventKind, state: TaskState | None, *, reason: str | None = None, detail: str | None = None
    ) -> None:
        event = TaskEvent(kind=kind, state=state, attempt=self.spec.attempt, reason=reason, detail=detail)
        self._deliver(event)

    def _deliver(self, event: TaskEvent) -> bool:
        """Hand an event on; False when it was not taken and must be delivered again."""
        if self._letting_go:
            return False
        try:
            self._sink(self.spec.id, event)
        except ConflictError:
            log.warning("event %s of task %s was refused: the ledger is ahead", event.kind, self.spec.id)
        except Exception:
            log.exception("event %s of task %s was not taken", event.kind, self.spec.id)
            return False
        return True


def write_contents(spec: TaskSpec, folder: TaskFolder) -> None:
    """Write the small files that a description carries: into the working folder, or beside it to be mounted."""
    outside = dict(read_only_contents(spec, folder))
    for item in spec.contents:
        place = outside.get(item.path) or folder.work / os.path.relpath(item.path, spec.workdir)
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_text(item.content, encoding="utf-8")


def _reap(pid: int) -> tuple[float, float, int] | None:
    """Collect an ended wrapper: user and system seconds and greatest memory of all below it, if it is our child."""
    try:
        _, _, used = os.wait4(pid, 0)
    except ChildProcessError:
        return None
    return used.ru_utime, used.ru_stime, used.ru_maxrss * 1024
