"""Where a picture came from, inside its PNG."""

from __future__ import annotations

import json
from typing import Any

from PIL.PngImagePlugin import PngInfo

from steer.types import Candidate


def png_text(candidate: Candidate, manifest: dict[str, Any], size: tuple[int, int]) -> PngInfo:
    """Text chunks: "parameters", as other tools read it, and "steer", everything as JSON."""
    config = manifest["config"]
    renderer = config["renderer"]
    info = PngInfo()
    call = renderer.get("call", {})
    guidance = call.get("true_cfg_scale", call.get("guidance_scale", 1))
    parameters = (
        f"{candidate.rewrite.text}\nSteps: {renderer['steps']}, Sampler: Euler, CFG scale: {guidance}, "
        f"Seed: {candidate.seed}, Size: {size[0]}x{size[1]}, Model: {renderer['model']}, "
        f"Version: steer {manifest['steer']}"
    )
    facts = {
        "prompt": manifest["request"]["prompt"], "text": candidate.rewrite.text,
        "changes": candidate.rewrite.changes, "seed": candidate.seed, "user": manifest["request"]["user"],
        "round": candidate.round, "index": candidate.index, "config": config["name"],
        "renderer": renderer["kind"], "model": renderer["model"], "revision": renderer["revision"],
        "fingerprint": manifest["fingerprint"], "steer": manifest["steer"],
    }  # fmt: skip
    # iTXt keeps any Unicode; plain tEXt holds Latin-1 only
    info.add_itxt("parameters", parameters)
    info.add_itxt("steer", json.dumps(facts, ensure_ascii=False))
    return info
