"""Comments: the faults that they name, by words and by a judge that reads; and how like people's they are."""

from __future__ import annotations

import json

import numpy as np
import pytest
from PIL import Image

from reward_models.base import RewardError
from reward_models.calm.evaluation.ava import score_ava
from reward_models.calm.evaluation.commenters import TAUGHT, CalmCommenter, Commenter, VlmCommenter, load_commenter
from reward_models.calm.evaluation.comments import like_peoples, named_faults, pictures_in, report
from reward_models.calm.evaluation.suggesting import FAULTS, AskingJudge, WordJudge, spoilt, suggesting, word_patterns
from reward_models.encoders.vlm import load_vlm
from reward_models.evaluation.captions import NO_CIDER, caption_scores, words
from reward_models.ratings.ava import Captioned, Scored
from reward_models.testing.fakes import FakeReward
from tests.reward_models.tiny_vlms import save_qwen


@pytest.fixture(scope="module")
def scenes():
    """Smooth pictures with a light square in the middle."""
    rng = np.random.default_rng(0)
    found = []
    for _ in range(3):
        corners = Image.fromarray(rng.integers(40, 200, (2, 2, 3), dtype=np.uint8)).resize((64, 64), 2)
        corners.paste((230, 210, 120), (20, 24, 44, 46))
        found.append(corners)
    return found


class Measuring(Commenter):
    """Names the fault that pixels show best, of the four that a mean or a spread tells."""

    name = "measuring"

    def comment(self, images, instruction):
        return [self._said(np.asarray(i, dtype=float)) for i in images]

    def _said(self, x):
        if np.abs(np.diff(x, axis=1)).mean() > 25:
            return "There is too much grain."
        if x.mean() < 60:
            return "It should be brighter."
        if x.mean() > 200:
            return "It is overexposed."
        if np.ptp(x, axis=2).mean() < 1:
            return "More saturation, please."
        return "The framing could be better."


def test_a_commenter_that_sees_is_told_from_one_that_always_says_the_same(scenes):
    found = suggesting(Measuring(), scenes, "What is wrong?")
    table = found.table()
    for fault in ("noise", "too dark", "desaturated"):
        assert table[fault]["named"][0] == 1
        assert table[fault]["anyway"][0] == 0
    assert table["cropped"]["named"][0] == table["cropped"]["anyway"][0] == 1  # generic advice
    assert table["blur"]["named"][0] == 0
    without = np.mean([table[f]["named"][0] for f in FAULTS if f != "cropped"])
    assert table["mean without cropped"]["named"][0] == pytest.approx(without)
    assert table["mean"]["named"][0] == pytest.approx((5 * without + 1) / 6)
    assert found.answers["as it was"] == "The framing could be better."


def test_each_fault_changes_the_picture_and_is_drawn_alike_again(scenes):
    first, again = (spoilt(scenes[0], np.random.default_rng(1)) for _ in range(2))
    for worse, same in zip(first, again, strict=True):
        assert worse.size == scenes[0].size
        assert worse.tobytes() == same.tobytes()
        assert np.abs(np.asarray(worse, float) - np.asarray(scenes[0], float)).mean() > 2


@pytest.mark.parametrize(
    ("answer", "names"),
    [
        ("Reduce the NOISE a little.", {"noise"}),
        ("It is out of focus, and too dark.", {"blur", "too dark"}),
        ("The colours are faded", {"desaturated"}),
        ("the darkness is fine", set()),
        ("Lovely as it is.", set()),
    ],
)
def test_words_name_faults_as_whole_words(answer, names):
    assert {fault for fault in FAULTS if WordJudge().names(answer, fault)} == names
    assert set(word_patterns()) == set(FAULTS)


def test_a_judge_that_reads_is_asked_about_each_answer_and_only_yes_counts():
    asked = []
    judge = AskingJudge(
        lambda question: asked.append(question) or ("Yes." if "blurred" in question else "Maybe, yes"), "m"
    )
    assert judge.names('not "sharp"\nat all', "blur")
    assert not judge.names("fine", "noise")
    assert "\"not 'sharp' at all\"" in asked[0]


def test_a_calm_model_and_a_vision_language_model_comment(reward, tmp_path, scenes):
    reward.save(tmp_path / "calm", {})
    commenter, asked = load_commenter(str(tmp_path / "calm"))
    assert isinstance(commenter, CalmCommenter)
    assert asked == TAUGHT
    commenter.most_tokens = 4
    assert len(commenter.comment(scenes[:1], asked.suggest)) == 1
    other, _ = load_commenter(str(save_qwen(tmp_path / "vlm")))
    assert isinstance(other, VlmCommenter)
    other.most_tokens, other.size = 3, 32
    first = other.comment(scenes[:2], "What is wrong?")
    assert first[1:] == other.comment(scenes[1:2], "What is wrong?")
    with pytest.raises(RewardError, match="writes nothing about pictures"):
        VlmCommenter(load_vlm(reward.model.holder.name))


def test_the_report_says_what_was_named_and_what_is_not_computed(scenes, tmp_path):
    for k, scene in enumerate(scenes):
        scene.save(tmp_path / f"{k}.png")
    shown = pictures_in(tmp_path, 2)
    text = report(Measuring(), tmp_path / "out", named_faults(Measuring(), TAUGHT, shown, WordJudge()))
    assert "| noise | 1.000 [1.000, 1.000] | 0.000 [0.000, 0.000] | +1.000 [+1.000, +1.000] |" in text
    assert "judge: word list" in text
    assert json.loads((tmp_path / "out" / "comments.json").read_text())["faults"]["too dark"]["named"][0] == 1
    assert NO_CIDER in report(Measuring(), tmp_path / "out", None, like={"bleu-1": 0.5})
    with pytest.raises(RewardError, match="no pictures in"):
        pictures_in(tmp_path / "none")


def test_comments_are_compared_by_whole_words(scenes, tmp_path):
    pytest.importorskip("torchmetrics")
    scenes[0].save(tmp_path / "a.png")
    data = Captioned(tmp_path, ["a.png"], [["the framing could be better", "what a light"]])
    found = like_peoples(Measuring(), TAUGHT, data)
    assert found["bleu-1"] == found["bleu-4"] == pytest.approx(1)
    assert found["rouge-l"] == pytest.approx(1)
    # two of five words, in one row of two; BLEU's penalty for brevity is none
    other = caption_scores(["soft light and nice mood"], [["soft light on a hill"]])
    assert other["bleu-1"] == pytest.approx(2 / 5)
    assert other["bleu-2"] == pytest.approx((2 / 5 * 1 / 4) ** 0.5)
    assert other["rouge-l"] == pytest.approx(2 / 5)


def test_comments_without_people_s_are_refused():
    with pytest.raises(RewardError, match="do not match"):
        caption_scores(["a"], [[]])
    assert words("  Great -- LIGHT!") == "great light"


def test_ava_is_scored_by_what_nobody_in_particular_likes(tmp_path):
    for k in range(4):
        Image.new("RGB", (4, 4), (60 * k, 10, 10)).save(tmp_path / f"{k}.png")
    data = Scored(tmp_path, [f"{k}.png" for k in range(4)], np.array([2.0, 3.0, 5.0, 4.0]))
    found = score_ava(FakeReward(), data)
    assert found["srcc"] == pytest.approx(0.8)
    assert found["plcc"] == pytest.approx(np.corrcoef([0, 1, 2, 3], data.scores)[0, 1])
    with pytest.raises(RewardError, match="two are needed"):
        score_ava(FakeReward(), Scored(tmp_path, ["0.png"], data.scores[:1]))
