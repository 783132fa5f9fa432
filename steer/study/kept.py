"""Pictures that several conditions ask for are drawn once: same text, seed and settings, same picture."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from pathlib import Path

from PIL import Image

from reward_models.doors import Unreadable
from reward_models.pictures import read_picture
from steer.protocols import Renderer
from steer.store.files import write_whole
from steer.types import RenderFailure


class KeptRenderer(Renderer):
    """A renderer whose pictures, and whose drafts, stay in ``folder`` as PNG, each under its own settings.

    ``drawn`` and ``found`` count what was asked of it. Budgets count what a run asks for, found or drawn. Previews
    are not kept: where a picture is stopped depends on the run.
    """

    def __init__(self, renderer: Renderer, folder: Path):
        self.renderer, self.folder, self.drawn, self.found = renderer, folder, 0, 0
        self.name, self.batch_size, self.meter = renderer.name, renderer.batch_size, renderer.meter
        self.drafts = KeptRenderer(renderer.drafts, folder) if renderer.drafts else None
        self.previews, self.vocabulary = renderer.previews, renderer.vocabulary
        self._settings = json.dumps(renderer.describe(), sort_keys=True, default=str)

    def prepare(self, prompts: Sequence[str]) -> None:
        """Pass it on."""
        self.renderer.prepare(prompts)

    @property
    def drawn_together(self) -> int | None:  # type: ignore[override]
        """As many as of the renderer."""
        return self.renderer.drawn_together

    def narrow(self, batch_size: int) -> None:
        """Pass it on."""
        self.renderer.narrow(batch_size)

    def describe(self) -> dict[str, object]:
        """As the renderer's: where a picture comes from does not change it."""
        return self.renderer.describe()

    def render(self, prompts: Sequence[str], seeds: Sequence[int]) -> list[Image.Image | RenderFailure]:
        """One result a prompt, in order."""
        paths = [self._path(p, s) for p, s in zip(prompts, seeds, strict=True)]
        results: dict[int, Image.Image | RenderFailure] = {
            i: kept for i, path in enumerate(paths) if (kept := _kept(path)) is not None
        }
        missing = [i for i in range(len(paths)) if i not in results]
        if missing:
            fresh = self.renderer.render([prompts[i] for i in missing], [seeds[i] for i in missing])
            for i, picture in zip(missing, fresh, strict=True):
                results[i] = picture
                if isinstance(picture, Image.Image):
                    _keep(picture, paths[i])
        self.drawn, self.found = self.drawn + len(missing), self.found + len(paths) - len(missing)
        return [results[i] for i in range(len(paths))]

    def _path(self, prompt: str, seed: int) -> Path:
        key = hashlib.sha256(f"{self._settings}\0{prompt}\0{seed}".encode()).hexdigest()[:32]
        return self.folder / key[:2] / f"{key}.png"


def _kept(path: Path) -> Image.Image | None:
    """The picture that is kept; None for one that is not there whole, which is drawn again."""
    try:
        return read_picture(path, ("PNG",))
    except (OSError, Unreadable):
        return None


def _keep(picture: Image.Image, path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    write_whole(path, lambda f: picture.save(f, "PNG"))
