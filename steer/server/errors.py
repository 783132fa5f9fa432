"""Faults as the clients of each dialect read them."""

from __future__ import annotations

from collections.abc import Mapping

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.responses import JSONResponse, Response

from reward_models.printable import printable
from steer.errors import SteerError, UsageError
from steer.server.queue import Closed, Full

LONGEST = 600  # characters
STOPPING_S = 30  # until a server that stops may be there again
LEFT = 499  # the status for a client that is gone; nobody reads it


class Fault(Exception):
    """An answer that is an error. ``code``: for programs; ``param``: the field that is wrong."""

    def __init__(
        self, status: int, message: str, code: str = "", param: str = "", headers: Mapping[str, str] | None = None
    ):
        super().__init__(message)
        self.status, self.message, self.code, self.param = status, message, code, param
        self.headers = dict(headers or {})


def fault_of(error: SteerError) -> Fault:
    """What a client is told of an error of steer: no path of this machine."""
    message = str(error).partition("; then go on with")[0]
    if isinstance(error, Full):
        return Fault(429, message, "queue_full", headers={"Retry-After": str(error.retry_s)})
    if isinstance(error, Closed):
        return Fault(503, message, "stopping", headers={"Retry-After": str(STOPPING_S)})
    if isinstance(error, UsageError):
        return Fault(400, message, "invalid_value")
    return Fault(500, message, "server_error")


def answer(path: str, fault: Fault) -> Response:
    """The fault in the form of the dialect that ``path`` belongs to."""
    message = printable(fault.message)[:LONGEST]
    if path.startswith("/sdapi"):
        body: dict[str, object] = {"error": fault.code or _type(fault.status), "detail": message, "errors": message}
        return JSONResponse(body, fault.status, fault.headers)
    error = {
        "message": message,
        "type": _type(fault.status),
        "param": fault.param or None,
        "code": fault.code or None,
    }
    return JSONResponse({"error": error}, fault.status, fault.headers)


def install(app: FastAPI) -> None:
    """Every fault of these routes is said in the dialect of its path."""

    @app.exception_handler(Fault)
    async def _fault(request: Request, fault: Fault) -> Response:
        return answer(request.url.path, fault)

    @app.exception_handler(SteerError)
    async def _steer_error(request: Request, error: SteerError) -> Response:
        return answer(request.url.path, fault_of(error))

    @app.exception_handler(RequestValidationError)
    async def _invalid(request: Request, error: RequestValidationError) -> Response:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"][1:])[:80]
        fault = Fault(400, f"{where}: {first['msg']}" if where else str(first["msg"]), "invalid_value", where)
        return answer(request.url.path, fault)

    @app.exception_handler(HTTPException)
    async def _http(request: Request, error: HTTPException) -> Response:
        said = "there is nothing at this address" if error.status_code == 404 else str(error.detail)
        return answer(request.url.path, Fault(error.status_code, said, "not_found" if error.status_code == 404 else ""))


def _type(status: int) -> str:
    """OpenAI's name for the kind of an error."""
    names = {401: "authentication_error", 403: "permission_error", 404: "not_found_error", 429: "rate_limit_error"}
    return names.get(status, "invalid_request_error" if status < 500 else "server_error")
