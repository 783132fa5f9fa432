"""What AUTOMATIC1111's web UI answers, as far as its clients need it to draw.

Who it is for: the user name of HTTP's Basic scheme (the token is the password), the name of the checkpoint
(``miniature/u17``), or the token's only user. Steps, sampler and guidance are the server's; ``info`` says which.
"""

from __future__ import annotations

import base64
import io
import json
from typing import Any

from fastapi import APIRouter, Request
from PIL import Image
from pydantic import BaseModel, ConfigDict, Field
from starlette.responses import JSONResponse, Response

from steer.config.search import MOST_SEED
from steer.server.access import Caller, caller_of, service_of, user_for
from steer.server.errors import Fault
from steer.server.files import png, size_of
from steer.server.images import about, best_of
from steer.server.models import listed, person_in
from steer.server.run import Run, Wish
from steer.server.service import Service, random_
from steer.server.settings import fitted
from steer.server.waiting import until_over
from steer.store.provenance import Drawing

router = APIRouter(prefix="/sdapi/v1")


class Txt2Img(BaseModel):
    """What is read of a request; the rest is the server's affair."""

    model_config = ConfigDict(extra="allow")

    prompt: str = ""
    negative_prompt: str | None = ""
    seed: int = Field(-1, ge=-1, le=2**32)
    width: int = Field(512, ge=16, le=8192)
    height: int = Field(512, ge=16, le=8192)
    batch_size: int = Field(1, ge=1, le=10)
    n_iter: int = Field(1, ge=1, le=10)
    enable_hr: bool = False
    send_images: bool = True
    script_name: str | None = None
    override_settings: dict[str, Any] | None = None


class Options(BaseModel):
    """Settings that a client would change."""

    model_config = ConfigDict(extra="allow")

    sd_model_checkpoint: str | None = None


@router.post("/txt2img")
async def txt2img(request: Request, body: Txt2Img) -> Response:
    """The best pictures, and what they were drawn with."""
    service, caller = service_of(request), caller_of(request)
    if body.enable_hr or body.script_name:
        raise Fault(422, "this server runs no scripts and no second pass", "unsupported")
    checkpoint = (body.override_settings or {}).get("sd_model_checkpoint")
    user = user_for(service, caller, person_in(service, checkpoint if isinstance(checkpoint, str) else None))
    config, settings = service.parts.config, service.settings
    n = body.batch_size * body.n_iter
    wish = Wish(
        prompt=body.prompt,
        user=user,
        budget=max(n, settings.budget("standard", config)),
        seed=random_.randint(0, MOST_SEED) if body.seed < 0 else body.seed % (MOST_SEED + 1),
        size=fitted((body.width, body.height), config, settings.largest),
        negative=body.negative_prompt or None,
        n=n,
    )
    run = service.start(wish, caller.token.name)
    await until_over(run, request)
    return JSONResponse(await _answer(run, body, service))


@router.get("/options")
async def options(request: Request) -> dict[str, Any]:
    """The checkpoint, which has the person's name in it."""
    service, caller = service_of(request), caller_of(request)
    user = caller.name or caller.person or caller.token.only
    return {"sd_model_checkpoint": f"{service.name}/{user}" if user else service.name, "samples_format": "png"}


@router.post("/options")
async def set_options(request: Request, body: Options) -> dict[str, Any]:
    """A server for many keeps no settings of one client: another checkpoint is an error that says where to put it."""
    service, caller = service_of(request), caller_of(request)
    user = person_in(service, body.sd_model_checkpoint)
    if user is not None and user != (caller.name or caller.person or caller.token.only):
        raise Fault(
            422, "send sd_model_checkpoint in override_settings, or the user's name with the token", "stateless"
        )
    return {}


@router.get("/sd-models")
async def sd_models(request: Request) -> list[dict[str, Any]]:
    """The server's model, and it again for each person."""
    service, caller = service_of(request), caller_of(request)
    names = [service.name, *(f"{service.name}/{user}" for user in listed(service, caller))]
    return [
        {"title": name, "model_name": name, "hash": None, "sha256": None, "filename": name, "config": None}
        for name in names
    ]


@router.get("/samplers")
async def samplers(request: Request) -> list[dict[str, Any]]:
    """The one that the server draws with."""
    name = Drawing.of(dict(service_of(request).parts.renderer.describe())).sampler
    return [{"name": name, "aliases": [], "options": {}}]


@router.get("/schedulers")
async def schedulers() -> list[dict[str, Any]]:
    """The sampler's own."""
    return [{"name": "automatic", "label": "Automatic", "aliases": None, "default_rho": -1, "need_inner_model": False}]


@router.get("/scripts")
async def scripts() -> dict[str, list[str]]:
    """None."""
    return {"txt2img": [], "img2img": []}


@router.get("/progress")
async def progress(request: Request, skip_current_image: bool = False) -> dict[str, Any]:
    """How far the caller's run is, and its best picture so far."""
    service, caller = service_of(request), caller_of(request)
    run = _going(service, caller)
    best = run.best() if run and not skip_current_image else None
    image = base64.b64encode(await png(run, best)).decode() if run and best else None
    done, all_ = (len(run.candidates), run.wish.budget) if run else (0, 0)
    return {
        "progress": run.progress() if run else 0.0,
        "eta_relative": 0.0,
        "state": {
            "skipped": False,
            "interrupted": bool(run and run.stopping),
            "job": run.id if run else "",
            "job_count": 1 if run else 0,
            "job_no": 0,
            "job_timestamp": "0",
            "sampling_step": done,
            "sampling_steps": all_,
        },
        "current_image": image,
        "textinfo": f"{done} of {all_} pictures" if run else None,
    }


@router.post("/interrupt")
@router.post("/skip")
async def interrupt(request: Request) -> dict[str, Any]:
    """End the caller's run; the best so far is answered."""
    run = _going(service_of(request), caller_of(request))
    if run is not None:
        run.stop()
    return {}


def _going(service: Service, caller: Caller) -> Run | None:
    """The caller's run under way; with a user name, that user's."""
    own = [r for r in list(service.runs.values()) if caller.sees(r) and not r.over]
    return next((r for r in own if r.state == "running" and caller.name in ("", r.wish.user)), None)


async def _answer(run: Run, body: Txt2Img, service: Service) -> dict[str, Any]:
    best = await best_of(run)
    files = [await png(run, candidate) for candidate in best]
    width, height = map(int, size_of(files[0]).split("x"))
    drawing = Drawing.of(dict(service.parts.renderer.describe()))
    info = {
        "prompt": best[0].rewrite.text,
        "all_prompts": [c.rewrite.text for c in best],
        "negative_prompt": drawing.negative if run.wish.negative is None else run.wish.negative,
        "seed": best[0].seed,
        "all_seeds": [c.seed for c in best],
        "width": width,
        "height": height,
        "sampler_name": drawing.sampler,
        "cfg_scale": drawing.guidance,
        "steps": drawing.steps,
        "batch_size": len(best),
        "sd_model_name": service.name,
        "infotexts": [_infotext(file) for file in files],
        "steer": about(run),
    }
    images = [base64.b64encode(file).decode() for file in files] if body.send_images else []
    return {"images": images, "parameters": body.model_dump(), "info": json.dumps(info)}


def _infotext(file: bytes) -> str:
    """What a picture's metadata says."""
    with Image.open(io.BytesIO(file)) as image:
        return str(image.info["parameters"])
