"""Where the database is, and who asks: from a URL that may carry a name and a password."""

from __future__ import annotations

from dataclasses import dataclass, field
from urllib.parse import unquote, urlsplit

from ontology.errors import InvalidRequestError

SCHEMES = ("bolt", "bolt+s", "bolt+ssc", "neo4j", "neo4j+s", "neo4j+ssc")


@dataclass(frozen=True, slots=True, kw_only=True)
class Address:
    """A database of a server.

    Attributes:
        url: Without name and password, so that it can be shown.
        database: Its name; None for the server's default.
        user: Who asks; None where the server asks for nobody.
        password: Theirs.
    """

    url: str
    database: str | None = None
    user: str | None = None
    password: str = field(default="", repr=False)

    @classmethod
    def parse(
        cls, url: str, *, user: str | None = None, password: str | None = None, database: str | None = None
    ) -> Address:
        """Read a URL; name and password in it are used where none are given beside it.

        Raises:
            InvalidRequestError: It is no URL of a Neo4j server.
        """
        wrong = InvalidRequestError(
            "this is no URL of a Neo4j server",
            field="url",
            next_step="Write it as neo4j://HOST:7687, or neo4j+s:// where the server has a certificate.",
        )
        try:
            parts = urlsplit(url)
            host, port = parts.hostname, parts.port
        except ValueError as error:
            raise wrong from error
        if parts.scheme not in SCHEMES or not host or parts.path.strip("/") or parts.fragment:
            raise wrong
        shown = f"{parts.scheme}://{f'[{host}]' if ':' in host else host}" + (f":{port}" if port else "")
        return cls(
            url=shown + (f"?{parts.query}" if parts.query else ""),
            database=database,
            user=user or (unquote(parts.username) if parts.username else None),
            password=password if password is not None else unquote(parts.password or ""),
        )
