"""Which device is taken, what is said of a card that cannot be used, and what counts as too little memory."""

from __future__ import annotations

import pytest
import torch

from reward_models.residency import out_of_memory
from steer import devices
from steer.devices import nvidia_driver, pick_device
from steer.errors import UsageError
from steer.models import this_machine

NVIDIA_SMI = '#!/bin/sh\ncase "$*" in *driver_version*) echo {0}; echo {0} ;; *) exit 1 ;; esac\n'


@pytest.fixture
def machine(monkeypatch, tmp_path):
    """Makes this process look like one with a build of torch, a driver and a platform."""
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)

    def make(version="2.13.0+cpu", cuda=None, hip=None, driver=None, usable=False, mps=False, platform="linux"):
        monkeypatch.setattr(torch, "__version__", version)
        monkeypatch.setattr(torch.version, "cuda", cuda)
        monkeypatch.setattr(torch.version, "hip", hip)
        monkeypatch.setattr(torch.cuda, "is_available", lambda: usable)
        monkeypatch.setattr(torch.backends.mps, "is_available", lambda: mps)
        monkeypatch.setattr("sys.platform", platform)
        if driver is not None:
            program = tmp_path / "nvidia-smi"
            program.write_text(NVIDIA_SMI.format(driver))
            program.chmod(0o755)
        monkeypatch.setenv("PATH", f"{tmp_path}:/bin:/usr/bin" if driver is not None else str(tmp_path))
        nvidia_driver.cache_clear()
        devices._warn_once.cache_clear()

    yield make
    nvidia_driver.cache_clear()


CASES = {
    "a CPU build beside a card": (
        {"driver": "550.54.14"},
        r"torch 2\.13\.0\+cpu is a build without CUDA, .*driver 550\.54\.14\); run scripts/setup\.sh again",
    ),
    "a driver that is too old": (
        {"version": "2.13.0+cu130", "cuda": "13.0", "driver": "525.60.13"},
        r"the NVIDIA driver 525\.60\.13 is too old for CUDA 13\.0 of torch 2\.13\.0\+cu130: update it to 580 or",
    ),
    "no driver": (
        {"version": "2.13.0+cu130", "cuda": "13.0"},
        r"torch 2\.13\.0\+cu130 is a build for CUDA 13\.0 and finds no NVIDIA driver",
    ),
    "a driver that does not answer": (
        {"version": "2.13.0+cu130", "cuda": "13.0", "driver": ""},
        r"finds no NVIDIA driver",
    ),
    "AMD's build and no card": (
        {"version": "2.13.0+rocm7.2", "hip": "7.2.1"},
        r"a build for AMD's cards \(ROCm 7\.2\.1\) and finds none$",
    ),
    "AMD's build and NVIDIA's card": (
        {"version": "2.13.0+rocm7.2", "hip": "7.2.1", "driver": "580.65.06"},
        r"finds none; for the NVIDIA card here \(driver 580\.65\.06\) run",
    ),
    "a Mac": (
        {"version": "2.13.0", "mps": True, "platform": "darwin"},
        r"a Mac has none: --set renderer\.device=mps --set reward\.device=mps, or auto",
    ),
    "nothing": ({}, r"there is none here; to try it without: --set renderer\.device=cpu --set reward\.device=cpu"),
}


@pytest.mark.parametrize("case", CASES)
def test_a_card_that_cannot_be_used_is_one_line_with_the_way_out(machine, case):
    what, said = CASES[case]
    machine(**what)
    with pytest.raises(UsageError, match=said) as told:
        pick_device("cuda")
    assert str(told.value).startswith("the config asks for a CUDA card, and ")
    assert "\n" not in str(told.value)


def test_what_torch_says_is_passed_on_where_the_driver_is_new_enough(machine, monkeypatch):
    machine("2.13.0+cu130", cuda="13.0", driver="590.44")

    def init():
        raise RuntimeError("Unexpected error from cudaGetDeviceCount(). Did you run some cuda functions before?\nMore.")

    monkeypatch.setattr(torch.cuda, "init", init)
    with pytest.raises(
        UsageError, match=r"cannot start CUDA 13\.0 .* driver 590\.44: Unexpected error from cudaGetDev"
    ):
        pick_device("cuda")
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    with pytest.raises(UsageError, match="CUDA_VISIBLE_DEVICES hides every card"):
        pick_device("cuda")


def test_auto_takes_what_there_is(machine):
    for what, device in (({"usable": True}, "cuda"), ({"mps": True}, "mps"), ({}, "cpu")):
        machine(**what)
        assert pick_device("auto") == device
    machine(version="2.13.0+rocm7.2", hip="7.2.1", usable=True)
    assert pick_device("cuda") == "cuda"  # AMD's cards answer to the same name


def test_auto_says_once_that_a_card_is_left_unused(machine, caplog):
    machine(driver="550.54.14")
    assert [pick_device("auto"), pick_device("auto")] == ["cpu", "cpu"]
    (said,) = [r.message for r in caplog.records if r.name == "steer.devices"]
    assert said.startswith("the CPU is used: torch 2.13.0+cpu is a build without CUDA")
    assert "build without CUDA" in this_machine().name  # so steer doctor and steer models say it too


def test_nothing_is_said_on_a_machine_without_a_card(machine, caplog):
    machine()
    assert pick_device("auto") == "cpu"
    assert not caplog.records
    assert this_machine().name == "no GPU"


def test_mps_where_there_is_none(machine):
    machine()
    with pytest.raises(UsageError, match=r"GPU of a Mac \(mps\).* renderer\.device=auto"):
        pick_device("mps")


def test_out_of_memory_is_known_in_all_its_forms():
    mps = (
        "MPS backend out of memory (MPS allocated: 15.72 GiB, other allocations: 2.41 MiB, max allowed: 18.13 GiB). "
        "Tried to allocate 5.81 GiB on private pool."
    )
    metal = "Command buffer failed: Insufficient Memory (00000008:kIOGPUCommandBufferCallbackErrorOutOfMemory)"
    assert all(
        out_of_memory(error)
        for error in (
            torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 20.00 MiB."),
            torch.cuda.OutOfMemoryError("HIP out of memory."),
            torch.AcceleratorError("CUDA error: out of memory"),
            RuntimeError(mps),
            RuntimeError("Invalid buffer size: 24.00 GiB"),
            RuntimeError(metal),
            RuntimeError("CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling `cublasCreate(handle)`"),
            MemoryError(),
        )
    )
    with pytest.raises(RuntimeError) as too_large:
        torch.empty(1 << 50)
    assert out_of_memory(too_large.value)


def test_other_errors_are_not_too_little_memory():
    assert not out_of_memory(ValueError("out of memory"))
    with pytest.raises(RuntimeError) as shapes:
        torch.ones(2, 3) @ torch.ones(2, 3)
    assert not out_of_memory(shapes.value)
