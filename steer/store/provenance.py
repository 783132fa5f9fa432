"""Where a picture came from, inside its PNG: as the tools of others read it, and all of it for steer.

The chunk "parameters" has the form of AUTOMATIC1111's web UI, which has no other description than its readers. They
split the last line at commas and colons, so no value may hold one. The chunk "steer" says everything unchanged.

There is no C2PA manifest: it says something only when it is signed with a certificate of its publisher, which steer has
not. Whoever has one signs the finished file; these chunks stay in it.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from PIL.PngImagePlugin import PngInfo

from reward_models.doors import parse_json
from reward_models.pictures import open_picture
from reward_models.printable import printable
from steer.types import Candidate

MOST_FACTS = 1_000_000  # characters of the chunk "steer"
STEPS = ("steps", "num_inference_steps")  # what an image API may call them
GUIDANCE = ("true_cfg_scale", "guidance_scale", "cfg_scale", "guidance")


@dataclass(frozen=True)
class Drawing:
    """How a picture was drawn. 0 for ``steps`` or ``guidance``: there are none, or the renderer does not say."""

    model: str
    sampler: str
    steps: int = 0
    guidance: float = 0.0
    negative: str = ""

    @classmethod
    def of(cls, renderer: dict[str, Any], tier: str = "full") -> Drawing:
        """From what any renderer says of itself (``Renderer.describe``); ``tier`` of the candidate."""
        kind, call = str(renderer.get("kind", "renderer")), _mapping(renderer.get("call"))
        draft = _mapping(renderer.get("draft")) if tier == "draft" else {}
        return cls(
            model=str(renderer.get("model") or kind),
            sampler=str(renderer.get("scheduler") or kind),
            steps=int(_number(STEPS, draft, renderer, call)),
            guidance=_number(GUIDANCE, call, renderer),
            negative=str(renderer.get("negative_prompt") or call.get("negative_prompt") or ""),
        )


def parameters(text: str, seed: int, size: tuple[int, int], drawing: Drawing, version: str) -> str:
    """The chunk that other tools read: the text, the negative prompt, and one line of settings.

    >>> print(parameters("a fox", 7, (64, 32), Drawing("org/model:v2", "Euler", 4, 3.5), "0.1.0"))
    a fox
    Negative prompt:
    Steps: 4, Sampler: Euler, CFG scale: 3.5, Seed: 7, Size: 64x32, Model: org/model_v2, Version: steer 0.1.0
    """
    settings = {
        "Steps": drawing.steps,
        "Sampler": drawing.sampler,
        "CFG scale": f"{drawing.guidance:g}",
        "Seed": seed,
        "Size": f"{size[0]}x{size[1]}",
        "Model": Path(drawing.model).name if Path(drawing.model).is_absolute() else drawing.model,
        "Version": f"steer {version}",
    }
    last = ", ".join(f"{key}: {_value(value)}" for key, value in settings.items())
    away = f"Negative prompt: {_line(drawing.negative)}".rstrip()
    return f"{_line(text)}\n{away}\n{last}"


def png_text(
    candidate: Candidate, manifest: dict[str, Any], size: tuple[int, int], again: dict[str, Any] | None = None
) -> PngInfo:
    """Text chunks: "parameters", as other tools read it, and "steer", everything as JSON. ``size`` in pixels.
    ``again``: which picture it was drawn after, and how, where it is no picture of the run itself.
    """
    renderer = manifest["parts"]["renderer"]  # what it says of itself, not what the config has beside it
    drawing = Drawing.of(renderer, candidate.tier)
    text = parameters(candidate.rewrite.text, candidate.seed, size, drawing, manifest["steer"])
    facts = {
        "prompt": manifest["request"]["prompt"],
        "text": candidate.rewrite.text,
        "changes": candidate.rewrite.changes,
        "seed": candidate.seed,
        "tier": candidate.tier,
        "user": manifest["request"]["user"],
        "round": candidate.round,
        "index": candidate.index,
        "config": manifest["config"]["name"],
        "renderer": renderer.get("kind"),
        "model": drawing.model,
        "revision": renderer.get("revision"),
        "fingerprint": manifest["fingerprint"],
        "steer": manifest["steer"],
        **({"again": again} if again else {}),
    }
    info = PngInfo()
    # iTXt keeps any Unicode; plain tEXt holds Latin-1 only
    info.add_itxt("parameters", printable(text))
    info.add_itxt("steer", printable(json.dumps(facts, ensure_ascii=False)))
    return info


def facts_of(picture: Path) -> dict[str, Any] | None:
    """What the chunk "steer" of a PNG says; None where it has none, or one that is no JSON object.

    Raises OSError and Unreadable for a file that is no PNG.
    """
    with open_picture(picture, ("PNG",)) as image:
        image.load()  # chunks may come after the pixels
        text = image.info.get("steer")
    try:
        told = parse_json(text) if isinstance(text, str) and len(text) <= MOST_FACTS else None
    except ValueError:
        return None
    return told if isinstance(told, dict) else None


def _line(text: str) -> str:
    """A text that its readers take for nothing else than a text."""
    return re.sub(r"(?i)(negative prompt):", r"\1 -", " ".join(text.split()))


def _value(value: object) -> str:
    """A value without what separates values; names keep letters, digits and ``. / + - ( )``.

    >>> _value("a:b, c"), _value("*")
    ('a_b_ c', '_')
    """
    return re.sub(r"[^\w ./+()-]|^[^\w]", "_", " ".join(str(value).split())) or "_"


def _mapping(value: object) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def _number(names: tuple[str, ...], *places: dict[str, Any]) -> float:
    """The first number of one of these names, in order of the places; 0 where there is none."""
    for place in places:
        for name in names:
            value = place.get(name)
            if isinstance(value, (int, float)) and not isinstance(value, bool):
                return float(value)
    return 0.0
