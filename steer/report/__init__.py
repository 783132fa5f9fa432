"""What a person looks at after a run: a contact sheet and a self-contained page."""

from __future__ import annotations

import math

from steer.report.contact_sheet import contact_sheet
from steer.report.page import render_page
from steer.search.attribution import word_effects
from steer.store.files import write_json, write_whole
from steer.store.run_folder import RunFolder
from steer.types import History, Result


def write_report(result: Result, folder: RunFolder) -> None:
    """Write ``contact_sheet.png``, ``report.html`` and ``result.json`` into the run folder."""
    sheet = contact_sheet(result, folder)
    write_whole(folder.path / "contact_sheet.png", lambda f: sheet.save(f, "PNG", compress_level=3))
    page = render_page(result, folder)
    write_whole(folder.path / "report.html", lambda f: f.write(page.encode()))
    write_json(folder.path / "result.json", summary(result))


def summary(result: Result) -> dict[str, object]:
    """The result as JSON-ready values."""
    best, original, winner = result.best, result.original, result.winner
    return {
        "prompt": result.request.prompt,
        "user": result.request.user,
        "seed": result.request.seed,
        "budget": result.request.budget,
        "folder": result.folder,
        "stop": result.stop.name,
        "why": result.why,
        "warnings": result.warnings,
        "seconds": round(result.seconds, 1),
        "pictures": sum(1 for c in result.candidates if c.picture),
        "failed": [c.facts() for c in result.candidates if c.state.value == "FAILED"],
        "original": None if original is None else _stats(original),
        "best": None if winner is None else _stats(winner) | {"changes": winner.rewrite.changes},
        "gain": None if winner is None or original is None else round(result.gain, 4),
        "agreement": None if math.isnan(result.agreement[0]) else round(result.agreement[0], 3),
        "agreement_pictures": result.agreement[1],
        "agreement_of": "drafts" if any(c.tier == "draft" for c in result.candidates) else "previews",
        "picture": best.picture if best else None,
        "explained": {k: {n: round(v, 4) for n, v in added.items()} for k, added in result.explained.items()},
        "words": [
            {
                "words": e.words,
                "effect": round(e.mean, 4),
                "low": round(e.low, 4),
                "high": round(e.high, 4),
                "texts": e.n_texts,
            }
            for e in word_effects(result.request.prompt, History(result.candidates))
        ],
        "candidates": [c.facts() for c in result.candidates],
    }


def _stats(stats) -> dict[str, object]:  # type: ignore[no-untyped-def]
    return {
        "text": stats.rewrite.text,
        "reward": round(stats.mean, 4),
        "spread": round(stats.spread, 4),
        "seeds": len(stats.objectives),
    }
