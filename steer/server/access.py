"""Who gets in, and as whom: the machine's own names (Host), no other website (Origin), a token, a person in its scope.

Against whom: other websites in a browser of this machine; programs and people without a token; holders of a token who
ask for, or claim to be, somebody outside its scope.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Sequence
from dataclasses import dataclass
from urllib.parse import unquote, urlsplit

from fastapi import Request
from starlette.requests import HTTPConnection
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from steer.judging.audience import Audience
from steer.server.errors import Fault, answer
from steer.server.metrics import Metrics
from steer.server.run import Run
from steer.server.service import Service
from steer.server.tokens import Token, Tokens
from steer.users.ids import AVERAGE, is_id, unknown_user
from steer.web.hosts import OwnNames

MOST_BYTES = 2**20  # of a request
MOST_PEOPLE = 8  # in one request
FORWARDED = "x-openwebui-user-"
IDENTITY = ("x-openwebui-user-id", "x-openwebui-user-email")  # which of them name a person, the first that is known
OPEN = ("/health",)  # without a token
SIGNED = "/v1/images/files/"  # the signature in the address is the token
HEADERS = {b"x-content-type-options": b"nosniff", b"cache-control": b"no-store", b"referrer-policy": b"no-referrer"}


@dataclass(frozen=True)
class Caller:
    """Who asks: the holder of a token. ``name``: the user name of HTTP's Basic scheme, "" without. ``forwarded``: what
    a proxy calls the person who asks, most telling first.
    """

    token: Token
    name: str = ""
    forwarded: tuple[str, ...] = ()

    @property
    def person(self) -> str | None:
        """The user that a proxy speaks for; None where it is none."""
        people = self.token.people
        return next((people[f] for f in self.forwarded if f in people), next(iter(self.forwarded), None))

    def sees(self, run: Run) -> bool:
        """Whether a run is theirs: this token asked for it and, behind a proxy, for this person."""
        return run.owner == self.token.name and (self.person is None or run.wish.user == self.person)


class Gate:
    """Lets in whoever brings a token, from this machine's names and from no website but ``origins``."""

    def __init__(
        self,
        app: ASGIApp,
        tokens: Tokens,
        metrics: Metrics,
        host: str,
        names: Sequence[str] = (),
        origins: Sequence[str] = (),
    ):
        self.app, self.tokens, self.metrics, self.origins = app, tokens, metrics, origins
        self._names = OwnNames(host, names)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """One request of ASGI."""
        if scope["type"] != "http":
            if scope["type"] == "lifespan":
                await self.app(scope, receive, send)
            return
        asked = HTTPConnection(scope)
        try:
            self._check_place(asked)
            if scope["path"] not in OPEN and not scope["path"].startswith(SIGNED):
                scope["steer.caller"] = self._caller(asked)
        except Fault as fault:
            return await answer(scope["path"], fault)(scope, receive, self._counted(scope, send))
        return await self.app(scope, _bounded(receive), self._counted(scope, send))

    def _check_place(self, asked: HTTPConnection) -> None:
        host, origin = asked.headers.get("host", ""), asked.headers.get("origin")
        if host not in self._names:
            raise Fault(403, f"this server is not '{host[:80]}'; start it with --name to give it another name", "host")
        if origin is not None and urlsplit(origin).netloc != host and origin not in self.origins:
            raise Fault(403, "this server answers no website; start it with --origin to let one in", "origin")
        length = asked.headers.get("content-length", "0")
        if not length.isdecimal() or int(length) > MOST_BYTES:
            raise Fault(413, f"a request has at most {MOST_BYTES} bytes", "too_large")

    def _caller(self, asked: HTTPConnection) -> Caller:
        name, secret = _credentials(asked.headers.get("authorization", ""))
        token = self.tokens.find(secret) if secret else None
        if token is None:
            why = "this token is none of the server's" if secret else "the request has no token"
            headers = {"WWW-Authenticate": "Bearer"}
            raise Fault(401, f"{why}; send one as 'Authorization: Bearer TOKEN'", "invalid_api_key", headers=headers)
        claims = [key for key in asked.headers if key.lower().startswith(FORWARDED)]
        if not token.proxy:
            if claims:
                raise Fault(403, f"'{claims[0]}' is taken only from a token with proxy: true", "forged_identity")
            return Caller(token, name)
        peer = asked.client.host if asked.client else ""
        if token.addresses and peer not in token.addresses:
            raise Fault(403, f"the token '{token.name}' is not for {peer}", "forged_identity")
        if len(claims) != len(set(claims)):
            raise Fault(400, f"'{claims[0]}' is there twice", "forged_identity")
        named = [unquote(asked.headers[key]) for key in IDENTITY if asked.headers.get(key)]
        return Caller(token, name, tuple(named))

    def _counted(self, scope: Scope, send: Send) -> Send:
        async def sent(message: Message) -> None:
            if message["type"] == "http.response.start":
                there = {name.lower() for name, _ in message["headers"]}
                more = [(k, v) for k, v in HEADERS.items() if k not in there]
                message = {**message, "headers": [*message["headers"], *more]}
                route = scope.get("route")
                path = route.path if route is not None else "none"
                self.metrics.requests.labels(path, str(message["status"])).inc()
            await send(message)

        return sent


def caller_of(request: Request) -> Caller:
    """For routes: who asks."""
    found: Caller = request.scope["steer.caller"]
    return found


def service_of(request: Request) -> Service:
    """For routes: what answers."""
    found: Service = request.app.state.service
    return found


def user_for(service: Service, caller: Caller, *named: str | None) -> str:
    """Whom a request is for: the first of ``named`` that is one, else the token's only user. Several are written
    "me,you,!him". Raises Fault with the way out.
    """
    asked = next((name for name in named if name), None) or caller.name or None
    person = caller.person
    if person is not None:
        if asked is not None and asked != person:
            raise Fault(403, "who asks is another than the user that is asked for", "forged_identity", "user")
        asked = person
    elif caller.token.proxy and asked is None:
        raise Fault(400, f"this proxy names no person; it should send {IDENTITY[0]}", "no_user", "user")
    if asked is None:
        asked = caller.token.only
    if asked is None:
        if service.settings.unknown == "average":
            return AVERAGE
        raise Fault(400, "who is it for? Give 'user', the id of one of steer's users, or 'average'", "no_user", "user")
    people = Audience.parse(asked).everyone
    if len(people) > MOST_PEOPLE or not Audience.parse(asked).towards or len(set(people)) < len(people):
        raise Fault(400, "'user' names one user, or up to 8 different ones as me,you,!him", "invalid_value", "user")
    if not caller.token.allows(people):
        raise Fault(403, f"the token '{caller.token.name}' is not for this user", "forbidden_user", "user")
    if unknown := service.knows(people):
        if service.settings.unknown == "average" and len(people) == 1:
            return AVERAGE
        raise Fault(400, _way_out(unknown[0], caller, service), "unknown_user", "user")
    return asked


def run_for(service: Service, caller: Caller, id_: str) -> Run:
    """A run that the caller may see. Raises Fault, the same for another's run and for none."""
    run = service.runs.get(id_)
    if run is None or not caller.sees(run):
        raise Fault(404, "there is no such run", "not_found")
    return run


def _way_out(user: str, caller: Caller, service: Service) -> str:
    """What to do about an unknown user, without the ids of others than the token's."""
    if not is_id(user):
        return "this user is not known, and cannot be: an id is 1 to 64 letters, digits, - or _"
    known = service.users() if caller.token.users is None else sorted(caller.token.users & set(service.users()))
    return str(unknown_user(user, known, create=True))


def _credentials(header: str) -> tuple[str, str]:
    """User name and secret of an Authorization header: Bearer, or Basic with the token as its password."""
    scheme, _, rest = header.strip().partition(" ")
    if scheme.lower() == "bearer":
        return "", rest.strip()
    if scheme.lower() == "basic":
        try:
            name, _, secret = base64.b64decode(rest, validate=True).decode().partition(":")
        except (binascii.Error, UnicodeDecodeError):
            return "", ""
        return name, secret
    return "", ""


def _bounded(receive: Receive) -> Receive:
    """A body of unknown length ends where it is too long."""
    size = 0

    async def received() -> Message:
        nonlocal size
        message = await receive()
        size += len(message.get("body", b""))
        if size > MOST_BYTES:
            raise Fault(413, f"a request has at most {MOST_BYTES} bytes", "too_large")
        return message

    return received
