"""What every section of the configuration has in common, and sections that come in several kinds."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from pydantic import BaseModel, ConfigDict, model_validator
from pydantic_core import PydanticCustomError

from reward_models.registry import Registry, UnknownName
from steer.config.values import truth_as_number

PLUGIN = "plug-in"  # the tag of all kinds that are registered by entry points
UNKNOWN_KIND = "unknown_kind"  # the type of pydantic's error


class Section(BaseModel):
    """Checked once, then fixed; an unknown key is an error.

    The text below a field is its description in ``steer config`` and in the reference of settings.
    """

    # defaults are validated too: 60 and 60.0 must not make two fingerprints
    model_config = ConfigDict(
        extra="forbid",
        frozen=True,
        validate_default=True,
        use_attribute_docstrings=True,
        allow_inf_nan=False,
        hide_input_in_errors=True,  # a traceback must not show a password in an address
    )

    @model_validator(mode="before")
    @classmethod
    def _truth_is_no_number(cls, values: Any) -> Any:
        """A number may be left out, but true is not 1."""
        if isinstance(values, dict):
            for name, field in cls.model_fields.items():
                if (where := truth_as_number(values.get(name), field.annotation)) is not None:
                    raise ValueError(f"{name}{where}: a number is meant, not true or false")
        return values


@dataclass(frozen=True)
class Kinds:
    """The kinds of a section: a class for each that ships, and ``plugin`` for the other names of ``registry``.

    ``apart``: fields that mean something else in every kind, so that they are not kept when the kind changes.
    """

    registry: Registry
    classes: Mapping[str, type[Section]]
    plugin: type[Section]
    default: str
    apart: frozenset[str] = frozenset()

    def tag(self, value: Any) -> str | None:
        """Which class of the union reads ``value``; pydantic's discriminator."""
        kind = self.kind_of(value)
        return None if kind is None else kind if kind in self.classes else PLUGIN

    def kind_of(self, value: Any) -> str | None:
        """The kind that plain values or a checked section name; the default where they name none, None for other
        things.
        """
        kind = value.get("kind", self.default) if isinstance(value, dict) else getattr(value, "kind", None)
        return kind if isinstance(kind, str) else None

    def read(self, value: Any) -> Any:
        """``painter`` is short for ``{kind: painter}``. Raises for a kind that does not exist; runs before
        validation.
        """
        value = {"kind": value} if isinstance(value, str) else value
        kind = self.kind_of(value)
        if kind is None:
            names = ", ".join(self.registry.names())
            raise ValueError(f"give a mapping of settings, or one of the kinds {names}")
        try:
            self.registry.check(kind)
        except UnknownName as error:
            raise PydanticCustomError(UNKNOWN_KIND, "{said}", {"said": str(error)}) from error
        return value

    def model(self, kind: str) -> type[Section]:
        """The class of this kind's settings."""
        return self.classes.get(kind, self.plugin)

    def switched(self, values: Mapping[str, Any], kind: str) -> dict[str, Any]:
        """Plain values of a layer below, for another kind: what was set there and the other kind has too."""
        old, new = self.model(self.kind_of(dict(values)) or self.default), self.model(kind)
        if kind == values.get("kind", self.default):
            return dict(values)
        shared = old.model_fields.keys() & new.model_fields.keys() - self.apart - {"kind"}
        kept = {k: v for k, v in values.items() if k in shared and v != _default(old, k)}
        return {"kind": kind, **kept}

    def owners(self, key: str) -> list[str]:
        """The shipped kinds that have a setting of this name."""
        return [kind for kind, model in self.classes.items() if key in model.model_fields]


def _default(model: type[Section], key: str) -> Any:
    return model.model_fields[key].get_default(call_default_factory=True)
