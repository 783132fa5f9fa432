"""How like people's comments written ones are: BLEU, ROUGE-L and CIDEr. They reward grammar and usual words, not taste.

BLEU and ROUGE-L are torchmetrics'. CIDEr (Vedantam et al., CVPR 2015) is the reference code's of pycocoevalcap, which
is old and large; no maintained package has it. All texts are lower-cased and split into words alike.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from reward_models.base import RewardError

LONGEST = 4  # words in a row that BLEU counts
NO_CIDER = "CIDEr is not computed: it needs pycocoevalcap (pip install --no-deps pycocoevalcap)"


def caption_scores(written: Sequence[str], references: Sequence[Sequence[str]]) -> dict[str, float]:
    """``bleu-1`` to ``bleu-4`` of the corpus, ``rouge-l``: mean over texts of F1 with the most alike reference, and
    ``cider`` where its package is there, of n texts and what people said of the same n pictures.

    Raises RewardError for no texts, a picture without references, or where torchmetrics is missing.
    """
    if not written or len(written) != len(references) or not all(references):
        raise RewardError(f"{len(written)} texts and references of {len(references)} pictures do not match")
    try:
        from torchmetrics.functional.text import bleu_score, rouge_score
    except ImportError as error:
        raise RewardError("comments are compared by torchmetrics; install it: scripts/setup.sh captions") from error
    texts = [words(text) for text in written]
    told = [[words(text) for text in each] for each in references]
    found = {f"bleu-{n}": float(bleu_score(texts, told, n_gram=n)) for n in range(1, LONGEST + 1)}
    alike = rouge_score(texts, told, accumulate="best", rouge_keys="rougeL")
    found["rouge-l"] = float(alike["rougeL_fmeasure"])
    if (cider := _cider(texts, told)) is not None:
        found["cider"] = cider
    return found


def words(text: str) -> str:
    """A text in lower case, its words apart.

    >>> words("Great light; it's soft.")
    "great light it's soft"
    """
    return " ".join(re.findall(r"[\w']+", text.lower()))


def _cider(texts: Sequence[str], references: Sequence[Sequence[str]]) -> float | None:
    """As the package gives it, where 1 is a tenth of its highest value; None without it."""
    try:
        from pycocoevalcap.cider.cider import Cider
    except ImportError:
        return None
    score, _ = Cider().compute_score(
        {i: list(each) for i, each in enumerate(references)}, {i: [text] for i, text in enumerate(texts)}
    )
    return float(score)
