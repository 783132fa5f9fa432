"""A reward's folder: written, read, moved, damaged."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

import reward_models
from reward_models import RewardError
from reward_models.folder import (
    check_encoder,
    packaged,
    read_folder,
    reading,
    relative_name,
    resolved_name,
    shown_name,
    write_folder,
)


def test_what_is_written_is_read(tmp_path):
    weights = {"a": torch.arange(6.0).view(2, 3).T, "b": torch.zeros(0)}
    write_folder(tmp_path / "new" / "reward", {"family": "x", "name": "Füchse"}, weights)
    config, found = read_folder(tmp_path / "new" / "reward")
    assert config == {"family": "x", "name": "Füchse"}
    assert found.keys() == weights.keys()
    assert torch.equal(found["a"], weights["a"])


def test_damage_is_one_error_that_names_the_folder(tmp_path):
    with pytest.raises(RewardError, match=f"'{tmp_path}' does not load"):
        read_folder(tmp_path)
    write_folder(tmp_path, {}, {"a": torch.zeros(100)})
    (tmp_path / "model.safetensors").write_bytes((tmp_path / "model.safetensors").read_bytes()[:90])
    with pytest.raises(RewardError, match="does not load"):
        read_folder(tmp_path)
    for error in (KeyError("x"), TypeError(), RuntimeError("shapes")):
        with pytest.raises(RewardError), reading(tmp_path):
            raise error


def test_an_encoder_is_found_after_both_folders_have_moved(tmp_path):
    (tmp_path / "here" / "encoder").mkdir(parents=True)
    reward = tmp_path / "here" / "reward"
    reward.mkdir()
    name = relative_name(str(tmp_path / "here" / "encoder"), reward)
    assert name == "../encoder"
    (tmp_path / "here").rename(tmp_path / "there")
    moved = tmp_path / "there"
    assert resolved_name(name, moved / "reward") == str((moved / "encoder").resolve())


def test_a_hub_name_stays_as_it_is(tmp_path):
    assert relative_name("org/no-such-encoder", tmp_path) == "org/no-such-encoder"
    assert resolved_name("org/no-such-encoder", tmp_path) == "org/no-such-encoder"


def test_a_folder_of_an_installed_package_is_found_from_anywhere(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    name = "reward_models/pamela"
    assert Path(packaged(name)).samefile(Path(reward_models.__file__).parent / "pamela")
    assert packaged("google/siglip2-so400m-patch16-384") == "google/siglip2-so400m-patch16-384"
    assert packaged("reward_models/no/such") == "reward_models/no/such"
    (tmp_path / name).mkdir(parents=True)
    assert packaged(name) == name  # what is here comes first


def test_another_encoder_is_refused_with_the_way_out(tmp_path):
    check_encoder(tmp_path, "abc", "org/encoder", "abc")
    with pytest.raises(RewardError, match=r"with the encoder abc, but 'org/encoder' is xyz; .* make the reward again"):
        check_encoder(tmp_path, "abc", "org/encoder", "xyz")


def test_people_are_shown_the_end_of_a_path_and_whole_hub_names(tmp_path):
    assert shown_name(str(tmp_path / "profile-mllm" / "llm")) == "profile-mllm/llm"
    assert shown_name("Qwen/Qwen3-VL-4B-Instruct") == "Qwen/Qwen3-VL-4B-Instruct"
