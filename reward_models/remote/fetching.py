"""A file behind an address that a server gave: within bounds, and never from this machine or network by its doing.

A name is resolved once, what it leads to is looked at, and that very address is connected to, so a name that changes
its mind gains nothing; the certificate is still the name's. Behind a proxy of the environment it is the proxy that
resolves: there only what this machine knows of the name is looked at.
"""

from __future__ import annotations

import asyncio
import ipaddress
import socket
import sys
import urllib.request
from typing import Any
from urllib.parse import urljoin, urlsplit

import openai

from reward_models.addresses import IP, Kind, address_fault, kind_of
from reward_models.remote.asking import server_address
from reward_models.remote.bounded import Malformed, read_bounded

REDIRECTS = 5
OPENAI = "https://api.openai.com/v1"
_http: Any = sys.modules[openai.DefaultAsyncHttpxClient.__mro__[1].__module__]  # httpx, or httpx2 in newer ones


class Refused(Malformed):
    """An address that is not asked."""


async def fetched(
    url: str, most: int, timeout_s: float, base_url: str | None = None, same_server: bool = False
) -> bytes:
    """The file at ``url``, at most ``most`` bytes, through at most ``REDIRECTS`` redirects.

    ``base_url``: the server that gave the address (None: OpenAI's own); only where it is on this machine or network may
    the file be there too. ``same_server``: nothing but that server is asked, whatever the address or a redirect says;
    an address may then be a path on it. ``timeout_s`` is of a single read; set a deadline around the whole. Raises
    Refused, and Malformed where there is no file.
    """
    server = server_address(base_url)
    allowed = await _allowed(server)
    url = urljoin(server or OPENAI, url) if same_server else url
    for _ in range(REDIRECTS + 1):
        if address_fault(url.partition("#")[0].partition("?")[0]):  # neither http nor https too
            raise Refused("the picture's address is none")
        if same_server and (there := _origin(url)) != (here := _origin(server or OPENAI)):
            raise Refused(f"the picture is at {there}, and only the server that was set, {here}, is asked")
        try:
            status, there, body = await _once(url, most, timeout_s, allowed)
        except (_http.HTTPError, _http.InvalidURL, OSError) as error:
            raise Malformed(f"the picture's address does not answer: {type(error).__name__}") from error
        if status == 200:
            return body
        if not 300 <= status < 400 or not there:
            raise Malformed(f"the picture's address answers HTTP {status}")
        try:
            url = urljoin(url, there)
        except ValueError as error:
            raise Refused("the picture's address leads to none") from error
    raise Malformed("the picture's address leads from one to the next")


def _origin(url: str) -> str:
    """Scheme, name and port of an address."""
    parts = urlsplit(url)
    port = parts.port or {"http": 80, "https": 443}.get(parts.scheme)
    return f"{parts.scheme}://{(parts.hostname or '').lower()}:{port}"


async def _once(url: str, most: int, timeout_s: float, allowed: set[Kind]) -> tuple[int, str, bytes]:
    """Status, location and body of one request."""
    parts = urlsplit(url)
    host = parts.hostname or ""
    proxy = parts.scheme in urllib.request.getproxies() and not urllib.request.proxy_bypass(host)
    found = await _resolved(host)
    wrong = sorted({kind for ip in found if (kind := kind_of(ip)) not in allowed})
    if wrong and (proxy or len(wrong) == len({kind_of(ip) for ip in found})):
        raise Refused(f"the picture's address is not public ({wrong[0]}), and the server that gave it is")
    targets = [host] if proxy else [str(ip) for ip in found if kind_of(ip) in allowed]
    if not targets:
        raise Malformed("the picture's address is not known")
    async with openai.DefaultAsyncHttpxClient(
        timeout=timeout_s, follow_redirects=False, trust_env=proxy or not urllib.request.getproxies()
    ) as http:
        for i, target in enumerate(targets):
            port = f":{parts.port}" if parts.port else ""
            request = http.build_request(
                "GET",
                parts._replace(netloc=f"[{target}]{port}" if ":" in target else target + port).geturl(),
                headers={"Host": parts.netloc, "Accept-Encoding": "gzip"},
                extensions={"sni_hostname": host},
            )
            try:
                response = await http.send(request, stream=True)
            except _http.ConnectError:
                if i + 1 == len(targets):
                    raise
                continue
            try:
                body = await read_bounded(response, most) if response.status_code == 200 else b""
            finally:
                await response.aclose()
            return response.status_code, response.headers.get("location", ""), body
    raise AssertionError("the last target returns or raises")


async def _allowed(server: str | None) -> set[Kind]:
    """Where a server may send us."""
    kinds = {kind_of(ip) for ip in await _resolved(urlsplit(server).hostname or "")} if server else set()
    return {"public"} if kinds <= {"public"} else {"public", "private", "this machine", *kinds}


async def _resolved(host: str) -> list[IP]:
    """Every address of a name, the preferred first; none for one that is not known."""
    try:
        found = await asyncio.get_running_loop().getaddrinfo(host, None, type=socket.SOCK_STREAM)
        return list(dict.fromkeys(ipaddress.ip_address(str(each[4][0]).partition("%")[0]) for each in found))
    except (OSError, ValueError):
        return []
