"""What a critic would change in the leading picture, for whoever writes the next texts."""

from __future__ import annotations

import logging
from dataclasses import replace

from PIL import Image

from reward_models.plural import counted
from steer.config import RewardCriticConfig
from steer.critics.base import Critic, CriticFailed, View
from steer.errors import UsageError
from steer.judging.audience import People
from steer.lexicon import Lexicon
from steer.parts import Parts
from steer.protocols import Proposer
from steer.search.search import Search
from steer.search.wishes import wishes_of
from steer.store.run_folder import RunFolder
from steer.types import Candidate, Comment
from steer.users.examples import rated_examples
from steer.users.roster import Roster

log = logging.getLogger(__name__)

GIVEN_UP = 3  # rounds in a row without an answer, after which a critic is not asked any more


def view_of(critic: Critic, roster: Roster, people: People, picture: Image.Image, prompt: str) -> View:
    """What a critic may see: of these people, as much as it wants and may be told."""
    people = told_about(critic, roster, people)
    card = roster.taste(people, critic.shares_about) if critic.personal else ""
    own = [user for user in people.audience.towards if user in roster.learned(people)]
    alone = people.audience.single and critic.personal
    rated = rated_examples(roster.store, own[0], critic.examples) if own and alone else ()
    return View(picture, prompt, people.one, card, rated)


def told_about(critic: Critic, roster: Roster, people: People) -> People:
    """The people of a run, or those its critic is told about instead. Raises UsageError for an unknown one, and for one
    that the critic cannot speak about.
    """
    found = people if critic.about is None else roster.people(critic.about)
    critic.check(found.one)
    return found


class CriticAtWork:
    """After each round the search is told what to change in the leader's best picture: "more evening light, less
    photo".

    Each comment is in the journal, so that a resumed run asks for none twice; one about the same picture as in the
    round before is not asked for again. A run never ends because of its critic: it goes on without, and
    :meth:`warnings` says so.
    """

    def __init__(self, critic: Critic, parts: Parts, people: People, prompt: str, folder: RunFolder):
        self.critic, self.parts, self.people, self.prompt, self.folder = critic, parts, people, prompt, folder
        self.comments: dict[int, Comment] = {}  # by round
        lexicon = Lexicon.load(parts.config.proposer.lexicon) if critic.weight else None
        self._phrases = [p for group in lexicon.groups for p in group.phrases] if lexicon else []
        self._failed_in_a_row = 0

    def __call__(self, search: Search) -> None:
        """A round was told."""
        leader = _leader(search)
        if leader is None or not search.goes_on:
            return
        comment = self.folder.comments.get(search.round) or self._said_of(leader)
        if comment is None:
            return search.advise("")
        if search.round not in self.folder.comments:
            self.folder.record_comment(search.round, comment)
        self.comments[search.round] = comment
        self._failed_in_a_row = self._failed_in_a_row + 1 if comment.failed else 0
        return search.advise(comment.text, self._wishes(comment.text))

    def said(self) -> dict[int, Comment]:
        """The comments by round; none where the critic had nothing to say in the whole run."""
        said = any(c.text or c.failed or c.filtered for c in self.comments.values())
        return dict(self.comments) if said else {}

    def warnings(self) -> list[str]:
        """That the critic was not there in some of the rounds, with the last reason."""
        failed = {round_: c.failed for round_, c in self.comments.items() if c.failed}
        if not failed:
            return []
        rounds = f"{'rounds' if len(failed) > 1 else 'round'} {', '.join(map(str, failed))}"
        last = list(failed.values())[-1]
        ended = f"; after {GIVEN_UP} in a row it was not asked again" if self._failed_in_a_row >= GIVEN_UP else ""
        return [
            f"The run went on without its critic in {len(failed)} of {counted(len(self.comments), 'round')} "
            f"({rounds}){ended}. The last reason: {last}"
        ]

    def _said_of(self, leader: Candidate) -> Comment | None:
        """The comment on a picture; None where the critic is not asked any more."""
        before = list(self.comments.values())[-1:]
        if before and before[0].picture == leader.picture and not before[0].failed:
            return before[0]
        if self._failed_in_a_row >= GIVEN_UP:
            return None
        self.folder.flush()
        picture = self.folder.load_picture(leader)
        view = view_of(self.critic, self.parts.roster, self.people, picture, self.prompt)
        try:
            comment = self.critic.comment(view)
        except CriticFailed as error:
            log.warning("%s; the run goes on without a critic's word in this round", error)
            comment = Comment(failed=str(error)[:1000])
        return replace(comment, picture=leader.picture, about=self.critic.about or "")

    def _wishes(self, text: str) -> dict[str, float]:
        """What the comment wants by phrase of the lexicon, in pictures."""
        if not self.critic.weight or not text:
            return {}
        known = self.parts.vocabulary
        found = wishes_of(text, self._phrases, self.parts.space, lambda words: known is None or known.knows(words))
        return {phrase: self.critic.weight * wish for phrase, wish in found.items()}


def critic_at_work(
    parts: Parts, people: People, prompt: str, folder: RunFolder, proposer: Proposer
) -> CriticAtWork | None:
    """The critic of a run, with a meter of its own; None where there is none, or nobody hears the one by default.

    Raises UsageError for another critic that nobody would hear, or that does not know the person.
    """
    critic, by_default = parts.critic, parts.config.critic == RewardCriticConfig()
    if critic is None:
        return None
    told = told_about(critic, parts.roster, people)
    if critic.alone and told.one is None:
        return None
    if not (proposer.reads_critique or (proposer.reads_wishes and critic.weight)):
        if by_default:
            return None
        heard = "set critic.weight above 0" if proposer.reads_wishes else "set critic=none"
        raise UsageError(f"the {proposer.name} does not hear the {critic.name}; {heard}")
    return CriticAtWork(critic.fork(), parts, people, prompt, folder)


def _leader(search: Search) -> Candidate | None:
    """The best picture of the leading text."""
    ranked = search.history.ranked()
    if not ranked:
        return None
    own = [c for c in search.history.scored() if c.rewrite.text == ranked[0].rewrite.text and c.picture]
    return max(own, key=lambda c: c.objective, default=None)
