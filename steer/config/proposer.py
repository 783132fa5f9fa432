"""Who writes rewrites: one class of settings for each kind of proposer."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Discriminator, Field, Tag

from steer.config.section import PLUGIN, Kinds, Section
from steer.registry import PROPOSERS


class ProposerBase(Section):
    """What a preset says about its image model, whoever writes for it."""

    lexicon: str = "miniature"  # phrases that the image model understands: a file in prompts/lexicons or a path
    style: Literal["sentences", "tags", "words"] = "sentences"  # what the image model reads best


class LexicalConfig(ProposerBase):
    """The lexical search, which needs no language model."""

    kind: Literal["lexical"] = "lexical"


class WriterConfig(ProposerBase):
    """How a language model is asked for rewrites."""

    template: str = "reflect"  # a file in prompts/chat or a path
    form: Literal["texts", "choices"] = "texts"  # free texts, or phrases of the lexicon, for small models
    memory: Literal["elitist", "diverse", "contrast", "exploring"] = "contrast"  # which earlier texts are shown
    shown: int = Field(8, ge=1, le=200)  # how many
    profile: str = ""  # what the user says of their taste
    most: int = Field(24, ge=1)  # texts asked for in a round when a screen chooses among them
    turns: int = Field(3, ge=1, le=10)  # times asked in a round while texts are missing
    enough: float = Field(1.0, gt=0, le=1)  # share of the texts asked for with which a round is content
    parallel: int = Field(1, ge=1, le=32)  # questions asked at once
    temperature: float = Field(0.9, ge=0, le=2)
    max_answer_tokens: int = Field(2048, ge=16)
    max_calls: int | None = Field(None, ge=1)  # of a run
    max_tokens: int | None = Field(None, ge=1)
    price: tuple[float, float] | None = None  # of a million prompt and completion tokens
    fallback: Literal["none", "lexical"] = "none"


class ChatConfig(WriterConfig):
    """An OpenAI-compatible endpoint, its key in the environment variable ``api_key_env``."""

    kind: Literal["chat"] = "chat"
    model: str = ""  # a name the endpoint knows
    base_url: str | None = None
    api_key_env: str = "OPENAI_API_KEY"
    timeout_s: float = Field(60, gt=0)  # one attempt
    retries: int = Field(3, ge=0, le=20)
    extra: dict[str, Any] = Field(default_factory=dict)  # further fields of every request, as they are


class LocalConfig(WriterConfig):
    """A chat model of transformers in this process."""

    kind: Literal["local"] = "local"
    model: str = ""  # a folder or a hub name
    revision: str | None = None  # of a hub name
    device: Literal["auto", "cpu", "cuda", "mps"] = "auto"
    timeout_s: float = Field(60, gt=0)  # all questions that are asked at once


class SmolLMConfig(WriterConfig):
    """SmolLM2-135M, a package. The defaults are what a model of its size can do: choose phrases, near those that
    were liked.
    """

    kind: Literal["smollm"] = "smollm"
    template: str = "choose"
    form: Literal["texts", "choices"] = "choices"
    memory: Literal["elitist", "diverse", "contrast", "exploring"] = "elitist"
    shown: int = Field(5, ge=1, le=200)
    most: int = Field(12, ge=1)
    parallel: int = Field(4, ge=1, le=32)
    enough: float = Field(0.5, gt=0, le=1)
    temperature: float = Field(1.0, ge=0, le=2)
    max_answer_tokens: int = Field(300, ge=16)
    timeout_s: float = Field(120, gt=0)  # one attempt
    retries: int = Field(3, ge=0, le=20)
    extra: dict[str, Any] = Field(default_factory=lambda: {"repeat_penalty": 1.15})


class ScriptedConfig(WriterConfig):
    """A script in a language model's place, for measuring a search where there is none."""

    kind: Literal["scripted"] = "scripted"


class ProposerPlugin(ProposerBase):
    """A proposer that a plug-in registers; ``settings`` are its keyword arguments."""

    kind: str
    settings: dict[str, Any] = Field(default_factory=dict)


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
    apart=frozenset({"settings"}),
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
