"""``sillage serve``: the application under uvicorn."""

from __future__ import annotations

import socket
import sys
from collections.abc import Callable
from pathlib import Path

import uvicorn

from api.app import configure_logging, create_app
from api.catalogue import administrator_token
from api.settings import load_settings
from ontology.errors import BackendUnavailableError


def serve(directory: Path, *, host: str, port: int, announce: Callable[[str], None]) -> None:
    """Serve until interrupted. The first line announced is the address, with a link that logs in.

    Raises:
        NotFoundError: No catalogue is there.
        BackendUnavailableError: The address cannot be listened on.
    """
    settings = load_settings(directory)
    configure_logging(settings.log_level)
    app = create_app(directory, settings=settings)
    listener = _listen(host, port)
    address = f"http://{host}:{listener.getsockname()[1]}"
    announce(f"Sillage serves {directory} at {address}")
    token = administrator_token(directory)
    # Only to a person at a terminal: what goes to a journal or a container's log is read by others.
    if token is not None and sys.stdout.isatty():
        announce(f"Log in as administrator: {address}/login#{token}")
    config = uvicorn.Config(app, log_config=None, access_log=False, timeout_graceful_shutdown=5)
    uvicorn.Server(config).run(sockets=[listener])


def _listen(host: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((host, port))
    except OSError as error:
        listener.close()
        raise BackendUnavailableError(
            f"cannot listen on {host}:{port}: {error.strerror}", field="--port", next_step="Take another --port."
        ) from error
    return listener
