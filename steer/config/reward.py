"""Which personal reward model judges: one class of settings for each kind."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BeforeValidator, Discriminator, Field, Tag, model_validator

from steer.config.address import Address
from steer.config.section import PLUGIN, Kinds, Section
from steer.config.values import Free
from steer.registry import REWARDS


class TrainedConfig(Section):
    """A reward that was trained on ratings. ``reward: NAME`` is short for it; its folder says which family it is of."""

    kind: Literal["trained"] = "trained"
    """Which kind of reward judges."""
    model: str = "miniature"
    """A reward that ships (`miniature`, `miniature/linear-hidden`, `miniature/profile-mllm`), one in outputs/rewards, a
    folder, or a hub name."""
    members: int | None = Field(None, ge=1)
    """Use only the first N members of an ensemble; null uses all."""
    enrol: Literal["fit", "neighbours"] = "fit"
    """How a PAMELA reward learns your users. fit: from their ratings, choices and profile. neighbours: as in the paper,
    the mean of the five trained people whose taste is most like theirs, from ratings alone."""
    prior: str | None = None
    """Another trained reward whose answer from a user's demographics and profile is the liking before any rating, such
    as a P-MLLM; ratings then correct it. null: the reward reads what it can of them itself."""
    device: Literal["auto", "cpu", "cuda", "mps"] = "auto"
    """Where the reward runs; auto takes a GPU if there is one."""


class PromptedConfig(Section):
    """A vision-language model that is asked how much the user would like a picture. It needs no training; the user's
    ratings correct it.
    """

    kind: Literal["prompted"] = "prompted"
    """Which kind of reward judges."""
    model: str = "Qwen/Qwen3-VL-4B-Instruct"
    """A folder or hub name of a vision-language model, or the name of a model at the server."""
    revision: str | None = None
    """Branch, tag or commit of the hub model."""
    device: Literal["auto", "cpu", "cuda", "mps"] = "auto"
    """Where the models of this process run; auto takes a GPU if there is one."""
    backend: Literal["local", "openai", "decisions", "systemone", "chat"] = "local"
    """Who answers: a model in this process, OpenAI's Decisions API, or a server at `base_url` with `/v1/decisions`,
    `/v1/systemone` or chat completions with logprobs."""
    base_url: Address | None = None
    """Address of the server, ending in /v1; null means OpenAI's own."""
    api_key_env: str = "OPENAI_API_KEY"
    """Environment variable that holds the API key."""
    size: int = Field(448, ge=32, le=2048)
    """Longest side in pixels of what the model is shown."""
    batch_size: int = Field(4, ge=1, le=256)
    """Pictures that a model in this process reads at once."""
    features: str | None = "google/siglip2-so400m-patch16-384"
    """An image-text encoder (folder or hub name): how well pictures fit the prompt, how alike texts are and, with a
    server, what the user's ratings are learned on. null does without."""
    share_about: bool = False
    """Tell the model the user's age, gender and other facts too, not only their own words."""
    orders: Literal[1, 2] = 1
    """Ask once, or also with the levels in reverse, and take the mean: twice the work against a model's habit of
    preferring a label."""
    parallel: int = Field(4, ge=1, le=64)
    """Requests to a server at the same time."""
    timeout_s: float = Field(60, gt=0)
    """Seconds to wait for one attempt."""
    retries: int = Field(3, ge=0, le=20)
    """Attempts after the first one fails."""
    price: float | None = Field(None, ge=0)
    """Price of a million input tokens, to count what a run costs."""

    @model_validator(mode="after")
    def _a_server_has_an_address(self) -> PromptedConfig:
        if self.backend in ("decisions", "systemone", "chat") and self.base_url is None:
            raise ValueError(f"the backend {self.backend} needs reward.base_url")
        return self


class RewardPlugin(Section):
    """A reward from a plug-in."""

    kind: str
    """Which kind of reward judges."""
    settings: Free = Field(default_factory=dict)
    """Keyword arguments of the plug-in."""
    device: Literal["auto", "cpu", "cuda", "mps"] = "auto"
    """Where scorers beside it run; auto takes a GPU if there is one."""

    @property
    def model(self) -> str:
        """The kind: a plug-in's model is its own affair."""
        return self.kind


KINDS = Kinds(
    REWARDS,
    {"trained": TrainedConfig, "prompted": PromptedConfig},
    RewardPlugin,
    default="trained",
    apart=frozenset({"model", "settings"}),
)


def spelled_out(value: str) -> dict[str, str]:
    """``prompted`` as ``{kind: prompted}``; any other name as that of a trained reward.

    >>> spelled_out("prompted"), spelled_out("miniature")
    ({'kind': 'prompted'}, {'kind': 'trained', 'model': 'miniature'})
    """
    return {"kind": value} if value in REWARDS else {"kind": "trained", "model": value}


RewardConfig = Annotated[
    Annotated[TrainedConfig, Tag("trained")]
    | Annotated[PromptedConfig, Tag("prompted")]
    | Annotated[RewardPlugin, Tag(PLUGIN)],
    Discriminator(KINDS.tag),
    BeforeValidator(lambda value: KINDS.read(spelled_out(value) if isinstance(value, str) else value)),
]
