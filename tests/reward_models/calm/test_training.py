"""The cycle: what each stage trains, what it leaves alone, and that a killed one goes on to the same weights."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from pydantic import ValidationError

from reward_models import RewardError
from reward_models.calm.course import Course
from reward_models.calm.fit import fit_calm
from reward_models.calm.model import build
from reward_models.calm.reward import CalmReward
from reward_models.calm.stages import CalmSettings, load_settings
from reward_models.calm.training import CycleTrainer, aligned, hashes, rate
from reward_models.calm.turns import NAME, PERSONAL
from reward_models.testing.fakes import random_pictures

SSL = {
    "name": "self-supervised", "train": ["low", "middle", "high"], "sees": "routed",
    "tasks": {"name": 1, "contrast": 1}, "steps": 4, "lr": 1e-2, "batch": 2,
}  # fmt: skip
GENERIC = {
    "name": "generic", "train": ["thematic"], "sees": ["thematic"],
    "tasks": {"describe": 1}, "steps": 2, "lr": 1e-2, "batch": 2,
}  # fmt: skip
COMMENTS = {
    "name": "comments", "train": ["low", "middle", "high", "thematic", "llm"],
    "tasks": {"comment": 1, "question": 1}, "steps": 1, "lr": 1e-3, "batch": 2,
}  # fmt: skip
SCORES = {**COMMENTS, "name": "scores", "tasks": {"score": 1, "person": 1}}
WORDS = {**COMMENTS, "name": "words", "train": ["llm"], "sees": [], "tasks": {"name": 1, "comment": 1}}


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    """Eight pictures, what is said of them, and three people's ratings."""
    root = tmp_path_factory.mktemp("calm-data")
    (root / "images").mkdir()
    for i, image in enumerate(random_pictures(8)):
        image.resize((64, 64)).save(root / "images" / f"{i}.png")
    names = [f"images/{i}.png" for i in range(8)]

    def write(name, rows):
        (root / name).write_text("".join(json.dumps(r) + "\n" for r in rows), encoding="utf-8")

    write("boxes.jsonl", [{"picture": n, "box": [0.2, 0.2, 0.6, 0.9]} for n in names])
    write("descriptions.jsonl", [{"picture": n, "text": f"picture {i}"} for i, n in enumerate(names)])
    write("comments.jsonl", [{"picture": n, "text": "soft light"} for n in names])
    write("questions.jsonl", [{"picture": n, "question": "What is it?", "answer": "a fox"} for n in names])
    rows = [f"{n},p{k},{1 + (i + k) % 5}" for k in range(3) for i, n in enumerate(names)]
    (root / "ratings.csv").write_text("picture,person,score\n" + "\n".join(rows) + "\n", encoding="utf-8")
    return root


@pytest.fixture(scope="module")
def told(data, setting):
    """A config's keys, without stages and result."""
    return {
        "family": "calm",
        "model": setting.model_dump(),
        "data": {
            "pictures": [str(data / "images")],
            **{k: [str(data / f"{k}.jsonl")] for k in ("boxes", "descriptions", "comments", "questions")},
            "ratings": [{"source": str(data / "ratings.csv"), "kind": "csv", "scale": [1, 5]}],
        },
        "pool": 4,
        "shown": 2,
        "save_every": 3,
        "size": 64,
    }


def settings_of(told, out, *stages, **changes):
    return CalmSettings.model_validate({**told, **changes, "stages": stages, "out": str(out)})


def trainer_of(settings):
    model = build(settings.model)
    return CycleTrainer(model, settings, Course(settings, model, quiet), Path(settings.out))


def quiet(_):
    """Says nothing."""


def changed(done):
    return {part for part in done["after"] if done["after"][part] != done["before"][part]}


def test_each_stage_changes_its_parts_and_nothing_else(told, tmp_path):
    settings = settings_of(told, tmp_path, WORDS, SSL, GENERIC, COMMENTS, SCORES)
    reward, about = fit_calm(settings, "cpu", quiet)
    moved = [changed(done) for done in about["stages"]]
    everything = {"low", "middle", "high", "thematic", "llm"}
    assert moved == [{"llm"}, {"low", "middle", "high"}, {"thematic"}, everything, everything]
    assert not (tmp_path / "checkpoint.pt").exists()
    reward.save(tmp_path, about)
    again = CalmReward.from_folder(tmp_path)
    image = random_pictures(1)
    likings = [r.read(image, [""]).column("liking")[0] for r in (reward, again)]
    assert likings[0] == pytest.approx(likings[1], abs=0.02)  # half precision
    assert fit_calm(settings, "cpu", quiet)[1] == about


def test_the_two_pre_trainings_may_come_in_any_order(told, tmp_path):
    found = []
    for name, stages in (("one", (SSL, GENERIC)), ("other", (GENERIC, SSL))):
        trainer = trainer_of(settings_of(told, tmp_path / name, *stages))
        trainer.run()
        found.append(hashes(trainer.model))
    assert found[0] == found[1]


def test_a_killed_training_goes_on_to_the_same_weights(told, tmp_path):
    stages = (SSL, GENERIC)
    whole = trainer_of(settings_of(told, tmp_path / "whole", *stages))
    whole.run()

    def kill(row):
        if row["step"] == 4 and row["stage"] == "self-supervised":
            raise KeyboardInterrupt

    killed = trainer_of(settings_of(told, tmp_path / "killed", *stages))
    with pytest.raises(KeyboardInterrupt):
        killed.run(kill)
    seen = []
    trainer = trainer_of(settings_of(told, tmp_path / "killed", *stages))
    trainer.run(seen.append)
    assert [row["step"] for row in seen] == [4, 1, 2]  # after the checkpoint at 3
    assert hashes(trainer.model) == hashes(whole.model)
    routes = {"quality": ["low"], "colour": ["low"], "subject": ["middle", "high"]}
    other = trainer_of(settings_of(told, tmp_path / "killed", *stages, routes=routes))
    with pytest.raises(RewardError, match="begun with other routes"):
        other.run()


def test_a_stage_that_moves_what_it_must_not_is_stopped(told, tmp_path):
    trainer = trainer_of(settings_of(told, tmp_path, GENERIC))

    def meddle(row):
        with torch.no_grad():
            next(trainer.model.llm.parameters()).add_(1)

    with pytest.raises(RewardError, match="has changed llm"):
        trainer.run(meddle)


def test_adapters_alone_learn_where_there_are_some(told, tmp_path):
    pytest.importorskip("peft")
    model = json.loads(json.dumps(told["model"]))
    model["llm"]["lora"] = {"rank": 2, "alpha": 4, "dropout": 0.1}
    trainer = trainer_of(settings_of(told, tmp_path, COMMENTS, model=model))
    (done,) = trainer.run()
    assert changed(done) == {"low", "middle", "high", "thematic", "adapters"}


def test_quality_goes_to_low_and_middle_and_subject_to_middle_and_high(told, tmp_path):
    settings = settings_of(told, tmp_path, {**SSL, "groups": ["quality"]})
    trainer = trainer_of(settings)
    course, model, stage = trainer.course, trainer.model, settings.stages[0]
    assert course.route(["quality"]) == course.route(["colour"]) == ("low", "middle")
    assert course.route(["subject"]) == ("middle", "high")
    assert course.route(["quality", "subject"]) == ("low", "middle", "high")
    batch = course.batch(stage, 0)
    assert batch.levels == ("low", "middle")
    (turn, *_) = aligned(model, batch.turns, batch.levels)
    states = batch.turns[0].pictures[0][None].float()
    expected = torch.cat([model.alignment.level(level, states)[0] for level in ("low", "middle")])
    torch.testing.assert_close(turn.pictures[0], expected)
    (done,) = trainer.run()
    assert changed(done) == {"low", "middle"}


def test_labels_come_before_contrasts(told, tmp_path):
    settings = settings_of(told, tmp_path, {**SSL, "steps": 40, "singles": 0.5})
    course = trainer_of(settings).course
    asked = [{turn.asked[-1] for turn in course.batch(settings.stages[0], step).turns} for step in range(40)]
    assert asked[:20] == [{NAME}] * 20
    assert any(len(kinds - {NAME}) for kinds in asked[20:])
    first, again = (course.batch(settings.stages[0], 30).turns for _ in range(2))
    assert [turn.answer for turn in first] == [turn.answer for turn in again]


def test_a_person_is_asked_about_behind_what_they_rated(told, tmp_path):
    settings = settings_of(told, tmp_path, {**SCORES, "tasks": {"person": 1}})
    course = trainer_of(settings).course
    turn = course.batch(settings.stages[0], 0).turns[0]
    assert len(turn.pictures) == 3
    assert turn.asked[-1] == PERSONAL
    assert turn.answer in course.model.scale.answers


def test_words_alone_have_no_picture(told, tmp_path):
    settings = settings_of(told, tmp_path, WORDS)
    assert not any(turn.pictures for turn in trainer_of(settings).course.batch(settings.stages[0], 0).turns)


def test_the_rate_warms_up_and_falls():
    stage = CalmSettings.model_validate(
        {"family": "calm", "data": {}, "out": "x", "stages": [{**GENERIC, "steps": 100, "lr": 1.0, "warmup": 0.1}]}
    ).stages[0]
    assert [rate(stage, s) for s in (0, 9, 10, 55, 99)] == pytest.approx([0.1, 1, 1, 0.5, 0.0003], abs=1e-3)


@pytest.mark.parametrize("name", ["calm", "calm-miniature"])
def test_shipped_recipes_load(name):
    settings = load_settings(Path(__file__).parents[3] / "configs" / "train" / f"{name}.yaml")
    assert [stage.name for stage in settings.stages][-4:] == ["self-supervised", "generic", "comments", "scores"]


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"tasks": {"name": 0}}, "needs a task"),
        ({"strengths": [0.8, 0.2]}, "weaker first"),
        ({"train": ["deep"]}, "train"),
    ],
)
def test_a_wrong_stage_is_refused(told, tmp_path, changes, says):
    with pytest.raises(ValueError, match=says):
        settings_of(told, tmp_path, {**SSL, **changes})


def test_a_task_without_data_is_refused(told, tmp_path):
    data = {**told["data"], "comments": []}
    with pytest.raises(RewardError, match="task 'comment'"):
        trainer_of(settings_of(told, tmp_path, COMMENTS, data=data))
    (tmp_path / "bad.jsonl").write_text('{"picture": "a.png"}\n', encoding="utf-8")
    with pytest.raises(RewardError, match="line 1: no 'text'"):
        trainer_of(settings_of(told, tmp_path, COMMENTS, data={**data, "comments": [str(tmp_path / "bad.jsonl")]}))
    (tmp_path / "empty").mkdir()
    with pytest.raises(RewardError, match="no picture in"):
        trainer_of(settings_of(told, tmp_path, SSL, data={"pictures": [str(tmp_path / "empty")]}))


def test_a_language_model_may_read_what_is_in_a_picture_before_it_sees_any(told, tmp_path):
    tasks = {"name": 1, "contrast": 1, "describe": 1, "comment": 1, "question": 1, "score": 1, "person": 1}
    settings = settings_of(told, tmp_path, {**WORDS, "sees": "words", "tasks": tasks, "singles": 0, "batch": 1})
    course, (stage,) = Course(settings, build(settings.model), quiet), settings.stages
    asked = [turn.asked for step in range(80) for turn in course.batch(stage, step).turns]
    assert all(isinstance(piece, str) for pieces in asked for piece in pieces)
    named = next(pieces for pieces in asked if pieces[-1] == NAME)
    assert named[0].startswith("picture ")  # the description, then what was done
    assert len(named[0].split()) > 3
    before, after = next(pieces for pieces in asked if pieces[-1] == PERSONAL)[0::2][:2]
    assert before.startswith("picture ")
    assert after.startswith("picture ")
    (done,) = fit_calm(settings, "cpu", quiet)[1]["stages"]
    assert changed(done) == {"llm"}


def test_words_stand_for_described_pictures_alone(told, data, tmp_path):
    stage = {**WORDS, "sees": "words"}
    few = tmp_path / "few.jsonl"
    few.write_text(json.dumps({"picture": "none.png", "text": "nothing"}) + "\n", encoding="utf-8")
    settings = settings_of({**told, "data": {**told["data"], "descriptions": [str(few)]}}, tmp_path, stage)
    with pytest.raises(RewardError, match="no data, with descriptions, are told for the task 'name'"):
        Course(settings, build(settings.model), quiet)
    with pytest.raises(ValidationError, match="teach the language model alone"):
        settings_of(told, tmp_path, {**stage, "train": ["llm", "low"]})
