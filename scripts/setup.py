"""Makes .venv and installs steer into it, at the versions of requirements.lock, on Linux, macOS and Windows.

    scripts/setup.sh                what `steer` needs; on Windows: py scripts\\setup.py
    scripts/setup.sh page           and an extra of pyproject.toml, or several: page,study
    scripts/setup.sh test           every extra, and what the tests and linters need
    scripts/setup.sh dev            the same and pre-commit
    scripts/setup.sh docs           what builds the documentation site
    scripts/setup.sh browser        playwright and axe, for the tests of the pages in a real browser
    scripts/setup.sh --dry-run      prints the choice of torch and the commands, and runs none

PYTHON=/path/to/python3 chooses the Python. Every file must have the hash that requirements.lock gives for it, but for
builds of torch that the package index does not have: CPU on Linux, CUDA 12, CUDA on Windows, ROCm.
"""

from __future__ import annotations

import argparse
import os
import platform
import re
import shutil
import subprocess
import sys
from pathlib import Path

from lock_file import locked, version_in, wanted_packages
from torch_builds import Build, Refused, wanted

ROOT = Path(__file__).resolve().parents[1]
LOCK, PROJECT = ROOT / "requirements.lock", ROOT / "pyproject.toml"
OLDEST, NEWEST = (3, 11), (3, 14)  # that steer runs on, and that this torch has builds for
BASE_GB, OTHERS_GB = 0.7, {"test": 0.9, "dev": 0.9, "all": 0.8}  # on disk, beside torch; others 0.2


class Place:
    """.venv, what is in it, and how things get there. ``dry``: commands are printed and not run."""

    def __init__(self, venv: Path, windows: bool, dry: bool) -> None:
        self.venv, self.dry = venv, dry
        self.bin = venv / ("Scripts" if windows else "bin")
        end = ".exe" if windows else ""
        self.python, self.uv = str(self.bin / f"python{end}"), str(self.bin / f"uv{end}")
        self.environment = {**os.environ, "PIP_DISABLE_PIP_VERSION_CHECK": "1", "VIRTUAL_ENV": str(venv)}

    def run(self, command: list[str], quiet: bool = False) -> bool:
        """Whether ``command`` succeeds; ``quiet`` hides what it says."""
        if self.dry:
            print(" ".join(f'"{word}"' if " " in word else word for word in command))
            return True
        where = subprocess.DEVNULL if quiet else None
        try:
            return subprocess.run(command, cwd=ROOT, env=self.environment, stdout=where, stderr=where).returncode == 0
        except OSError as error:
            if not quiet:
                print(f"{command[0]}: {error.strerror}", file=sys.stderr)
            return False

    def pip(self, *words: str) -> list[str]:
        """The command of `pip install`."""
        return [self.python, "-m", "pip", "install", "--quiet", *words]

    def uv_pip(self, *words: str) -> list[str]:
        """The command of `uv pip install`; with progress bars in a terminal."""
        return [self.uv, "pip", "install", *([] if sys.stderr.isatty() else ["--quiet"]), *words]

    def has_uv(self, version: str) -> bool:
        """Whether .venv has this version of uv."""
        try:
            told = subprocess.run([self.uv, "--version"], capture_output=True, text=True)
        except OSError:
            return False
        return told.stdout.split()[1:2] == [version]

    def torch(self) -> tuple[str, bool]:
        """The version of torch in .venv, "" without one, and whether it is for cards of NVIDIA or AMD."""
        for packages in ("lib/python*/site-packages", "Lib/site-packages"):
            for file in self.venv.glob(f"{packages}/torch/version.py"):
                text = file.read_text(encoding="utf-8")
                said = dict(re.findall(r"^(__version__|cuda|hip)\b[^=]*= *'([^']*)'", text, re.MULTILINE))
                return said.get("__version__", ""), "cuda" in said or "hip" in said
        return "", False

    def needs_torch(self, build: Build, version: str) -> bool:
        """Whether .venv has no torch, another version, or one that is not what ``build`` is for."""
        here, for_a_card = self.torch()
        if build.name == "keep" and here:
            return False
        return here.partition("+")[0] != version or not build.is_met_by(here, for_a_card)

    def write(self, name: str, entries: list[str]) -> str:
        """A file of requirements in .venv."""
        path = self.venv / name
        if not self.dry:
            path.write_text("".join(entries), encoding="utf-8")
        return str(path)


def make_venv(place: Place) -> None:
    """Raises Refused if this Python cannot."""
    if Path(place.python).exists():
        return
    new = not place.venv.exists()
    print(f"creating .venv with Python {platform.python_version()}", flush=True)
    if not place.run([sys.executable, "-m", "venv", str(place.venv)]):
        if new:
            shutil.rmtree(place.venv, ignore_errors=True)
        raise Refused(f"{sys.executable} cannot make a virtual environment; set PYTHON to another Python", 1)


def install_locked(place: Place, entries: dict[str, list[str]], again: bool) -> None:
    """All packages that have hashes. ``again``: also replace torch by another build of its version. Raises Refused."""
    uv = entries.pop("uv")
    by_hash = place.pip("--require-hashes", "--no-deps", "-r", place.write("locked-uv.txt", uv))
    has_uv = place.has_uv(version_in(uv)) or place.run(by_hash)
    if not has_uv:
        print("uv cannot be installed; pip will do it, which takes longer", file=sys.stderr)
    file = place.write("locked.txt", [entry for each in entries.values() for entry in each])
    hashed = ["--require-hashes", "--no-deps", "--only-binary", ":all:", "-r", file]
    if has_uv:
        if place.run(place.uv_pip(*hashed, *(["--reinstall-package", "torch"] if again else []))):
            return
        print("uv failed; trying pip ...", file=sys.stderr)
    # pip also reads its own settings, such as a mirror, which uv does not
    if not place.run(place.pip(*hashed, *(["--force-reinstall"] if again else []))):
        raise Refused("the packages of requirements.lock cannot be installed; the lines above say why", 1)


def install_torch(place: Place, build: Build, version: str) -> None:
    """A build that the package index does not have. Raises Refused."""
    here = place.torch()[0]
    if build.backend == "cpu" and not here:
        # where pip's own settings know a CPU build, it is the nearest
        if place.run(place.pip(f"torch=={version}+cpu"), quiet=True) and not place.dry:
            return
        if place.dry:
            print("# or, where pip finds none:")
    again = ["--reinstall-package", "torch"] if here else []
    if not place.run(place.uv_pip("--torch-backend", build.backend, *again, f"torch=={version}")):
        raise Refused(
            "this build of torch cannot be installed; the lines above say why. Others: --torch cpu, --torch locked "
            "(the package index's own; on Linux for CUDA 13), or --torch keep after installing one into .venv yourself",
            1,
        )
    here, for_a_card = place.torch()
    if not place.dry and not build.is_met_by(here, for_a_card):
        print(
            f"there is no {build.name} build of torch {version} for this machine: {here} is for the CPU",
            file=sys.stderr,
        )


def install_steer(place: Place, extras: list[str]) -> None:
    """This folder, as the package that .venv uses. Raises Refused."""
    here = ["--no-deps", "--no-build-isolation", "--editable", f".[{','.join(extras)}]" if extras else "."]
    if not place.run(place.uv_pip(*here), quiet=True) and not place.run(place.pip(*here)):
        raise Refused("steer itself cannot be installed; the lines above say why", 1)


def setup(words: list[str], torch: str, dry: bool) -> None:
    """Install what is not there. Raises Refused."""
    import tomllib  # new in Python 3.11

    if sys.version_info[:2] > NEWEST and torch != "keep":
        newest = ".".join(map(str, NEWEST))
        raise Refused(f"torch has no build for Python {platform.python_version()} yet; set PYTHON to a Python {newest}")
    extras, names = wanted_packages(words, tomllib.loads(PROJECT.read_text(encoding="utf-8")))
    build = wanted(torch)
    place = Place(ROOT / ".venv", os.name == "nt", dry)
    stamp = place.venv / f".ready-{','.join(words) or 'base'}"
    if not (dry or build.asked) and _is_fresh(stamp, build.name):
        return
    lock = LOCK.read_text(encoding="utf-8")
    version = version_in(locked(lock, ["torch"], with_torch=True)["torch"])
    here = place.torch()[0]
    needed = place.needs_torch(build, version)
    own = needed and not build.backend

    print(f"torch {version}, build {build.name}: {build.why}{'' if needed else '; already here'}", flush=True)
    gb = needed * build.gb + (0.0 if here else BASE_GB) + max((OTHERS_GB.get(w, 0.2) for w in words), default=0.0)
    free = shutil.disk_usage(ROOT).free / 1e9
    print(
        f"installing steer{' with ' + ', '.join(words) if words else ''}: about {gb:.1f} GB of {free:.0f} GB free",
        flush=True,
    )
    if free < gb:
        raise Refused(f"the disk of {ROOT} has {free:.1f} GB left, and about {gb:.1f} GB are needed", 1)
    make_venv(place)
    install_locked(place, locked(lock, names, with_torch=own), again=own and bool(here))
    if needed and build.backend:
        install_torch(place, build, version)
    install_steer(place, extras)
    if not dry:
        stamp.write_text(build.name, encoding="utf-8")
        print(f'done; try: {place.bin.relative_to(ROOT) / "steer"} run "a lighthouse by the sea" --user u17')


def _is_fresh(stamp: Path, content: str) -> bool:
    changed = max(PROJECT.stat().st_mtime, LOCK.stat().st_mtime)
    return stamp.exists() and stamp.stat().st_mtime >= changed and stamp.read_text(encoding="utf-8") == content


def main(arguments: list[str]) -> int:
    """The exit code."""
    other = os.environ.pop("PYTHON", "")  # removed, so that the Python it names does not look again
    if other and os.path.realpath(shutil.which(other) or other) != os.path.realpath(sys.executable):
        return subprocess.run([other, __file__, *arguments]).returncode
    if sys.version_info < OLDEST:
        version = platform.python_version()
        print(f"steer needs Python 3.11 or newer, not {version}; set PYTHON=/path/to/python3", file=sys.stderr)
        return 2
    kind = argparse.RawDescriptionHelpFormatter
    parser = argparse.ArgumentParser(prog="scripts/setup.sh", description=__doc__, formatter_class=kind)
    parser.add_argument("what", nargs="*", help="extras of pyproject.toml, test, dev, lint, docs or browser")
    parser.add_argument("--dry-run", action="store_true", help="print the commands and run none")
    choices = "auto, cpu, cu130 or another of uv's, locked (the package index's own), or keep (what .venv has)"
    parser.add_argument("--torch", default="auto", metavar="BUILD", help=choices)
    given = parser.parse_args(arguments)
    try:
        setup([word for one in given.what for word in one.split(",") if word], given.torch, given.dry_run)
    except Refused as refused:
        print(refused, file=sys.stderr)
        return refused.code
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
