"""What a person answered to a run's question goes into the store, as any other choice or rating of theirs."""

from __future__ import annotations

from reward_models import RewardModel
from reward_models.pictures import read_picture
from steer.question import RunQuestion
from steer.users.enrolment import keep_pictures, teacher_of
from steer.users.rating import rate_candidate
from steer.users.records import picture_hash
from steer.users.store import UserStore


def keep_answer(store: UserStore, reward: RewardModel, question: RunQuestion) -> None:
    """Keep an answer: a rating, or a choice of the best picture before each other one. A skipped question leaves
    nothing. Raises UsageError for people who are read-only.
    """
    if question.value is None:
        return
    images = [read_picture(path, ("PNG",)) for path in question.paths]
    run, prompt = question.folder.resolve().name, question.prompt
    if question.form == "rate":
        rate_candidate(store, reward, question.user, images[0], prompt, question.value, run)
        return
    teacher = teacher_of(reward, question.user)
    by_hash = {picture_hash(image): image for image in images}
    hashes = dict(zip((c.index for c in question.pictures), (picture_hash(i) for i in images), strict=True))
    best = hashes[int(question.value)]
    with store.together():
        for other in dict.fromkeys(hashes.values()):
            if other != best:
                store.choose(question.user, best, other, (prompt, prompt), run)
    keep_pictures(store, teacher, by_hash)
    store.keep_small(question.user, by_hash)
