"""A cohort query over HTTP, with permissions and audit, against the search itself and one bare ASGI request.

    python -m benchmarks.cohort_http [--rounds N] [--quick] [--json]

``ours`` posts the query to the service, which checks the token, limits the answer to what its owner may read, and
notes query and answer on the ledger before it answers. The other side is the sum of two medians: the same
``find`` called in this process, and a POST to a bare ASGI application under the same uvicorn that answers as many
bytes. One connection that stays open; everything takes turns, and the two answers are compared.
"""

from __future__ import annotations

import http.client
import json
import sys
import tempfile
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path

from api.catalogue import Catalogue, administrator_token, create, open_catalogue
from benchmarks.bids_study import Study
from benchmarks.measuring import Row, alternate, medians, options, report
from benchmarks.record_read import server
from catalog.search.query import parse
from sillage.client import Client

QUERIES = (
    "sex = 'female' AND age BETWEEN 30 AND 50",
    "sex = 'female' AND age BETWEEN 30 AND 50 AND has(suffix = 'FLAIR' AND echo_time > 0.1)",
)
LIMIT = 50


def poster(port: int, token: str, query: str) -> Callable[[], bytes]:
    """Return a call that posts the query on one connection and returns the body of the answer."""
    connection = http.client.HTTPConnection("127.0.0.1", port)
    headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/json"}
    body = json.dumps({"query": query, "limit": LIMIT})

    def post() -> bytes:
        connection.request("POST", "/api/v1/cohorts/query", body, headers)
        response = connection.getresponse()
        if response.status != 200:
            sys.exit(f"the query was answered with {response.status}")
        return response.read()

    return post


def measure(rounds: int, participants: int) -> list[Row]:
    """Return one row for each query."""
    with tempfile.TemporaryDirectory() as name, ExitStack() as stack:
        folder = Path(name)
        create(folder / "catalog")
        Study(folder / "study", participants).write()
        with Client(catalog=folder / "catalog") as client:
            client.register_dataset(folder / "study")
            client.find_cohort("TRUE")
        token = str(administrator_token(folder / "catalog"))
        catalogue = open_catalogue(folder / "catalog")
        stack.callback(catalogue.close)
        port = stack.enter_context(server("sillage", str(folder / "catalog")))
        return [_row(stack, catalogue, port, token, query, rounds) for query in QUERIES]


def _row(stack: ExitStack, catalogue: Catalogue, port: int, token: str, query: str, rounds: int) -> Row:
    parsed = parse(query)

    def find() -> object:
        return catalogue.search.find(parsed, datasets=None, limit=LIMIT)

    ours = poster(port, token, query)
    answered = json.loads(ours())
    direct = catalogue.search.find(parsed, datasets=None, limit=LIMIT)
    if (answered["count"], [hit["id"] for hit in answered["items"]]) != (direct.count, [h.id for h in direct.items]):
        sys.exit("the service and the search answer differently")
    bare = poster(stack.enter_context(server("bare", str(len(ours())))), token, query)
    took = medians(alternate(rounds, {"ours": ours, "find": find, "bare": bare}, warm_up=20))
    return Row(
        measure=f"cohort query over HTTP, {answered['count']} match",
        ours=took["ours"] * 1e3,
        against="find + bare ASGI request",
        other=(took["find"] + took["bare"]) * 1e3,
        unit="ms",
        passes=3,
        goal=1.5,
        note=f"find {took['find'] * 1e3:.2f} ms, bare request {took['bare'] * 1e3:.2f} ms",
    )


def main() -> None:
    """Read the options and print the table."""
    asked = options("Cohort queries over HTTP.", rounds=300, quick_rounds=20)
    report("cohort_http", measure(asked.rounds, 20 if asked.quick else 400), as_json=asked.json)


if __name__ == "__main__":
    main()
