"""Which device a setting means on this machine, and why a card cannot be used."""

from __future__ import annotations

import functools
import logging
import os
import re
import shutil
import subprocess
import sys

from steer.errors import UsageError

log = logging.getLogger(__name__)

SETUP = "py scripts\\setup.py" if os.name == "nt" else "scripts/setup.sh"
OLDEST_DRIVER = {13: "580", 12: "528.33" if os.name == "nt" else "525.60"}  # by the major version of CUDA


def pick_device(wanted: str) -> str:
    """The device that a setting means: "cuda", "mps" or "cpu"; "cuda" is also AMD's, with a build of torch for ROCm.

    Raises UsageError for one that this machine does not have. "auto" warns where it leaves a card unused.
    """
    import torch  # here, so that help and input errors need not wait for it

    cuda, mps = torch.cuda.is_available(), torch.backends.mps.is_available()
    if wanted == "auto":
        if not cuda and not mps and (why := unused_card()):
            _warn_once(f"the CPU is used: {why}")
        return "cuda" if cuda else "mps" if mps else "cpu"
    if wanted == "cuda" and not cuda:
        asked = "the config asks for a CUDA card, and "
        if why := unused_card():
            raise UsageError(asked + why)
        if sys.platform == "darwin":
            gpu = "mps" if mps else "cpu"
            raise UsageError(f"{asked}a Mac has none: --set renderer.device={gpu} --set reward.device={gpu}, or auto")
        raise UsageError(
            f"{asked}there is none here; to try it without: --set renderer.device=cpu --set reward.device=cpu"
        )
    if wanted == "mps" and not mps:
        raise UsageError(
            "the config asks for the GPU of a Mac (mps), and there is none that torch can use here; "
            "auto takes what there is: --set renderer.device=auto --set reward.device=auto"
        )
    return wanted


def unused_card() -> str:
    """Why torch cannot use a card that this machine has or its build is for, with the way out; "" without one."""
    import torch

    if torch.cuda.is_available():
        return ""
    driver, build = nvidia_driver(), f"torch {torch.__version__}"
    card = f"the NVIDIA card here (driver {driver})" if driver else "an NVIDIA card"
    if torch.version.hip:
        return f"{build} is a build for AMD's cards (ROCm {torch.version.hip}) and finds none" + (
            f"; for {card} run {SETUP} again" if driver else ""
        )
    cuda = torch.version.cuda
    if cuda is None:
        return f"{build} is a build without CUDA, and cannot use {card}; run {SETUP} again" if driver else ""
    if os.environ.get("CUDA_VISIBLE_DEVICES") in ("", "-1"):
        return "CUDA_VISIBLE_DEVICES hides every card; unset it"
    if not driver:
        return f"{build} is a build for CUDA {cuda} and finds no NVIDIA driver: what does nvidia-smi say?"
    oldest = OLDEST_DRIVER.get(int(cuda.partition(".")[0]), "0")
    if _numbers(driver) < _numbers(oldest):
        return (
            f"the NVIDIA driver {driver} is too old for CUDA {cuda} of {build}: update it to {oldest} or newer, "
            f"or run {SETUP} again for a build that it can use"
        )
    return f"{build} cannot start CUDA {cuda} with the NVIDIA driver {driver}: {_why_cuda_does_not_start()}"


def _why_cuda_does_not_start() -> str:
    import torch

    try:
        torch.cuda.init()
    except (RuntimeError, AssertionError) as error:
        return str(error).split(". ")[0].splitlines()[0]
    return "no reason is given"


def only_card(card: int) -> None:
    """Of the CUDA cards that this process may use, leave it one; to be called before CUDA is begun."""
    visible = os.environ.get("CUDA_VISIBLE_DEVICES")
    cards = visible.split(",") if visible else [str(card)]
    os.environ["CUDA_VISIBLE_DEVICES"] = cards[card % len(cards)]


@functools.cache
def nvidia_driver() -> str:
    """The version of this machine's NVIDIA driver, "" without one."""
    smi = shutil.which("nvidia-smi") or shutil.which("nvidia-smi", path="/usr/lib/wsl/lib")
    if smi is None:
        return ""
    ask = [smi, "--query-gpu=driver_version", "--format=csv,noheader"]
    try:
        told = subprocess.run(ask, capture_output=True, text=True, timeout=10)
    except (OSError, subprocess.TimeoutExpired):
        return ""
    found = re.match(r"\d+(\.\d+)+", told.stdout.strip()) if told.returncode == 0 else None
    return found[0] if found else ""


def _numbers(version: str) -> tuple[int, ...]:
    return tuple(int(n) for n in version.split("."))


@functools.cache
def _warn_once(message: str) -> None:
    log.warning(message)
