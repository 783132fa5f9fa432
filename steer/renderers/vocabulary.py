"""The words of a renderer that can draw only a small world: the miniature and its painter."""

from __future__ import annotations

import difflib
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache, cached_property
from pathlib import Path

from pydantic import TypeAdapter, ValidationError

from reward_models.plural import counted
from steer.config import DiffusersConfig, PainterConfig, RendererConfig
from steer.errors import RenderError
from steer.miniature.words import nearest_subject, vocabulary
from steer.resources import MINIATURE_WEIGHTS
from steer.vocabulary import PromptWarning, Vocabulary
from steer.words import content_words

FILE = "vocabulary.json"  # in the folder of a pipeline that knows few words
SHOWN = 5  # unknown words that are named
CLOSE = 0.7  # likeness of a mistyped word to the one that was meant, as difflib counts
_WORD = re.compile(r"[^\W_]+(?:[-'][^\W_]+)*")
# Words without which the picture would be the same; function words are none to begin with.
_HARMLESS = frozenset(
    re.findall(r"\w+", "my your our their it be very one picture image among before below behind beside around into")
)


@dataclass(frozen=True)
class WorldVocabulary(Vocabulary):
    """``subjects``: what can be drawn, each with the phrases that name it. ``phrases``: all else that is understood.
    ``words``: those that are understood outside their phrases too. ``name``: of the renderer, as in a sentence.

    ``read_by_code``: of several subjects the first one is drawn, and without any the one whose name is nearest. What a
    model draws then, only the model knows.
    """

    name: str
    subjects: Mapping[str, Sequence[str]]
    phrases: Sequence[str]
    words: Sequence[str]
    read_by_code: bool = False

    def warnings(self, prompt: str) -> list[PromptWarning]:
        """See :class:`~steer.vocabulary.Vocabulary`."""
        subjects, rest = self._read(prompt)
        strange = [w for w in dict.fromkeys(rest) if content_words(w) - self._stems - _HARMLESS]
        name = self.name[0].upper() + self.name[1:]
        if not subjects:
            return [PromptWarning(self._without_subject(prompt, strange), f"It draws {', '.join(self.subjects)}.")]
        found = []
        if len(subjects) > 1:
            fate = f"only the first, '{subjects[0]}'" if self.read_by_code else "a mixture of them"
            found.append(
                PromptWarning(f"{name} draws one subject per picture; of {_listed(subjects)} it will draw {fate}.")
            )
        if strange:
            found.append(PromptWarning(f"{name} does not know {_listed(strange)} and will ignore {_them(strange)}."))
        return found

    def knows(self, prompt: str) -> bool:
        """Whether any phrase or word of the prompt is known."""
        if self._pattern.search(prompt.lower()):
            return True
        return bool(content_words(prompt) & self._stems)

    def _without_subject(self, prompt: str, strange: Sequence[str]) -> str:
        """One word that is not known is named; of several, and of other scripts, none is known to be the subject."""
        many = f"of the {counted(len(self.subjects), 'subject')} that {self.name} draws"
        what = f"'{strange[0][:30]}' is none {many}" if len(strange) == 1 else f"'{prompt[:60]}' names none {many}"
        if self.read_by_code:
            return f"{what}, so it will draw the one whose name is nearest, '{nearest_subject(prompt)}'."
        near = [n for w in strange for n in difflib.get_close_matches(w, self._named, 1, CLOSE)]
        hint = f" Did you mean '{near[0]}'?" if near else ""
        return f"{what}, so it will draw what it takes for the nearest.{hint}"

    @cached_property
    def _stems(self) -> frozenset[str]:
        """The words, as :func:`content_words` gives them."""
        return frozenset(content_words(" ".join(self.words)))

    @cached_property
    def _named(self) -> dict[str, str]:
        """Subject by phrase."""
        return {phrase: subject for subject, phrases in self.subjects.items() for phrase in phrases}

    @cached_property
    def _pattern(self) -> re.Pattern[str]:
        """Every phrase, the longest first; a model reads "foxes" as "fox", code does not."""
        plural = "" if self.read_by_code else "(?:e?s)?"
        texts = sorted({*self._named, *self.phrases}, key=len, reverse=True)
        each = "|".join(f"{re.escape(t)}{plural if t in self._named else ''}" for t in texts)
        return re.compile(rf"(?<![\w-])({each})(?![\w-])")

    def _read(self, prompt: str) -> tuple[list[str], list[str]]:
        """The subjects that a prompt names, in its order, and the words that belong to no phrase."""
        text = prompt.lower()
        matches = [m.group(1) for m in self._pattern.finditer(text)]
        found = [self._named.get(m) or self._named.get(m.removesuffix("s")) or self._named.get(m[:-2]) for m in matches]
        return list(dict.fromkeys(s for s in found if s)), _WORD.findall(self._pattern.sub(" , ", text))


def _listed(words: Sequence[str]) -> str:
    """'a', 'b' and 'c'; the first few of many."""
    quoted = [f"'{w[:30]}'" for w in words[:SHOWN]]
    if len(words) > SHOWN:
        more = len(words) - SHOWN
        return f"{', '.join(quoted)} and {more} more word{'' if more == 1 else 's'}"
    return " and ".join([", ".join(quoted[:-1]), quoted[-1]]) if len(quoted) > 1 else quoted[0]


def _them(words: Sequence[str]) -> str:
    return "it" if len(words) == 1 else "them"


def vocabulary_of(config: RendererConfig) -> Vocabulary | None:
    """What a renderer with this config can draw, without loading it; None where that is not known."""
    if isinstance(config, PainterConfig):
        return painter_vocabulary()
    if isinstance(config, DiffusersConfig):
        return folder_vocabulary(MINIATURE_WEIGHTS / "pipeline" if config.model == "miniature" else Path(config.model))
    return None


@cache
def painter_vocabulary() -> WorldVocabulary:
    """Of the code that drew the world."""
    return WorldVocabulary("the painter", read_by_code=True, **vocabulary(with_extra=True))


@cache
def folder_vocabulary(folder: Path) -> WorldVocabulary | None:
    """Of a pipeline's folder, None where it holds no ``vocabulary.json``. Raises RenderError for one that does not
    read.
    """
    path = folder / FILE
    if not path.is_file():
        return None
    try:
        return TypeAdapter(WorldVocabulary).validate_json(path.read_bytes())
    except (OSError, ValidationError) as error:
        raise RenderError(f"'{path}' does not read as a vocabulary: {str(error).splitlines()[0]}") from error
