"""What every implementation of a protocol must do; a subclass supplies ``make``.

A class for each optional part: run those of the parts that your reward has.
"""

from __future__ import annotations

import io
import math
from collections.abc import Callable

import numpy as np
from PIL import Image

from reward_models.base import Person, RewardError, UnknownPerson
from reward_models.encoders.base import Encoder
from reward_models.protocols import Evidence, RewardModel, Seen
from reward_models.scorers.base import Scorer
from reward_models.testing.fakes import random_pictures


def torn_picture() -> Image.Image:
    """A picture file that ends in its middle: it opens, and does not decode."""
    data = io.BytesIO()
    random_pictures(1)[0].save(data, "PNG")
    return Image.open(io.BytesIO(data.getvalue()[:4000]))


class _OfReward:
    def make(self) -> RewardModel:
        """A new instance, or a shared one."""
        raise NotImplementedError

    def pictures(self) -> list[Image.Image]:
        """What is judged."""
        return random_pictures(5)


class RewardConformance(_OfReward):
    """Tests of the RewardModel protocol."""

    def test_scores_are_in_range_and_do_not_depend_on_company(self) -> None:
        """In [0, 1], one per picture, the same alone."""
        model, pictures = self.make(), self.pictures()
        person, prompts = Person(next(iter(model.people()))), ["a fox"] * len(pictures)
        scores = model.score(pictures, prompts, person)
        assert len(scores) == len(pictures)
        for values in (scores.personal, scores.population, scores.fidelity):
            assert np.all(np.isnan(values) | ((values >= 0) & (values <= 1)))
        assert not np.isnan(scores.personal).any()
        assert np.all(scores.uncertainty >= 0)
        for i, picture in enumerate(pictures):
            alone = model.score([picture], prompts[:1], person)
            assert abs(alone.personal[0] - scores.personal[i]) < 1e-5

    def test_order_is_kept(self) -> None:
        """Backwards in, backwards out."""
        model, pictures = self.make(), self.pictures()
        person, prompts = Person(next(iter(model.people()))), ["a fox"] * len(pictures)
        forward = model.score(pictures, prompts, person).personal
        backward = model.score(pictures[::-1], prompts, person).personal
        np.testing.assert_allclose(forward, backward[::-1], atol=1e-5)

    def test_nobody_is_scored_as_the_population(self) -> None:
        """Person() is nobody in particular."""
        scores = self.make().score(self.pictures(), ["a fox"] * len(self.pictures()), Person())
        np.testing.assert_allclose(scores.personal, scores.population, atol=1e-6)

    def test_an_unknown_person_is_refused(self) -> None:
        """Never scored as somebody else."""
        import pytest

        with pytest.raises(UnknownPerson):
            self.make().score(self.pictures(), ["a fox"] * len(self.pictures()), Person("no such person"))

    def test_an_id_is_as_good_as_a_person(self) -> None:
        """For one picture or many; what is neither is refused."""
        import pytest

        model, pictures = self.make(), self.pictures()
        name, prompts = next(iter(model.people())), ["a fox"] * len(pictures)
        np.testing.assert_array_equal(
            model.score(pictures, prompts, name).personal, model.score(pictures, prompts, Person(name)).personal
        )
        with pytest.raises(RewardError):
            model.score(pictures, prompts, 17)  # type: ignore[arg-type]

    def test_read_once_judged_for_many(self) -> None:
        """One reading serves everybody; its rows are readings too."""
        model, pictures = self.make(), self.pictures()
        reading = model.read(pictures, ["a fox"] * len(pictures))
        people = [Person(), *(Person(p) for p in list(model.people())[:2])]
        assert len(reading) == len(pictures)
        assert reading.features().shape[0] == len(pictures)
        for person, together in zip(people, model.judge_many(reading, people), strict=True):
            own = model.judge(reading, person)
            np.testing.assert_allclose(own.personal, together.personal, atol=1e-6)
            some = model.judge(reading.rows([3, 1]), person)
            np.testing.assert_allclose(some.personal, own.personal[[3, 1]], atol=1e-6)
            np.testing.assert_allclose(some.fidelity, own.fidelity[[3, 1]], atol=1e-6)

    def test_a_picture_that_does_not_open_is_nan_in_its_row(self) -> None:
        """And changes nothing for the others."""
        model, pictures = self.make(), self.pictures()[:2]
        person = Person(next(iter(model.people())))
        whole = model.score(pictures, ["a fox"] * 2, person)
        torn = model.score([pictures[0], torn_picture(), pictures[1]], ["a fox"] * 3, person)
        assert np.isnan(torn.personal[1])
        np.testing.assert_allclose(torn.personal[[0, 2]], whole.personal, atol=1e-5)

    def test_the_fingerprint_is_steady(self) -> None:
        """Asked twice, the same."""
        model = self.make()
        assert model.fingerprint() == model.fingerprint() != ""


class TeacherConformance(_OfReward):
    """Tests of the Teacher protocol; ``make`` gives a new reward each time, or one that may be taught."""

    def test_who_was_taught_is_known(self) -> None:
        """And whose likings rose where they rated high."""
        model, seen = self.make(), self._seen()
        teacher = model.teacher
        assert teacher is not None
        half = len(seen) // 2
        likings = [1.0] * half + [0.0] * (len(seen) - half)
        lesson = teacher.learn("somebody-new", Evidence(seen, likings))
        assert 0 <= lesson.open <= 1
        assert "somebody-new" in model.people()
        scores = model.judge(teacher.reading(seen), Person("somebody-new"))
        assert scores.personal[:half].mean() > scores.personal[half:].mean()

    def test_a_lesson_is_recalled_to_the_last_bit(self) -> None:
        """In another instance too."""
        model, seen = self.make(), self._seen()
        assert model.teacher is not None
        told = Evidence(seen, [0.9, 0.1, *[math.nan] * (len(seen) - 2)], [(2, 3)])
        lesson = model.teacher.learn("somebody-new", told)
        first = model.judge(model.teacher.reading(seen), Person("somebody-new"))
        other = self.make()
        assert other.teacher is not None
        other.teacher.recall("somebody-new", lesson.data, {})
        again = other.judge(other.teacher.reading(seen), Person("somebody-new"))
        np.testing.assert_array_equal(first.personal, again.personal)
        np.testing.assert_array_equal(first.uncertainty, again.uncertainty)

    def test_bytes_that_are_no_lesson_are_refused(self) -> None:
        """As a ValueError, whatever they are."""
        import pytest

        teacher = self.make().teacher
        assert teacher is not None
        for rubbish in (b"", b"rubbish", b"\x00" * 64):
            with pytest.raises(ValueError):  # noqa: PT011
                teacher.recall("somebody-new", rubbish, {})

    def test_bytes_of_another_encoder_are_one_clear_line(self) -> None:
        """Never a crash, never read as something else."""
        import pytest

        teacher = self.make().teacher
        assert teacher is not None
        for kept in (b"x", b"rubbish"):
            with pytest.raises((RewardError, ValueError)):
                teacher.reading([Seen(kept)])

    def test_bytes_from_elsewhere_are_told_from_what_it_kept(self) -> None:
        """By their number, and by being numbers."""
        teacher = self.make().teacher
        assert teacher is not None
        for kept in teacher.keep(self.pictures()):
            assert teacher.fits(kept)
            assert not teacher.fits(kept + kept)
            assert not teacher.fits(b"\xff" * len(kept))  # NaN in any precision
        assert not teacher.fits(b"")

    def test_nothing_told_is_enough_to_begin_with(self) -> None:
        """So are words alone, whether they are understood or not."""
        model = self.make()
        assert model.teacher is not None
        for told in (Evidence(), Evidence(profile="warm light, no neon"), Evidence(demographics={"planet": "Mars"})):
            model.teacher.learn("somebody-new", told)
            assert "somebody-new" in model.people()

    def test_questions_are_one_for_each_candidate(self) -> None:
        """With a worth that is not negative."""
        model, seen = self.make(), self._seen()
        assert model.teacher is not None
        model.teacher.learn("somebody-new", Evidence())
        questions = model.teacher.ask("somebody-new", seen)
        if questions is None:
            return
        assert questions.worth.shape == (len(seen),)
        assert (questions.worth >= 0).all()
        assert questions.total > 0
        assert questions.pairs(np.array([[0, 1], [1, 2]])).shape == (2,)

    def test_what_is_kept_reads_like_the_picture(self) -> None:
        """To half precision."""
        model, pictures = self.make(), self.pictures()
        assert model.teacher is not None
        kept = model.teacher.keep(pictures)
        person = Person(next(iter(model.people())))
        reading = model.teacher.reading([Seen(k) for k in kept])
        seen = model.judge(model.read(pictures, [""] * len(pictures)), person).personal
        assert np.abs(model.judge(reading, person).personal - seen).max() < 0.02

    def _seen(self) -> list[Seen]:
        teacher = self.make().teacher
        assert teacher is not None
        return [Seen(kept, "a fox") for kept in teacher.keep(self.pictures())]


class ImaginationConformance(_OfReward):
    """Tests of the Imagination protocol."""

    texts = ("a fox in snow", "a castle at night", "a red balloon")

    def test_texts_are_judged_like_pictures_and_less_surely(self) -> None:
        """One row per text, the same alone, with an error of its own."""
        model = self.make()
        assert model.imagination is not None
        person = Person(next(iter(model.people())))
        scores = model.judge(model.imagination.read(self.texts), person)
        assert len(scores) == len(self.texts)
        assert (scores.uncertainty > 0).all()
        assert np.isnan(scores.fidelity).all()
        (alone,) = model.judge(model.imagination.read(self.texts[1:2]), person).personal
        assert abs(alone - scores.personal[1]) < 1e-5


class WordsConformance(_OfReward):
    """Tests of the Words protocol."""

    def test_reasons_come_largest_first(self) -> None:
        """One mapping per picture."""
        model, pictures = self.make(), self.pictures()
        assert model.words is not None
        reading = model.read(pictures, [""] * len(pictures))
        found = model.words.reasons(reading, Person(next(iter(model.people()))))
        assert len(found) == len(pictures)
        for reasons in found:
            sizes = [abs(v) for v in reasons.values()]
            assert sizes == sorted(sizes, reverse=True)
        assert model.words.reasons(model.read([torn_picture()], [""]), Person(next(iter(model.people())))) == [{}]


class CriticConformance(_OfReward):
    """Tests of the Critic protocol."""

    def test_a_critique_is_words(self) -> None:
        """The same picture, the same words; nobody in particular too."""
        model, (picture, *_) = self.make(), self.pictures()
        assert model.critic is not None
        for person in (Person(next(iter(model.people()))), Person()):
            said = model.critic.critique(picture, "a fox", person)
            assert isinstance(said, str)
            assert said == model.critic.critique(picture, "a fox", person)
            assert model.critic.critique(torn_picture(), "a fox", person) == ""


class ScorerConformance:
    """Tests of the Scorer protocol."""

    make: Callable[[], Scorer]

    def test_one_score_for_each_picture_the_same_in_any_company(self) -> None:
        """NaN for one that does not open."""
        scorer, pictures = self.make(), random_pictures(3)
        scores = scorer.score([*pictures, torn_picture()], ["a fox"] * 4)
        assert scores.shape == (4,)
        assert np.isnan(scores[3])
        assert abs(scorer.score(pictures[1:2], ["a fox"])[0] - scores[1]) < 1e-5
        assert scorer.fingerprint() == scorer.fingerprint()


class EncoderConformance:
    """Tests of the Encoder protocol."""

    make: Callable[[], Encoder]

    def test_vectors_are_the_same_in_any_company(self) -> None:
        """One per picture, one per text."""
        encoder, pictures = self.make(), random_pictures(3)
        vectors = encoder.images(pictures)
        assert vectors.shape == (3, encoder.width)
        assert float((encoder.images(pictures[1:2])[0] - vectors[1]).abs().max()) < 1e-5
        assert encoder.texts(["a fox", "a castle"]).shape == (2, encoder.width)
        assert encoder.fingerprint() == encoder.fingerprint()
