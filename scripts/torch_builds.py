"""Which build of torch fits a machine. Plain standard library, for scripts/setup.py."""

from __future__ import annotations

import platform
import re
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

CUDA_13 = (580,)  # the oldest driver for the package index's own build on Linux
CUDA_12 = {"Linux": (525, 60), "Windows": (528, 33)}  # and for the builds that only uv finds
OLDEST_MACOS = (14,)
SIZES_GB = {"cpu": 0.8, "mps": 0.5, "cuda": 6.0, "rocm": 16.0, "locked": 6.0}  # on disk, roughly


class Refused(Exception):
    """What stands in the way, in one line; ``code`` is the exit code."""

    def __init__(self, message: str, code: int = 2) -> None:
        super().__init__(message)
        self.code = code


@dataclass(frozen=True)
class Build:
    """A build of torch.

    ``name``: cpu, cuda, rocm, mps, or keep for the one that is there. ``backend``: uv's word for where it is; "" for
    the package index's own build, whose hashes are in the lock. ``why``: what was found on the machine. ``asked``:
    whether the person named it.
    """

    name: str
    backend: str
    why: str
    asked: bool = False

    @property
    def gb(self) -> float:
        """What it takes on disk, roughly."""
        return SIZES_GB.get(self.name, 0.0)

    def is_met_by(self, version: str, for_a_card: bool) -> bool:
        """Whether a torch will do, by its version as "2.13.0+cpu" and whether it is for cards of NVIDIA or AMD."""
        if self.asked and self.backend not in ("", "auto", "cpu"):
            return version.endswith(f"+{self.backend}")
        if self.asked and self.name == "cpu":
            return not for_a_card
        return for_a_card or self.name not in ("cuda", "rocm")


def choose(system: str, machine: str, nvidia_driver: str | None, rocm: bool, macos: str = "") -> Build:
    """The build for ``platform.system()`` and ``platform.machine()``.

    ``nvidia_driver``: as "580.65.06"; "" if nvidia-smi is here and names none; None without it. ``macos``: as "15.1".
    Raises Refused where there is no build.
    """
    if system == "Darwin" and machine != "arm64":
        raise Refused(
            "torch has had no builds for Intel Macs since 2.3. On Apple silicon this Python runs in Rosetta: "
            "set PYTHON to a Python for arm64"
        )
    if system == "Darwin" and macos and _numbers(macos) < OLDEST_MACOS:
        raise Refused(f"this torch needs macOS 14 or newer, and this is {macos}")
    if system == "Darwin":
        return Build("mps", "", "Apple silicon, where torch uses the GPU through MPS")
    if nvidia_driver and system in CUDA_12:
        driver = f"NVIDIA driver {nvidia_driver}"
        if system == "Linux" and _numbers(nvidia_driver) >= CUDA_13:
            return Build("cuda", "", f"{driver} runs CUDA 13")
        if _numbers(nvidia_driver) >= CUDA_12[system]:
            older = " runs CUDA 12, and not 13 (from 580 on)" if system == "Linux" else ""
            return Build("cuda", "auto", f"{driver}{older}; uv picks the newest build for it")
        oldest = ".".join(map(str, CUDA_12[system]))
        return _cpu(system, machine, f"{driver} is too old for CUDA 12 ({oldest}); update it and run this again")
    if rocm and (system, machine) == ("Linux", "x86_64"):
        return Build("rocm", "auto", "ROCm is installed; uv picks the build for this AMD card")
    if nvidia_driver == "":
        return _cpu(system, machine, "nvidia-smi is here but names no driver; for CUDA all the same: --torch cu130")
    return _cpu(system, machine, "no NVIDIA card and no ROCm found")


def _cpu(system: str, machine: str, why: str) -> Build:
    own = (system, machine.lower()) == ("Windows", "amd64")  # where the package index's own build has no CUDA
    return Build("cpu", "" if own else "cpu", why)


def wanted(word: str) -> Build:
    """What ``--torch WORD`` says."""
    if word == "auto":
        return choose(platform.system(), platform.machine(), nvidia_driver(), has_rocm(), platform.mac_ver()[0])
    if word in ("keep", "locked"):
        kept = word == "keep"
        return Build(word, "", "the one in .venv, as asked" if kept else "the package index's own, as asked", True)
    name = "cuda" if word.startswith("cu") else "rocm" if word.startswith("rocm") else word
    return Build(name, word, "as asked", True)


def _numbers(version: str) -> tuple[int, ...]:
    return tuple(int(n) for n in re.findall(r"\d+", version))


def nvidia_driver() -> str | None:
    """The version of the NVIDIA driver; "" if nvidia-smi is here and names none, None without it."""
    smi = shutil.which("nvidia-smi") or shutil.which("nvidia-smi", path="/usr/lib/wsl/lib")
    if smi is None:
        return None
    ask = [smi, "--query-gpu=driver_version", "--format=csv,noheader"]
    try:
        told = subprocess.run(ask, capture_output=True, text=True, timeout=30)
    except (OSError, subprocess.TimeoutExpired):
        return ""
    found = re.match(r"\d+(\.\d+)+", told.stdout.strip()) if told.returncode == 0 else None
    return found[0] if found else ""


def has_rocm() -> bool:
    """Whether AMD's ROCm is installed."""
    return bool(shutil.which("rocminfo")) or Path("/opt/rocm").is_dir()
