"""Which device a setting means on this machine."""

from __future__ import annotations

from steer.errors import SteerError


def pick_device(wanted: str) -> str:
    """The device for a setting; SteerError when one is asked for that is not there."""
    import torch  # here, so that help and input errors need not wait for it

    if wanted == "auto":
        return "cuda" if torch.cuda.is_available() else "mps" if torch.backends.mps.is_available() else "cpu"
    if wanted == "cuda" and not torch.cuda.is_available():
        raise SteerError(
            "device 'cuda' is asked for but there is no CUDA card; set renderer.device and reward.device to cpu"
        )
    return wanted
