"""How pictures are made: one class of settings for each kind of renderer."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Discriminator, Field, Tag, model_validator

from steer.config.section import PLUGIN, Kinds, Section
from steer.registry import RENDERERS


class LoraConfig(Section):
    """A LoRA: a safetensors file, or a hub name and a file in it."""

    path: str
    file: str | None = None
    scale: float = 1.0


class DraftConfig(Section):
    """A cheaper picture to search with. Fewer steps keep the noise, and so mostly the picture; another size is
    another noise.
    """

    steps: int | None = Field(None, ge=1, le=200)  # None: as many as in full
    scale: float = Field(1.0, ge=0.25, le=1)  # of width and height


class PreviewConfig(Section):
    """A look at a picture while it is made; without hope it is stopped there. See ``steer.run.early``."""

    step: int = Field(ge=2, le=199)  # after this many
    scale: float = Field(1.0, ge=0.25, le=1)  # of the preview's width and height


class _Sized(Section):
    """Renderers whose pictures can have any size."""

    width: int = Field(128, ge=16, le=4096)
    height: int = Field(128, ge=16, le=4096)
    aspect: str | None = Field(None, pattern=r"^[1-9]\d?(\.\d+)?:[1-9]\d?(\.\d+)?$")  # "3:2", of width x height's area

    @property
    def size(self) -> tuple[int, int]:
        """Width and height in pixels; with an ``aspect``, multiples of 16 of about the same area.

        >>> DiffusersConfig(width=1024, height=1024, aspect="3:2").size
        (1248, 832)
        """
        if self.aspect is None:
            return self.width, self.height
        wide, high = (float(v) for v in self.aspect.split(":"))
        area = self.width * self.height
        width = 16 * max(1, round((area * wide / high) ** 0.5 / 16))
        return width, 16 * max(1, round(width * high / wide / 16))


class DiffusersConfig(_Sized):
    """A text-to-image pipeline of diffusers in this process. ``call`` goes to the pipeline as it is."""

    kind: Literal["diffusers"] = "diffusers"
    model: str = "miniature"  # "miniature", a folder or a hub name
    revision: str | None = None
    device: Literal["auto", "cpu", "cuda", "mps"] = "auto"
    dtype: Literal["auto", "float32", "bfloat16", "float16"] = "auto"
    steps: int = Field(12, ge=1, le=200)
    draft: DraftConfig | None = None  # rounds are drawn so; original and leaders again in full
    preview: PreviewConfig | None = None  # stop hopeless pictures early
    batch_size: int = Field(4, ge=1, le=256)
    workers: Literal["auto"] | Annotated[int, Field(ge=1, le=64)] = "auto"  # processes; auto: one per CUDA card
    negative_prompt: str = ""
    scheduler: str | None = None  # a class of diffusers; None: the pipeline's own
    scheduler_settings: dict[str, Any] = Field(default_factory=dict)
    loras: list[LoraConfig] = Field(default_factory=list)
    variant: str | None = None  # of the weight files, for example fp16
    offload: Literal["auto", "none", "encoders", "model", "sequential"] = "auto"  # what leaves the card while idle
    tiling: Literal["auto", "on", "off"] = "auto"  # pictures decoded in tiles: less memory, faint differences
    compile: bool = False  # the denoiser's blocks, in the first pictures
    quantize: Literal["none", "int8", "int8-dynamic", "fp8"] = "none"  # the denoiser's matrices; int8: weights alone
    channels_last: bool = False
    fuse_projections: bool = False
    call: dict[str, Any] = Field(default_factory=dict)

    @property
    def price(self) -> None:
        """Pictures of this process have no price."""
        return None

    @model_validator(mode="after")
    def _previews_are_of_single_pictures(self) -> DiffusersConfig:
        if self.preview and (self.batch_size > 1 or self.workers not in ("auto", 1) or self.draft):
            raise ValueError("preview stops single pictures: it needs batch_size 1, one worker and no draft")
        if self.preview and self.preview.step >= self.steps:
            raise ValueError(f"preview.step must come before the last of {self.steps} steps")
        return self


class RemoteConfig(_Sized):
    """An image API that OpenAI's client speaks to. ``call`` goes to the API as it is."""

    kind: Literal["remote"] = "remote"
    model: str = ""  # a name the API knows
    call: dict[str, Any] = Field(default_factory=dict)
    base_url: str | None = None
    api_key_env: str = "OPENAI_API_KEY"
    seed_field: str | None = None  # what the API calls a seed; None: it takes none
    parallel: int = Field(4, ge=1, le=64)  # pictures asked for at once
    timeout_s: float = Field(180, gt=0)  # one attempt
    retries: int = Field(3, ge=0, le=20)
    price: float | None = Field(None, ge=0)  # of a picture

    @property
    def preview(self) -> None:
        """An API's pictures cannot be stopped early."""
        return None


class _Bare(Section):
    """Renderers of which nothing is known beforehand."""

    @property
    def price(self) -> None:
        return None

    @property
    def preview(self) -> None:
        return None


class PainterConfig(_Bare):
    """The code that drew the miniature's world."""

    kind: Literal["painter"] = "painter"

    @property
    def model(self) -> str:
        """It draws the miniature's world without any weights."""
        return "miniature"


class RendererPlugin(_Bare):
    """A renderer that a plug-in registers; ``settings`` are its keyword arguments."""

    kind: str
    settings: dict[str, Any] = Field(default_factory=dict)

    @property
    def model(self) -> str:
        """The kind: a plug-in's model is its own affair."""
        return self.kind


KINDS = Kinds(
    RENDERERS,
    {"diffusers": DiffusersConfig, "remote": RemoteConfig, "painter": PainterConfig},
    RendererPlugin,
    default="diffusers",
    apart=frozenset({"call", "settings"}),
)

RendererConfig = Annotated[
    Annotated[DiffusersConfig, Tag("diffusers")]
    | Annotated[RemoteConfig, Tag("remote")]
    | Annotated[PainterConfig, Tag("painter")]
    | Annotated[RendererPlugin, Tag(PLUGIN)],
    Discriminator(KINDS.tag),
    BeforeValidator(KINDS.read),
]
