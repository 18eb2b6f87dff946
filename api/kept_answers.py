"""Answers kept in memory and given again as long as the ledger has not grown since.

The ledger is the truth, so an answer that depends only on it, on the token and on the address asked for is right
until the next entry, whoever writes that and in whichever process. Every entry makes all of them stale, a revoked
token included; whether a token has expired is looked at every time.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass, field

from starlette.requests import Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from api.catalogue import Catalogue

MOST_ANSWERS = 1024
LARGEST_BODY = 65_536
_SLOT = "sillage.kept_answer"
_BEARER = b"bearer "

Key = tuple[bytes, bytes, str]


@dataclass(slots=True, kw_only=True)
class Answer:
    """An answer on its way out, kept if the route said so."""

    sequence: int
    keep: bool = False
    start: Message = field(default_factory=dict)
    body: bytes = b""
    parts: int = 0

    def note(self, message: Message) -> None:
        """Note a part of the answer."""
        if message["type"] == "http.response.start":
            self.start = dict(message)
        else:
            self.body = message.get("body", b"")
            self.parts += 1

    @property
    def may_be_kept(self) -> bool:
        """Whether the route allowed it, and it is a whole and not a large one."""
        return self.keep and self.start["status"] == 200 and self.parts == 1 and len(self.body) <= LARGEST_BODY


def keep_answer(request: Request) -> None:
    """Let the answer to this request be given again: it depends on ledger, token and address alone, and notes nothing.

    Nothing about participants is ever kept: every disclosure is an entry of its own.
    """
    answer = request.scope.get(_SLOT)
    if answer is not None:
        answer.keep = True


class KeptAnswers:
    """ASGI middleware that gives kept answers again."""

    def __init__(self, app: ASGIApp, *, catalogue: Catalogue) -> None:
        self.app, self.catalogue = app, catalogue
        self._kept: OrderedDict[Key, Answer] = OrderedDict()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        secret = _token(scope["headers"]) if scope["type"] == "http" and scope["method"] == "GET" else None
        if secret is None or self.catalogue.identity.known(secret) is None:
            await self.app(scope, receive, send)
            return
        sequence = self.catalogue.identity.sequence
        key: Key = (scope.get("raw_path") or scope["path"].encode(), scope["query_string"], secret)
        kept = self._kept.get(key)
        if kept is not None and kept.sequence == sequence:
            await send(dict(kept.start))  # The layers around this one add to what they are given.
            await send({"type": "http.response.body", "body": kept.body})
            return
        await self._ask(key, Answer(sequence=sequence), scope, receive, send)

    async def _ask(self, key: Key, answer: Answer, scope: Scope, receive: Receive, send: Send) -> None:
        async def noted(message: Message) -> None:
            answer.note(message)
            await send(message)

        scope[_SLOT] = answer
        await self.app(scope, receive, noted)
        if answer.may_be_kept:
            self._kept[key] = answer
            self._kept.move_to_end(key)
            while len(self._kept) > MOST_ANSWERS:
                self._kept.popitem(last=False)


def _token(headers: Sequence[tuple[bytes, bytes]]) -> str | None:
    """Return the bearer token of a request."""
    secret = None
    for name, value in headers:
        if name == b"authorization":
            if secret is not None or value[: len(_BEARER)].lower() != _BEARER:
                return None
            secret = value[len(_BEARER) :].decode("latin-1").strip()
    return secret
