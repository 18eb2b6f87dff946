"""Start, stop and look at servers: ``python -m deploy.services start neo4j elasticsearch``."""

from __future__ import annotations

import argparse
import sys

from deploy.services.server import NAMES, Server, service, url_of
from deploy.services.service import ServiceError


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m deploy.services", description=__doc__)
    parser.add_argument("verb", choices=("start", "stop", "status"))
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"of {', '.join(NAMES)}; all, unless told")
    arguments = parser.parse_args()
    failed = False
    for name in arguments.names or NAMES:
        try:
            print(f"{name}\t{_VERBS[arguments.verb](name)}")
        except ServiceError as error:
            print(f"{name}: {error}", file=sys.stderr)
            failed = True
    return 1 if failed else 0


def _stop(name: str) -> str:
    Server(service(name)).stop()
    return "stopped"


def _status(name: str) -> str:
    kind = service(name)
    if kind.given is not None:
        return f"{'answers' if kind.ready(kind.given) else 'does not answer'}\t{kind.variable}"
    server = Server(kind)
    if server.url is None or not server.is_running():
        return "stopped"
    return f"{'answers' if kind.ready(server.url) else 'does not answer'}\t{server.url}"


_VERBS = {"start": url_of, "stop": _stop, "status": _status}

if __name__ == "__main__":
    sys.exit(main())
