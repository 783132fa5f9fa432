"""How pictures are made: one class of settings for each kind of renderer."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BeforeValidator, Discriminator, Field, Tag, model_validator

from steer.config.address import Address
from steer.config.section import PLUGIN, Kinds, Section
from steer.config.values import Free
from steer.registry import RENDERERS


class LoraConfig(Section):
    """A LoRA to load into the pipeline."""

    path: str
    """A safetensors file, or a hub name."""
    file: str | None = None
    """File within the hub repository."""
    scale: float = 1.0
    """Strength of the LoRA."""


CacheKind = Literal["none", "text-kv", "first-block", "sea", "taylorseer", "mag"]
LIMITS = {"first-block": 0.1, "sea": 0.15, "mag": 0.1}  # thresholds where none is set
USED_BY = {  # which caches read a setting
    "threshold": ("first-block", "sea", "mag"),
    "in_a_row": ("sea", "taylorseer", "mag"),
    "first": ("sea", "taylorseer", "mag"),
    "last": ("sea", "taylorseer"),
    "order": ("sea", "taylorseer"),
    "ratios": ("mag",),
}


class CacheSettings(Section):
    """How much a cache may skip."""

    threshold: float | None = Field(None, gt=0, le=10)
    """How much may change before all blocks are computed again; null: 0.1, for sea 0.15."""
    in_a_row: int = Field(2, ge=1, le=20)
    """Steps that may be skipped one after another (sea, taylorseer, mag)."""
    first: int = Field(3, ge=1, le=100)
    """Steps that are computed at the beginning (sea, taylorseer, mag)."""
    last: int = Field(1, ge=0, le=100)
    """Steps that are computed at the end (sea, taylorseer)."""
    order: int = Field(1, ge=0, le=3)
    """How a skipped step is guessed (taylorseer; sea up to 1): 0 repeats the last result, 1 continues its line, 2 and
    3 its curve."""
    ratios: list[float] = Field(default_factory=list)
    """How the residual grows from step to step (mag); none: measured on one picture."""

    def limit(self, kind: CacheKind) -> float:
        """The threshold of this kind of cache."""
        return self.threshold or LIMITS[kind]


def _fits(kind: CacheKind, settings: CacheSettings, where: str) -> None:
    """Raises ValueError for settings that the cache does not read."""
    for name in sorted(settings.model_fields_set):
        if getattr(settings, name) != CacheSettings.model_fields[name].get_default(call_default_factory=True) and (
            kind not in USED_BY[name]
        ):
            raise ValueError(f"{where}cache_settings.{name} is for {' and '.join(USED_BY[name])}, not for {kind}")
    if kind == "sea" and settings.order > 1:
        raise ValueError(f"{where}cache_settings.order of sea is 0 or 1")


class DraftConfig(Section):
    """A cheaper picture to search with. Fewer steps keep the noise and so most of the picture; another size starts
    from other noise.
    """

    steps: int | None = Field(None, ge=1, le=200)
    """Denoising steps of a draft; null means as many as in full."""
    cache: CacheKind | None = None
    """Cache of a draft; null means the one of the full picture."""
    cache_settings: CacheSettings = CacheSettings()
    """How much that cache may skip."""
    decoder: str | None = None
    """A small decoder for drafts, such as madebyollin/taef1: a folder or hub name of an AutoencoderTiny."""
    scale: float = Field(1.0, ge=0.25, le=1)
    """Width and height of a draft, as a share of the full size."""


class PreviewConfig(Section):
    """Look at a picture while it is made, and stop it if it is hopeless. See ``steer.run.early``."""

    step: int = Field(ge=2, le=199)
    """Look at the picture after this many steps."""
    scale: float = Field(1.0, ge=0.25, le=1)
    """Width and height of the preview, as a share of the full size."""
    decoder: str | None = None
    """A small decoder for previews, such as madebyollin/taef1: a folder or hub name of an AutoencoderTiny."""


class ContextParallel(Section):
    """Several cards draw one picture together. See ``steer.renderers.together``."""

    kind: Literal["ulysses", "ring"] = "ulysses"
    """How attention is shared: ulysses by heads; ring passes keys around, for a `renderer.attention` that can."""
    degree: int = Field(2, ge=2, le=64)
    """Cards that draw together."""


class _Sized(Section):
    """Renderers whose pictures can have any size."""

    width: int = Field(128, ge=16, le=4096)
    """Width in pixels."""
    height: int = Field(128, ge=16, le=4096)
    """Height in pixels."""
    aspect: str | None = Field(None, pattern=r"^[1-9]\d?(\.\d+)?:[1-9]\d?(\.\d+)?$")
    """Aspect ratio such as 3:2, keeping the area of width x height."""

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
    """A text-to-image pipeline of diffusers in this process."""

    kind: Literal["diffusers"] = "diffusers"
    """Which renderer draws the pictures."""
    model: str = "miniature"
    """`miniature`, a folder, or a hub name of a diffusers pipeline."""
    revision: str | None = None
    """Branch, tag or commit of the hub model."""
    device: Literal["auto", "cpu", "cuda", "mps"] = "auto"
    """Where the pipeline runs; auto takes a GPU if there is one."""
    dtype: Literal["auto", "float32", "bfloat16", "float16"] = "auto"
    """Number format of the weights."""
    steps: int = Field(12, ge=1, le=200)
    """Denoising steps."""
    draft: DraftConfig | None = None
    """Search with cheaper pictures; the original and the leaders are rendered again in full."""
    preview: PreviewConfig | None = None
    """Look at each picture while it is made and stop the hopeless ones."""
    batch_size: int = Field(4, ge=1, le=256)
    """Pictures rendered together."""
    workers: Literal["auto"] | Annotated[int, Field(ge=1, le=64)] = "auto"
    """Processes that render; auto takes one per CUDA card."""
    context_parallel: ContextParallel | None = None
    """Draw each picture on several cards together."""
    negative_prompt: str = ""
    """What the pictures should not show."""
    scheduler: str | None = None
    """Class name of a diffusers scheduler; null keeps the pipeline's own."""
    scheduler_settings: Free = Field(default_factory=dict)
    """Settings of that scheduler."""
    loras: list[LoraConfig] = Field(default_factory=list)
    """LoRAs to load."""
    variant: str | None = None
    """Variant of the weight files, for example fp16."""
    offload: Literal["auto", "none", "encoders", "model", "group"] = "auto"
    """What leaves the GPU while it is idle, to save memory; group moves layer by layer."""
    tiling: Literal["auto", "on", "off"] = "auto"
    """Decode pictures in tiles: less memory, faint differences."""
    compile: bool = False
    """Compile the denoiser's blocks; the first pictures take longer."""
    quantize: Literal["auto", "none", "int8", "int8-dynamic", "fp8", "fp8-cast"] = "auto"
    """Quantize the denoiser's weights (int8-dynamic and fp8: its activations too; fp8-cast keeps them in eight bits and
    computes in sixteen, without a package); auto: on a GPU that is too small."""
    quantize_text: Literal["auto", "none", "int8"] = "auto"
    """Quantize the text encoders' weights; auto: on a GPU that is too small."""
    channels_last: bool = False
    """Use the channels-last memory layout."""
    fuse_projections: bool = False
    """Fuse the attention projections."""
    attention: str | None = None
    """Attention backend by diffusers' name, such as flash, sage or _native_cudnn; null keeps PyTorch's own."""
    cache: CacheKind = "none"
    """Use the denoiser's results of earlier steps again; text-kv is exact, the others change pictures."""
    cache_settings: CacheSettings = CacheSettings()
    """How much the cache may skip."""
    call: Free = Field(default_factory=dict)
    """Further arguments of the pipeline's call, passed on unchanged."""

    @property
    def price(self) -> None:
        """Pictures of this process have no price."""
        return None

    @model_validator(mode="after")
    def _previews_are_of_single_pictures(self) -> DiffusersConfig:
        if self.preview and (self.batch_size > 1 or self.workers not in ("auto", 1) or self.draft):
            raise ValueError("a preview needs batch_size 1, one worker and no draft")
        if self.preview and self.preview.step >= self.steps:
            raise ValueError(f"preview.step must come before the last of {self.steps} steps")
        return self

    @model_validator(mode="after")
    def _cards_can_draw_together(self) -> DiffusersConfig:
        if self.context_parallel is None:
            return self
        if self.workers not in ("auto", 1):
            raise ValueError("context_parallel has all cards draw one picture, workers one each: set only one of them")
        if self.preview:
            raise ValueError("context_parallel goes with no preview")
        if self.device == "mps":
            raise ValueError("context_parallel is for CUDA cards, not for mps")
        if self.offload in ("model", "group"):
            raise ValueError(f"context_parallel goes with no offload={self.offload}: each card holds the denoiser")
        if self.context_parallel.kind == "ring" and self.attention in (None, "native"):
            raise ValueError(
                "context_parallel.kind=ring needs attention=_native_cudnn, flash or another that tells "
                "its sums; PyTorch's own does not, and ulysses needs none"
            )
        for kind in (self.cache, self.draft.cache if self.draft else None):
            if kind in ("first-block", "sea", "text-kv"):
                raise ValueError(
                    f"context_parallel goes with no cache={kind}: each card would skip by what it sees; "
                    "use taylorseer or mag"
                )
        return self

    @model_validator(mode="after")
    def _caches_read_their_settings(self) -> DiffusersConfig:
        _fits(self.cache, self.cache_settings, "")
        if self.draft:
            _fits(self.draft.cache or "none", self.draft.cache_settings, "draft.")
        return self


class RemoteConfig(_Sized):
    """An image API or a rendering engine, or several engines that share the work."""

    kind: Literal["remote"] = "remote"
    """Which renderer draws the pictures."""
    model: str = ""
    """Name of the model at the API."""
    width: int = Field(1024, ge=16, le=4096)
    """Width in pixels."""
    height: int = Field(1024, ge=16, le=4096)
    """Height in pixels."""
    call: Free = Field(default_factory=dict)
    """Further arguments of the API's call, passed on unchanged."""
    dialect: Literal["openai", "sglang", "vllm-omni", "sd.cpp", "comfyui"] = "openai"
    """What the server speaks; openai is OpenAI's images API and what else resembles it."""
    base_url: Address | None = None
    """Address of the server; null means OpenAI's own."""
    base_urls: list[Address] = Field(default_factory=list, max_length=256)
    """Addresses of engines that draw alike, one a card, in place of base_url; pictures go to whichever is free."""
    steps: int | None = Field(None, ge=1, le=200)
    """Denoising steps; null means the engine's own."""
    guidance: float | None = Field(None, ge=0, le=100)
    """Guidance scale; null means the engine's own."""
    negative_prompt: str = ""
    """What the pictures should not show."""
    workflow: str | None = None
    """File of a ComfyUI workflow in API format with placeholders; null means a plain one for a checkpoint."""
    hedge: float | None = Field(3.0, ge=1.5)
    """Ask a second, idle engine when a picture takes so many times the usual; null means never."""
    check_every: int | None = Field(256, ge=1)
    """Have all engines draw one picture at first and after so many, to find those that draw another; null: never."""
    api_key_env: str = "OPENAI_API_KEY"
    """Environment variable that holds the API key."""
    seed_field: str | None = None
    """Name of the API's field for a seed, for openai; the other dialects have their own. null means it has none."""
    parallel: int = Field(4, ge=1, le=64)
    """Pictures to request at the same time, of each engine."""
    timeout_s: float = Field(180, gt=0)
    """Seconds to wait for one attempt."""
    retries: int = Field(3, ge=0, le=20)
    """Attempts after the first one fails."""
    price: float | None = Field(None, ge=0)
    """Price of a picture, to count what a run costs."""

    @property
    def preview(self) -> None:
        """An API's pictures cannot be stopped early."""
        return None

    @property
    def servers(self) -> list[str | None]:
        """Addresses of all engines; [None] for OpenAI's own."""
        return list(self.base_urls) or [self.base_url]

    @model_validator(mode="after")
    def _addresses_are_named_once(self) -> RemoteConfig:
        if self.base_url and self.base_urls:
            raise ValueError("give base_url or base_urls, not both")
        if len(set(self.base_urls)) < len(self.base_urls):
            raise ValueError("an address is twice in base_urls")
        return self


class _Bare(Section):
    """Renderers of which nothing is known beforehand."""

    @property
    def price(self) -> None:
        return None

    @property
    def preview(self) -> None:
        return None


class PainterConfig(_Bare):
    """The code that draws the miniature's world without a model."""

    kind: Literal["painter"] = "painter"
    """Which renderer draws the pictures."""

    @property
    def model(self) -> str:
        """It draws the miniature's world without any weights."""
        return "miniature"


class RendererPlugin(_Bare):
    """A renderer from a plug-in."""

    kind: str
    """Which renderer draws the pictures."""
    settings: Free = Field(default_factory=dict)
    """Keyword arguments of the plug-in."""

    @property
    def model(self) -> str:
        """The kind: a plug-in's model is its own affair."""
        return self.kind


KINDS = Kinds(
    RENDERERS,
    {"diffusers": DiffusersConfig, "remote": RemoteConfig, "painter": PainterConfig},
    RendererPlugin,
    default="diffusers",
    apart=frozenset({"model", "call", "settings", "steps", "negative_prompt"}),
)

RendererConfig = Annotated[
    Annotated[DiffusersConfig, Tag("diffusers")]
    | Annotated[RemoteConfig, Tag("remote")]
    | Annotated[PainterConfig, Tag("painter")]
    | Annotated[RendererPlugin, Tag(PLUGIN)],
    Discriminator(KINDS.tag),
    BeforeValidator(KINDS.read),
]
