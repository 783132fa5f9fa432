"""A real HTTP server on loopback that answers typed questions in every dialect, and misbehaves when told to.

Its answers follow from what it was sent: brighter pictures and longer texts are liked more, a card with "neon" turns
that around. Requests to /v1/decisions are checked against the types of openai's own client.
"""

from __future__ import annotations

import base64
import io
import math

import numpy as np
from openai.types.decision_create_params import DecisionCreateParams
from PIL import Image
from pydantic import TypeAdapter

from tests.loopback import Loopback

LEVELS = 5


def probabilities(brightness, instructions):
    """Of the levels, by what is seen."""
    at = np.arange(LEVELS) / (LEVELS - 1)
    wanted = 1 - brightness if "neon" in instructions else brightness
    weights = np.exp(-8 * (at - wanted) ** 2)
    return (weights / weights.sum()).tolist()


def brightness_of(data):
    """Of a base64 picture, in [0, 1]."""
    with Image.open(io.BytesIO(base64.b64decode(data))) as picture:
        assert picture.format == "PNG"
        assert max(picture.size) <= 64
        return float(np.asarray(picture.convert("RGB")).mean() / 255)


class DecisionServer(Loopback):
    """Answers POST /v1/decisions, /v1/systemone and /v1/chat/completions."""

    @property
    def keys(self):
        return [r["key"] for r in self.requests]

    def answer(self, path, body, number=0):
        """The proper answer of an address."""
        return {"/v1/decisions": _decision, "/v1/systemone": _system_one, "/v1/chat/completions": _completion}[path](
            body
        )


def _decision(body):
    TypeAdapter(DecisionCreateParams).validate_python(body)
    (message,) = body["input"]
    (part,) = message["content"]
    bright = len(part["text"]) / 100 if part["type"] == "input_text" else brightness_of(part["image_url"].split(",")[1])
    answers = []
    for q in body["questions"]:
        p = probabilities(bright, q["instructions"])
        listed = [
            {"label": v["label"], "probability": w, "value": i}
            for i, (v, w) in enumerate(zip(q["levels"], p, strict=True))
        ]
        answers.append({"type": "score", "name": q["name"], "score": 0.0, "confidence": 1.0, "probabilities": listed})
    usage = {
        "input_tokens": 300,
        "input_tokens_details": {"cached_tokens": 100, "cache_write_tokens": 0},
        "output_tokens": 0,
        "output_tokens_details": {"reasoning_tokens": 0},
        "total_tokens": 300,
    }
    return {"answers": answers, "model": body["model"], "usage": usage}


def _system_one(body):
    assert set(body) <= {"model", "state", "questions", "assets"}
    assert len(body["questions"]) <= 64
    assets = body.get("assets", {})
    bright = len(body["state"]) / 100
    for name, asset in assets.items():
        assert name in body["state"]
        bright = brightness_of(asset["data_base64"])
    answers = {}
    for name, q in body["questions"].items():
        p = probabilities(bright, q["instructions"])
        answers[name] = {"type": "score", "score": 0.0, "probabilities": {str(i): w for i, w in enumerate(p)}}
    return {"model": body["model"], "answers": answers, "usage": {"input_tokens": 200, "output_tokens": 0}}


def _completion(body):
    assert body["logprobs"] is True
    assert body.get("max_tokens", body.get("max_completion_tokens")) == 1
    (message,) = body["messages"]
    if isinstance(message["content"], str):
        bright, text = len(message["content"].split("\n")[0]) / 100, message["content"]
    else:
        bright = brightness_of(message["content"][0]["image_url"]["url"].split(",")[1])
        text = message["content"][1]["text"]
    shown = [
        {"token": str(i + 1), "logprob": math.log(0.9 * p), "bytes": None}
        for i, p in enumerate(probabilities(bright, text))
    ]
    top = [*shown, {"token": " the", "logprob": math.log(0.1), "bytes": None}]
    choice = {
        "index": 0,
        "finish_reason": "length",
        "message": {"role": "assistant", "content": "3"},
        "logprobs": {"content": [{"token": "3", "logprob": -1.0, "bytes": None, "top_logprobs": top}]},
    }
    usage = {"prompt_tokens": 250, "completion_tokens": 1, "total_tokens": 251}
    return {
        "id": "x",
        "object": "chat.completion",
        "created": 0,
        "model": body["model"],
        "choices": [choice],
        "usage": usage,
    }
