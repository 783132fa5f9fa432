"""Which Host headers name this machine: websites point names of their own at it, to be asked as if they were it."""

from __future__ import annotations

import ipaddress
import socket
from collections.abc import Iterable
from urllib.parse import urlsplit


class OwnNames:
    """An address, a name of this machine, ``host`` where it listens, or one of ``more``. Any port: another is a
    tunnel's.
    """

    def __init__(self, host: str, more: Iterable[str] = ()):
        own = {host, "localhost", socket.gethostname(), socket.getfqdn(), *more}
        self._names = {name.lower() for name in own}

    def __contains__(self, host: object) -> bool:
        """Whether a Host header is this machine."""
        name = (urlsplit(f"//{host}").hostname or "").lower()
        try:
            ipaddress.ip_address(name)
        except ValueError:
            return name in self._names
        return True
