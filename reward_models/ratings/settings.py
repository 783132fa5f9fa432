"""Settings that every family's training shares."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field


class Strict(BaseModel):
    """Settings of which an unknown key is an error."""

    model_config = ConfigDict(extra="forbid")


class DataSetting(Strict):
    """One data set; ``share`` is its part of the training batches against the others'."""

    source: str
    kind: str | None = None
    revision: str | None = None
    share: float = Field(1.0, gt=0)
    scale: tuple[float, float] | None = None  # of a csv's scores


class EncoderSetting(Strict):
    """The frozen encoder, by folder or hub name."""

    name: str = "google/siglip2-so400m-patch16-384"
    kind: Literal["siglip", "vision", "table"] = "siglip"
    revision: str | None = None
    batch_size: int = Field(16, ge=1)
