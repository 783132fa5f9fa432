"""Rewrites in a chat model's answer, whatever shape it has. An answer is input: cleaned, capped, never trusted."""

from __future__ import annotations

import json
import re
from typing import Any

from reward_models.outside import readable

MAX_ANSWER = 40_000  # characters that are looked at
MAX_THOUGHT = 1_000_000  # characters of an answer with its reasoning
MAX_TEXT = 600  # characters of one rewrite
DEEPEST = 20  # levels of JSON
TEXT_KEYS = ("rewrite", "text", "prompt", "description")

_THOUGHT = re.compile(r"<(think|thinking|reasoning)>.*?(</\1>|$)", flags=re.S | re.I)
_STRING = re.compile(r'"((?:[^"\\]|\\.)*)"(?=\s*[,\]}])')
_PAIR = re.compile(rf'"(?:{"|".join(TEXT_KEYS)})"\s*:\s*"((?:[^"\\]|\\.)*)"')
_ITEM = re.compile(r"^\s*(?:[-*•–]|\(?\d{1,3}[.):]|[a-z][.)])\s+(.*)$", flags=re.I)
_REFUSAL = re.compile(
    r"^(i('m| am) (sorry|unable|not able)|i (can(no|')t|will not|won't)|sorry\b|as an ai\b|unfortunately\b|no\.?$)",
    flags=re.I,
)
_QUOTES = "\"'“”‘’«»„`*_ \t"


def parse_answer(answer: str) -> list[str]:
    """Rewrites in order, without repeats; empty for a refusal.

    Tried in turn: JSON anywhere in it, the whole strings of JSON that was cut off, items of a list, lines.

    >>> parse_answer('1. "a red fox"\\n2. a blue fox')
    ['a red fox', 'a blue fox']
    >>> parse_answer('{"rewrites": ["a red fox", "a blue f')
    ['a red fox']
    """
    text = without_thoughts(answer)
    found = _from_json(text) or _from_cut_json(text) or _from_lines(text)
    texts = (readable(t).strip() for t in found)  # JSON may spell half a character
    return list(dict.fromkeys(t for t in texts if 0 < len(t) <= MAX_TEXT and not _REFUSAL.match(t)))


def without_thoughts(answer: str) -> str:
    """What is looked at of an answer: its beginning, without the reasoning that some models write into it."""
    return _THOUGHT.sub("", answer[:MAX_THOUGHT])[:MAX_ANSWER].strip()


def parse_lists(answer: str) -> list[list[str]]:
    """The innermost JSON lists of texts in an answer, in order; also those before the place where it was cut off.

    >>> parse_lists('{"rewrites": [["at dawn", "sepia"], ["in fog", "pho')
    [['at dawn', 'sepia']]
    """
    found = []
    for match in re.finditer(r"\[[^\[\]]*\]", without_thoughts(answer)):
        try:
            value = json.loads(match.group(), strict=False)
        except ValueError:
            continue
        if texts := [v for v in value if isinstance(v, str)]:
            found.append(texts)
    return found


def _from_json(text: str) -> list[str]:
    """The longest list of texts in any JSON value that begins somewhere in ``text``, or its single texts together."""
    decoder = json.JSONDecoder()
    best: list[str] = []
    singles: list[str] = []  # objects of a list that was cut off
    start = 0
    while (at := _next_value(text, start)) >= 0:
        try:
            value, start = decoder.raw_decode(text, at)
        except ValueError:
            start = at + 1
            continue
        except RecursionError:  # brackets without end
            break
        texts = _texts(value, DEEPEST)
        singles += texts if len(texts) == 1 else []
        best = max(best, texts, key=len)
    return max(best, singles, key=len)


def _next_value(text: str, start: int) -> int:
    places = [i for i in (text.find("{", start), text.find("[", start)) if i >= 0]
    return min(places, default=-1)


def _texts(value: Any, deeper: int) -> list[str]:
    """The texts of a JSON value: a list of strings, or of objects with one under a usual key, so many levels down."""
    if isinstance(value, list):
        flat = [v if isinstance(v, str) else _text_of(v) for v in value]
        return [t for t in flat if t]
    if isinstance(value, dict):
        inner = [_texts(v, deeper - 1) for v in value.values() if deeper and isinstance(v, (list, dict))]
        longest = max(inner, key=len, default=[])
        if longest:
            return longest
        if all(isinstance(v, str) for v in value.values()) and all(re.fullmatch(r"\D{0,10}\d+", k) for k in value):
            return list(value.values())  # {"1": "...", "2": "..."}
        return [t] if (t := _text_of(value)) else []
    return []


def _text_of(value: Any) -> str:
    if not isinstance(value, dict):
        return ""
    return next((v for k in TEXT_KEYS if isinstance(v := value.get(k), str)), "")


def _from_cut_json(text: str) -> list[str]:
    """The whole strings after the first bracket of JSON that ends too early."""
    begin = re.search(r'\[\s*["{]', text)
    if not begin:
        return []
    tail = text[begin.start() :]
    pairs = _PAIR.findall(tail)
    strings = pairs or ([] if tail[1:].lstrip().startswith("{") else _STRING.findall(tail))
    return [json.loads(f'"{s}"', strict=False) if "\\" in s else s for s in strings if _whole(s)]


def _whole(inner: str) -> bool:
    try:
        return isinstance(json.loads(f'"{inner}"', strict=False), str)
    except ValueError:
        return False


def _from_lines(text: str) -> list[str]:
    """Items of a list where there is one, else lines that are no chatter."""
    lines = [line.strip() for line in text.splitlines() if line.strip() and not line.strip().startswith(("```", "#"))]
    items = [m.group(1) for line in lines if (m := _ITEM.match(line))]
    if items:
        return [_bare(i) for i in items]
    if any(_REFUSAL.match(line) for line in lines):
        return []
    quoted = [line for line in lines if re.fullmatch(r'["“].+["”],?', line)]
    plain = [line for line in lines if not line.endswith((":", "!", "?"))] if len(lines) > 1 else []
    return [_bare(line) for line in quoted or plain]


def _bare(line: str) -> str:
    """Without quotes, emphasis and a trailing comma around it."""
    return line.strip().rstrip(",").strip(_QUOTES)
