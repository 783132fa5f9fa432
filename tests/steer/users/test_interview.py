"""What is asked next, what an answer does, and when it is enough."""

from __future__ import annotations

import io
import re
import weakref

import numpy as np
import pytest
import torch
from PIL import Image
from rich.console import Console
from scipy.stats import spearmanr

from reward_models import Person
from reward_models.questions import gains, open_variance, pair_gains
from steer.errors import UsageError
from steer.lexicon import Lexicon
from steer.terminal_graphics import sixel
from steer.testing import FakeRenderer
from steer.users import pictures as pictures_of
from steer.users.exchange import rate_from_csv
from steer.users.interview import FEWEST, Interview
from steer.users.pictures import drawn_for, pictures_in
from steer.users.store import UserStore
from steer.users.terminal import ask


@pytest.fixture
def interview(miniature, store, questions):
    store.add("me")
    return Interview(store, miniature.parts.reward, "me", questions)


def test_a_gain_is_what_a_rating_takes_off_the_open_variance():
    """Against the posterior itself: Bayes' rule for one more observation."""
    torch.manual_seed(0)
    slope, noise = torch.randn(2, 6, 3).double(), 0.4
    root = torch.randn(2, 3, 3).double()
    covariance = root @ root.transpose(1, 2) + torch.eye(3)
    before = open_variance(slope, covariance)
    for i, gain in enumerate(gains(slope, covariance, noise)):
        a = slope[:, i]
        after = torch.linalg.inv(torch.linalg.inv(covariance) + a[:, :, None] * a[:, None, :] / noise**2)
        assert float(gain) == pytest.approx(6 * (before - open_variance(slope, after)), rel=1e-6)


def test_a_choice_between_like_pictures_tells_nothing():
    slope = torch.tensor([[[1.0, 0.0], [1.0, 0.0], [0.0, 1.0]]])
    same, different = pair_gains(slope, torch.eye(2)[None], 0.2, torch.tensor([[0, 1], [0, 2]]))
    assert same == 0 < different


def test_chosen_questions_teach_more_than_random_ones(miniature, store, questions, ratings_of):
    truth = ratings_of("u190")
    reached = {}
    for chosen in (True, False):
        name = f"p{int(chosen)}"
        store.add(name)
        interview = Interview(store, miniature.parts.reward, name, questions, chosen, seed=1)
        for _ in range(8):
            question = interview.next()
            interview.rate(question, truth[question.hash])
        assert interview.enrolled.used == 8
        reached[chosen] = interview.progress().known
    assert reached[True] > reached[False] + 0.03


def test_no_picture_is_asked_twice_and_skipped_ones_are_left(interview):
    seen = set()
    for i in range(10):
        question = interview.next()
        assert question.hash not in seen
        seen.add(question.hash)
        interview.skip(question) if i % 2 else interview.rate(question, 3)
    assert interview.progress().answers == 5
    assert interview.progress().left == 50


def test_undo_takes_back_what_was_learnt(interview):
    start = interview.progress()
    first = interview.next()
    interview.rate(first, 5)
    assert interview.progress().known > start.known
    assert interview.undo()
    assert interview.progress() == start
    assert interview.next() == first
    assert not interview.undo()


def test_it_ends_by_itself_after_some_twenty_answers(interview, ratings_of):
    truth = ratings_of("u185")
    while not interview.progress().enough:
        question = interview.next()
        interview.rate(question, truth[question.hash])
    answers = interview.progress().answers
    assert FEWEST < answers <= 25
    assert interview.progress().known > 0.4


def test_pairs_are_of_pictures_not_compared_before(interview):
    asked = set()
    for _ in range(6):
        a, b = interview.next_pair()
        assert frozenset((a.hash, b.hash)) not in asked
        asked.add(frozenset((a.hash, b.hash)))
        interview.choose(a, b)
    assert interview.progress().answers == 6
    assert interview.progress().known > 0.05


def test_an_interview_goes_on_where_it_was_left(interview, miniature, questions):
    for _ in range(3):
        interview.rate(interview.next(), 4)
    again = Interview(interview.store, miniature.parts.reward, "me", questions)
    assert again.progress() == interview.progress()
    assert again.next() == interview.next()


def test_read_only_people_are_not_asked(miniature, store, questions):
    store.add("p1", source="a set")
    with pytest.raises(UsageError, match="read-only"):
        Interview(store, miniature.parts.reward, "p1", questions)


def test_pictures_of_a_folder(tmp_path, caplog):
    Image.new("RGB", (8, 8), "red").save(tmp_path / "a.png")
    (tmp_path / "b.png").write_bytes(b"this is no picture")
    (tmp_path / "c.txt").write_text("nor this")
    (only,) = pictures_in(tmp_path)
    assert (only.path.name, only.prompt) == ("a.png", "")
    assert re.search(r"1 picture in '.*' could not be opened; the first is b.png", caplog.text)
    (tmp_path / "a.png").unlink()
    for folder, said in ((tmp_path, "no pictures in"), (tmp_path / "none", "there is no folder")):
        with pytest.raises(UsageError, match=said):
            pictures_in(folder)


def test_pictures_of_a_run_know_their_prompt(fake_steerer, tmp_path):
    fake_steerer().run("a fox", "u1", budget=6, out=tmp_path / "run")
    found = pictures_in(tmp_path / "run")
    assert {q.prompt for q in found} == {"a fox"}
    assert len(found) == 6  # without the contact sheet


def test_one_rating_asks_the_store_a_handful_of_times(interview, monkeypatch):
    """Rate, keep the features, read all that was told, look for an earlier lesson, read features, keep the lesson."""
    calls, store = [], interview.store
    for name in [n for n in dir(UserStore) if not n.startswith("_") and callable(getattr(UserStore, n))]:
        monkeypatch.setattr(store, name, _counted(getattr(store, name), name, calls))
    statements = []
    store._db.set_trace_callback(statements.append)
    interview.rate(interview.next(), 4)
    interview.next(), interview.progress()
    store._db.set_trace_callback(None)
    asked = [s for s in statements if not s.startswith(("BEGIN", "COMMIT", "--"))]
    assert len([c for c in calls if c in ("rate", "keep_features", "told", "lesson", "features", "keep_lesson")]) == 6
    assert (
        len(asked) <= 15
    )  # one for the first rating that a second replaces; they were 64 with the prompt of each picture asked for alone


def _counted(method, name, calls):
    def counting(*args, **kwargs):
        calls.append(name)
        return method(*args, **kwargs)

    return counting


def test_pictures_drawn_for_the_purpose(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    found = drawn_for(FakeRenderer(), Lexicon.load("miniature"), 9)
    assert len({q.hash for q in found}) == 9
    assert all(q.prompt and q.path.exists() for q in found)


def test_in_the_terminal(interview):
    answers = iter(["4", "x", "3,5", "s", "9", "u", "q"])
    out = io.StringIO()
    ask(interview, False, Console(file=out), lambda _: next(answers))
    assert [r.score for r in interview.store.ratings("me")] == [4.0]
    assert out.getvalue().count("enter a number from 1 to 5") == 2
    assert "last answer undone" in out.getvalue()


def test_pairs_in_the_terminal_and_an_input_that_ends(interview):
    answers = iter(["1", "2", "3"])

    def read(_):
        try:
            return next(answers)
        except StopIteration:
            raise EOFError from None

    ask(interview, True, Console(file=io.StringIO()), read)
    assert len(interview.store.choices("me")) == 2


def test_sixel_has_every_row_and_colour():
    pixels = np.zeros((12, 5, 3), np.uint8)
    pixels[:6], pixels[6:] = (255, 0, 0), (0, 0, 255)
    text = sixel(Image.fromarray(pixels))
    assert text.startswith('\x1bPq"1;1;5;12')
    assert text.endswith("-\x1b\\")
    assert "~~~~~" in text  # a full band of one colour: six bits set, five columns
    assert text.count("-") == 2


def test_srocc_of_an_interview_rises(miniature, store, questions, ratings_of):
    store.add("someone")
    truth = ratings_of("u199")
    interview = Interview(store, miniature.parts.reward, "someone", questions)
    before = _srocc(miniature, None, questions, truth)
    for _ in range(12):
        question = interview.next()
        interview.rate(question, truth[question.hash])
    unseen = [q for q in questions if q.hash not in {r.picture for r in store.ratings("someone")}]
    assert _srocc(miniature, "someone", unseen, truth) > before + 0.1


def _srocc(steerer, user, questions, truth):
    scores = steerer.parts.reward.score([q.image for q in questions], [q.prompt for q in questions], Person(user))
    return spearmanr(scores.personal, [truth[q.hash] for q in questions]).statistic


@pytest.fixture
def alive(monkeypatch):
    """How many pictures of files were in memory at most."""
    now, most = set(), [0]
    real = pictures_of._upright

    def counted(image):
        picture = real(image)
        now.add(id(picture))
        weakref.finalize(picture, now.discard, id(picture))
        most[0] = max(most[0], len(now))
        return picture

    monkeypatch.setattr(pictures_of, "_upright", counted)
    return most


def photographs(folder, n):
    """Different pictures, some of them stored on their side."""
    rng = np.random.default_rng(0)
    for i in range(n):
        image = Image.fromarray(rng.integers(0, 255, (24, 32, 3), dtype=np.uint8))
        exif = Image.Exif()
        exif[0x0112] = 6 if i % 2 else 1
        image.save(folder / f"{i:02d}.jpg", exif=exif)
    return folder


def test_an_interview_holds_a_few_pictures_however_many_there_are(miniature, store, tmp_path, alive):
    store.add("me", keep_pictures=True)
    found = Interview(store, miniature.parts.reward, "me", pictures_in(photographs(tmp_path, 30)))
    for score in (5, 2, 4):
        question = found.next()
        assert question.image.size == ((24, 32) if int(question.path.stem) % 2 else (32, 24))
        found.rate(question, score)
    assert len(store.thumbnails("me", [r.picture for r in store.ratings("me")])) == 3
    assert 0 < alive[0] <= miniature.parts.reward.batch_size + 1


def test_of_a_large_folder_some_are_looked_at_always_the_same(tmp_path, caplog):
    photographs(tmp_path, 12)
    first, again = (pictures_in(tmp_path, 5) for _ in range(2))
    assert [q.path for q in first] == [q.path for q in again] == sorted(q.path for q in first)
    assert len(first) == 5
    assert "has 12 pictures; 5 of them are looked at" in caplog.text
    assert len(pictures_in(tmp_path, 12)) == 12


def test_a_csv_of_ratings_holds_a_few_pictures_too(miniature, store, tmp_path, alive):
    store.add("me")
    photographs(tmp_path, 20)
    lines = ["picture,score,prompt", *(f"{i:02d}.jpg,{1 + i % 5},a caf\u00e9" for i in range(20))]
    (tmp_path / "ratings.csv").write_text("\n".join(lines), encoding="utf-8-sig")
    teacher = miniature.parts.reward.teacher
    assert rate_from_csv(store, teacher, "me", tmp_path / "ratings.csv") == 20
    assert {r.prompt for r in store.ratings("me")} == {"a caf\u00e9"}
    assert len(store.features(teacher.key, [r.picture for r in store.ratings("me")])) == 20
    assert 0 < alive[0] <= 2 * pictures_of.AT_ONCE
