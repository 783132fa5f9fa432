"""The layout of the paper's Table 2: scorers that know nobody beside our models, on the same ratings.

Within a person SROCC, PLCC and pairwise accuracy, as in the report; at the population level PLCC and pairwise accuracy
of per-picture means. Shapes: R ratings.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from reward_models.base import RewardError
from reward_models.evaluation.metrics import per_person, summary
from reward_models.evaluation.pages import render
from reward_models.pamela.ensemble import Ensemble
from reward_models.pamela.evaluation import judge, population_level
from reward_models.pictures import FAULTS
from reward_models.ratings.arrays import RatingTable
from reward_models.ratings.corpus import Corpus
from reward_models.ratings.table import SPLITS
from reward_models.scorers.base import Scorer
from reward_models.scorers.kept import KeptScores

EVALUATED = tuple(s for s in SPLITS if s != "train")
Shown = tuple[int, int]  # rows of a picture and of its prompt


def table_row(split: str, model: str, predicted: np.ndarray, test: RatingTable, scorer: bool) -> dict[str, Any]:
    """One line of the table, from predictions (R,) of the ratings of ``test``."""
    each = summary(per_person(predicted, test.liking, test.person))
    population = population_level(predicted, test)
    return {
        "split": split,
        "model": model,
        "scorer": scorer,
        "person": {k: round(float(v), 4) for k, v in each.items()},
        "population": {k: round(float(v), 4) for k, v in population.items()},
    }


def compare(
    corpus: Corpus,
    ensemble: Ensemble,
    scorers: Mapping[str, Scorer],
    cache: Path,
    progress: Callable[[int, int], None] | None = None,
) -> list[dict[str, Any]]:
    """The table's lines: for each split in which anybody can be judged every scorer, then our models. Of several data
    sets each has its own lines, called "NAME SPLIT" as in the report.

    Scores are kept under ``cache``.
    """
    several = len(corpus.datasets) > 1
    parts = {f"{name} " if several else "": corpus.of(name) for name in corpus.datasets}
    asked = {f"{name}{split}": (part, split) for name, part in parts.items() for split in EVALUATED}
    found = {
        label: judged
        for label, (part, split) in asked.items()
        if (judged := judge(part, ensemble, split, label)) is not None
    }
    files = _files(corpus)
    needed = sorted({shown for judged in found.values() for shown in _shown(judged.test)})
    scores = {name: _scored(name, scorer, needed, files, cache, progress) for name, scorer in scorers.items()}
    lines = []
    for split, judged in found.items():
        for name, known in scores.items():
            predicted = np.array([known[shown] for shown in _shown(judged.test)])
            lines.append(table_row(split, name, predicted, judged.test, scorer=True))
        for name, predicted in judged.predictions.items():
            lines.append(table_row(split, name, predicted, judged.test, scorer=False))
    return lines


def write_table(lines: Sequence[Mapping[str, Any]], out: Path) -> str:
    """Write ``table2.json`` and ``table2.md`` into ``out``, and the table at the end of ``evaluation.md`` where that
    is; returns the Markdown.
    """
    text = render("table2.md.j2", lines=lines, splits=list(dict.fromkeys(line["split"] for line in lines)))
    out.mkdir(parents=True, exist_ok=True)
    (out / "table2.json").write_text(json.dumps(list(lines), indent=1) + "\n", encoding="utf-8")
    (out / "table2.md").write_text(f"# Scorers and our models\n{text}", encoding="utf-8")
    report = out / "evaluation.md"
    if report.is_file():
        report.write_text(f"{report.read_text(encoding='utf-8')}\n## Scorers and our models\n{text}", encoding="utf-8")
    return text


def _shown(test: RatingTable) -> list[Shown]:
    return [(int(x), int(q)) for x, q in zip(test.picture, test.prompt, strict=True)]


def _files(corpus: Corpus) -> dict[Shown, tuple[Path, str]]:
    """Where each picture is, and the prompt that it was drawn for, "" where there is none."""
    found = {}
    for frame in corpus.frames.values():
        for row in frame.drop_duplicates(["picture_row", "prompt_row"]).itertuples():
            prompt = "" if row.prompt_row == 0 else str(row.prompt)
            found[int(row.picture_row), int(row.prompt_row)] = (Path(str(row.root)) / str(row.picture), prompt)
    return found


def _scored(
    name: str,
    scorer: Scorer,
    needed: Sequence[Shown],
    files: Mapping[Shown, tuple[Path, str]],
    cache: Path,
    progress: Callable[[int, int], None] | None,
) -> dict[Shown, float]:
    paths, prompts = [files[shown][0] for shown in needed], [files[shown][1] for shown in needed]
    try:
        scores = KeptScores(cache, scorer).of(paths, prompts, progress)
    except FAULTS as error:
        raise RewardError(f"a picture does not open for the scorer '{name}': {error}") from error
    if not np.isfinite(scores).all():
        raise RewardError(f"the scorer '{name}' gives no score to '{paths[int(np.argmin(np.isfinite(scores)))]}'")
    return dict(zip(needed, scores.tolist(), strict=True))
