"""A configuration that does not fit, as the one line that its user reads."""

from __future__ import annotations

import difflib
from collections.abc import Mapping, Sequence
from typing import Any

from pydantic import ValidationError

from reward_models.doors import shown
from steer.config.section import UNKNOWN_KIND
from steer.config.sections import KINDS, SteerConfig, spelled_out
from steer.config.typed import section_in

# pydantic's types of error, in words; {} is a bound
_SAID = {
    "int_parsing": "is not a whole number",
    "int_type": "is not a whole number",
    "int_from_float": "is not a whole number",
    "float_parsing": "is not a number",
    "float_type": "is not a number",
    "bool_parsing": "is neither true nor false",
    "bool_type": "is neither true nor false",
    "string_type": "is not text",
    "dict_type": "is not a mapping such as {{a: 1}}",
    "list_type": "is not a list such as [a, b]",
    "tuple_type": "is not a list such as [a, b]",
    "model_type": "is not a mapping of settings",
    "greater_than_equal": "is less than {ge}",
    "greater_than": "is not more than {gt}",
    "less_than_equal": "is more than {le}",
    "less_than": "is not less than {lt}",
    "finite_number": "is not a finite number",
    "string_unicode": "is not UTF-8 text",
    "string_pattern_mismatch": "does not look like 3:2",  # an aspect is the only text with a pattern
}


def first_fault(error: ValidationError, values: Mapping[str, Any], source: str, typed: Mapping[str, str]) -> str:
    """The first fault of ``values``, in one line.

    It blames the setting that was ``typed`` (by key: as it was written), or else ``source``, a file.
    """
    first = error.errors()[0]
    section, *rest = first["loc"] or ("the settings",)
    kinds = KINDS.get(str(section))
    kind = kinds.kind_of(spelled_out(str(section), values.get(str(section), {}))) if kinds else None
    if kinds and rest:
        rest.pop(0)  # pydantic names the kind between section and key
    own = str(first["ctx"]["error"]) if first["type"] == "value_error" else ""
    if (
        field := own.partition(": ")[0]
    ) and f"{section}.{field}" in typed:  # of a whole section, but it names its field
        rest, own = [field], own.removeprefix(f"{field}: ")
    key = ".".join(str(part)[:80] for part in (section, *rest))
    above = [k for k in typed if f"{key}.".startswith(f"{k}.")]
    source = typed[above[-1]] if above else source
    said = "" if above and above[-1] == key else f"{key} "  # what was typed names its key already
    if first["type"] == "extra_forbidden":
        model = kinds.model(str(kind)) if kinds else SteerConfig
        owners = kinds.owners(str(rest[0])) if kinds and len(rest) == 1 else []
        if owners:
            return f"{source}: {key} is a setting of {_either(owners)}, not of {kind!r}"
        known = _keys_at(model, rest if kinds else first["loc"])
        close = difflib.get_close_matches(str(first["loc"][-1]), known, n=1)
        nearest = "".join((*key.rpartition(".")[:2], close[0])) if close else ""
        hint = f"Did you mean '{nearest}'?" if close else f"Known: {', '.join(known)}."
        return f"{source}: unknown setting '{key}'. {hint}"
    if first["type"] == UNKNOWN_KIND:
        return f"{source}: {first['msg']}"
    if own:
        return f"{source}: {f'{said.strip()}: ' if said else ''}{own}"
    if first["type"] == "missing":
        return f"{source}: {key} is missing"
    return f"{source}: {said}{_said(first)}"


def _said(fault: Any) -> str:
    if fault["type"] == "literal_error":
        return f"{shown(fault['input'])} is not one of {fault['ctx']['expected'].replace(' or ', ', ')}"
    words = _SAID.get(fault["type"], f"is wrong: {fault['msg']}")
    return f"{shown(fault['input'])} {words.format(**fault.get('ctx', {}))}"


def _either(names: Sequence[str]) -> str:
    """'a', 'b' or 'c'."""
    *most, last = [f"'{name}'" for name in names]
    return f"{', '.join(most)} or {last}" if most else last


def _keys_at(model: Any, location: Sequence[Any]) -> list[str]:
    """The keys beside the last one of ``location``, which begins at a key of ``model``."""
    for part in location[:-1]:
        if part in model.model_fields:  # else an index of a list, or a name in a mapping
            model = section_in(model.model_fields[part].annotation) or model
    return list(model.model_fields)
