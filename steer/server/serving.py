"""A server of HTTP around the app, which stops gracefully: what runs ends at its next step and is answered."""

from __future__ import annotations

import socket
import threading
import time
from contextlib import suppress

import uvicorn
from starlette.types import ASGIApp

from steer.errors import SteerError
from steer.server.service import Service

GRACE_S = 30  # for answers that are being written when the server stops
STARTS_WITHIN_S = 30.0


class _Server(uvicorn.Server):
    """Tells the service first, so that open requests come to their end."""

    def __init__(self, config: uvicorn.Config, service: Service):
        super().__init__(config)
        self.service = service

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """No more connections, then no more work, then the rest of the answers."""
        self.service.close()
        await super().shutdown(sockets)


class Serving:
    """``app`` on a listening socket."""

    def __init__(self, app: ASGIApp, service: Service, listening: socket.socket):
        self.service, self.listening = service, listening
        config = uvicorn.Config(
            app,
            log_config=None,
            log_level="warning",
            access_log=False,
            proxy_headers=False,  # a client's address is what the connection says
            server_header=False,
            timeout_graceful_shutdown=GRACE_S,
        )
        self._server = _Server(config, service)
        self._thread: threading.Thread | None = None

    @property
    def port(self) -> int:
        """Where it listens."""
        found: int = self.listening.getsockname()[1]
        return found

    def run(self) -> None:
        """Until Ctrl-C or SIGTERM."""
        with suppress(KeyboardInterrupt):  # which uvicorn raises again once it has stopped
            self._server.run([self.listening])
        self.service.close()
        self.service.join(GRACE_S)

    def start(self) -> None:
        """In a thread, for tests and notebooks. Raises SteerError where it does not start."""
        self._thread = threading.Thread(target=self._server.run, args=([self.listening],), daemon=True)
        self._thread.start()
        begun = time.monotonic()
        while not self._server.started:
            if not self._thread.is_alive() or time.monotonic() - begun > STARTS_WITHIN_S:
                raise SteerError("the server did not start")
            time.sleep(0.01)

    def stop(self) -> None:
        """As SIGTERM does."""
        self._server.should_exit = True
        if self._thread is not None:
            self._thread.join(GRACE_S)
        self.service.close()
        self.service.join(GRACE_S)
