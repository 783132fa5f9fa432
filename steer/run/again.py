"""The winner of a run drawn again: larger, with more steps, on more seeds. Each picture says which run it is of."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from PIL import Image

from reward_models.doors import Unreadable
from reward_models.pictures import open_picture
from steer.config import DiffusersConfig, RemoteConfig, SteerConfig
from steer.config.search import MOST_SEED
from steer.errors import StorageError, UsageError
from steer.parts import Parts
from steer.result import Result
from steer.store.files import storage_error, write_whole
from steer.store.private import private_folder
from steer.store.provenance import facts_of, png_text
from steer.store.run_folder import RunFolder
from steer.types import Candidate, RenderFailure

GRID = 16  # pixels: what width and height must be multiples of


@dataclass(frozen=True)
class Redrawn:
    """A picture of the winning text: where it is, and how much the run's user should like it, in [0, 1]; or why there
    is none. ``kept``: it was there already.
    """

    seed: int
    path: Path | None = None
    liking: float | None = None
    kept: bool = False
    reason: str = ""


def other_drawing(config: SteerConfig, size: tuple[int, int] | None, steps: int | None) -> SteerConfig:
    """A run's settings with another size (width, height in pixels) or number of steps, without drafts and previews.

    Raises UsageError for a renderer that has neither, and for a side that is no multiple of 16.
    """
    renderer = config.renderer
    changes: dict[str, object] = {}
    if size is not None:
        if not isinstance(renderer, (DiffusersConfig, RemoteConfig)):
            raise UsageError(f"--size: the renderer '{renderer.kind}' of this run has one size")
        if any(side % GRID for side in size):
            raise UsageError(f"--size: {size[0]}x{size[1]} must be multiples of {GRID} pixels")
        changes |= {"width": size[0], "height": size[1], "aspect": None}
    if steps is not None:
        if not isinstance(renderer, DiffusersConfig):
            raise UsageError(f"--steps: the renderer '{renderer.kind}' of this run has no such setting")
        changes |= {"steps": steps}
    if isinstance(renderer, DiffusersConfig):
        # one at a time: the least memory, and a batch that is not full costs as much as a full one
        changes |= {"draft": None, "preview": None, "batch_size": 1, "workers": 1}
    return config.model_copy(update={"renderer": renderer.model_copy(update=changes)})


def seeds_from(first: int, n: int) -> list[int]:
    """The winner's seed and those that follow it.

    >>> seeds_from(7, 3)
    [7, 8, 9]
    """
    return [(first + i) % (MOST_SEED + 1) for i in range(n)]


def draw_again(parts: Parts, result: Result, folder: Path, seeds: list[int]) -> Iterator[Redrawn]:
    """Draw the winning text on these seeds into ``folder``, one after the other; each is on the disk when it is
    yielded, and one that is there already is not drawn again.

    Raises UsageError where a file of that name is another picture.
    """
    run = RunFolder.open(Path(result.folder))
    best, renderer = result.best, parts.renderer
    assert best is not None  # the caller has asked
    manifest = {**run.manifest, "parts": {**run.manifest["parts"], "renderer": renderer.describe()}}
    judge = parts.judge(parts.roster.people(result.request.user))
    try:
        private_folder(folder)
    except OSError as error:
        raise storage_error(folder, error) from error
    for index, seed in enumerate(seeds):
        candidate = Candidate(index, 0, best.rewrite, seed)
        path = folder / f"{_drawing(parts.config)}seed-{seed}.png"
        again = {"run": run.path.resolve().name, "picture": best.picture, "drawing": manifest["parts"]["renderer"]}
        if path.exists():
            _check_same(path, candidate, str(manifest["fingerprint"]), again)
            kept, image = True, _open(path)
        else:
            kept, [drawn] = False, renderer.render([best.rewrite.text], [seed])
            if isinstance(drawn, RenderFailure):
                yield Redrawn(seed, reason=drawn.reason)
                continue
            image = drawn
            _write(path, image, candidate, manifest, again)
        scores = judge.score([image], result.request.prompt)
        if 0 in scores.reasons:
            yield Redrawn(seed, path, kept=kept, reason=f"no score: {scores.reasons[0]}")
            continue
        yield Redrawn(seed, path, float(scores.personal[0]), kept)


def _write(
    path: Path, image: Image.Image, candidate: Candidate, manifest: dict[str, object], again: dict[str, object]
) -> None:
    text = png_text(candidate, manifest, image.size, again=again)
    write_whole(path, lambda file: image.save(file, "PNG", pnginfo=text))


def _drawing(config: SteerConfig) -> str:
    """The front of a file's name.

    >>> from steer.config import load_config
    >>> _drawing(load_config("miniature"))
    '128x128-6-steps-'
    """
    renderer = config.renderer
    size = "x".join(map(str, renderer.size)) + "-" if isinstance(renderer, (DiffusersConfig, RemoteConfig)) else ""
    return size + (f"{renderer.steps}-steps-" if isinstance(renderer, DiffusersConfig) else "")


def _open(path: Path) -> Image.Image:
    try:
        with open_picture(path, ("PNG",)) as image:
            return image.convert("RGB")
    except (OSError, Unreadable) as error:
        raise StorageError(f"the picture '{path}': {error}; remove it to have it drawn again") from error


def _check_same(path: Path, candidate: Candidate, fingerprint: str, again: dict[str, object]) -> None:
    """Raise UsageError unless the file is what would be drawn."""
    try:
        facts = facts_of(path)
    except (OSError, ValueError):
        facts = None
    wanted = (candidate.rewrite.text, candidate.seed, fingerprint, again["drawing"])
    told = facts or {}
    if (told.get("text"), told.get("seed"), told.get("fingerprint"), _mapping(told.get("again")).get("drawing")) != (
        wanted
    ):
        raise UsageError(f"'{path}' is there already and is another picture; give another --out, or move it away")


def _mapping(value: object) -> dict[str, object]:
    return value if isinstance(value, dict) else {}
