"""Checks of a data set before training."""

from __future__ import annotations

from dataclasses import dataclass, field

import pandas as pd

from reward_models.doors import Unreadable
from reward_models.pictures import open_picture
from reward_models.plural import counted
from reward_models.ratings.table import SPLITS, Ratings

FEW = 5  # ratings; a person with fewer in a split has no metric there


@dataclass
class Report:
    """What :func:`check` found: ``lines`` to read, ``warnings``, and the paths of ``unreadable`` pictures."""

    lines: list[str] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)
    unreadable: list[str] = field(default_factory=list)


def unreadable_pictures(ratings: Ratings) -> list[str]:
    """Pictures that do not decode to the last pixel, as paths below the root."""
    bad = []
    for path in ratings.paths():
        try:
            with open_picture(path) as image:
                image.load()
        except (OSError, Unreadable):
            bad.append(str(path.relative_to(ratings.root)))
    return bad


def check(ratings: Ratings, open_pictures: bool = True) -> Report:
    """Counts, scores, demographics, and whatever would spoil a training or an evaluation."""
    report, table = Report(), ratings.table
    report.lines.append(
        f"{ratings.name}: {counted(len(table), 'rating')} of {counted(table['picture'].nunique(), 'picture')} "
        f"by {counted(table['person'].nunique(), 'person', 'people')}"
    )
    report.lines += [f"  left out: {counted(n, 'row')}, {reason}" for reason, n in ratings.dropped.items()]
    if left_out := sum(ratings.dropped.values()):
        rows = counted(left_out + len(table), "row")
        report.warnings.append(f"{left_out} of {rows} were left out; the reasons are above")
    for split in SPLITS:
        rows = table[table["split"] == split]
        if len(rows):
            each = rows.groupby("person").size()
            report.lines.append(
                f"  {split:12s} {len(rows):7d} ratings {rows['picture'].nunique():6d} pictures {len(each):4d} people, "
                f"{each.min()} ... {each.max()} ratings each (median {each.median():g})"
            )
        else:
            report.lines.append(f"  {split:12s}       0 ratings")
    quantiles = table["score"].quantile([0, 0.25, 0.5, 0.75, 1]).round(2).tolist()
    report.lines.append(
        f"  scores in [0, 1]: quartiles {quantiles}; prompts for {table['prompt'].notna().mean():.0%} of rows"
    )
    for name in (*ratings.demographics, *ratings.metadata):
        values = table[name]
        common = ", ".join(f"{v} {n / len(table):.0%}" for v, n in values.value_counts().head(3).items())
        report.lines.append(f"  {name:24s} {values.nunique():4d} values, missing {values.isna().mean():.0%}; {common}")
    if open_pictures:
        report.unreadable = unreadable_pictures(ratings)
        if report.unreadable:
            shown = ", ".join(report.unreadable[:5])
            many = counted(len(report.unreadable), "picture")
            report.warnings.append(f"{many} will be skipped because the file does not open: {shown}")
    report.warnings += _warnings(table)
    return report


def _warnings(table: pd.DataFrame) -> list[str]:
    found = []
    train = table[table["split"] == "train"]
    if train.empty:
        found.append("there is no training rating")
    for split in SPLITS[1:]:
        rows = table[table["split"] == split]
        if shared := len(set(rows["picture"]) & set(train["picture"])):
            found.append(f"{counted(shared, 'picture')} of {split} also in train")
        known = set(rows["person"]) & set(train["person"])
        if split.endswith("unseen") and known:
            found.append(f"{counted(len(known), 'person', 'people')} of {split} also in train")
        if split.endswith("_seen") and len(rows) and (new := set(rows["person"]) - set(train["person"])):
            found.append(f"{counted(len(new), 'person', 'people')} of {split} not in train")
        few = int((rows.groupby("person").size() < FEW).sum()) if len(rows) else 0
        if few:
            found.append(
                f"{counted(few, 'person', 'people')} with fewer than {FEW} ratings in {split}; metrics leave them out"
            )
    groups = table.groupby("person")["score"]
    constant = int(((groups.nunique() == 1) & (groups.size() >= FEW)).sum())
    if constant:
        found.append(
            f"{counted(constant, 'person', 'people')} gave every picture the same score; their correlations count as 0"
        )
    return found
