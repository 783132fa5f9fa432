"""ComfyUI's API: a workflow is queued, its history looked at until it is done, and its picture fetched.

A workflow is a file in API format with placeholders in its values. One that is a whole value becomes a number where it
stands for one: ``"seed": "{seed}"``. In a longer value it is replaced as text: ``"{text}, oil painting"``.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any, ClassVar

import openai

from reward_models.doors import Unreadable, read_object
from reward_models.outside import one_line
from reward_models.remote import SENSELESS, Malformed
from steer.config import RemoteConfig
from steer.renderers.dialect import Dialect, Server

PLACES = ("text", "negative", "seed", "width", "height", "steps", "guidance", "model")
NEEDED = ("text", "seed")
LOOK_S = (0.05, 1.0)  # how often the history is looked at: at first, and at last
LOOKS = 3  # that may fail one after another
FEW_STEPS, GUIDANCE = 20, 7.0  # of the plain workflow where none are set

PLAIN: dict[str, Any] = {
    "checkpoint": {"class_type": "CheckpointLoaderSimple", "inputs": {"ckpt_name": "{model}"}},
    "wanted": {"class_type": "CLIPTextEncode", "inputs": {"text": "{text}", "clip": ["checkpoint", 1]}},
    "unwanted": {"class_type": "CLIPTextEncode", "inputs": {"text": "{negative}", "clip": ["checkpoint", 1]}},
    "canvas": {
        "class_type": "EmptyLatentImage",
        "inputs": {"width": "{width}", "height": "{height}", "batch_size": 1},
    },
    "sampler": {
        "class_type": "KSampler",
        "inputs": {
            "model": ["checkpoint", 0],
            "positive": ["wanted", 0],
            "negative": ["unwanted", 0],
            "latent_image": ["canvas", 0],
            "seed": "{seed}",
            "steps": "{steps}",
            "cfg": "{guidance}",
            "sampler_name": "euler",
            "scheduler": "normal",
            "denoise": 1.0,
        },
    },
    "decoded": {"class_type": "VAEDecode", "inputs": {"samples": ["sampler", 0], "vae": ["checkpoint", 2]}},
    "picture": {"class_type": "PreviewImage", "inputs": {"images": ["decoded", 0]}},
}


class ComfyUI(Dialect):
    """``workflow`` of the settings, or a plain one for the checkpoint ``model``. Raises ValueError for a file that is
    no workflow, or lacks a place for the text or the seed.
    """

    seed_field = "seed"
    health: ClassVar[str] = "system_stats"

    def __init__(self, config: RemoteConfig):
        self.config = config
        self.template = PLAIN if config.workflow is None else _read(config.workflow)
        self.written = json.dumps(self.template, sort_keys=True)
        missing = [name for name in NEEDED if f"{{{name}}}" not in self.written]
        if missing:
            raise ValueError(f"the workflow '{config.workflow}' has no {{{missing[0]}}} in any of its values")
        plain = {} if config.workflow else {"steps": FEW_STEPS, "guidance": GUIDANCE}
        width, height = config.size
        self.values: dict[str, Any] = {
            "negative": config.negative_prompt,
            "width": width,
            "height": height,
            "steps": config.steps if config.steps is not None else plain.get("steps"),
            "guidance": config.guidance if config.guidance is not None else plain.get("guidance"),
            "model": config.model or None,
        }
        for name, value in self.values.items():
            asked = f"{{{name}}}" in self.written
            setting = {"negative": "negative_prompt"}.get(name, name)
            if asked and value is None:
                raise ValueError(f"the workflow has a place for {{{name}}}; add --set renderer.{setting}=...")
            if not asked and name in ("steps", "guidance", "negative") and value not in (None, ""):
                raise ValueError(f"renderer.{setting} is set, and the workflow has no {{{name}}} to put it in")

    def describe(self) -> dict[str, object]:
        """The workflow, shortened."""
        return {"workflow_sha256": hashlib.sha256(self.written.encode()).hexdigest()[:16]}

    def body(self, prompt: str, seed: int) -> dict[str, Any]:
        """A request for one picture."""
        graph = _filled(self.template, {**self.values, "text": prompt, "seed": seed})
        return {"prompt": graph, **self.config.call}

    async def drawn(self, server: Server, sent: Mapping[str, Any]) -> bytes:
        """Queue it once, then look until it is done; where nobody waits any more it is taken out of the queue."""
        told = await server.post("/prompt", sent)
        name = told.get("prompt_id") if isinstance(told, Mapping) else None
        if not isinstance(name, str) or not name.replace("-", "").isalnum():
            raise Malformed(SENSELESS)
        try:
            return await self._waited(server, name)
        except asyncio.CancelledError:
            await asyncio.shield(asyncio.ensure_future(_taken_out(server, name)))
            raise

    async def _waited(self, server: Server, name: str) -> bytes:
        """A look that fails is repeated, as the picture is being drawn and would be drawn twice."""
        pause, failed = LOOK_S[0], 0
        while True:
            try:
                history = await server.get(f"/history/{name}")
                failed = 0
            except openai.APIConnectionError:
                failed += 1
                if failed > LOOKS:
                    raise
                history = None
            entry = history.get(name) if isinstance(history, Mapping) else None
            if isinstance(entry, Mapping):
                return await server.file("/view", **_place(entry))
            await asyncio.sleep(pause)
            pause = min(pause * 1.5, LOOK_S[1])


def _read(path: str) -> dict[str, Any]:
    try:
        graph = read_object(Path(path))
    except (OSError, Unreadable, ValueError) as error:
        raise ValueError(f"the workflow '{path}' cannot be read: {error}") from error
    if not graph or not all(isinstance(node, dict) and "class_type" in node for node in graph.values()):
        raise ValueError(f"'{path}' is no workflow in API format; in ComfyUI, save it with 'Export (API)'")
    return graph


def _filled(value: Any, values: Mapping[str, Any]) -> Any:
    """The template with what its placeholders stand for; a text is not searched for further ones."""
    if isinstance(value, dict):
        return {key: _filled(each, values) for key, each in value.items()}
    if isinstance(value, list):
        return [_filled(each, values) for each in value]
    if not isinstance(value, str) or "{" not in value:
        return value
    if value[1:-1] in PLACES and value == f"{{{value[1:-1]}}}":
        return values[value[1:-1]]
    pieces, rest = [], value
    while rest:
        at, name = min(((rest.find(f"{{{n}}}"), n) for n in PLACES if f"{{{n}}}" in rest), default=(-1, ""))
        if at < 0:
            break
        pieces += [rest[:at], str(values[name])]
        rest = rest[at + len(name) + 2 :]
    return "".join([*pieces, rest])


def _place(entry: Mapping[str, Any]) -> dict[str, str]:
    """Where the picture of a finished workflow is: a kept one before a preview. Raises Malformed where there is
    none.
    """
    outputs, status = entry.get("outputs"), entry.get("status")
    found: list[dict[str, str]] = []
    for output in outputs.values() if isinstance(outputs, Mapping) else ():
        images = output.get("images") if isinstance(output, Mapping) else None
        for image in images if isinstance(images, list) else ():
            if isinstance(image, Mapping) and isinstance(image.get("filename"), str):
                found.append({k: str(image.get(k) or "") for k in ("filename", "subfolder", "type")})
    if not found:
        raise Malformed(f"the workflow ended without a picture{_why(status)}")
    return min(found, key=lambda place: place["type"] != "output")


def _why(status: object) -> str:
    messages = status.get("messages") if isinstance(status, Mapping) else None
    for message in messages if isinstance(messages, list) else ():
        if isinstance(message, list) and len(message) == 2 and message[0] == "execution_error":
            facts = message[1] if isinstance(message[1], Mapping) else {}
            return (
                f": {one_line(str(facts.get('node_type', 'a node')))}, {one_line(str(facts.get('exception_message')))}"
            )
    return ""


async def _taken_out(server: Server, name: str) -> None:
    with suppress(Exception):  # nobody waits for it; the engine draws it for nothing
        await asyncio.wait_for(server.post("/queue", {"delete": [name]}), 5)
