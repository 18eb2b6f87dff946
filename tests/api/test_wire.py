"""What every route has in common: one error body, request ids, safe headers, listings, an OpenAPI that is right."""

from __future__ import annotations

import re
from typing import Any

import pytest

from sillage.client import Client

ABSENT = "urn:uuid:00000000-0000-4000-8000-00000000abcd"
PROBLEM = {"type", "title", "status", "detail", "instance"}


def openapi(client: Client) -> dict[str, Any]:
    """Return the description of the service."""
    return client.request("GET", "/openapi.json").json()


def raw(client: Client, method: str, path: str, **options: Any) -> Any:
    """Send a request and return the response, errors included."""
    return client._http.request(method, path, **options)


def assert_problem(response: Any) -> None:
    """Assert that a response is an RFC 9457 problem."""
    assert response.headers["content-type"] == "application/problem+json", response.text
    body = response.json()
    assert set(body) >= PROBLEM
    assert body["status"] == response.status_code
    assert body["instance"].endswith(response.headers["x-request-id"])
    assert "Traceback" not in response.text


def test_every_route_answers_absent_things_and_bad_bodies_with_a_problem(client: Client) -> None:
    tried = 0
    for path, operations in openapi(client)["paths"].items():
        for method in operations:
            filled = re.sub(r"\{sequence\}", "999999", re.sub(r"\{sha256\}", "0" * 64, path))
            filled = re.sub(r"\{[^}]+\}", ABSENT, filled)
            response = raw(client, method.upper(), filled, **({"json": {"unknown": 1}} if method == "post" else {}))
            if response.status_code >= 400:
                assert_problem(response)
                assert response.status_code < 500, (method, path, response.text)
                tried += 1
    assert tried > 25


def test_every_route_but_the_service_needs_a_token(client: Client) -> None:
    nobody = client.acting_as(None)
    for path, operations in openapi(client)["paths"].items():
        for method in operations:
            filled = re.sub(r"\{sequence\}", "1", re.sub(r"\{[^}]+\}", ABSENT, path))
            response = raw(nobody, method.upper(), filled)
            if path.startswith("/api/"):
                assert response.status_code == 401, (method, path)
                assert_problem(response)
                assert response.headers["www-authenticate"].startswith("Bearer")


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/api/v1/nothing", 404),
        ("PUT", "/api/v1/datasets", 405),
        ("GET", "/api/v1/datasets?limit=0", 400),
        ("GET", "/api/v1/datasets?cursor=nonsense", 400),
        ("GET", "/api/v1/lineage/x?direction=sideways", 400),
        ("GET", "/api/v1/terms?q=", 400),
        ("POST", "/api/v1/datasets", 400),
    ],
)
def test_wrong_requests_get_the_same_body(client: Client, method: str, path: str, status: int) -> None:
    response = raw(client, method, path)
    assert response.status_code == status
    assert_problem(response)


def test_an_unknown_address_is_a_page_for_who_wants_one_and_a_problem_for_programs(client: Client) -> None:
    shown = raw(client, "GET", "/nothing/here", headers={"Accept": "text/html"})
    assert (shown.status_code, shown.headers["content-type"].split(";")[0]) == (404, "text/html")
    assert "no page at this address" in shown.text
    told = raw(client, "GET", "/nothing/here")
    assert (told.status_code, told.headers["content-type"]) == (404, "application/problem+json")


def test_broken_json_names_the_body(client: Client) -> None:
    response = raw(client, "POST", "/api/v1/cohorts/query", content=b"{", headers={"Content-Type": "application/json"})
    assert response.status_code == 400
    assert_problem(response)
    assert response.json()["field"].startswith("body")


@pytest.mark.parametrize("content", [b"[" * 100_000, b"\xff\xfe{"], ids=["nested", "no-text"])
def test_a_body_that_cannot_be_read_is_the_callers_fault(client: Client, content: bytes) -> None:
    headers = {"Content-Type": "application/json"}
    response = raw(client, "POST", "/api/v1/cohorts/query", content=content, headers=headers)
    assert response.status_code == 400
    assert_problem(response)
    assert response.json()["field"] == "body"
    assert response.json()["next_step"]


def test_half_a_surrogate_pair_names_nothing(client: Client) -> None:
    content, headers = rb'{"query": "TRUE", "participant": "\ud800"}', {"Content-Type": "application/json"}
    response = raw(client, "POST", "/api/v1/cohorts/why-not", content=content, headers=headers)
    assert response.status_code == 404
    assert_problem(response)


def test_too_many_cohorts_are_refused_before_they_are_looked_up(client: Client) -> None:
    response = raw(client, "POST", "/api/v1/cohorts/combine", json={"op": "union", "cohorts": ["x"] * 101})
    assert response.status_code == 400
    assert response.json()["field"] == "body.cohorts"
    assert response.json()["next_step"]


def test_a_failure_of_ours_tells_nothing_but_the_request_id(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    import api.operations.terms

    def broken(*_: Any, **__: Any) -> None:
        raise RuntimeError("the password is swordfish")

    monkeypatch.setattr(api.operations.terms, "find", broken)
    response = raw(client, "GET", "/api/v1/terms?q=x")
    assert response.status_code == 500
    assert_problem(response)
    assert "swordfish" not in response.text
    assert response.headers["x-request-id"] in response.json()["next_step"]


def test_a_body_too_large_is_refused_before_it_is_read(client: Client) -> None:
    response = raw(client, "POST", "/api/v1/terms?name=x.obo", headers={"Content-Length": str(10**12)}, content=b"")
    assert response.status_code == 413
    assert response.headers["content-type"] == "application/problem+json"


def test_answers_carry_safe_headers(client: Client) -> None:
    headers = raw(client, "GET", "/health").headers
    assert headers["x-content-type-options"] == "nosniff"
    assert "default-src 'self'" in headers["content-security-policy"]


def test_listings_page_each_item_once(client: Client, registered: dict[str, Any]) -> None:
    path = f"datasets/{registered['id']}/participants"
    whole = [item["id"] for item in client.get(path)["items"]]
    assert [item["id"] for item in client.pages(path, limit=1)] == whole
    assert len(set(whole)) == 4
    answers: list[str] = []
    cursor = None
    while True:
        page = client.find_cohort("TRUE", cursor=cursor, limit=1)
        answers += [hit["id"] for hit in page["items"]]
        cursor = page["next"]
        if cursor is None:
            break
    assert sorted(answers) == sorted(whole)


def test_an_etag_guards_a_revision(client: Client, registered: dict[str, Any], study: Any) -> None:
    etag = raw(client, "GET", f"/api/v1/datasets/{registered['id']}").headers["etag"]
    path = f"/api/v1/datasets/{registered['id']}/revise"
    stale = raw(client, "POST", path, json={"path": str(study)}, headers={"If-Match": '"99"'})
    assert stale.status_code == 412
    assert_problem(stale)
    fresh = raw(client, "POST", path, json={"path": str(study)}, headers={"If-Match": etag})
    assert fresh.status_code == 200


def test_an_id_may_be_shortened_while_it_is_unambiguous(client: Client, registered: dict[str, Any]) -> None:
    prefix = registered["id"].removeprefix("urn:uuid:")[:8]
    assert client.get(f"datasets/{prefix}")["id"] == registered["id"]
    assert raw(client, "GET", "/api/v1/records/zzzz").status_code == 404


def test_the_openapi_describes_every_route_with_its_errors(client: Client) -> None:
    described = openapi(client)
    for path, operations in described["paths"].items():
        for method, operation in operations.items():
            assert operation.get("summary"), (method, path)
            assert operation.get("description"), (method, path)
            assert "default" in operation["responses"], (method, path)
    secured = described["paths"]["/api/v1/datasets"]["get"]["security"]
    assert secured == [{"HTTPBearer": []}]


def test_provenance_is_negotiated(client: Client, registered: dict[str, Any]) -> None:
    for accept, starts in (("text/turtle", b"@prefix"), ("text/provenance-notation", b"document"), ("*/*", b"{")):
        response = raw(client, "GET", f"/api/v1/prov/{registered['id']}", headers={"Accept": accept})
        assert response.content.lstrip().startswith(starts), accept
    refused = raw(client, "GET", f"/api/v1/prov/{registered['id']}", headers={"Accept": "image/png"})
    assert refused.status_code == 406
    assert_problem(refused)


def test_records_point_to_their_provenance(client: Client, registered: dict[str, Any]) -> None:
    link = raw(client, "GET", f"/api/v1/datasets/{registered['id']}").headers["link"]
    assert 'rel="http://www.w3.org/ns/prov#has_provenance"' in link
    target = re.search(r"<([^>]+)>", link)
    assert target is not None
    assert raw(client, "GET", target.group(1)).status_code == 200


def test_the_ledger_proves_an_entry(client: Client, registered: dict[str, Any]) -> None:
    from provenance.ledger.merkle import verify_inclusion

    proof = client.get("audit/proof/3")
    note = proof["checkpoint"].split("\n")
    assert int(note[1]) == proof["tree_size"]
    import base64

    assert verify_inclusion(
        bytes.fromhex(proof["leaf_hash"]),
        3,
        proof["tree_size"],
        [bytes.fromhex(node) for node in proof["proof"]],
        base64.b64decode(note[2]),
    )
