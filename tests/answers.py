"""Answers of servers for property tests: any JSON at all, and proper answers with any part replaced by it."""

from __future__ import annotations

import copy
import json
from typing import Any

from hypothesis import strategies as st

ANY_TEXT = st.text(st.characters(exclude_categories=()), max_size=20)  # halves of characters and controls too
ANY_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | ANY_TEXT | st.sampled_from([10**400, -(10**400), "5"]),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(ANY_TEXT, inner, max_size=4),
    max_leaves=12,
)


def _paths(value: Any, above: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return [above, *(path for key, inner in items for path in _paths(inner, (*above, key)))]


@st.composite
def damaged(draw: Any, proper: Any) -> Any:
    """``proper`` with up to three of its parts replaced by any JSON, or gone."""
    found = copy.deepcopy(proper)
    for _ in range(draw(st.integers(1, 3))):
        path = draw(st.sampled_from(_paths(found)))
        if not path:
            return draw(ANY_JSON)
        inner = found
        for key in path[:-1]:
            inner = inner[key]
        if isinstance(inner, dict) and draw(st.booleans()):
            del inner[path[-1]]
        else:
            inner[path[-1]] = draw(ANY_JSON)
    return found


def bodies(proper: Any) -> st.SearchStrategy[bytes]:
    """Whole bodies: any bytes, brackets without end, proper ones cut short, and damaged ones."""
    whole = json.dumps(proper).encode()
    brackets = st.sampled_from([b"[" * 100_000, b'{"choices": ' + b"[" * 100_000, b'{"a":' * 50_000, b"9" * 9999])
    cut = st.integers(0, len(whole)).map(lambda n: whole[:n])
    return st.binary(max_size=200) | brackets | cut | damaged(proper).map(lambda v: json.dumps(v).encode())
