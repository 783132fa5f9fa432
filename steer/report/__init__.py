"""What a person looks at after a run: a contact sheet and a self-contained page."""

from __future__ import annotations

import math

from steer.report.contact_sheet import contact_sheet
from steer.report.page import render_page
from steer.report.people import liked_by
from steer.result import Comparison, Outlook, Result
from steer.search.attribution import word_effects
from steer.store.files import write_json, write_whole
from steer.store.run_folder import RunFolder
from steer.types import History, RewriteStats


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
        "tastes": [
            {"user": t.user, "ratings": t.ratings, "known": round(t.known, 3), "words": str(t)} for t in result.tastes
        ],
        "outlook": _outlook(result.outlook),
        "seconds": round(result.seconds, 1),
        "pictures": sum(1 for c in result.candidates if c.picture),
        "failed": [c.facts() for c in result.candidates if c.state.value == "FAILED"],
        "original": None if original is None else _original(result, original),
        "best": None if winner is None else _best(result, winner),
        **_gain(result.comparison),
        "agreement": None if math.isnan(result.agreement[0]) else round(result.agreement[0], 3),
        "agreement_pictures": result.agreement[1],
        "agreement_of": "drafts" if any(c.tier == "draft" for c in result.candidates) else "previews",
        "picture": best.picture if best else None,
        "explained": {k: {n: round(v, 4) for n, v in added.items()} for k, added in result.explained.items()},
        "critic": [{"round": n, **vars(c)} for n, c in result.comments.items()],
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


def _stats(stats: RewriteStats) -> dict[str, object]:
    """Means over the pictures of a text, and the spread of the liking over its seeds."""
    return {
        "text": stats.rewrite.text,
        "liking": _number(stats.liking),
        "spread": _number(stats.spread),
        "fidelity": _number(stats.fidelity),
        "objective": _number(stats.mean),
        "seeds": len(stats.seeds),
    }


def _original(result: Result, original: RewriteStats) -> dict[str, object]:
    """The prompt as typed, and its picture on the seed of the best one."""
    return _stats(original) | {"picture": result.first.picture if result.first else None} | _liked_by(result, original)


def _best(result: Result, winner: RewriteStats) -> dict[str, object]:
    """The winning text, and the liking of the one picture that was chosen."""
    picture = {} if result.best is None else {"picture_liking": _number(result.best.personal)}
    return _stats(winner) | picture | {"changes": winner.rewrite.changes} | _liked_by(result, winner)


def _liked_by(result: Result, stats: RewriteStats) -> dict[str, object]:
    each = liked_by(result, stats)
    return {"liked_by": {person: _number(value) for person, value in each.items()}} if each else {}


def _gain(compared: Comparison | None) -> dict[str, object]:
    """The gain in liking, in per cent of the original's, its standard error and on how many seeds."""
    if compared is None:
        return {"gain": None, "gain_percent": None, "gain_error": None, "gain_seeds": 0, "gain_words": ""}
    return {
        "gain": _number(compared.gain),
        "gain_percent": None if math.isnan(compared.percent) else round(compared.percent, 1),
        "gain_error": _number(compared.error),
        "gain_seeds": compared.seeds,
        "gain_words": str(compared),
    }


def _outlook(outlook: Outlook | None) -> dict[str, object] | None:
    """What is expected of the picture that was chosen, and how surely it is better than the prompt's own."""
    if outlook is None:
        return None
    return {"expected": _number(outlook.expected), "better": _number(outlook.better), "words": str(outlook)}


def _number(value: float) -> float | None:
    return None if math.isnan(value) else round(value, 4)
