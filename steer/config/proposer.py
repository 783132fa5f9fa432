"""Who writes rewrites: one class of settings for each kind of proposer."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BeforeValidator, Discriminator, Field, Tag

from steer.config.address import Address
from steer.config.search import MOST_SEED
from steer.config.section import PLUGIN, Kinds, Section
from steer.config.values import Free
from steer.registry import PROPOSERS


class ProposerBase(Section):
    """What every proposer needs to know about the image model."""

    lexicon: str = "miniature"
    """Phrases that the image model understands: a file in prompts/lexicons, or a path."""
    style: Literal["sentences", "tags", "words"] = "sentences"
    """What the image model reads best: full sentences, tags, or single words."""
    seed: int | None = Field(None, ge=0, le=MOST_SEED)
    """Seed of what is written; null takes the run's. With another one, a run writes other texts for the same picture
    seeds."""


class LexicalConfig(ProposerBase):
    """The lexical search: it combines phrases of the lexicon and needs no language model."""

    kind: Literal["lexical"] = "lexical"
    """Which proposer writes the rewrites."""


class WriterConfig(ProposerBase):
    """How a language model is asked for rewrites."""

    template: str = "reflect"
    """Instructions for the model: a file in prompts/chat, or a path."""
    form: Literal["texts", "choices"] = "texts"
    """Form of an answer: free texts, or choices of phrases from the lexicon (for small models)."""
    memory: Literal["elitist", "diverse", "contrast", "exploring"] = "contrast"
    """Which earlier texts the model is shown."""
    shown: int = Field(8, ge=1, le=200)
    """How many earlier texts the model is shown."""
    profile: str = ""
    """The user's taste in words, as the model is told it; empty takes the words stored with the user."""
    share_about: bool = False
    """Tell the model the stored user's age, gender and other facts too, not only their own words."""
    most: int = Field(24, ge=1)
    """Most texts to ask for per round when a screen chooses among them."""
    turns: int = Field(3, ge=1, le=10)
    """How often to ask per round while texts are missing."""
    enough: float = Field(1.0, gt=0, le=1)
    """Share of the wanted texts that is enough to go on with."""
    parallel: int = Field(1, ge=1, le=32)
    """Questions to ask at the same time."""
    temperature: float = Field(0.9, ge=0, le=2)
    """Sampling temperature of the model."""
    max_answer_tokens: int = Field(2048, ge=16)
    """Most tokens in one answer."""
    max_calls: int | None = Field(None, ge=1)
    """Most calls to the model in one run."""
    max_tokens: int | None = Field(None, ge=1)
    """Most tokens, read and written, in one run."""
    price: tuple[float, float] | None = None
    """[prompt, completion]: price of a million tokens of each, to count what a run costs."""
    fallback: Literal["none", "lexical"] = "none"
    """What writes when the model fails: nothing, or the lexical search."""


class ChatConfig(WriterConfig):
    """A chat model behind an OpenAI-compatible endpoint."""

    kind: Literal["chat"] = "chat"
    """Which proposer writes the rewrites."""
    model: str = ""
    """Name of the model at the endpoint."""
    base_url: Address | None = None
    """Address of an OpenAI-compatible endpoint; null means OpenAI's own."""
    api_key_env: str = "OPENAI_API_KEY"
    """Environment variable that holds the API key."""
    timeout_s: float = Field(60, gt=0)
    """Seconds to wait for one attempt."""
    retries: int = Field(3, ge=0, le=20)
    """Attempts after the first one fails."""
    extra: Free = Field(default_factory=dict)
    """Further fields that every request carries unchanged."""


class LocalConfig(WriterConfig):
    """A chat model that transformers runs in this process."""

    kind: Literal["local"] = "local"
    """Which proposer writes the rewrites."""
    model: str = ""
    """A folder or a hub name of a transformers chat model."""
    revision: str | None = None
    """Branch, tag or commit of the hub model."""
    device: Literal["auto", "cpu", "cuda", "mps"] = "auto"
    """Where the model runs; auto takes a GPU if there is one."""
    timeout_s: float = Field(60, gt=0)
    """Seconds for all the questions that are asked at the same time."""


class SmolLMConfig(WriterConfig):
    """SmolLM2-135M, a small model from a Python package. Its defaults suit its size: it chooses phrases near those
    that were liked.
    """

    kind: Literal["smollm"] = "smollm"
    """Which proposer writes the rewrites."""
    template: str = "choose"
    """Instructions for the model: a file in prompts/chat, or a path."""
    form: Literal["texts", "choices"] = "choices"
    """Form of an answer: free texts, or choices of phrases from the lexicon (for small models)."""
    memory: Literal["elitist", "diverse", "contrast", "exploring"] = "elitist"
    """Which earlier texts the model is shown."""
    shown: int = Field(5, ge=1, le=200)
    """How many earlier texts the model is shown."""
    most: int = Field(12, ge=1)
    """Most texts to ask for per round when a screen chooses among them."""
    parallel: int = Field(4, ge=1, le=32)
    """Questions to ask at the same time."""
    enough: float = Field(0.5, gt=0, le=1)
    """Share of the wanted texts that is enough to go on with."""
    temperature: float = Field(1.0, ge=0, le=2)
    """Sampling temperature of the model."""
    max_answer_tokens: int = Field(300, ge=16)
    """Most tokens in one answer."""
    timeout_s: float = Field(120, gt=0)
    """Seconds to wait for one attempt."""
    retries: int = Field(3, ge=0, le=20)
    """Attempts after the first one fails."""
    extra: Free = Field(default_factory=lambda: {"repeat_penalty": 1.15})
    """Further fields that every request carries unchanged."""


class ScriptedConfig(WriterConfig):
    """A script in place of a language model, to measure a search without one."""

    kind: Literal["scripted"] = "scripted"
    """Which proposer writes the rewrites."""


class ProposerPlugin(ProposerBase):
    """A proposer from a plug-in."""

    kind: str
    """Which proposer writes the rewrites."""
    settings: Free = Field(default_factory=dict)
    """Keyword arguments of the plug-in."""


KINDS = Kinds(
    PROPOSERS,
    {
        "lexical": LexicalConfig,
        "chat": ChatConfig,
        "local": LocalConfig,
        "smollm": SmolLMConfig,
        "scripted": ScriptedConfig,
    },
    ProposerPlugin,
    default="lexical",
    apart=frozenset({"model", "extra", "settings"}),
)

ProposerConfig = Annotated[
    Annotated[LexicalConfig, Tag("lexical")]
    | Annotated[ChatConfig, Tag("chat")]
    | Annotated[LocalConfig, Tag("local")]
    | Annotated[SmolLMConfig, Tag("smollm")]
    | Annotated[ScriptedConfig, Tag("scripted")]
    | Annotated[ProposerPlugin, Tag(PLUGIN)],
    Discriminator(KINDS.tag),
    BeforeValidator(KINDS.read),
]
