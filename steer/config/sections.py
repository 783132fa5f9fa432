"""What can be set, by section, with its defaults and limits; checked once, then fixed."""

from __future__ import annotations

from dataclasses import replace
from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, model_validator

from steer.config.strength import STRENGTHS, Strength, StrengthName

DEFAULT = "miniature"


class _Section(BaseModel):
    # defaults are validated too: 60 and 60.0 must not make two fingerprints
    model_config = ConfigDict(extra="forbid", frozen=True, validate_default=True)


def _kind(value: Any) -> Any:
    """``renderer: painter`` is short for ``renderer: {kind: painter}``."""
    return {"kind": value} if isinstance(value, str) else value


class LoraConfig(_Section):
    """A LoRA: a safetensors file, or a hub name and a file in it."""

    path: str
    file: str | None = None
    scale: float = 1.0


class DraftConfig(_Section):
    """A cheaper picture to search with. Fewer steps keep the noise, and so mostly the picture; another size is another noise."""

    steps: int | None = Field(None, ge=1, le=200)  # None: as many as in full
    scale: float = Field(1.0, ge=0.25, le=1)  # of width and height


class PreviewConfig(_Section):
    """A look at a picture while it is made; without hope it is stopped there. See ``steer.run.early``."""

    step: int = Field(ge=2, le=199)  # after this many
    scale: float = Field(1.0, ge=0.25, le=1)  # of the preview's width and height


class RendererConfig(_Section):
    """How pictures are made: ``diffusers`` a pipeline in this process, ``remote`` an image API that OpenAI's client speaks to.

    ``call`` goes to the pipeline, or to the API, as it is.
    """

    kind: Literal["diffusers", "remote", "painter"] = "diffusers"
    model: str = "miniature"  # "miniature", a folder, a hub name, or a name the API knows
    revision: str | None = None
    device: Literal["auto", "cpu", "cuda", "mps"] = "auto"
    dtype: Literal["auto", "float32", "bfloat16", "float16"] = "auto"
    width: int = Field(128, ge=16, le=4096)
    height: int = Field(128, ge=16, le=4096)
    aspect: str | None = Field(None, pattern=r"^[1-9]\d?(\.\d+)?:[1-9]\d?(\.\d+)?$")  # "3:2", of width x height's area
    steps: int = Field(12, ge=1, le=200)
    draft: DraftConfig | None = None  # rounds are drawn so; original and leaders again in full
    preview: PreviewConfig | None = None  # stop hopeless pictures early
    batch_size: int = Field(4, ge=1, le=256)
    workers: Literal["auto"] | Annotated[int, Field(ge=1, le=64)] = (
        "auto"  # processes that render; auto: one a CUDA card
    )
    negative_prompt: str = ""
    scheduler: str | None = None  # a class of diffusers; None: the pipeline's own
    scheduler_settings: dict[str, Any] = Field(default_factory=dict)
    loras: list[LoraConfig] = Field(default_factory=list)
    variant: str | None = None  # of the weight files, for example fp16
    offload: Literal["auto", "none", "encoders", "model", "sequential"] = (
        "auto"  # parts off the card while they do not work
    )
    tiling: Literal["auto", "on", "off"] = "auto"  # pictures decoded in tiles: less memory, faint differences
    compile: bool = False  # the denoiser's blocks, in the first pictures
    quantize: Literal["none", "int8", "int8-dynamic", "fp8"] = "none"  # its matrices; int8: weights alone
    channels_last: bool = False
    fuse_projections: bool = False
    call: dict[str, Any] = Field(default_factory=dict)
    # of image APIs:
    base_url: str | None = None
    api_key_env: str = "OPENAI_API_KEY"
    seed_field: str | None = None  # what the API calls a seed; None: it takes none
    parallel: int = Field(4, ge=1, le=64)  # pictures asked for at once
    timeout_s: float = Field(180, gt=0)  # one attempt
    retries: int = Field(3, ge=0, le=20)
    price: float | None = Field(None, ge=0)  # of a picture

    @model_validator(mode="after")
    def _previews_are_of_single_pictures(self) -> RendererConfig:
        if self.preview and (self.batch_size > 1 or self.workers not in ("auto", 1) or self.draft):
            raise ValueError("preview stops single pictures: it needs batch_size 1, one worker and no draft")
        if self.preview and self.preview.step >= self.steps:
            raise ValueError(f"preview.step must come before the last of {self.steps} steps")
        return self

    @property
    def size(self) -> tuple[int, int]:
        """Width and height in pixels; of an ``aspect`` multiples of 16 of about the same area.

        >>> RendererConfig(width=1024, height=1024, aspect="3:2").size
        (1248, 832)
        """
        if self.aspect is None:
            return self.width, self.height
        wide, high = (float(v) for v in self.aspect.split(":"))
        area = self.width * self.height
        width = 16 * max(1, round((area * wide / high) ** 0.5 / 16))
        return width, 16 * max(1, round(width * high / wide / 16))


class RewardConfig(_Section):
    """Which personal reward model."""

    model: str = "miniature"  # "miniature" or a folder written by training
    members: int | None = Field(None, ge=1)  # the first so many of its members; None: all
    device: Literal["auto", "cpu", "cuda", "mps"] = "auto"


# what a model of 135 million parameters can do: choose phrases, near those that were liked
_SMOLLM = {
    "template": "choose",
    "form": "choices",
    "memory": "elitist",
    "shown": 5,
    "most": 12,
    "parallel": 4,
    "enough": 0.5,
    "temperature": 1.0,
    "max_answer_tokens": 300,
    "timeout_s": 120,
    "extra": {"repeat_penalty": 1.15},
}


class ProposerConfig(_Section):
    """Who writes rewrites. ``chat`` is an OpenAI-compatible endpoint, its key in the environment variable ``api_key_env``;
    ``local`` a chat model of transformers in this process; ``smollm`` a very small one that is installed as a package;
    ``scripted`` a script in a language model's place, for measuring a search where there is none."""

    kind: Literal["lexical", "chat", "local", "smollm", "scripted"] = "lexical"
    lexicon: str = "miniature"  # of the lexical proposer and of choices: a file in prompts/lexicons or a path
    # of chat models:
    model: str = ""  # a name the endpoint knows; of ``local`` a folder or a hub name
    revision: str | None = None  # of a hub name
    device: Literal["auto", "cpu", "cuda", "mps"] = "auto"  # of ``local``
    base_url: str | None = None
    api_key_env: str = "OPENAI_API_KEY"
    template: str = "reflect"  # a file in prompts/chat or a path
    form: Literal["texts", "choices"] = "texts"  # free texts, or phrases of the lexicon, for small models
    style: Literal["sentences", "tags", "words"] = "sentences"  # what the image model reads best
    memory: Literal["elitist", "diverse", "contrast", "exploring"] = "contrast"  # which earlier texts are shown
    shown: int = Field(8, ge=1, le=200)  # how many
    profile: str = ""  # what the user says of their taste
    most: int = Field(24, ge=1)  # texts asked for in a round when a screen chooses among them
    turns: int = Field(3, ge=1, le=10)  # times asked in a round while texts are missing
    enough: float = Field(1.0, gt=0, le=1)  # share of the texts asked for with which a round is content
    parallel: int = Field(1, ge=1, le=32)  # questions asked at once
    temperature: float = Field(0.9, ge=0, le=2)
    max_answer_tokens: int = Field(2048, ge=16)
    timeout_s: float = Field(60, gt=0)  # one attempt
    retries: int = Field(3, ge=0, le=20)
    max_calls: int | None = Field(None, ge=1)  # of a run
    max_tokens: int | None = Field(None, ge=1)
    price: tuple[float, float] | None = None  # of a million prompt and completion tokens
    fallback: Literal["none", "lexical"] = "none"
    extra: dict[str, Any] = Field(default_factory=dict)  # further fields of an endpoint's request, as they are

    @model_validator(mode="before")
    @classmethod
    def _defaults_of_its_kind(cls, values: Any) -> Any:
        return {**_SMOLLM, **values} if isinstance(values, dict) and values.get("kind") == "smollm" else values


class SearchConfig(_Section):
    """How a budget is spent; see ``steer.search.search``."""

    budget: int = Field(48, ge=1, le=100_000)  # pictures
    rewrite: bool = True  # False: the best of the budget's pictures of the unchanged prompt
    strength: StrengthName = "free"  # how far rewrites may leave the prompt
    seeds: int = Field(4, ge=1, le=64)  # on which original and leaders are compared in the end, given the budget
    original_seeds: int = Field(2, ge=1, le=64)  # pictures of the original at first
    draft_seeds: int = Field(1, ge=1, le=64)  # pictures of a rewrite at first
    second_looks: int = Field(2, ge=0)  # earlier rewrites a round that get one picture more
    rewrites: int = Field(6, ge=1, le=200)  # new ones a round
    screen: int = Field(1, ge=1, le=1000)  # texts ranked for each one rendered; 1: none is screened
    ahead: bool | None = None  # write the next texts while these are rendered; None: where a chat model writes
    confirm: int = Field(2, ge=0, le=50)  # leaders rendered on the remaining seeds
    patience: int = Field(6, ge=1)  # rounds without a better rewrite
    learn: bool = False  # ratings given on the page while the run goes on change what it looks for
    held_out: str | None = None  # a reward by folder that does not steer: rounds end where it no longer agrees
    target: float | None = None  # mean objective at which to stop
    time_limit_s: float | None = Field(None, gt=0)
    min_kept: float | None = Field(None, ge=0, le=1)  # share of the prompt's words a rewrite keeps; None: by strength
    min_likeness: float | None = Field(None, ge=0, le=1)  # of a rewrite to the prompt, likewise

    @property
    def limits(self) -> Strength:
        """The strength, with what was set by hand."""
        own = STRENGTHS[self.strength]
        return replace(
            own,
            min_kept=own.min_kept if self.min_kept is None else self.min_kept,
            min_likeness=own.min_likeness if self.min_likeness is None else self.min_likeness,
        )


class ScorerConfig(_Section):
    """A further judge of pictures and how its raw scores come to [0, 1]; see ``reward_models.scorers.scales``.

    ``linear: [low, high]`` or ``gaussian: [mean, std]`` of reference pictures; ``settings`` go to the scorer as they are.
    """

    kind: str = "classifier"
    settings: dict[str, Any] = Field(default_factory=dict)
    linear: tuple[float, float] | None = None
    gaussian: tuple[float, float] | None = None

    @model_validator(mode="after")
    def _one_scale(self) -> ScorerConfig:
        if (self.linear is None) == (self.gaussian is None):
            raise ValueError("give either linear: [low, high] or gaussian: [mean, std], so that its scale is known")
        return self


class ObjectiveConfig(_Section):
    """mix - caution * uncertainty - weight * max(0, floor - fidelity), floor = share of the original's fidelity.

    The mix is the mean of personal, population, fidelity and ``scorers`` by ``weights``; a scorer without a weight
    is only recorded.
    """

    weights: dict[str, float] = {"personal": 1.0}
    scorers: dict[str, ScorerConfig] = Field(default_factory=dict)
    together: Literal["mean", "worst"] = "mean"  # of several users: their mean liking, or the least
    caution: float = Field(0.0, ge=0, le=10)  # standard deviations of the personal reward below which it is taken
    fidelity_floor: float | None = Field(None, ge=0, le=1)  # None: by search.strength
    fidelity_weight: float = Field(1.0, ge=0)

    @model_validator(mode="after")
    def _weights_have_components(self) -> ObjectiveConfig:
        known = ["personal", "population", "fidelity", *self.scorers]
        for name in self.weights:
            if name not in known:
                raise ValueError(f"weights: there is no component '{name}'; known: {', '.join(known)}")
        if not any(self.weights.values()):
            raise ValueError("weights: all are 0; nothing is steered for")
        return self


class SteerConfig(_Section):
    """Everything that a run depends on besides prompt, user and seed."""

    name: str = DEFAULT
    about: str = ""
    renderer: Annotated[RendererConfig, BeforeValidator(_kind)] = RendererConfig()
    reward: Annotated[RewardConfig, BeforeValidator(lambda v: {"model": v} if isinstance(v, str) else v)] = RewardConfig()
    proposer: Annotated[ProposerConfig, BeforeValidator(_kind)] = ProposerConfig()
    search: SearchConfig = SearchConfig()
    objective: ObjectiveConfig = ObjectiveConfig()
