"""What all tests share: settings kept out, real material found, services required where CI says so."""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from hypothesis import HealthCheck, settings

if TYPE_CHECKING:
    from deploy.services.server import Server

settings.register_profile("local", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.register_profile("ci", parent=settings.get_profile("local"), derandomize=True, max_examples=50)
settings.register_profile("long", parent=settings.get_profile("local"), max_examples=2000)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "local"))

ROOT = Path(__file__).resolve().parents[1]
SERVICES = {
    "bubblewrap",
    "strace",
    "chromium",
    "podman",
    "neo4j_url",
    "neo4j_server",
    "elasticsearch_url",
    "slurm_conf",
    "slurm_cluster",
}
REQUIRED = {name for name in os.environ.get("SILLAGE_TEST_REQUIRE", "").split(",") if name}
KEPT = {"SILLAGE_TEST_DATA", "SILLAGE_TEST_REQUIRE"}


def pytest_configure() -> None:
    """Keep the caller's own catalogue and settings out of the tests."""
    for name in [name for name in os.environ if name.startswith("SILLAGE_") and name not in KEPT]:
        if not name.startswith("SILLAGE_TEST_"):
            del os.environ[name]


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark the tests that use a service, by the fixtures that they ask for or the backend that they run over."""
    for item in items:
        parameters = item.callspec.params.values() if hasattr(item, "callspec") else ()
        backends = {f"{value}_url" for value in parameters if isinstance(value, str)}
        if SERVICES & (backends | set(getattr(item, "fixturenames", ()))):
            item.add_marker(pytest.mark.service)


def _missing(service: str, what: str) -> None:
    message = f"{service} is not to be had here: {what}"
    if service in REQUIRED:
        pytest.fail(message)
    pytest.skip(message)


@pytest.fixture(scope="session")
def bubblewrap() -> str:
    """Path of a bubblewrap that works here."""
    path = shutil.which("bwrap")
    if path is None:
        _missing("bubblewrap", "install the package bubblewrap")
    tried = subprocess.run([str(path), "--ro-bind", "/", "/", "true"], capture_output=True, check=False)
    if tried.returncode != 0:
        _missing("bubblewrap", "it is installed and cannot make a namespace")
    return str(path)


@pytest.fixture(scope="session")
def strace() -> str:
    """Path of a strace that can trace here."""
    path = shutil.which("strace")
    if path is None:
        _missing("strace", "install the package strace")
    tried = subprocess.run([str(path), "-f", "-o", "/dev/null", "true"], capture_output=True, check=False)
    if tried.returncode != 0:
        _missing("strace", "it is installed and may not trace")
    return str(path)


@pytest.fixture(scope="session")
def podman() -> Iterator[str]:
    """Name and digest of an image that podman runs here, in a store of the tests' own."""
    from deploy.services.images import podman_with_image
    from deploy.services.service import ServiceError

    with contextlib.ExitStack() as stack:
        try:
            reference = stack.enter_context(podman_with_image())
        except ServiceError as error:
            _missing("podman", str(error))
        yield reference


@pytest.fixture(scope="session")
def chromium() -> str:
    """Path of the system's Chromium."""
    path = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    if path is None:
        _missing("chromium", "install the package chromium")
    return str(path)


def _server(name: str) -> str:
    from deploy.services.server import url_of
    from deploy.services.service import ServiceError

    try:
        return url_of(name)
    except ServiceError as error:
        _missing(name, str(error))
        raise


@pytest.fixture(scope="session")
def neo4j_url() -> str:
    """URL of a real Neo4j: the one in SILLAGE_TEST_NEO4J, else one that is started here and left running."""
    return _server("neo4j")


@pytest.fixture(scope="module")
def neo4j_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A Neo4j of the test's own, to be killed, paused and started again."""
    from deploy.services.server import Server, service
    from deploy.services.service import ServiceError

    server = Server(service("neo4j"), folder=tmp_path_factory.mktemp("neo4j"))
    try:
        server.start()
    except ServiceError as error:
        _missing("neo4j", str(error))
    yield server
    server.stop()


@pytest.fixture(scope="session")
def elasticsearch_url() -> str:
    """URL of a real Elasticsearch: the one in SILLAGE_TEST_ELASTICSEARCH, else one that is started here."""
    return _server("elasticsearch")


@pytest.fixture(scope="session")
def slurm_conf() -> str:
    """Configuration of a real Slurm: in SILLAGE_TEST_SLURM, the machine's own, or one that is started here."""
    return _server("slurm")


@pytest.fixture(scope="module")
def slurm_cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A Slurm of the test's own, whose node may fail and whose controller may be away."""
    from deploy.services.server import Server, service
    from deploy.services.service import ServiceError

    server = Server(service("slurm"), folder=tmp_path_factory.mktemp("slurm"))
    try:
        server.start()
    except ServiceError as error:
        _missing("slurm", str(error))
    yield server
    server.stop()


@pytest.fixture(autouse=True)
def _elasticsearch_backend(request: pytest.FixtureRequest) -> Iterator[None]:
    """Make the server known to a test that runs over Elasticsearch, and remove what the test leaves there."""
    if "elasticsearch" not in getattr(getattr(request.node, "callspec", None), "params", {}).values():
        yield
        return
    from catalog.search.elasticsearch.connection import Limits, Server, address
    from catalog.search.testing.backends import SERVERS

    url = SERVERS["elasticsearch"] = request.getfixturevalue("elasticsearch_url")
    yield
    server = Server(address(url), Limits())
    left = server.ask("GET", f"/sillage-test-{os.getpid()}-*/_alias")
    if left:
        server.ask("DELETE", "/" + ",".join(left))
    server.close()


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """Real third-party material; see CONTRIBUTING.md."""
    path = Path(os.environ.get("SILLAGE_TEST_DATA", ROOT.parent / "shared" / "data"))
    if not path.is_dir():
        pytest.skip(f"real data are not at {path}: set SILLAGE_TEST_DATA")
    return path
