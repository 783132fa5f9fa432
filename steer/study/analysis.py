"""From judged pictures to findings. Every interval is a 95 % bootstrap over users; prompts and seeds are taken as they
are.

Shapes: U users, C conditions, K pictures of a budget.
"""

from __future__ import annotations

import json
import math
from collections import defaultdict
from functools import cached_property
from typing import Any

import numpy as np

from steer.study.consistency import consistency
from steer.study.folder import Cell, StudyFolder
from steer.study.paired import chance, elo, interval
from steer.study.price import price

Interval = tuple[float, float, float]


class Judged:
    """The judged pictures of a study, read once."""

    def __init__(self, folder: StudyFolder):
        self.folder, self.config = folder, folder.config
        self.users = self.config.everyone
        self._read: dict[str, dict[str, Any]] = {}

    def run(self, condition: str, cell: Cell) -> dict[str, Any]:
        """``judged.json`` of a cell's run."""
        return self._of(self.folder.run_of(condition, cell))

    def look(self, condition: str, cell: Cell) -> dict[str, Any]:
        """``judged.json`` of the fresh pictures of what a cell's run found; of the prompt for the unchanged prompt."""
        if self.config.conditions[condition].kind == "prompt":
            text = self.config.prompts[cell.prompt]
        else:
            text = (self.folder.result(condition, cell) or {})["best"]["text"]
        return self._of(self.folder.look_of(cell.prompt, cell.seed, text))

    def _of(self, path: Any) -> dict[str, Any]:
        if (key := str(path)) not in self._read:
            self._read[key] = json.loads((path / "judged.json").read_text(encoding="utf-8"))
        return self._read[key]

    def likings(self, condition: str, cell: Cell, judge: str) -> np.ndarray:
        """How much the cell's user likes what the condition gives them, (n,): one picture, or those they might have
        got.
        """
        found = self.config.conditions[condition]
        if found.kind == "prompt":
            return np.array(self.look(condition, cell)[judge]["all"][cell.user])
        if found.kind == "other":
            others = [u for u in self.config.users_of(found.of) if u != cell.user]
            return np.array(
                [self.run(found.of, Cell(cell.prompt, cell.seed, u))[judge]["best"][cell.user] for u in others]
            )
        return np.array([self.run(condition, cell)[judge]["best"][cell.user]])

    def fresh(self, condition: str, cell: Cell, judge: str) -> float:
        """How much the user likes the found text's pictures on seeds that nothing was chosen on."""
        found = self.config.conditions[condition]
        if found.kind != "other":
            return float(np.mean(self.look(condition, cell)[judge]["all"][cell.user]))
        others = [u for u in self.config.users_of(found.of) if u != cell.user]
        looks = [self.look(found.of, Cell(cell.prompt, cell.seed, u))[judge]["all"][cell.user] for u in others]
        return float(np.mean([np.mean(each) for each in looks]))  # a winner that is the prompt itself has more of them

    def by_others(self, condition: str, cell: Cell, judge: str) -> float:
        """How much the study's other users like what the cell's user gets; NaN where it is other users' or there are
        none.
        """
        found = self.config.conditions[condition]
        others = [u for u in self.users if u != cell.user]
        if found.kind == "other" or not others:
            return math.nan
        if found.kind == "prompt":
            return float(np.mean([self.look(condition, cell)[judge]["all"][u] for u in others]))
        return float(np.mean([self.run(condition, cell)[judge]["best"][u] for u in others]))

    def fidelity(self, condition: str, cell: Cell) -> float:
        """Of what the user gets."""
        found = self.config.conditions[condition]
        if found.kind == "prompt":
            return float(np.mean(self.look(condition, cell)["fidelity"]["pictures"]))
        if found.kind == "other":
            others = [u for u in self.config.users_of(found.of) if u != cell.user]
            return float(
                np.mean([self.run(found.of, Cell(cell.prompt, cell.seed, u))["fidelity"]["best"] for u in others])
            )
        return float(self.run(condition, cell)["fidelity"]["best"])

    def cells(self, user: str) -> list[Cell]:
        """A user's prompts and seeds."""
        return [Cell(p, s, user) for p in range(len(self.config.prompts)) for s in self.config.seeds]

    def users_of(self, condition: str) -> list[str]:
        """The users that a condition is tried for."""
        found = self.config.conditions[condition]
        return self.config.users_of(found.of if found.kind == "other" else condition)

    def by_user(self, value: Any, condition: str) -> np.ndarray:
        """Mean of ``value(condition, cell)`` over a user's cells, (U,); NaN for users the condition was not tried
        for.
        """
        tried = set(self.users_of(condition))
        return np.array(
            [
                np.mean([value(condition, cell) for cell in self.cells(u)]) if u in tried else math.nan
                for u in self.users
            ]
        )


class Findings:
    """Everything the report shows, as numbers."""

    def __init__(self, folder: StudyFolder):
        self.judged, self.config = Judged(folder), folder.config
        self.names = list(self.config.conditions)
        self.judges = list(self.config.judges)

    @cached_property
    def values(self) -> dict[str, dict[str, np.ndarray]]:
        """By judge and condition the mean liking of each user, (U,)."""
        return {
            j: {
                n: self.judged.by_user(lambda c, cell, j=j: self.judged.likings(c, cell, j).mean(), n)
                for n in self.names
            }
            for j in self.judges
        }

    @cached_property
    def fidelity(self) -> dict[str, np.ndarray]:
        """By condition, (U,)."""
        return {n: self.judged.by_user(self.judged.fidelity, n) for n in self.names}

    def wins(self, judge: str) -> np.ndarray:
        """How often each user would choose row over column, (U, C, C)."""
        noise = self.config.choice_noise / 4
        table = np.full((len(self.judged.users), len(self.names), len(self.names)), np.nan)
        for k, user in enumerate(self.judged.users):
            tried = [i for i, n in enumerate(self.names) if user in self.judged.users_of(n)]
            cells = self.judged.cells(user)
            likings = {(i, c): self.judged.likings(self.names[i], c, judge) for i in tried for c in cells}
            for i in tried:
                for j in tried:
                    if i != j:
                        table[k, i, j] = np.mean([chance(likings[i, c], likings[j, c], noise) for c in cells])
        return table

    def curves(self, condition: str) -> dict[str, np.ndarray]:
        """What is held after each of K pictures, mean over users with its interval, (K, 3): the optimised reward and
        each judge.

        Held is the picture of highest objective so far.
        """
        rows: dict[str, list[list[np.ndarray]]] = defaultdict(list)
        if self.config.conditions[condition].kind != "steer" or self.config.conditions[condition].fixed:
            return {}
        for user in self.config.users_of(condition):
            own: dict[str, list[np.ndarray]] = defaultdict(list)
            for cell in self.judged.cells(user):
                for name, line in self._held(condition, cell).items():
                    own[name].append(line)
            for name, lines in own.items():
                rows[name].append([np.mean(lines, axis=0)])
        return {
            name: np.stack([np.array(interval(v)) for v in np.concatenate(lines).T]) for name, lines in rows.items()
        }

    def _held(self, condition: str, cell: Cell) -> dict[str, np.ndarray]:
        result = self.judged.folder.result(condition, cell) or {}
        judged = self.judged.run(condition, cell)
        row = {index: i for i, index in enumerate(judged["index"])}
        best, held = -math.inf, None
        lines: dict[str, list[float]] = {name: [] for name in ("optimised", *self.judges)}
        for c in result["candidates"]:
            if c["index"] in row and c["objective"] is not None and c["objective"] > best:
                best, held = c["objective"], c
            for name in lines:
                if held is None:
                    lines[name].append(math.nan)
                elif name == "optimised":
                    lines[name].append(held["personal"])
                else:
                    lines[name].append(judged[name]["pictures"][row[held["index"]]])
        return {n: np.array(v + v[-1:] * (self.config.budget - len(v)))[: self.config.budget] for n, v in lines.items()}

    def hacking(self, condition: str, judge: str) -> Interval:
        """Mean of :meth:`gaps`."""
        return interval(self.gaps(condition, judge))

    def gaps(self, condition: str, judge: str) -> np.ndarray:
        """What the optimised reward says is gained above the first picture less what the judge says, (U,)."""
        gaps = np.full(len(self.judged.users), np.nan)
        for k, user in enumerate(self.config.users_of(condition)):
            each = []
            for cell in self.judged.cells(user):
                lines = self._held(condition, cell)
                each.append((lines["optimised"][-1] - lines["optimised"][0]) - (lines[judge][-1] - lines[judge][0]))
            gaps[k] = np.nanmean(each)
        return gaps

    def diversity(self, condition: str) -> Interval:
        """How different users' pictures of one prompt are: mean of 1 - cosine of their features over pairs of users,
        bootstrap over users.

        Of the unchanged prompt over pairs of its seeds, which is what chance alone makes.
        """
        from steer.study.paired import resampled

        found = self.config.conditions[condition]
        if found.kind == "other" or found.fixed:
            return math.nan, math.nan, math.nan
        apart = []
        for p in range(len(self.config.prompts)):
            for seed in self.config.seeds:
                if found.kind == "prompt":
                    rows = self.judged.look(condition, Cell(p, seed, self.judged.users[0]))["features"]
                else:
                    cells = [Cell(p, seed, u) for u in self.config.users_of(condition)]
                    rows = [self.judged.run(condition, cell)["features"][0] for cell in cells]
                x = np.array(rows)
                x = x / np.maximum(np.linalg.norm(x, axis=1, keepdims=True), 1e-12)
                apart.append(1 - x @ x.T)
        distance = np.mean(apart, axis=0)
        np.fill_diagonal(distance, 0)
        weights = resampled(len(distance))
        pairs = np.einsum("bi,bj,ij->b", weights, weights, 1 - np.eye(len(distance)))
        means = np.einsum("bi,bj,ij->b", weights, weights, distance) / np.maximum(pairs, 1)
        low, high = np.percentile(means, [2.5, 97.5])
        return float(distance.sum() / (len(distance) * (len(distance) - 1))), float(low), float(high)

    def consistency(self, a: str, b: str) -> dict[str, Interval]:
        """How alike two conditions' pictures of a prompt are within a user and between users."""
        users = [u for u in self.config.users_of(a) if u in self.config.users_of(b)]
        each = [
            [
                [self.judged.run(n, Cell(p, seed, u))["features"][0] for u in users]
                for p in range(len(self.config.prompts))
                for seed in self.config.seeds
            ]
            for n in (a, b)
        ]
        found = consistency(np.array(each[0]), np.array(each[1]))
        return {"within": found.within, "between": found.between, "above": found.above}

    def difference(self, judge: str, a: str, b: str) -> Interval:
        """Mean of a user's liking of ``a`` less that of ``b``, over users that have both."""
        return interval(self.values[judge][a] - self.values[judge][b])

    def _by_others(self, condition: str) -> dict[str, Interval]:
        """How much others like what a condition's users get; nothing where that makes no sense."""
        found = self.judged.by_user(lambda c, cell: self.judged.by_others(c, cell, self.judges[0]), condition)
        return {} if np.isnan(found).all() else {"by others": interval(found)}

    def kept(self, condition: str) -> Interval:
        """Fidelity as a share of the unchanged prompt's: ratio of means, bootstrap over users."""
        from steer.study.paired import resampled

        own, base = self.fidelity[condition], self.fidelity[self.config.baseline]
        both = ~np.isnan(own) & ~np.isnan(base)
        if not both.any():
            return math.nan, math.nan, math.nan
        weights = resampled(int(both.sum()))
        ratios = (weights @ own[both]) / (weights @ base[both])
        low, high = np.percentile(ratios, [2.5, 97.5])
        return float(own[both].mean() / base[both].mean()), float(low), float(high)

    def table(self) -> dict[str, Any]:
        """All of it, JSON-ready."""
        elos = {j: elo(self.wins(j)) for j in self.judges}
        base = self.config.baseline
        return {
            "study": self.config.name,
            "users": len(self.judged.users),
            "prompts": len(self.config.prompts),
            "seeds": len(self.config.seeds),
            "budget": self.config.budget,
            "conditions": {
                name: {
                    "users": len(self.judged.users_of(name)),
                    **{
                        j: {
                            "liking": interval(self.values[j][name]),
                            f"above {base}": self.difference(j, name, base),
                            "elo": tuple(float(v) for v in elos[j][i]),
                        }
                        for j in self.judges
                    },
                    "fresh": {
                        j: interval(self.judged.by_user(lambda c, cell, j=j: self.judged.fresh(c, cell, j), name))
                        for j in self.judges
                    },
                    **self._by_others(name),
                    "diversity": self.diversity(name),
                    "fidelity": interval(self.fidelity[name]),
                    "fidelity kept": self.kept(name),
                    **({"gap": {j: self.hacking(name, j) for j in self.judges}} if self._personal(name) else {}),
                    **(
                        {"price": price(self.judged.folder, name)}
                        if self.config.conditions[name].kind == "steer"
                        else {}
                    ),
                }
                for i, name in enumerate(self.names)
            },
            "consistency": {
                n: {"again": c.again, **self.consistency(c.again, n)}
                for n, c in self.config.conditions.items()
                if c.again is not None and len(self.config.users_of(n)) > 1
            },
            "wins": {j: _mean_of_users(self.wins(j)) for j in self.judges},
        }

    def _personal(self, name: str) -> bool:
        found = self.config.conditions[name]
        return found.kind == "steer" and found.fixed is None


def _mean_of_users(wins: np.ndarray) -> list[list[float | None]]:
    """(U, C, C) to (C, C); None where nobody has both."""
    there = ~np.isnan(wins)
    mean = np.nansum(wins, axis=0) / np.maximum(1, there.sum(0))
    return [
        [round(float(m), 4) if n else None for m, n in zip(*row, strict=True)]
        for row in zip(mean, there.sum(0), strict=True)
    ]
