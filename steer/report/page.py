"""``report.html``: one file with everything in it, pictures included, readable offline."""

from __future__ import annotations

import base64
import io
from itertools import groupby

from jinja2 import Environment, PackageLoader
from PIL import Image

from steer.report.changes import word_changes
from steer.search.attribution import word_effects
from steer.store.run_folder import RunFolder
from steer.types import Candidate, History, Result

SHOWN = 512  # pixels of a picture's longer side on the page


def render_page(result: Result, folder: RunFolder) -> str:
    """The page as text; user text is escaped."""
    environment = Environment(loader=PackageLoader("steer.report"), autoescape=True)

    def picture(candidate: Candidate) -> str:
        if not candidate.picture:
            return ""
        with Image.open(folder.path / candidate.picture) as image:
            if max(image.size) <= SHOWN:
                return _data((folder.path / candidate.picture).read_bytes())
            small = image.convert("RGB")
        small.thumbnail((SHOWN, SHOWN))
        data = io.BytesIO()
        small.save(data, "PNG", compress_level=3)
        return _data(data.getvalue())

    rounds = [(n, list(g)) for n, g in groupby(result.candidates, key=lambda c: c.round)]
    changes = word_changes(result.request.prompt, result.winner.rewrite.text) if result.winner else []
    return environment.get_template("report.html.j2").render(
        result=result,
        rounds=rounds,
        picture=picture,
        changes=changes,
        manifest=folder.manifest,
        ranked=_ranked(result),
        first=result.first,
        effects=word_effects(result.request.prompt, History(result.candidates)),
    )


def _data(png: bytes) -> str:
    return "data:image/png;base64," + base64.b64encode(png).decode()


def _ranked(result: Result) -> list[dict[str, object]]:
    """Texts with mean liking, fidelity, objective and pictures; the best first."""
    history = History(result.candidates)
    rows = []
    for stats in history.ranked():
        own = [c for c in history.scored() if c.rewrite.text == stats.rewrite.text]
        rows.append(
            {
                "text": stats.rewrite.text,
                "liking": stats.liking,
                "spread": stats.spread,
                "fidelity": stats.fidelity,
                "objective": stats.mean,
                "n": len(own),
            }
        )
    return rows
