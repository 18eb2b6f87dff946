"""Transactions with the server, and what its errors mean here.

Neo4j isolates transactions by locks alone, and a reader that takes none may see half of one that is being applied.
So every read holds one of a catalogue's :data:`STRIPES` locks, and a writer takes all of them just before it commits:
readers hinder no reader (unless they draw the same stripe) and see each commit whole or not at all.
"""

from __future__ import annotations

import logging
import random
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any, TypeVar

from catalog.backends.neo4j.address import Address
from ontology.errors import (
    BackendUnavailableError,
    IntegrityError,
    NotInstalledError,
    SillageError,
)

if TYPE_CHECKING:
    from neo4j import Driver, ManagedTransaction, Session, Transaction

T = TypeVar("T")
Rows = list[tuple[Any, ...]]

STRIPES = 32
"""Locks of a catalogue, one of which each reader holds."""
CONNECT_SECONDS = 5.0
READ_SECONDS = 120.0
WRITE_SECONDS = 900.0
ACQUIRE_SECONDS = 15.0
"""So long a thread waits for a connection, its greeting by the server included."""
ATTEMPTS = 4
PATIENCE_SECONDS = 10.0
"""After so long nothing is tried again: a server that hangs costs more than one that is away."""
_log = logging.getLogger(__name__)
# `held` is on no node: taking a property away that is not there locks the node, and writes nothing.
_HOLD = """
MATCH (held:SillageLock {catalog: $catalog, stripe: $stripe}) USING INDEX held:SillageLock(catalog, stripe)
REMOVE held.held WITH held
"""
_HOLD_ALL = """
MATCH (held:SillageLock) USING INDEX held:SillageLock(catalog, stripe)
WHERE held.catalog = $catalog AND held.stripe >= 0 WITH held ORDER BY held.stripe REMOVE held.held
RETURN count(held)
"""
_READ_ONLY = ("ForbiddenOnReadOnlyDatabase", "WriteOnReadOnlyAccessDatabase", "AccessMode")
_TOO_LONG = ("TransactionTimedOut", "LockAcquisitionTimeout", "LockClientStopped", "Terminated")


class View:
    """What a reader or writer sees of one catalogue."""

    def __init__(self, run: Callable[[str, dict[str, Any]], Rows], catalog: int) -> None:
        self._run = run
        self.catalog = catalog

    def rows(self, query: str, **parameters: object) -> Rows:
        """Run a query with bound parameters; ``$catalog`` is bound to the number of the catalogue."""
        return self._run(query, {**parameters, "catalog": self.catalog})

    def row(self, query: str, **parameters: object) -> tuple[Any, ...] | None:
        """Return the first row of a query, if there is one."""
        return next(iter(self.rows(query, **parameters)), None)


class Database:
    """One database of a server. Connections are made when they are needed, and made again when they broke."""

    def __init__(self, address: Address) -> None:
        self.address = address
        self._driver = _driver(address)
        self._closed = False

    def close(self) -> None:
        """Close all connections."""
        self._closed = True
        self._driver.close()

    def read(self, catalog: int, ask: Callable[[View], T], *, snapshot: bool = False) -> T:
        """Return what ``ask`` finds; each of its queries sees whole commits only.

        Args:
            catalog: Number of the catalogue.
            ask: May be called again when the connection broke or the server asks for patience.
            snapshot: All queries see one state.

        Raises:
            BackendUnavailableError: The server is away or too slow, or the catalogue was closed.
            IntegrityError: The stored data make no sense.
        """
        if not snapshot:
            return self._insist(lambda session: ask(View(self._held(session), catalog)))

        def whole(session: Session) -> T:
            with session.begin_transaction(timeout=READ_SECONDS) as transaction:
                view = View(_runner(transaction), catalog)
                view.rows(f"{_HOLD} RETURN 1", stripe=_stripe())
                return ask(view)

        return self._insist(whole)

    def alone(self, query: str, **parameters: object) -> Rows:
        """Run a query in a transaction of its own, without any lock; again when the connection broke.

        Raises:
            BackendUnavailableError: The server is away or too slow.
        """
        return self._insist(lambda session: _runner(session)(query, parameters))

    @contextmanager
    def writing(self) -> Iterator[Transaction]:
        """Begin a transaction that is rolled back unless it is committed; errors are the driver's own."""
        self._refuse_when_closed()
        with self._driver.session(database=self.address.database) as session:
            transaction = session.begin_transaction(timeout=WRITE_SECONDS)
            try:
                yield transaction
            finally:
                transaction.close()  # as a context manager it would commit

    def translate(self, error: Exception) -> SillageError:
        """Return the error of the taxonomy that an error of the driver means."""
        return translate(error, self.address.url)

    def _held(self, session: Session) -> Callable[[str, dict[str, Any]], Rows]:
        run = _runner(session)
        return lambda query, parameters: run(
            _HOLD + query,
            {**parameters, "stripe": _stripe()},
        )

    def _insist(self, work: Callable[[Session], T]) -> T:
        """Do something that may be done again, until it works or the server has been away for too long."""
        until = time.monotonic() + PATIENCE_SECONDS
        for attempt in range(ATTEMPTS):
            self._refuse_when_closed()
            try:
                with self._driver.session(database=self.address.database) as session:
                    return work(session)
            except SillageError:
                raise
            except Exception as error:
                if attempt + 1 == ATTEMPTS or time.monotonic() > until or not is_passing(error):
                    raise self.translate(error) from error
                _log.debug("the server is asked again", exc_info=True)
                rest(attempt)
        raise AssertionError("the last attempt returns or raises")

    def _refuse_when_closed(self) -> None:
        if self._closed:
            raise BackendUnavailableError("the catalogue was closed")


def _stripe() -> int:
    return random.randrange(STRIPES)  # noqa: S311


def hold_all(view: View) -> None:
    """Wait for the readers of a catalogue, and keep new ones out until the transaction ends."""
    view.rows(_HOLD_ALL)


def runner(transaction: Transaction) -> Callable[[str, dict[str, Any]], Rows]:
    """Return what runs queries in a transaction."""
    return _runner(transaction)


def rest(attempt: int) -> None:
    """Wait a little longer before each further attempt, and not all at the same time."""
    time.sleep(0.1 * 2**attempt * (0.5 + random.random()))  # noqa: S311


def is_passing(error: Exception) -> bool:
    """Tell whether the same may work in a moment: a broken connection, a restart, a deadlock."""
    from neo4j.exceptions import DriverError, Neo4jError

    return isinstance(error, DriverError | Neo4jError) and error.is_retryable()


def translate(error: Exception, url: str) -> SillageError:
    """Return the error of the taxonomy that an error of the driver means.

    The texts of the server are not repeated, since they may quote values.
    """
    from neo4j.exceptions import AuthError, ConfigurationError, DriverError, Neo4jError

    if isinstance(error, AuthError):
        return BackendUnavailableError(
            f"the Neo4j server at {url} refuses the name or password",
            next_step="Check the user and password in the settings.",
        )
    code = error.code or "" if isinstance(error, Neo4jError) else ""
    if any(part in code for part in _READ_ONLY):
        return BackendUnavailableError(
            f"the database at {url} is read-only", next_step="Make it writable, or connect to the server that leads."
        )
    if any(part in code for part in _TOO_LONG):
        return BackendUnavailableError(
            f"the Neo4j server at {url} took too long; nothing was written",
            next_step="Repeat the command; if it goes on, look at the server's load and its query log.",
        )
    if isinstance(error, DriverError | OSError) or is_passing(error) or "DatabaseUnavailable" in code:
        kind = "the settings for it are wrong" if isinstance(error, ConfigurationError) else "it is away"
        return BackendUnavailableError(
            f"the Neo4j server at {url} cannot be used: {kind} ({type(error).__name__})",
            next_step="See whether it runs and can be reached from here, then repeat the command.",
        )
    if isinstance(error, Neo4jError):
        return IntegrityError(f"the database at {url} does not behave as it should ({code})")
    raise error


def _driver(address: Address) -> Driver:
    try:
        from neo4j import GraphDatabase
        from neo4j.exceptions import ConfigurationError
    except ImportError as error:
        raise NotInstalledError(
            "the driver for Neo4j is not installed", next_step='Install it: pip install "sillage[server,neo4j]".'
        ) from error
    try:
        return GraphDatabase.driver(
            address.url,
            auth=None if address.user is None else (address.user, address.password),
            connection_timeout=CONNECT_SECONDS,
            connection_acquisition_timeout=ACQUIRE_SECONDS,
            liveness_check_timeout=30.0,
            notifications_min_severity="OFF",
            telemetry_disabled=True,
        )
    except (ConfigurationError, ValueError) as error:
        raise translate(error, address.url) from error


def _runner(
    source: Session | Transaction | ManagedTransaction,
) -> Callable[[str, dict[str, Any]], Rows]:
    def run(query: str, parameters: dict[str, Any]) -> Rows:
        return [tuple(record.values()) for record in source.run(query, parameters)]

    return run


def forget(transaction: Transaction) -> None:
    """Give up a transaction whose connection may be gone."""
    with suppress(Exception):
        transaction.close()
