"""Ridge regression on few rows of many features, its penalty chosen by leave-one-out. Shapes: n rows, D features, A
penalties, m queries.

Equal to scikit-learn's ``make_pipeline(StandardScaler(), RidgeCV(alphas))``, solved in the space of the rows (n x n),
where n is small: a refit takes milliseconds. On top of it: how unsure an answer is, and a row more without starting
anew.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

ALPHAS: dict[str, np.ndarray] = {
    "paper": np.logspace(-3, 3, 13),  # the authors' grid; with D >> n its top is often chosen
    "wide": np.logspace(-3, 6, 19),
}


@dataclass(frozen=True)
class Scaler:
    """Mean and scale of each feature, (D,); a constant feature keeps the scale 1, as scikit-learn's does."""

    mean: np.ndarray
    scale: np.ndarray

    @classmethod
    def of(cls, x: np.ndarray) -> Scaler:
        """Of the rows (n, D), population standard deviation."""
        x = np.asarray(x, dtype=np.float64)
        scale = x.std(axis=0)
        # what is constant but for rounding counts as constant, by scikit-learn's own bound
        tiny = (
            len(x) * np.finfo(np.float64).eps * x.var(axis=0)
            + (len(x) * np.abs(x.mean(axis=0)) * np.finfo(np.float64).eps) ** 2
        )
        return cls(x.mean(axis=0), np.where(x.var(axis=0) <= tiny, 1.0, scale))

    def __call__(self, x: np.ndarray) -> np.ndarray:
        """Rows (n, D) less the mean, in units of the scale."""
        return (np.asarray(x, dtype=np.float64) - self.mean) / self.scale


@dataclass
class Affine:
    """``weight`` (k, D) of scaled features, ``bias`` (k,)."""

    scaler: Scaler
    weight: np.ndarray
    bias: np.ndarray

    def __call__(self, x: np.ndarray) -> np.ndarray:
        """(m, D) to (m, k)."""
        return self.scaler(x) @ self.weight.T + self.bias


@dataclass
class Support:
    """What people rated: ``rows`` of the pictures and likings in [0, 1], by person."""

    rows: dict[str, np.ndarray] = field(default_factory=dict)
    likings: dict[str, np.ndarray] = field(default_factory=dict)


class Ridge:
    """Fitted on rows ``x`` (n, D) and targets ``y`` (n,), n >= 2.

    ``scaler``: of a larger set of pictures, where the rows are too few to know scales by; None: of the rows themselves,
    as the paper does.
    ``noise``: standard deviation of a target where it is known; None: ``own_noise``, found by leave-one-out.
    """

    def __init__(
        self,
        x: np.ndarray,
        y: np.ndarray,
        alphas: str | Sequence[float] = "wide",
        scaler: Scaler | None = None,
        noise: float | None = None,
    ):
        if len(x) != len(y) or len(x) < 2:
            raise ValueError(f"a ridge needs at least 2 rows and as many targets, not {len(x)} and {len(y)}")
        self.alphas = ALPHAS[alphas] if isinstance(alphas, str) else np.asarray(alphas, dtype=np.float64)
        self._noise = noise
        self._own_scaler, self.scaler = scaler is None, scaler or Scaler.of(x)
        self.y = np.asarray(y, dtype=np.float64)
        self._scaled = self.scaler(x)
        self._raw = np.asarray(x, dtype=np.float64) if self._own_scaler else None
        self._gram = self._scaled @ self._scaled.T
        self._solve()

    def __len__(self) -> int:
        return len(self.y)

    def add(self, row: np.ndarray, target: float) -> None:
        """One rating more. With a scaler from outside only the new row's products are computed, O(n D), and the n x n
        problem is solved again; with the rows' own scaler every scale changes, and all products with it.
        """
        self.y = np.append(self.y, float(target))
        if self._raw is not None:
            self._raw = np.vstack([self._raw, np.asarray(row, dtype=np.float64)])
            self.scaler = Scaler.of(self._raw)
            self._scaled = self.scaler(self._raw)
            self._gram = self._scaled @ self._scaled.T
        else:
            new = self.scaler(np.asarray(row)[None])
            side = self._scaled @ new[0]
            self._gram = np.block([[self._gram, side[:, None]], [side[None], new @ new.T]])
            self._scaled = np.vstack([self._scaled, new])
        self._solve()

    def _solve(self) -> None:
        """Every penalty at once from one eigendecomposition of the centred Gram matrix.

        The leave-one-out residual of row i is (y_i - p_i) / (1 - h_i), h the diagonal of the hat matrix, intercept
        included (Hastie, Tibshirani and Friedman 2009, eq. 7.64).
        """
        n = len(self.y)
        self._row_mean = self._gram.mean(axis=0)
        centred = self._gram - self._row_mean - self._row_mean[:, None] + self._gram.mean()
        # the constant, which is not penalised, gets an eigenvalue of its own, so that it can be told from other zeros
        values, vectors = np.linalg.eigh(centred + (1.618 * np.trace(centred) / n + 1) / n)
        others = np.arange(n) != np.abs(vectors.sum(axis=0)).argmax()
        self._values, self._vectors = np.clip(values[others], 0, None), vectors[:, others]
        self.mean = float(self.y.mean())
        own = self._vectors.T @ (self.y - self.mean)  # (n - 1,)
        inverse = 1 / (self._values[:, None] + self.alphas)  # (n - 1, A)
        # residual over 1 - h, both divided by the penalty: without the cancellation of 1 - h near 0
        left_out = (self._vectors @ (inverse * own[:, None])) / np.maximum(
            (self._vectors**2) @ inverse, 1e-300
        )  # (n, A)
        self.errors = (left_out**2).mean(axis=0)  # by penalty
        chosen = int(self.errors.argmin())
        self.alpha, self.left_out = float(self.alphas[chosen]), left_out[:, chosen]
        self.dual = self._vectors @ (own / (self._values + self.alpha))  # (n,), sums to 0
        # a left-out residual has the variance noise^2 / (1 - h)
        kept = self.alpha * ((self._vectors**2) @ inverse[:, chosen])  # 1 - h
        self.own_noise = float(np.sqrt(np.mean(self.left_out**2 * kept)))
        self.noise = self._noise or self.own_noise

    @property
    def coefficients(self) -> np.ndarray:
        """Of the scaled features, (D,)."""
        return self.dual @ self._scaled

    @property
    def centre(self) -> np.ndarray:
        """Mean of the rows' scaled features, (D,); 0 where the scaler is their own."""
        return self._scaled.mean(axis=0)

    @property
    def intercept(self) -> float:
        """Of the scaled features."""
        return self.mean - float(self.coefficients @ self.centre)

    def __call__(self, x: np.ndarray) -> np.ndarray:
        """Answers (m,) for rows (m, D)."""
        return self.scaler(x) @ self.coefficients + self.intercept

    def leverage(self, x: np.ndarray) -> np.ndarray:
        """How far rows (m, D) lie from those it was fitted on: x'(X'X + alpha I)^-1 x of centred rows, plus 1/n, (m,).

        Near 1/n among them, growing without bound away from them.
        """
        scaled = self.scaler(x) - self.centre
        cross = scaled @ (self._scaled - self.centre).T  # (m, n)
        projected = cross @ self._vectors
        inner = (projected**2 / (self._values + self.alpha)).sum(axis=1)
        return 1 / len(self.y) + np.maximum(0.0, ((scaled**2).sum(axis=1) - inner) / self.alpha)

    def uncertainty(self, x: np.ndarray) -> np.ndarray:
        """Standard deviation of the person's mean liking of rows (m, D): noise times the root of :meth:`leverage`,
        (m,).

        The posterior of Bayesian linear regression whose prior has the variance noise^2 / alpha (Rasmussen and Williams
        2006, eq. 2.9).
        """
        return self.noise * np.sqrt(self.leverage(x))

    def covariance(self) -> np.ndarray:
        """Of the coefficients given the ratings, (D, D): noise^2 (X'X + alpha I)^-1, X the centred rows."""
        loads = (self._scaled - self.centre).T @ self._vectors  # (D, n - 1)
        shrunk = (loads / (self._values + self.alpha)) @ loads.T
        return self.noise**2 / self.alpha * (np.eye(loads.shape[0]) - shrunk)

    def open_share(self, scaled: np.ndarray) -> float:
        """Share in (0, 1] that the ratings leave of the variance of scaled rows (m, D), at the chosen penalty."""
        along = (scaled @ (self._scaled - self.centre).T) @ self._vectors  # (m, n - 1)
        return 1 - float((along**2 / (self._values + self.alpha)).sum()) / float((scaled**2).sum())

    @property
    def range(self) -> tuple[float, float]:
        """The lowest and highest target."""
        return float(self.y.min()), float(self.y.max())


def many_outputs(
    x: np.ndarray, y: np.ndarray, scaler: Scaler, alphas: str | Sequence[float] = "wide"
) -> tuple[np.ndarray, np.ndarray, float]:
    """Ridges of n rows (n, D) to k targets (n, k) with one penalty, that of least leave-one-out error, each target in
    its own spread: weights (k, D) of scaled features, biases (k,) and the penalty.
    """
    from sklearn.linear_model import RidgeCV

    grid = ALPHAS[alphas] if isinstance(alphas, str) else np.asarray(alphas, dtype=np.float64)
    spread = y.std(axis=0) + 1e-12
    ridge = RidgeCV(grid, gcv_mode="svd").fit(scaler(x), y / spread)
    return ridge.coef_ * spread[:, None], ridge.intercept_ * spread, float(ridge.alpha_)
