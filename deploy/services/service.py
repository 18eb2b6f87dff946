"""What a kind of server must say about itself, so that it can be started in any of the three ways."""

from __future__ import annotations

import os
from abc import ABC, abstractmethod
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from deploy.services import processes


class ServiceError(Exception):
    """A server could not be started, stopped or reached; the text says what to do."""


@dataclass(frozen=True, slots=True)
class Instance:
    """One server of a kind: its own folder (data, configuration, log, process id) and its own port on loopback."""

    folder: Path
    port: int

    @property
    def log(self) -> Path:
        """What the server prints."""
        return self.folder / "console.log"

    @property
    def pid_file(self) -> Path:
        """Process id and birth of the server, when it runs as a process of ours."""
        return self.folder / "pid"


class Service(ABC):
    """A kind of server. One object for each; it holds no state.

    Attributes:
        name: As on the command line.
        port: Preferred port; another is taken when it is not free.
        image: Container image with its tag; None for one that runs as processes only.
        software: Name, with the version, of the folder that :meth:`prepare` fills.
        seconds: How long it may take until it answers.
    """

    name: ClassVar[str]
    port: ClassVar[int]
    image: ClassVar[str | None]
    software: ClassVar[str]
    seconds: ClassVar[float] = 300.0

    @property
    def variable(self) -> str:
        """Environment variable that names a server to use as it is."""
        return f"SILLAGE_TEST_{self.name.upper()}"

    @property
    def given(self) -> str | None:
        """URL of the server that the caller wants to be used, if any."""
        return os.environ.get(self.variable) or None

    @abstractmethod
    def url(self, instance: Instance) -> str:
        """Return the URL of a server on its port of loopback, or whatever else says where it is."""

    def container_options(self, port: int) -> list[str]:
        """Return what ``docker run`` needs beside the image: ports and settings."""
        return []

    @abstractmethod
    def prepare(self, software: Path) -> None:
        """Fetch what the server needs into a new folder; called once, and again only after it failed.

        Raises:
            ServiceError: It cannot be had here.
        """

    @abstractmethod
    def start(self, software: Path, instance: Instance) -> None:
        """Write the configuration and start the process (:func:`deploy.services.processes.launch`).

        Raises:
            ServiceError: It cannot run here.
        """

    @abstractmethod
    def ready(self, url: str) -> bool:
        """Tell whether the server answers requests."""

    def stop(self, instance: Instance) -> None:
        """End the process in an orderly way; harmless when there is none."""
        processes.end(instance.pid_file)
