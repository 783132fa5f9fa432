"""Addresses of servers: which are none, what of them is shown, and which kinds of machines they lead to."""

from __future__ import annotations

import ipaddress
import re
from typing import Literal
from urllib.parse import urlsplit

Kind = Literal["public", "private", "this machine", "link-local"]
IP = ipaddress.IPv4Address | ipaddress.IPv6Address

_HOST = re.compile(r"[\w.-]{1,253}|[0-9a-fA-F:.]+(%\w+)?", flags=re.ASCII)
_NAT64 = ipaddress.ip_network("64:ff9b::/96")


def address_fault(address: str, password: bool = False) -> str:
    """What is wrong with the address of a server, "" for nothing. ``password``: it may hold a user's name and password.

    >>> address_fault("http://localhost:11434/v1"), address_fault("localhost:11434")
    ('', "'localhost:11434' is no address such as http://localhost:8000/v1")
    """
    shown = repr(without_password(address))
    wrong = f"{shown} is no address such as http://localhost:8000/v1"
    try:
        parts = urlsplit(address)
        port = parts.port
    except ValueError:
        return wrong
    host = parts.hostname or ""
    if parts.scheme not in ("http", "https") or re.search(r"[\s\\]", address) or not address.isprintable():
        return wrong
    if not _HOST.fullmatch(host) or ".." in host or host.startswith(".") or port == 0:
        return wrong
    if parts.query or parts.fragment:
        return f"{shown} has more than a path behind the server's name; take off what begins with ? or #"
    if "@" in parts.netloc and not password:
        return (
            f"{shown} holds a name or password, which would be kept with every run; put a key into the environment "
            "variable of api_key_env, or the whole address into OPENAI_BASE_URL"
        )
    return ""


def without_password(text: str) -> str:
    """A text with its addresses as they may be shown.

    >>> without_password("no answer from http://me:secret@host/v1")
    'no answer from http://***@host/v1'
    """
    return re.sub(r"//[^/?#\s]*@", "//***@", text)


def kind_of(ip: IP) -> Kind:
    """What a machine's address leads to, also where it is one of IPv4 inside one of IPv6.

    >>> [kind_of(ipaddress.ip_address(a)) for a in ("93.184.216.34", "10.0.0.1", "::ffff:127.0.0.1", "169.254.169.254")]
    ['public', 'private', 'this machine', 'link-local']
    """
    if isinstance(ip, ipaddress.IPv6Address):
        inner = ip.ipv4_mapped or ip.sixtofour or (ip.teredo or (None, None))[1]
        if ip in _NAT64:
            inner = ipaddress.IPv4Address(int(ip) & 0xFFFFFFFF)
        if inner is not None:
            return kind_of(inner)
    if ip.is_loopback or ip.is_unspecified or ip in ipaddress.ip_network("0.0.0.0/8"):
        return "this machine"
    if ip.is_link_local:
        return "link-local"
    return "public" if ip.is_global and not ip.is_multicast and not ip.is_reserved else "private"
