"""Pictures to rate: from a folder or a run, shipped with the miniature, or rendered for the purpose."""

from __future__ import annotations

import json
import logging
import random
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cache, cached_property
from pathlib import Path

from PIL import Image, ImageOps

from reward_models.doors import Unreadable, parse_json
from reward_models.pictures import open_picture
from reward_models.plural import counted
from steer.errors import UsageError
from steer.lexicon import Lexicon
from steer.protocols import Renderer
from steer.resources import data_folder, miniature_weights
from steer.store.private import private_folder
from steer.users.limits import printed
from steer.users.records import picture_hash
from steer.words import MAX_CHARACTERS, clean

log = logging.getLogger(__name__)

KINDS = (".png", ".jpg", ".jpeg", ".webp", ".bmp", ".tif", ".tiff")
MOST = 400  # of a folder that an interview looks at: it asks about twenty of them
AT_ONCE = 4  # pictures in memory: a photograph of 12 megapixels has 36 MB


@dataclass(frozen=True)
class Question:
    """A picture to rate. ``prompt``: what it was rendered for, empty if unknown; ``origin``: where it comes from;
    ``known_hash``: its :attr:`hash`, where it has been read already.
    """

    path: Path
    prompt: str
    origin: str
    known_hash: str = field(default="", repr=False, compare=False)

    @property
    def image(self) -> Image.Image:
        """RGB, upright as its camera says. Read from its file each time: photographs are large."""
        with open_picture(self.path) as image:
            return _upright(image)

    @cached_property
    def hash(self) -> str:
        """SHA-256 of size and pixels."""
        return self.known_hash or picture_hash(self.image)


def shipped_pictures() -> list[Question]:
    """The pictures that ship with the miniature, chosen to tell tastes apart (``python -m trainers questions``)."""
    return list(_shipped())


@cache
def _shipped() -> tuple[Question, ...]:
    """Read and hashed once."""
    folder = miniature_weights("questions")
    prompts: dict[str, str] = json.loads((folder / "prompts.json").read_text(encoding="utf-8"))
    return tuple(Question(folder / name, prompt, "miniature") for name, prompt in prompts.items())


def pictures_in(folder: Path, most: int | None = None) -> list[Question]:
    """All pictures below a folder, sorted by path, with the prompts that steer wrote into its PNGs.

    ``most``: of a larger folder only so many are taken, at random but always the same, and that is said. Files that
    cannot be opened are left out with a warning. Raises UsageError if none is left.
    """
    if not folder.is_dir():
        raise UsageError(f"there is no folder '{folder}'")
    found, bad, files = [], [], list(_files(folder))
    if most is not None and len(files) > most:
        log.warning("'%s' has %d pictures; %d of them are looked at, drawn at random", folder, len(files), most)
        files = sorted(random.Random(0).sample(files, most))
    for path in files:
        try:
            with open_picture(path) as image:
                told = str(image.info.get("steer", ""))
                known = picture_hash(_upright(image))
        except (OSError, Unreadable) as error:
            bad.append(f"{path.name}: {str(error).splitlines()[0]}")
            continue
        found.append(Question(path, _prompt(told), folder.name, known))
    if bad:
        log.warning("%s in '%s' could not be opened; the first is %s", counted(len(bad), "picture"), folder, bad[0])
    if not found:
        raise UsageError(f"there are no pictures in '{folder}' ({', '.join(k[1:] for k in KINDS)})")
    return found


def _upright(image: Image.Image) -> Image.Image:
    return ImageOps.exif_transpose(image).convert("RGB")


def drawn_for(renderer: Renderer, lexicon: Lexicon, n: int) -> list[Question]:
    """Render ``n`` pictures to rate, of probe prompts with random phrases of the lexicon, and keep them under outputs/.

    Raises UsageError if none could be rendered.
    """
    probes = probe_prompts()
    rng = random.Random(n)
    texts = []
    for i in range(n):
        probe = probes[i % len(probes)]
        groups = rng.sample(lexicon.groups, min(3, len(lexicon.groups)))
        texts.append((probe, lexicon.compose(probe, {g.name: rng.choice(g.phrases) for g in groups})))
    folder = Path("outputs") / f"{time.strftime('%Y%m%d-%H%M%S')}-to-rate"
    private_folder(folder)
    found = []
    pictures = renderer.render([text for _, text in texts], range(n))
    for i, ((_, text), picture) in enumerate(zip(texts, pictures, strict=True)):
        if isinstance(picture, Image.Image):
            path = folder / f"{i:03d}.png"
            picture.save(path)
            found.append(Question(path, text, folder.name))
    if not found:
        raise UsageError(f"none of the {n} pictures could be rendered")
    return found


def probe_prompts() -> list[str]:
    """A few plain prompts for which tastes are compared."""
    lines = (data_folder("prompts") / "probes.txt").read_text(encoding="utf-8").splitlines()
    return [line for line in lines if line and not line.startswith("#")]


def _files(folder: Path) -> Iterator[Path]:
    """Pictures below a folder, except the contact sheets of runs."""
    found = (p for p in folder.rglob("*") if p.suffix.lower() in KINDS and p.is_file())
    yield from sorted(p for p in found if p.name != "contact_sheet.png")


def _prompt(told: str) -> str:
    """The prompt of the run that rendered a PNG, from the text in the file; empty if there is none."""
    try:
        facts = parse_json(told) if told else {}
        said = str(facts.get("prompt", ""))[:MAX_CHARACTERS] if isinstance(facts, dict) else ""
        return clean("".join(filter(printed, said)))
    except ValueError:
        return ""
