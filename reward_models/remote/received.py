"""The door: every answer of a chat or image server becomes one of these types, or is Malformed.

An answer is input from outside. Whatever JSON it is, nothing else than these two ends can come of it.
"""

from __future__ import annotations

import base64
import binascii
import json
import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from reward_models.outside import one_line, readable
from reward_models.remote.bounded import Malformed

SENSELESS = "the answer makes no sense"


@dataclass(frozen=True)
class Completion:
    """What a chat model said. ``refusal``: why it refuses, "" where it does not. ``cut``: it came to the end of its
    length. ``next_words``: logarithms of the first word's likeliest alternatives, None where there are none.
    """

    text: str
    refusal: str = ""
    cut: bool = False
    next_words: Mapping[str, float] | None = field(default=None, repr=False)


@dataclass(frozen=True)
class Tokens:
    """Numbers of tokens as a server tells them; what is no number counts as none."""

    read: int = 0
    written: int = 0
    cached: int = 0


def json_of(raw: object) -> Any:
    """A client's answer as JSON values, also where the server calls it something else. Raises Malformed."""
    if not isinstance(raw, str):
        return raw
    try:
        return json.loads(raw)
    except (ValueError, RecursionError) as error:
        raise Malformed(SENSELESS) from error


def completion_of(raw: object) -> Completion:
    """From the JSON of a chat completion: its first choice. Raises Malformed."""
    choice = _first(_mapping(json_of(raw)).get("choices"))
    message = _mapping(choice.get("message"))
    content, refused = _parts(message.get("content"))
    text = _arguments(message.get("tool_calls")) or content
    ended = choice.get("finish_reason")
    refusal = message.get("refusal") if isinstance(message.get("refusal"), str) else refused
    if ended == "content_filter" and not text:
        refusal = refusal or "its content filter"
    return Completion(readable(text), one_line(str(refusal)), ended == "length", _next_words(choice.get("logprobs")))


def tokens_of(raw: object) -> Tokens:
    """The tokens that any server's answer tells of."""
    usage = raw.get("usage") if isinstance(raw, Mapping) else None
    if not isinstance(usage, Mapping):
        return Tokens()
    details = usage.get("input_tokens_details") or usage.get("prompt_tokens_details")
    return Tokens(
        _whole(usage.get("input_tokens", usage.get("prompt_tokens"))),
        _whole(usage.get("output_tokens", usage.get("completion_tokens"))),
        _whole(details.get("cached_tokens")) if isinstance(details, Mapping) else 0,
    )


def picture_of(raw: object) -> bytes | str:
    """From the JSON of an image API: the first picture's file, or the address where it is, which may be a path on the
    same server. Raises Malformed.
    """
    picture = _first(_mapping(json_of(raw)).get("data"))
    encoded, url = picture.get("b64_json"), picture.get("url")
    if not encoded and isinstance(url, str) and url.startswith("data:"):
        encoded = url
    if isinstance(encoded, str) and encoded:
        return bytes_of(encoded)
    if isinstance(url, str) and url.startswith(("https://", "http://", "/")):
        return readable(url)
    raise Malformed("there is no picture in the answer")


def bytes_of(encoded: str) -> bytes:
    """A picture's file from base64 or an address that holds it (``data:``). Raises Malformed."""
    if encoded.startswith("data:"):
        encoded = encoded.partition(",")[2]
    try:
        return base64.b64decode(encoded, validate=True)
    except (binascii.Error, ValueError) as error:
        raise Malformed("the picture is not base64") from error


def _mapping(value: object) -> Mapping[str, Any]:
    if not isinstance(value, Mapping):
        raise Malformed(SENSELESS)
    return value


def _first(value: object) -> Mapping[str, Any]:
    if not isinstance(value, list) or not value:
        raise Malformed(SENSELESS)
    return _mapping(value[0])


def _parts(content: object) -> tuple[str, str]:
    """The text and the refusal of a message's content: text, or a list of parts. Raises Malformed."""
    if content is None or isinstance(content, str):
        return content or "", ""
    texts: list[str] = []
    refusals: list[str] = []
    for part in content if isinstance(content, list) else [_mapping(content)]:
        text = part.get("text", part.get("refusal")) if isinstance(part, Mapping) else part
        text = text.get("value") if isinstance(text, Mapping) else text
        if isinstance(text, str):
            (refusals if isinstance(part, Mapping) and part.get("type") == "refusal" else texts).append(text)
        elif not isinstance(part, Mapping):
            raise Malformed(SENSELESS)
    return "".join(texts), " ".join(refusals)


def _arguments(calls: object) -> str:
    """What the first tool is called with, as JSON; "" where no tool is. Raises Malformed."""
    call = calls[0] if isinstance(calls, list) and calls else None
    function = call.get("function") if isinstance(call, Mapping) else None
    arguments = function.get("arguments") if isinstance(function, Mapping) else None
    if isinstance(arguments, (dict, list)):  # some servers do not write them as text
        try:
            return json.dumps(arguments)
        except RecursionError as error:
            raise Malformed(SENSELESS) from error
    return arguments if isinstance(arguments, str) else ""


def _next_words(shown: object) -> dict[str, float] | None:
    """None where a server gives no logarithms. Raises Malformed for what is no list of them."""
    content = shown.get("content") if isinstance(shown, Mapping) else None
    if not content:
        return None
    top = _first(content).get("top_logprobs")
    if not isinstance(top, list):
        raise Malformed(SENSELESS)
    pairs = [(each.get("token"), each.get("logprob")) for each in top if isinstance(each, Mapping)]
    return {token: _real(value) for token, value in pairs if isinstance(token, str) and isinstance(value, (int, float))}


def _real(value: float) -> float:
    try:
        return float(value)
    except OverflowError:
        return math.inf


def _whole(value: Any) -> int:
    return value if isinstance(value, int) and not isinstance(value, bool) and 0 <= value < 10**9 else 0
