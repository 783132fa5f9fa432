"""``report.html``: one file with everything in it, pictures included, readable offline."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import groupby

from steer.judging.audience import Audience
from steer.report.changes import word_changes
from steer.report.commands import next_commands
from steer.report.html import embedded, render_html
from steer.report.links import back_from_run
from steer.report.people import liked_by
from steer.result import Result
from steer.search.attribution import word_effects
from steer.store.run_folder import RunFolder
from steer.types import Candidate, History, State

LARGE, SMALL = 768, 320  # pixels of a picture's longer side on the page: of the two on top, and of all


@dataclass(frozen=True)
class Side:
    """One of the two texts on top: the picture shown large, and the text's other pictures."""

    title: str
    shown: Candidate
    others: list[Candidate]
    best: bool


def render_page(result: Result, folder: RunFolder) -> str:
    """The page as text; user text is escaped."""
    prompt = result.request.prompt
    history = History(result.candidates)
    return render_html(
        "report.html.j2",
        result=result,
        compared=result.comparison,
        unchanged=result.winner is not None and result.winner.rewrite.text == prompt,
        sides=_sides(result),
        people=_people(result),
        rounds=[(n, list(g)) for n, g in groupby(result.candidates, key=lambda c: c.round)],
        picture=lambda c, size: embedded(folder.path / c.picture, size),
        changes=lambda text: word_changes(prompt, text),
        ranked=history.ranked(),
        effects=word_effects(prompt, history),
        manifest=folder.manifest,
        commands=next_commands(result, folder.manifest),
        back=back_from_run(folder.path),
        large=LARGE,
        small=SMALL,
    )


def _sides(result: Result) -> list[Side]:
    """The prompt as typed on the seed of the best picture, and the best picture; one side where they are the same."""
    first, best = result.first, result.best
    sides = []
    if first and (best is None or first.index != best.index):
        sides.append(Side("As typed", first, _others(result, first), best=False))
    if best:
        title = "Best" if sides else "As typed, and the best"
        shown = {c.index for side in sides for c in (side.shown, *side.others)}
        sides.append(Side(title, best, [c for c in _others(result, best) if c.index not in shown], best=True))
    return sides


def _others(result: Result, shown: Candidate) -> list[Candidate]:
    """The other pictures of a text; the best is only ever shown large."""
    apart = {shown.index, result.best.index if result.best else shown.index}
    return [
        c
        for c in result.candidates
        if c.rewrite.text == shown.rewrite.text and c.state is State.SCORED and c.picture and c.index not in apart
    ]


def _people(result: Result) -> list[tuple[str, float, float]]:
    """Of a run for several people: each one's mean liking of the original's pictures, and of the best text's."""
    if not result.original or not result.winner:
        return []
    before, after = liked_by(result, result.original), liked_by(result, result.winner)
    away = Audience.parse(result.request.user).away
    named = {u: f"{u} (steered away from)" if u in away else u for u in after if u in before}
    return [(name, before[u], after[u]) for u, name in named.items()]
