"""Where a page is served."""

from __future__ import annotations

import errno
import ipaddress
import socket
from dataclasses import dataclass

from steer.errors import UsageError

LOOPBACK = "127.0.0.1"


@dataclass(frozen=True)
class Address:
    """``port`` 0 is any free one; ``browser``: open the page in the browser of this machine."""

    host: str = LOOPBACK
    port: int = 0
    browser: bool = True

    @property
    def private(self) -> bool:
        """Whether only this machine reaches it."""
        try:
            return self.host == "localhost" or ipaddress.ip_address(self.host).is_loopback
        except ValueError:  # a name
            return False

    @property
    def reachable(self) -> str:
        """The host to write into a URL: for 0.0.0.0, which is every interface, the name of this machine."""
        if self.host in ("0.0.0.0", "::"):
            return socket.gethostname()
        return f"[{self.host}]" if ":" in self.host else self.host

    def bind(self) -> socket.socket:
        """A listening socket. Raises UsageError where the port is taken or the host is not this machine."""
        family = socket.AF_INET6 if ":" in self.host else socket.AF_INET
        try:
            return socket.create_server((self.host, self.port), family=family)
        except OSError as error:
            if error.errno == errno.EADDRINUSE:
                raise UsageError(f"--port: {self.port} is taken; choose another, or 0 for any free one") from error
            if error.errno == errno.EACCES:
                raise UsageError(f"--port: {self.port} needs more rights; choose one above 1023") from error
            raise UsageError(f"--host: '{self.host}' is not an address of this machine") from error
