"""Neo4j Community: a graph database, reached by Bolt. Licence GPLv3; run, never shipped."""

from __future__ import annotations

from pathlib import Path
from typing import ClassVar

from typing_extensions import override

from deploy.services import processes
from deploy.services.java import DEPENDENCY_PLUGIN, find_java, maven
from deploy.services.service import Instance, Service, ServiceError

VERSION = "5.26.11"
_POM = Path(__file__).with_name("neo4j") / "pom.xml"
_JAVA = (17, 21)
_FLAGS = (
    "-Xms256m",
    "-Xmx768m",
    "-XX:+UseG1GC",
    "-XX:-OmitStackTraceInFastThrow",
    "-Dio.netty.tryReflectionSetAccessible=true",
    "-Dlog4j2.disable.jmx=true",
    "--add-opens=java.base/java.nio=ALL-UNNAMED",
    "--add-opens=java.base/java.io=ALL-UNNAMED",
    "--add-opens=java.base/sun.nio.ch=ALL-UNNAMED",
)
_SETTINGS = """\
server.directories.data={folder}/data
server.directories.logs={folder}/logs
server.directories.run={folder}/run
server.directories.plugins={folder}/plugins
server.directories.import={folder}/import
server.directories.transaction.logs.root={folder}/data/transactions
server.bolt.enabled=true
server.bolt.listen_address=127.0.0.1:{port}
server.bolt.advertised_address=127.0.0.1:{port}
server.http.enabled=false
server.https.enabled=false
dbms.usage_report.enabled=false
dbms.security.auth_enabled=false
server.memory.pagecache.size=128m
server.bolt.connection_keep_alive=2s
server.bolt.connection_keep_alive_probes=4
"""


class Neo4j(Service):
    """A Neo4j without authentication on loopback."""

    name: ClassVar[str] = "neo4j"
    port: ClassVar[int] = 17687
    image: ClassVar[str | None] = f"docker.io/library/neo4j:{VERSION}-community"
    software: ClassVar[str] = f"neo4j-{VERSION}"

    @override
    def url(self, instance: Instance) -> str:
        return f"bolt://127.0.0.1:{instance.port}"

    @override
    def container_options(self, port: int) -> list[str]:
        settings = (
            "NEO4J_AUTH=none",
            "NEO4J_server_memory_heap_max__size=768m",
            "NEO4J_dbms_usage__report_enabled=false",
        )
        return [f"--publish=127.0.0.1:{port}:7687", *(f"--env={setting}" for setting in settings)]

    @override
    def prepare(self, software: Path) -> None:
        find_java(_JAVA)
        maven(
            f"--file={_POM}",
            f"{DEPENDENCY_PLUGIN}:copy-dependencies",
            "-DincludeScope=runtime",
            f"-DoutputDirectory={software / 'lib'}",
            folder=software,
        )

    @override
    def start(self, software: Path, instance: Instance) -> None:
        java = find_java(_JAVA) / "bin" / "java"
        configuration = instance.folder / "conf"
        for name in ("conf", "data", "logs", "run", "plugins", "import"):
            (instance.folder / name).mkdir(exist_ok=True)
        (configuration / "neo4j.conf").write_text(_SETTINGS.format(folder=instance.folder, port=instance.port))
        entry = "org.neo4j.server.CommunityEntryPoint"
        arguments = (f"--home-dir={software}", f"--config-dir={configuration}", "--console-mode")
        processes.launch(
            [str(java), *_FLAGS, "-cp", f"{software / 'lib'}/*", entry, *arguments],
            pid_file=instance.pid_file,
            log=instance.log,
            folder=instance.folder,
        )

    @override
    def ready(self, url: str) -> bool:
        try:
            from neo4j import GraphDatabase
            from neo4j.exceptions import DriverError, Neo4jError
        except ImportError as error:
            raise ServiceError('The driver is not installed: `pip install "sillage[neo4j]"`.') from error
        try:
            with GraphDatabase.driver(url, connection_timeout=5) as driver:
                driver.verify_connectivity()
        except (DriverError, Neo4jError, OSError):
            return False
        return True


SERVICE = Neo4j()
