"""Pictures of runs: their bytes, and addresses that open without a token for a while."""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import io
import secrets
import time

from fastapi import APIRouter, Request
from PIL import Image
from starlette.responses import Response

from reward_models.doors import read_bytes
from steer.server.access import SIGNED, service_of
from steer.server.errors import Fault
from steer.server.run import Run
from steer.types import Candidate

VALID_S = 3600
WRITTEN_S = 10.0  # the disk may be behind the run
router = APIRouter()


class Signer:
    """Signs addresses with a key of this process: after a restart they open nothing."""

    def __init__(self) -> None:
        self._key = secrets.token_bytes(32)

    def path(self, run: Run, index: int) -> str:
        """An address that opens for an hour."""
        until = int(time.time()) + VALID_S
        return f"{SIGNED}{run.id}/{index}.png?expires={until}&signature={self._of(run.id, index, until)}"

    def is_right(self, run: str, index: int, until: int, signature: str) -> bool:
        """Whether an address was signed here and still opens."""
        return until > time.time() and secrets.compare_digest(self._of(run, index, until), signature)

    def _of(self, run: str, index: int, until: int) -> str:
        return hmac.new(self._key, f"{run}/{index}/{until}".encode(), hashlib.sha256).hexdigest()


async def png(run: Run, candidate: Candidate) -> bytes:
    """The file of a picture, which the writer may not have finished. Raises Fault for one that is not there."""
    begun = time.monotonic()
    while time.monotonic() - begun < WRITTEN_S:
        if run.folder is not None and candidate.picture:
            try:
                return await asyncio.to_thread(read_bytes, run.folder / candidate.picture)
            except FileNotFoundError:
                if run.over:
                    break
        await asyncio.sleep(0.02)
    raise Fault(404, "there is no such picture", "not_found")


def size_of(data: bytes) -> str:
    """Width and height of a picture's file, as "128x128"."""
    with Image.open(io.BytesIO(data)) as image:
        return f"{image.width}x{image.height}"


@router.get(SIGNED + "{run}/{index}.png")
async def signed(request: Request, run: str, index: int, expires: int = 0, signature: str = "") -> Response:
    """A picture by its signed address."""
    signer: Signer = request.app.state.signer
    found = service_of(request).runs.get(run)
    if not signer.is_right(run, index, expires, signature) or found is None or index not in found.candidates:
        raise Fault(404, "there is no such picture, or its address has expired", "not_found")
    return Response(await png(found, found.candidates[index]), media_type="image/png")
