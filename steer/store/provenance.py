"""Where a picture came from, inside its PNG."""

from __future__ import annotations

import json
from typing import Any

from PIL.PngImagePlugin import PngInfo

from reward_models.printable import printable
from steer.types import Candidate


def png_text(candidate: Candidate, manifest: dict[str, Any], size: tuple[int, int]) -> PngInfo:
    """Text chunks: "parameters", as other tools read it, and "steer", everything as JSON."""
    renderer = manifest["parts"]["renderer"]  # what it says of itself, not what the config has beside it
    model = renderer.get("model", renderer["kind"])
    settings = {}
    if "scheduler" in renderer:
        call = renderer["call"]
        settings = {
            "Steps": _steps(renderer, candidate),
            **({"Sampler": renderer["scheduler"]} if renderer["scheduler"] else {}),
            "CFG scale": call.get("true_cfg_scale", call.get("guidance_scale", "default")),
        }
    settings |= {
        "Seed": candidate.seed,
        "Size": f"{size[0]}x{size[1]}",
        "Model": model,
        "Version": f"steer {manifest['steer']}",
    }
    parameters = f"{candidate.rewrite.text}\n" + ", ".join(f"{k}: {v}" for k, v in settings.items())
    info = PngInfo()
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
        "renderer": renderer["kind"],
        "model": model,
        "revision": renderer.get("revision"),
        "fingerprint": manifest["fingerprint"],
        "steer": manifest["steer"],
    }
    # iTXt keeps any Unicode; plain tEXt holds Latin-1 only
    info.add_itxt("parameters", printable(parameters))
    info.add_itxt("steer", printable(json.dumps(facts, ensure_ascii=False)))
    return info


def _steps(renderer: dict[str, Any], candidate: Candidate) -> int:
    draft = renderer.get("draft") if candidate.tier == "draft" else None
    steps: int = (draft or {}).get("steps") or renderer["steps"]
    return steps
