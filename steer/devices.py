"""Which device a setting means on this machine."""

from __future__ import annotations

from steer.errors import UsageError


def pick_device(wanted: str) -> str:
    """The device that a setting means. Raises UsageError for one that this machine does not have."""
    import torch  # here, so that help and input errors need not wait for it

    if wanted == "auto":
        return "cuda" if torch.cuda.is_available() else "mps" if torch.backends.mps.is_available() else "cpu"
    if wanted == "cuda" and not torch.cuda.is_available():
        raise UsageError(
            "the config asks for a CUDA card, and there is none here; "
            "to try it without: --set renderer.device=cpu --set reward.device=cpu"
        )
    return wanted
