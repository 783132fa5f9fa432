"""A vision-language model of transformers, loaded once in a process: the reward that asks it, the proposer that lets it
write and a critic share it.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from threading import RLock
from typing import Any, TypeVar
from weakref import WeakValueDictionary

from transformers import AutoConfig, AutoModelForCausalLM, AutoModelForImageTextToText, AutoProcessor, AutoTokenizer
from transformers.models.auto.modeling_auto import MODEL_FOR_IMAGE_TEXT_TO_TEXT_MAPPING, AutoModelForDecision
from transformers.models.auto.processing_auto import PROCESSOR_MAPPING

from reward_models.base import RewardError
from reward_models.encoders.base import first_line, precision_for
from reward_models.encoders.identity import checkpoint_files, digest_of, remembered_hash
from reward_models.encoders.pixels import load_image_processor, pixel_facts
from reward_models.residency import Guest, settled
from reward_models.trusted import load

T = TypeVar("T")
WORK = 2.0  # GiB beside the weights, to read some pictures or to write


@dataclass(eq=False)
class Vlm:
    """``model`` in fp32 on the CPU, bf16 elsewhere; ``processor`` reads text and pictures together, and is the
    tokenizer alone for a model that does not see (``sees``). ``decides``: it has a head of its own for typed questions.
    """

    name: str
    model: Any
    processor: Any
    device: str
    sees: bool
    decides: bool = False
    _alone: RLock = field(default_factory=RLock, repr=False)
    asked_revision: str | None = None
    _hash: str = ""

    def __post_init__(self) -> None:
        model = self.model
        self._guest = Guest(f"the model '{self.name}'", self.device, lambda: [model], WORK)

    def run(self, work: Callable[[], T]) -> T:
        """``work`` with the model on its device, for one caller at a time."""
        with self._alone:
            return self._guest.run(work)

    @property
    def tokenizer(self) -> Any:
        """Of the processor, or the processor itself."""
        return self.processor.tokenizer if self.sees else self.processor

    @property
    def revision(self) -> str | None:
        """The commit of a hub model."""
        commit: str | None = getattr(self.model.config, "_commit_hash", None)  # transformers sets it for hub models
        return commit

    def fingerprint(self) -> str:
        """Of the weights, the same in bf16 and fp32, and of how pixels are made."""
        if not self._hash:
            weights = remembered_hash(self.model, checkpoint_files(self.name, self.revision or self.asked_revision))
            self._hash = digest_of(weights, *([pixel_facts(self.processor.image_processor)] if self.sees else []))
        return self._hash


_LOADED: WeakValueDictionary[tuple[str, str | None, str], Vlm] = WeakValueDictionary()
_LOADING = RLock()


def load_vlm(name: str | Path, revision: str | None = None, device: str = "cpu") -> Vlm:
    """The model ``name``, a folder or a hub name; the one that is loaded already where somebody still uses it.

    Only safetensors are read, and no code of the model's runs. Raises RewardError where it does not load.
    """
    key = str(name), revision, device
    with _LOADING:
        found = _LOADED.get(key)
        if found is None:
            found = _LOADED[key] = load_apart(str(name), revision, device)
    return found


def load_apart(name: str, revision: str | None = None, device: str = "cpu") -> Vlm:
    """As :func:`load_vlm`, but a model of the caller's own, whose weights may be changed."""
    told: dict[str, Any] = {"revision": revision, "trust_remote_code": False}
    try:
        config = load(AutoConfig, name, **told)
        own_head = any("ForDecision" in kind for kind in config.architectures or ())
        sees = own_head or type(config) in MODEL_FOR_IMAGE_TEXT_TO_TEXT_MAPPING
        processor = load_processor(name, config, told) if sees else load(AutoTokenizer, name, **told)
        kind = AutoModelForDecision if own_head else AutoModelForImageTextToText if sees else AutoModelForCausalLM
        model = load(kind, name, use_safetensors=True, dtype=precision_for(device), **told)
    except (OSError, ValueError, KeyError, ImportError) as error:
        raise RewardError(f"cannot load the model '{name}': {first_line(error)}") from error
    return Vlm(name, settled(model, device), processor, device, bool(sees), own_head, asked_revision=revision)


def load_processor(name: str, config: Any, told: dict[str, Any]) -> Any:
    """The processor of a model. Without torchvision, transformers has no way to read videos, and for some models then
    no processor; theirs is put together from its other parts.
    """
    pictures = load_image_processor(name, told.get("revision"))
    try:
        found = load(AutoProcessor, name, **told)
        found.image_processor = pictures
        return found
    except ImportError:
        if type(config) not in PROCESSOR_MAPPING:
            raise
    kind: Any = PROCESSOR_MAPPING[type(config)]
    settings, _ = kind.get_processor_dict(name, **told)
    taken = inspect.signature(kind.__init__).parameters
    settings = {k: v for k, v in settings.items() if k in taken and not isinstance(v, dict)}
    tokenizer = load(AutoTokenizer, name, **told)
    settings.setdefault("chat_template", tokenizer.chat_template)
    parts = {"image_processor": pictures, "tokenizer": tokenizer}

    class WithoutVideo(kind):
        def check_argument_for_proper_class(self, argument_name: str, argument: Any) -> Any:
            return None if argument is None else super().check_argument_for_proper_class(argument_name, argument)

    WithoutVideo.__name__ = kind.__name__
    return WithoutVideo(**parts, video_processor=None, **settings)
