"""What hostile input is made of."""

from __future__ import annotations

import json
import math

from hypothesis import strategies as st

from steer.config import SteerConfig, parse_config
from steer.config.sections import KINDS

WORDS = (
    *("", " ", "u17", "average", "a fox", "null", "true", "on", "1:30", "3:2", "nan", ".nan", "-inf", "1e999", "0x1F"),
    *("1e30", "-1", "0", "999999999999999999999", "9" * 5000, "../../outside/x", "/etc/passwd", "/", ".", "~", "[/]"),
    *("[bold]", "[", "{", "}", "{}", "[]", "{a: .nan}", "{a: [1, {b: 2}]}", "a: &a [*a]", "!!set {a}", "!!binary aaa"),
    *("\x1b]0;title\x07", "\x1b[31m", "\x9b31m", "\u202eabc", "\u2066", "\u2028", "\r\n", "\t", "a\nb", "<script>"),
    *("{{ 7*7 }}", "=1+1", "é" * 300, "x" * 5000, "x" * 300, "🦊", "a,b", "!u3", "--help", "-", "'", '"', "\\", "%s%n"),
)


def keys() -> list[str]:
    """Every setting there is, of every kind of section."""
    found = list(SteerConfig.model_fields)
    for section, kinds in KINDS.items():
        found += [f"{section}.{name}" for model in kinds.classes.values() for name in model.model_fields]
    for section in ("search", "objective"):
        found += [f"{section}.{name}" for name in type(getattr(parse_config({}), section)).model_fields]
    return [*dict.fromkeys(found), "objective.weights.personal", "objective.scorers.a.linear", "renderer.draft.steps"]


KEYS = keys()
plain = st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=30)
texts = st.one_of(st.sampled_from(WORDS), plain, st.lists(st.sampled_from(WORDS), max_size=3).map("".join))
lines = texts.map(lambda t: t.replace("\0", ""))
numbers = st.one_of(
    st.integers(-3, 70), st.sampled_from([10**20, -(10**30), 1e308, 1e-300, math.nan, math.inf, -math.inf, 0.5, -0.0])
)
values = st.recursive(
    st.one_of(st.none(), st.booleans(), numbers, texts),
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(texts, inner, max_size=3)),
    max_leaves=8,
)
settings_typed = st.tuples(st.one_of(st.sampled_from(KEYS), lines), lines).map("=".join)


def as_text(value: object) -> str:
    """JSON, with NaN and halves of characters where there are some: what hostile files hold."""
    return json.dumps(value)


@st.composite
def changed(draw, whole):
    """A JSON value with one of its parts replaced, removed, doubled or put elsewhere."""
    found = json.loads(json.dumps(whole))
    place, key = found, None
    for _ in range(draw(st.integers(1, 5))):
        inner = place if key is None else place[key]
        if not isinstance(inner, (dict, list)) or not inner:
            break
        place = inner
        key = draw(st.sampled_from(sorted(inner))) if isinstance(inner, dict) else draw(st.integers(0, len(inner) - 1))
    if key is None:
        return draw(values)
    how = draw(st.integers(0, 3))
    if how == 0:
        del place[key]
    elif how == 1 and isinstance(place, list):
        place.append(place[key])
    else:
        place[key] = draw(values)
    return found


@st.composite
def damaged(draw, data: bytes):
    """Bytes that were cut, overwritten or put together wrongly."""
    how = draw(st.integers(0, 4))
    at = draw(st.integers(0, max(0, len(data) - 1)))
    some = draw(st.binary(min_size=1, max_size=24))
    if how == 0:
        return data[:at]
    if how == 1:
        return data[:at] + some + data[at + len(some) :]
    if how == 2:
        return data[:at] + some + data[at:]
    if how == 3:
        return some
    return data[:at] + data[at : at + 40] * 3 + data[at:]
