"""The reward: what is known of a person goes onto a card, and the language model answers with the picture fused in.

The person's ratings correct the answers as they do those of the prompted reward.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from PIL import Image

from reward_models.encoders.base import Encoder
from reward_models.encoders.load import load_encoder
from reward_models.encoders.vlm import load_vlm
from reward_models.folder import (
    check_encoder,
    check_text,
    number,
    read_folder,
    reading,
    relative_name,
    resolved_name,
    shown_name,
    write_folder,
)
from reward_models.profile_mllm.calibration import Calibration
from reward_models.profile_mllm.decider import FusedDecider
from reward_models.profile_mllm.eyes import Eyes
from reward_models.profile_mllm.fusion import Fusion, FusionConfig
from reward_models.prompted.reward import PromptedReward

FAMILY = "profile-mllm"


class ProfileReward(PromptedReward):
    """Everything that is known goes onto the card: the model is on this machine. See
    :class:`~reward_models.prompted.reward.PromptedReward` for the rest.
    """

    def __init__(
        self,
        decider: FusedDecider,
        encoder: Encoder | None = None,
        background: Callable[[], Sequence[Image.Image]] | None = None,
        size: int = 448,
    ):
        super().__init__(decider, encoder, share_about=True, background=background, size=size)
        self.name, self.decider = f"P-MLLM: {shown_name(decider.name)}", decider

    def save(self, folder: Path, about: Mapping[str, Any]) -> None:
        """Write what was learned; the language model, the eyes and the encoder are kept by name."""
        decider, encoder = self.decider, self.asker.encoder
        eyes, llm = decider.eyes, decider.vlm
        config = {
            "family": FAMILY,
            "llm": {
                "name": relative_name(llm.name, folder),
                "revision": llm.revision,
                "fingerprint": llm.fingerprint(),
            },
            "eyes": {"name": relative_name(eyes.name, folder), "layer": eyes.layer, "fingerprint": eyes.fingerprint()},
            "fusion": asdict(decider.fusion.config),
            "calibration": asdict(decider.calibration),
            "fidelity": relative_name(encoder.name, folder) if encoder else None,
            "size": self.asker.size,
            "batch_size": decider.batch_size,
            "about": dict(about),
        }
        weights = {name: value.half() for name, value in decider.fusion.state_dict().items()}
        write_folder(folder, config, weights)

    @classmethod
    def from_folder(cls, folder: Path, device: str = "cpu") -> ProfileReward:
        """The reward that :meth:`save` wrote. Raises RewardError where a part does not load or is another one."""
        config, weights = read_folder(folder)
        with reading(folder):
            llm, eyes = (load_part(folder, config, part, device) for part in ("llm", "eyes"))
            fusion = Fusion(llm.model, eyes.width, FusionConfig(**config["fusion"]))
            fusion.load_state_dict({k: v.float() for k, v in weights.items()})
            fusion = fusion.to(device, llm.model.dtype).eval()
            calibration = Calibration(*(tuple(config["calibration"][axis]) for axis in ("x", "y")))
            size, batch_size = int(number(config, "size")), int(number(config, "batch_size"))
            named = resolved_name(check_text(config, "fidelity"), folder) if config["fidelity"] else None
        encoder = load_encoder(named, device=device) if named else None
        return cls(FusedDecider(llm, eyes, fusion, calibration, size, max(1, batch_size)), encoder, size=size)


def load_part(folder: Path, config: Mapping[str, Any], part: str, device: str) -> Any:
    """The language model ("llm") or the eyes, which must be those of the training."""
    told = config[part]
    name = resolved_name(check_text(told, "name"), folder)
    found: Any = load_vlm(name, told["revision"], device) if part == "llm" else Eyes(name, int(told["layer"]), device)
    check_encoder(folder, check_text(told, "fingerprint"), name, found.fingerprint())
    return found
