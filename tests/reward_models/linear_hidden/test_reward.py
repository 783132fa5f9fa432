"""The reward made of a small data set on a tiny VLM: it learns, loads, explains, steers."""

from __future__ import annotations

import itertools
import json

import numpy as np
import pandas as pd
import pytest
import yaml
from PIL import Image

import reward_models
from reward_models import Person, Seen, teach
from reward_models.base import RewardError, UnknownPerson
from reward_models.encoders.hidden_states import HiddenPools
from reward_models.evaluation.statistics import r2, rounded, spearman
from reward_models.families import Work
from reward_models.linear_hidden.drawn import HELD_OUT, draw
from reward_models.linear_hidden.evaluation import Protocol, evaluate
from reward_models.linear_hidden.family import FAMILY
from reward_models.linear_hidden.fit import all_pools, attribute_map, attribute_values, fit_linear_hidden
from reward_models.linear_hidden.layers import choose_layer
from reward_models.linear_hidden.people import MARGIN
from reward_models.linear_hidden.reward import LinearHiddenReward
from reward_models.linear_hidden.settings import load_settings
from reward_models.taste.ridge import Ridge, Scaler
from reward_models.testing import (
    CriticConformance,
    ImaginationConformance,
    RewardConformance,
    TeacherConformance,
    WordsConformance,
)
from tests.reward_models.shipped import SIGLIP
from tests.reward_models.tiny_vlms import save_qwen

PEOPLE, PICTURES, EACH = 8, 220, 165


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """Flat pictures; everybody likes light ones, and each some colour of their own. ``brightness`` and ``red`` are
    named."""
    folder = tmp_path_factory.mktemp("linear-hidden")
    rng = np.random.default_rng(0)
    colours = rng.integers(20, 235, (PICTURES, 3))
    (folder / "data").mkdir()
    for i, c in enumerate(colours):
        Image.new("RGB", (64, 64), tuple(int(v) for v in c)).save(folder / "data" / f"{i}.png")
    light = colours.mean(1) / 255
    rows = []
    for p in range(PEOPLE):
        own = rng.normal(size=3)
        liking = light - 0.5 + ((colours / 255 - 0.5) @ own) * 0.5
        for i in rng.choice(PICTURES, EACH, replace=False):
            score = np.clip(3 + 2 * liking[i] + 0.2 * rng.normal(), 1, 5)
            rows.append({"picture": f"{i}.png", "score": score, "person": f"p{p}", "prompt": f"a colour {i % 7}"})
    pd.DataFrame(rows).to_csv(folder / "data" / "ratings.csv", index=False)
    pd.DataFrame({"picture": [f"{i}.png" for i in range(PICTURES)], "light": light, "red": colours[:, 0] / 255}).to_csv(
        folder / "attributes.csv", index=False
    )
    config = {
        "family": "linear-hidden",
        "data": [{"source": str(folder / "data" / "ratings.csv")}],
        "vlm": str(save_qwen(folder / "vlm")),
        "pools": ["LT_3"],
        "size": 64,
        "fidelity": str(SIGLIP),
        "attributes": str(folder / "attributes.csv"),
        "out": str(folder / "reward"),
        "device": "cpu",
    }
    (folder / "config.yaml").write_text(yaml.safe_dump(config))
    reward, _ = fit_linear_hidden(load_settings(folder / "config.yaml"), "cpu")
    reward.save(folder / "reward")
    return folder, reward


def flat(*colour):
    return Image.new("RGB", (64, 64), colour)


class TestConformance(
    RewardConformance, TeacherConformance, ImaginationConformance, WordsConformance, CriticConformance
):
    @pytest.fixture(autouse=True)
    def _made(self, made):
        self.reward = made[1]

    def make(self):
        return self.reward


def test_it_is_the_same_after_loading(made):
    folder, reward = made
    again = reward_models.load(folder / "reward")
    assert again.name == "linear-hidden"
    pictures = [flat(200, 30, 30), flat(240, 240, 240), flat(10, 10, 10)]
    for person in (Person("p1"), Person()):
        a, b = (r.score(pictures, ["a"] * 3, person) for r in (reward, again))
        assert a.personal == pytest.approx(b.personal, abs=0.02)  # features are kept as fp16
        assert a.fidelity == pytest.approx(b.fidelity, abs=1e-6)
    assert json.loads((folder / "reward" / "config.json").read_text())["vlm"] == "../vlm"
    with pytest.raises(UnknownPerson, match="person 'nobody' not found"):
        again.score(pictures[:1], ["a"], Person("nobody"))


def test_other_weights_are_refused(made, tmp_path):
    folder, _ = made
    config = json.loads((folder / "reward" / "config.json").read_text())
    (tmp_path / "reward").mkdir()
    (tmp_path / "reward" / "model.safetensors").write_bytes((folder / "reward" / "model.safetensors").read_bytes())
    other = save_qwen(tmp_path / "vlm", layers=5)
    (tmp_path / "reward" / "config.json").write_text(json.dumps(config | {"vlm": str(other), "fidelity": None}))
    with pytest.raises(RewardError, match="make the reward again"):
        reward_models.load(tmp_path / "reward")


def test_light_is_liked_and_scores_end_near_what_was_rated(made):
    _, reward = made
    dark, bright = flat(30, 30, 30), flat(225, 225, 225)
    scores = reward.score([dark, bright], ["a", "a"], Person())
    assert scores.personal[1] > scores.personal[0] + 0.1
    for person in reward.known.trained:
        low, high = reward.known.support.likings[person].min(), reward.known.support.likings[person].max()
        personal = reward.score([dark, bright, flat(255, 0, 255)], ["a"] * 3, Person(person)).personal
        assert (personal >= low - MARGIN - 1e-9).all()
        assert (personal <= high + MARGIN + 1e-9).all()


def test_a_new_person_a_rating_more_and_why(made):
    folder, _ = made
    reward = reward_models.load(folder / "reward")
    rng = np.random.default_rng(3)
    colours = [tuple(int(v) for v in rng.integers(20, 235, 3)) for _ in range(40)]
    liking = [0.2 + 0.6 * c[0] / 255 for c in colours]  # red, and nothing else
    teach(reward, "new", [flat(*c) for c in colours[:39]], [""] * 39, liking[:39])
    red, blue = flat(220, 60, 60), flat(60, 60, 220)
    scores = reward.score([red, blue], ["a", "a"], Person("new"))
    assert scores.personal[0] > scores.personal[1]
    row = reward.teacher.reading([Seen(*reward.teacher.keep([flat(*colours[39])]))]).x[0]
    reward.known.rate("new", row, liking[39])
    assert len(reward.known.model("new")) == 40
    anew = reward_models.load(folder / "reward")
    teach(anew, "new", [flat(*c) for c in colours], [""] * 40, liking)
    assert reward.score([red], ["a"], Person("new")).personal == pytest.approx(
        anew.score([red], ["a"], Person("new")).personal, abs=1e-6
    )
    person, reading = Person("new"), reward.read([red, blue], ["", ""])
    of_red, of_blue = reward.words.effects(reading, "new")
    assert of_red["red"] > 0 > of_blue["red"]
    assert reward.words.reasons(reading, person)[1]["little red"] == pytest.approx(of_blue["red"])
    assert "more red" in reward.critic.critique(blue, "a", person)
    assert "more red" not in reward.critic.critique(red, "a", person)
    with pytest.raises(RewardError, match=r"not in \[0, 1\]"):
        teach(reward, "bad", [red], ["a"], [3.0])


def test_the_papers_protocol(made, tmp_path):
    folder, _ = made
    settings = load_settings(folder / "config.yaml")
    pools, rows, ratings = all_pools(settings, "cpu", "V LV LT")
    assert set(pools) == {f"V_{i}" for i in range(3)} | {f"{s}_{i}" for s in ("LV", "LT") for i in range(1, 5)}
    drawn = draw(ratings.table, 5)
    assert len(drawn.people) == 5
    for own in drawn.people.values():
        assert len(own) == HELD_OUT.stop == own["picture"].nunique()
    assert not set(drawn.rest["person"].astype(str)) & set(drawn.people)
    told = evaluate(
        {k: pools[k] for k in ("V_2", "LT_2", "LT_4")},
        rows,
        ratings.table,
        tmp_path,
        5,
        "wide",
        attribute_values(folder / "attributes.csv", rows),
        4,
    )
    table = told["table"]["LT_4"]
    # three people outside are too few for hierarchical
    assert set(table) == {"direct", "direct, shuffled", "residual", "giaa", "giaa, all", "reduce"}
    assert table["direct"][100]["spearman"][0] > table["direct, shuffled"][100]["spearman"][0] + 0.1
    assert table["direct"][100]["spearman"][0] > 0.5
    assert 0.5 < table["residual"][10]["spearman"][0] < table["residual"][100]["spearman"][0]  # careful with few
    assert told["probing"]["red"]["test"] > 0.5
    assert "| LT_4 | direct | 100 |" in (tmp_path / "linear_hidden.md").read_text()
    assert (tmp_path / "layers.png").stat().st_size > 5000
    assert sum(told["inner"][10]["chosen"].values()) == 5
    assert set(told["inner"][100]["chosen"]) <= {"LT_2", "LT_4"}
    assert set(told["pairs"]) == {"LT_4 + LT_4"}
    assert told["pairs"]["LT_4 + LT_4"]["spearman"] == pytest.approx(table["direct"][100]["spearman"], abs=1e-3)
    assert (tmp_path / "pairs.png").stat().st_size > 5000
    with pytest.raises(RewardError, match="nobody has 160 ratings"):
        draw(ratings.table.iloc[:100])


def test_undefined_is_nothing_and_r2_is_scikit_learns():
    from sklearn.metrics import r2_score

    rng = np.random.default_rng(0)
    a, b = rng.normal(size=20), rng.normal(size=20)
    assert spearman(np.ones(20), b) == 0
    assert r2(a, b) == pytest.approx(r2_score(b, a))
    mean, low, high = rounded(rng.normal(0.3, 0.1, 50))
    assert low < mean < high


def test_no_attribute_is_read_by_a_map_that_saw_the_picture(made):
    """Attributes that are pure noise: read by a map fitted to them they would agree with themselves."""
    folder, _ = made
    pools, rows, ratings = all_pools(load_settings(folder / "config.yaml"), "cpu")
    noise = np.random.default_rng(0).normal(size=(len(rows), 1))
    protocol = Protocol(draw(ratings.table, 5), pools["LT_3"], rows, "wide", (list(rows), noise))
    with_itself = attribute_map(pools["LT_3"], noise, Scaler.of(pools["LT_3"]))(pools["LT_3"])
    assert spearman(protocol.named[:, 0], noise[:, 0]) < 0.1 < spearman(with_itself[:, 0], noise[:, 0])


def test_the_layer_is_found_by_leaving_out(made, tmp_path):
    folder, _ = made
    config = yaml.safe_load((folder / "config.yaml").read_text()) | {
        "pools": ["LT_auto"],
        "out": str(tmp_path / "reward"),
    }
    (tmp_path / "config.yaml").write_text(yaml.safe_dump(config))
    settings = load_settings(tmp_path / "config.yaml")
    reward, ratings = fit_linear_hidden(settings, "cpu")
    errors = reward.layer_errors
    assert list(errors) == sorted(errors, key=errors.get)
    assert set(errors) == {f"LT_{i}" for i in range(1, 5)}
    assert [str(p) for p in reward.encoder.pools] == [next(iter(errors))]
    train = ratings.table[ratings.table["split"] == "train"]
    own = train[train["person"] == train["person"].iloc[0]].iloc[:100]
    pools, rows, _ = all_pools(settings, "cpu", "LT")
    alone = Ridge(pools["LT_2"][[rows[p] for p in own["picture"]]], own["score"].to_numpy(float)).errors.min()
    assert choose_layer(own, pools, rows, "wide")["LT_2"] == pytest.approx(alone)
    with pytest.raises(RewardError, match="nobody has 2 ratings"):
        choose_layer(own.iloc[:1], pools, rows, "wide")
    reward.save(tmp_path / "reward")
    assert reward_models.load(tmp_path / "reward").score([flat(9, 9, 9)], ["a"], Person("p1")).personal.shape == (1,)
    (tmp_path / "config.yaml").write_text(yaml.safe_dump(config | {"pools": ["LT_auto", "V_1"]}))
    with pytest.raises(RewardError, match="stand alone"):
        load_settings(tmp_path / "config.yaml")


def test_features_made_elsewhere_are_told_where_they_can_go(tmp_path):
    written = {"family": "linear-hidden", "data": [{"source": "r.csv"}], "vlm": "f.safetensors", "out": "o"}
    (tmp_path / "config.yaml").write_text(yaml.safe_dump(written))
    with pytest.raises(RewardError, match=r"vlm: .*'f\.safetensors' is no vision-language model.*kind: table"):
        load_settings(tmp_path / "config.yaml")


@pytest.mark.parametrize("kind", ["para", "lapis"])
def test_the_protocol_on_folders_as_they_are_published(made, tmp_path, kind):
    """Of the layout of PARA and LAPIS, with pictures and ratings of ours."""
    folder, _ = made
    table = pd.read_csv(folder / "data" / "ratings.csv")
    table = table[table["person"].isin(["p0", "p1", "p2", "p3"])]
    images, annotation = tmp_path / ("imgs/s1" if kind == "para" else "images"), tmp_path / "annotation"
    annotation.mkdir()
    images.parent.mkdir(exist_ok=True)
    images.symlink_to(folder / "data")
    if kind == "para":
        told = pd.DataFrame(
            {
                "sessionId": "s1",
                "imageName": table["picture"],
                "userId": table["person"],
                "aestheticScore": table["score"],
            }
        )
        told.to_csv(annotation / "PARA-Images.csv", index=False)
        pd.DataFrame({"userId": ["p0", "p1", "p2", "p3"], "age": 30}).to_csv(
            annotation / "PARA-UserInfo.csv", index=False
        )
    else:
        told = pd.DataFrame(
            {"participant_id": table["person"], "image_filename": table["picture"], "rating": 25 * (table["score"] - 1)}
        )
        told.to_csv(annotation / "LAPIS_PIAA.csv", index=False)
    config = yaml.safe_load((folder / "config.yaml").read_text()) | {
        "data": [{"source": str(tmp_path)}],
        "out": str(tmp_path / "reward"),
        "attributes": None,
        "evaluation": {"people": 3},
    }
    (tmp_path / "config.yaml").write_text(yaml.safe_dump(config))
    FAMILY.evaluate(tmp_path / "config.yaml", None, tmp_path / "out", Work(say=lambda line: None))
    found = json.loads((tmp_path / "out" / "linear_hidden.json").read_text())
    assert found["people"] == 3
    assert set(found["table"]["LT_3"]) == {"direct", "direct, shuffled", "residual", "giaa", "giaa, all"}
    assert found["table"]["LT_3"]["direct"]["100"]["spearman"][0] > 0.5


def test_its_words_say_the_score(made):
    """Of somebody whose taste the attributes can name they add up to it; they grow surer with ratings, and begin with
    none."""
    _, reward = made
    rng = np.random.default_rng(5)
    colours = rng.integers(20, 235, (80, 3))
    images = [flat(*map(int, c)) for c in colours]
    liking = 0.1 + 0.5 * colours[:, 0] / 255 + 0.3 * colours.mean(1) / 255
    spread = []
    for n in (0, 10, 60):
        teach(reward, "named", images[:n], [""] * n, liking[:n])
        spread.append({k: s for k, (_, s) in reward.words.tastes("named").items()})
    assert all(a[k] > b[k] for a, b in itertools.pairwise(spread) for k in a)
    reading = reward.read(images, [""] * len(images))
    told = [sum(effects.values()) for effects in reward.words.effects(reading, "named")]
    assert np.corrcoef(told, reward.known.model("named").raw(reading.x))[0, 1] > 0.9
    assert all(c > 0 for c, _ in reward.words.tastes("named").values())


def test_it_learns_a_person_without_anybody_elses_ratings(made):
    """From ten ratings of red and blue; nobody in particular likes everything alike."""
    folder, _ = made
    encoder = HiddenPools(folder / "vlm", ["LT_3"], size=64)
    rng = np.random.default_rng(1)
    colours = [tuple(int(v) for v in c) for c in rng.integers(20, 235, (40, 3))]
    reward = LinearHiddenReward.alone(encoder, [flat(*c) for c in colours[:20]])
    assert reward.people() == []
    assert reward.score([flat(200, 30, 30), flat(10, 10, 10)], ["", ""], Person()).personal == pytest.approx(0.5)
    redness = [(r - b) / 255 for r, _, b in colours]
    teach(reward, "me", [flat(*c) for c in colours[:20]], [""] * 20, [0.5 + 0.4 * r for r in redness[:20]])
    found = reward.score([flat(*c) for c in colours[20:]], [""] * 20, "me").personal
    assert spearman(found, np.array(redness[20:])) > 0.5
    assert 0 < reward.teacher.open_share("me") < 1
