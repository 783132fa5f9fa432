"""Who says what to change in the leading picture: one class of settings for each kind of critic."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BeforeValidator, Discriminator, Field, Tag, model_validator

from steer.config.address import Address
from steer.config.section import PLUGIN, Kinds, Section
from steer.config.values import Free
from steer.registry import CRITICS


class NoCriticConfig(Section):
    """Nobody criticises the pictures."""

    kind: Literal["none"] = "none"
    """Which critic speaks after each round."""


class RewardCriticConfig(Section):
    """The reward's own critic, where it has one: Linear-Hidden names the attributes that take from the liking."""

    kind: Literal["reward"] = "reward"
    """Which critic speaks after each round."""
    weight: float = Field(0, ge=0, le=10)
    """How far the lexical search heeds the critic: a phrase that is wished for counts as liked in so many pictures.
    0: only chat models hear the critic."""


class VlmCriticConfig(Section):
    """A vision-language model that looks at the leading picture. It needs no training."""

    kind: Literal["vlm"] = "vlm"
    """Which critic speaks after each round."""
    personal: bool = True
    """Tell the model about the user: their own words, and up to six pictures they rated, where small copies are kept.
    false: the same critic for everybody."""
    share_about: bool = False
    """Tell the model the user's age, gender and other facts too, not only their own words."""
    weight: float = Field(0.5, ge=0, le=10)
    """How far the lexical search heeds the critic: a phrase that is wished for counts as liked in so many pictures.
    0: only chat models hear the critic."""
    model: str | None = None
    """A folder or hub name of a vision-language model, or the name of a model at the server. null: the model of the
    prompted reward or of the local proposer, with its server or device."""
    revision: str | None = None
    """Branch, tag or commit of the hub model."""
    device: Literal["auto", "cpu", "cuda", "mps"] = "auto"
    """Where the model runs; auto takes a GPU if there is one."""
    backend: Literal["local", "chat"] = "local"
    """Who answers: a model in this process, or an OpenAI-compatible endpoint."""
    base_url: Address | None = None
    """Address of the endpoint, ending in /v1; null means OpenAI's own."""
    api_key_env: str = "OPENAI_API_KEY"
    """Environment variable that holds the API key."""
    size: int = Field(448, ge=32, le=2048)
    """Longest side in pixels of what the model is shown."""
    max_answer_tokens: int = Field(300, ge=16, le=10_000)
    """Most tokens in one answer."""
    timeout_s: float = Field(60, gt=0)
    """Seconds to wait for one attempt."""
    retries: int = Field(1, ge=0, le=20)
    """Attempts after the first one fails."""
    max_calls: int | None = Field(None, ge=1)
    """Most calls to the model in one run."""
    max_tokens: int | None = Field(None, ge=1)
    """Most tokens, read and written, in one run."""
    price: tuple[float, float] | None = None
    """[prompt, completion]: price of a million tokens of each, to count what a run costs."""
    extra: Free = Field(default_factory=dict)
    """Further fields that every request carries unchanged."""

    @model_validator(mode="after")
    def _an_address_is_of_a_server(self) -> VlmCriticConfig:
        if self.base_url is not None and self.backend != "chat":
            raise ValueError("base_url: only the backend chat asks a server; add critic.backend=chat")
        if self.backend == "chat" and self.model is None:
            raise ValueError("model: the backend chat needs the name of a model; add critic.model=NAME")
        return self


class CalmCriticConfig(Section):
    """A trained CALM model that looks at the leading picture and writes what it would change."""

    kind: Literal["calm"] = "calm"
    """Which critic speaks after each round."""
    personal: bool = True
    """Show the model five pictures the user rated, where small copies of so many are kept. false: the same critic for
    everybody."""
    weight: float = Field(0.5, ge=0, le=10)
    """How far the lexical search heeds the critic: a phrase that is wished for counts as liked in so many pictures.
    0: only chat models hear the critic."""
    model: str | None = None
    """A reward of the family calm: one in outputs/rewards, a folder, or a hub name. null: the run's reward."""
    device: Literal["auto", "cpu", "cuda", "mps"] = "auto"
    """Where a model that is named runs; auto takes a GPU if there is one."""
    max_answer_tokens: int = Field(120, ge=16, le=10_000)
    """Most tokens in one answer."""
    max_calls: int | None = Field(None, ge=1)
    """Most answers in one run."""


class CriticPlugin(Section):
    """A critic from a plug-in."""

    kind: str
    """Which critic speaks after each round."""
    settings: Free = Field(default_factory=dict)
    """Keyword arguments of the plug-in."""


KINDS = Kinds(
    CRITICS,
    {"none": NoCriticConfig, "reward": RewardCriticConfig, "vlm": VlmCriticConfig, "calm": CalmCriticConfig},
    CriticPlugin,
    default="reward",
    apart=frozenset({"weight", "settings"}),
)

CriticConfig = Annotated[
    Annotated[NoCriticConfig, Tag("none")]
    | Annotated[RewardCriticConfig, Tag("reward")]
    | Annotated[VlmCriticConfig, Tag("vlm")]
    | Annotated[CalmCriticConfig, Tag("calm")]
    | Annotated[CriticPlugin, Tag(PLUGIN)],
    Discriminator(KINDS.tag),
    BeforeValidator(KINDS.read),
]
