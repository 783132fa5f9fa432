"""Settings that every family's training shares."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from reward_models.folder import packaged
from reward_models.ratings.table import Duplicates

Packaged = Annotated[str, AfterValidator(packaged)]  # a folder, a hub name, or a folder of an installed package


class Strict(BaseModel):
    """Settings of which an unknown key is an error."""

    model_config = ConfigDict(extra="forbid")


class DataSetting(Strict):
    """One data set; ``share`` is its part of the training batches against the others'. ``name``: what it is called
    beside others, and its people by (``name-id``); its kind, or a csv's name, where none is told. ``duplicates``: of
    several ratings of a picture by one person, their mean or the first.

    ``picture_group``: the column of pictures that are nearly the same, or ``name:N`` for those whose file names share
    their first N characters. They are held out together.
    """

    source: str
    name: str | None = Field(None, pattern="^[A-Za-z0-9][A-Za-z0-9_-]{0,31}$")
    kind: str | None = None
    revision: str | None = None
    share: float = Field(1.0, gt=0)
    scale: tuple[float, float] | None = None  # of a csv's scores
    duplicates: Duplicates = "average"
    picture_group: str | None = None


class EncoderSetting(Strict):
    """The frozen encoder, by folder or hub name."""

    name: Packaged = "google/siglip2-so400m-patch16-384"
    kind: Literal["siglip", "vision", "table"] = "siglip"
    revision: str | None = None
    batch_size: int = Field(16, ge=1)
