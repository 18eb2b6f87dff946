"""The Python client: the HTTP interface as methods; answers are the bodies as dictionaries.

Needs only httpx, so that a notebook does not pull in the server. Without a URL it mounts the application in
process on a catalogue directory (``pip install "sillage[server]"``).
"""

from __future__ import annotations

import base64
import json
import os
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any
from urllib.parse import quote

import httpx

FINAL = frozenset({"COMPLETE", "EXECUTOR_ERROR", "SYSTEM_ERROR", "CANCELED", "PREEMPTED"})
WAIT_S = 30
"""How long one request for the end of a task stays open, below what proxies cut off."""


RECONNECTS = 5
"""Connections that may break in a row before following a task is given up."""


class ProblemError(Exception):
    """The service answered with a problem (RFC 9457); ``problem`` is its body, ``status`` the HTTP status."""

    def __init__(self, status: int, problem: Mapping[str, Any]) -> None:
        super().__init__(str(problem.get("detail") or problem.get("title") or f"HTTP {status}"))
        self.status = status
        self.problem = dict(problem)

    @property
    def code(self) -> str:
        """Last part of the problem's type, e.g. ``not-found``."""
        return str(self.problem.get("type", "")).rsplit(":", 1)[-1]

    @property
    def next_step(self) -> str | None:
        """What to do now, when the service says."""
        return self.problem.get("next_step")


class ServiceAwayError(Exception):
    """The service does not answer."""


class Client:
    """A catalogue, by URL or in process.

    Args:
        url: Address of the service; then ``token`` says who asks.
        catalog: Directory of a catalogue on this machine, instead of a URL.
        token: Bearer token; in process, by default, the catalogue's own administrator token.
        timeout: Seconds to wait for an answer; registrations and checks can take long.

    Raises:
        ValueError: Neither or both of ``url`` and ``catalog`` are given.
    """

    def __init__(
        self,
        *,
        url: str | None = None,
        catalog: str | Path | None = None,
        token: str | None = None,
        timeout: float | None = 3600.0,
    ) -> None:
        if (url is None) == (catalog is None):
            raise ValueError("give either url or catalog")
        transport: httpx.BaseTransport | None = None
        if catalog is not None:
            from sillage.in_process import BASE_URL, mount

            transport, own = mount(Path(catalog))
            url, token = BASE_URL, token or own
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        limits = httpx.Timeout(timeout, connect=10.0)
        self._transport = transport
        self._http = httpx.Client(base_url=str(url), headers=headers, transport=transport, timeout=limits)

    def __enter__(self) -> Client:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def acting_as(self, token: str | None) -> Client:
        """Return a client of the same catalogue for somebody else; it lives as long as this one."""
        other = object.__new__(Client)
        other._http = httpx.Client(
            base_url=self._http.base_url,
            headers={"Authorization": f"Bearer {token}"} if token else {},
            transport=self._transport,
            timeout=self._http.timeout,
        )
        other._transport = self._transport
        return other

    def close(self) -> None:
        """Close connections; in process, shut the application down."""
        self._http.close()

    def request(self, method: str, path: str, **options: Any) -> httpx.Response:
        """Send a request and return the response.

        Raises:
            ProblemError: The service refused, or failed.
            ServiceAwayError: It does not answer.
        """
        try:
            response = self._http.request(method, path, **options)
        except httpx.TransportError as error:
            raise ServiceAwayError(f"{self._http.base_url}: {error}") from error
        _raise_for(response)
        return response

    def get(self, path: str, **params: Any) -> Any:
        """Return the JSON body of ``GET /api/v1/{path}``."""
        wanted = {key: value for key, value in params.items() if value is not None}
        return self.request("GET", f"/api/v1/{path}", params=wanted).json()

    def post(self, path: str, body: Mapping[str, Any] | None = None, **headers: str) -> Any:
        """Return the JSON body of ``POST /api/v1/{path}``."""
        return self.request("POST", f"/api/v1/{path}", json=dict(body or {}), headers=headers).json()

    def pages(self, path: str, **params: Any) -> Iterator[dict[str, Any]]:
        """Yield every item of a listing, page after page."""
        cursor = None
        while True:
            page = self.get(path, cursor=cursor, **params)
            yield from page["items"]
            cursor = page["next"]
            if cursor is None:
                return

    # Datasets and terms

    def register_dataset(
        self, path: str | Path, *, reader: str = "auto", in_place: bool = False, public: bool = False
    ) -> dict[str, Any]:
        """Register the dataset at ``path`` (of the service's machine)."""
        body = {"path": str(path), "reader": reader, "in_place": in_place, "public": public}
        answer: dict[str, Any] = self.post("datasets", body)
        return answer

    def show(self, id: str) -> dict[str, Any]:
        """Return any record."""
        answer: dict[str, Any] = self.get(f"records/{segment(id)}")
        return answer

    def load_terms(self, file: str | Path) -> dict[str, Any]:
        """Load an ontology file."""
        path = Path(file)
        response = self.request("POST", "/api/v1/terms", params={"name": path.name}, content=path.read_bytes())
        answer: dict[str, Any] = response.json()
        return answer

    # Cohorts

    def find_cohort(
        self,
        query: str,
        *,
        facets: Sequence[str] = (),
        histograms: Sequence[str] = (),
        trees: Sequence[str] = (),
        explain: bool = False,
        cursor: str | None = None,
        limit: int = 50,
    ) -> dict[str, Any]:
        """Return who matches a CQL2 query."""
        body = {"query": query, "facets": list(facets), "histograms": list(histograms), "trees": list(trees)}
        answer: dict[str, Any] = self.post(
            "cohorts/query", {**body, "explain": explain, "cursor": cursor, "limit": limit}
        )
        return answer

    def why_not(self, query: str, *, participant: str | None = None) -> dict[str, Any]:
        """Return what each condition of a query takes away, and which of them a participant does not meet."""
        answer: dict[str, Any] = self.post("cohorts/why-not", {"query": query, "participant": participant})
        return answer

    def freeze_cohort(self, query: str, *, label: str | None = None) -> dict[str, Any]:
        """Freeze the present answer of a query."""
        answer: dict[str, Any] = self.post("cohorts", {"query": query, "label": label})
        return answer

    def combine_cohorts(
        self, op: str, cohorts: Sequence[str], *, label: str | None = None, conflicts: str = "refuse"
    ) -> dict[str, Any]:
        """Freeze the union, intersection or difference of cohorts as a new one."""
        body = {"op": op, "cohorts": list(cohorts), "label": label, "conflicts": conflicts}
        answer: dict[str, Any] = self.post("cohorts/combine", body)
        return answer

    def balance(self, id: str, *, by: Sequence[str] = (), against: str | None = None) -> dict[str, Any]:
        """Return how alike the groups of a cohort, or the parts of a split, are."""
        answer: dict[str, Any] = self.get(f"cohorts/{segment(id)}/balance", by=",".join(by), against=against)
        return answer

    def split_cohort(
        self,
        id: str,
        parts: Mapping[str, float] | None = None,
        *,
        seed: int = 0,
        stratify: Sequence[str] = (),
        together: Sequence[str] | None = None,
        label: str | None = None,
    ) -> dict[str, Any]:
        """Divide a cohort into parts that keep siblings and records of one person together."""
        body: dict[str, Any] = {"seed": seed, "stratify": list(stratify), "label": label}
        body["together"] = None if together is None else list(together)
        if parts is not None:
            body["parts"] = dict(parts)
        answer: dict[str, Any] = self.post(f"cohorts/{segment(id)}/split", body)
        return answer

    def export_cohort(self, id: str, target: Path, *, format: str = "tsv", columns: Sequence[str] = ()) -> int:
        """Write a cohort to a file, one row per member; return its size in bytes."""
        return self.download(f"cohorts/{segment(id)}/export", target, format=format, columns=",".join(columns))

    def materialise_cohort(self, id: str, path: str | Path, *, share: bool = True) -> dict[str, Any]:
        """Make a DataLad dataset of just a cohort's files; only where the catalogue lies (``Client(catalog=...)``)."""
        answer: dict[str, Any] = self.post(f"cohorts/{segment(id)}/materialise", {"path": str(path), "share": share})
        return answer

    # Pipelines and tasks

    def register_pipeline(self, descriptor: Mapping[str, Any], folder: Path | None = None) -> dict[str, Any]:
        """Register a Boutiques descriptor with the files of ``folder`` that it runs."""
        files = {}
        if folder is not None:
            names = [f for f in sorted(folder.rglob("*")) if f.is_file() and "__pycache__" not in f.parts]
            files = {f.relative_to(folder).as_posix(): base64.b64encode(f.read_bytes()).decode() for f in names}
        answer: dict[str, Any] = self.post("pipelines", {"descriptor": dict(descriptor), "files": files})
        return answer

    def run(
        self,
        pipeline: str,
        *,
        cohort: str | None = None,
        inputs: Mapping[str, Sequence[str]] | None = None,
        parameters: Mapping[str, Any] | None = None,
        runner: str | None = None,
        select: Mapping[str, str] | None = None,
        choose: Mapping[str, str] | None = None,
        reuse: bool = False,
        allow_leakage: str | None = None,
        resources: Mapping[str, float] | None = None,
    ) -> dict[str, Any]:
        """Submit a pipeline; returns at once with the task, or the batch of tasks."""
        body = _submission(
            pipeline,
            cohort=cohort,
            inputs=inputs,
            parameters=parameters,
            runner=runner,
            select=select,
            choose=choose,
            reuse=reuse,
            allow_leakage=allow_leakage,
            resources=resources,
        )
        answer: dict[str, Any] = self.post("tasks", body)
        return answer

    def plan(self, pipeline: str, **asked: Any) -> dict[str, Any]:
        """Return what :meth:`run` would do with the same arguments; nothing is started."""
        answer: dict[str, Any] = self.post("tasks/plan", _submission(pipeline, **asked))
        return answer

    def wait(self, id: str) -> dict[str, Any]:
        """Wait until a task or batch is finished and return it; the service answers as soon as it is."""
        while True:
            task: dict[str, Any] = self.get(f"tasks/{segment(id)}", wait=WAIT_S)
            if task["state"] in FINAL:
                return task

    def events(self, id: str, *, logs: bool = True, after: str | None = None) -> Iterator[tuple[str, dict[str, Any]]]:
        """Yield what happens to a task or batch, as ``(event, data)``, until ``end``; breaks are bridged.

        Args:
            id: Task or batch.
            logs: Whether lines of its logs are among the events.
            after: Where to go on: ``attempt:stdout:stderr``, in bytes of the logs.

        Raises:
            ProblemError: The service refused.
            ServiceAwayError: It does not answer, again and again.
        """
        failures, place = 0, after
        while True:
            failures += 1
            try:
                for name, data, reached in self._events(id, logs=logs, after=place):
                    failures, place = 0, reached
                    yield name, data
                    if name == "end":
                        return
            except ServiceAwayError:
                if failures >= RECONNECTS:
                    raise
            if failures:
                time.sleep(min(failures, 5))

    def _events(self, id: str, *, logs: bool, after: str | None) -> Iterator[tuple[str, dict[str, Any], str | None]]:
        """Yield the events of one connection (WHATWG HTML, 9.2.6), each with the place behind it."""
        name, data = "message", ""
        for line in self.stream(f"tasks/{segment(id)}/events", logs=None if logs else False, after=after):
            field, _, value = line.partition(": ")
            if field == "id":
                after = value
            elif field == "event":
                name = value
            elif field == "data":
                data += value
            elif not line and data:
                yield name, json.loads(data), after
                name, data = "message", ""

    def stream(self, path: str, **params: Any) -> Iterator[str]:
        """Yield the lines of a streamed answer as they come."""
        wanted = {key: value for key, value in params.items() if value is not None}
        try:
            with self._http.stream("GET", f"/api/v1/{path}", params=wanted) as response:
                if response.is_error:
                    response.read()
                _raise_for(response)
                yield from response.iter_lines()
        except httpx.TransportError as error:
            raise ServiceAwayError(f"{self._http.base_url}: {error}") from error

    def download(self, path: str, target: Path, **params: Any) -> int:
        """Write a streamed answer to ``target``, whole or not at all; return its size in bytes."""
        partial = target.with_name(target.name + ".partial")
        try:
            with self._http.stream("GET", f"/api/v1/{path}", params=params) as response:
                if response.is_error:
                    response.read()
                _raise_for(response)
                # Backups and evidence hold what is not for everybody on this machine.
                with os.fdopen(os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as file:
                    for chunk in response.iter_bytes():
                        file.write(chunk)
            partial.replace(target)
        except httpx.TransportError as error:
            raise ServiceAwayError(f"{self._http.base_url}: {error}") from error
        finally:
            partial.unlink(missing_ok=True)
        return target.stat().st_size


def segment(id: str) -> str:
    """Return an identifier as one segment of a path."""
    return quote(id, safe=":;")


def _submission(pipeline: str, **asked: Any) -> dict[str, Any]:
    """Return the body that asks for a run; what is not said is left to the service."""
    said = {name: value for name, value in asked.items() if value}
    if "inputs" in said:
        said["inputs"] = {name: list(values) for name, values in said["inputs"].items()}
    return {"pipeline": pipeline, **said}


def _raise_for(response: httpx.Response) -> None:
    if not response.is_error:
        return
    try:
        problem = response.json()
    except ValueError:
        problem = {"title": response.reason_phrase, "detail": response.text[:200]}
    raise ProblemError(response.status_code, problem if isinstance(problem, dict) else {"detail": str(problem)})
