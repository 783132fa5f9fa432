"""A reward goes to a hub and comes back: what is uploaded, what the card says, and what stays here."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys

import pytest

import reward_models
from reward_models.publishing import publication
from tests.hub_server import HubServer
from tests.reward_models.shipped import REWARD

PUSH = """
import sys
from reward_models import RewardError, load
from reward_models.families import find
from reward_models.publishing import publication, push
from pathlib import Path
folder, private = Path(sys.argv[1]), sys.argv[3] == "private"
try:
    print(push(publication(folder, sys.argv[2]), private=private))
    print(sorted(p.name for p in find(sys.argv[2]).iterdir()))
except RewardError as error:
    print("refused:", error)
"""


@pytest.fixture(scope="module")
def reward(tmp_path_factory):
    """The miniature's reward as somebody trains one: its encoder on a hub, an evaluation and other files beside it."""
    folder = tmp_path_factory.mktemp("rewards") / "mine"
    shutil.copytree(REWARD, folder)
    config = json.loads((folder / "config.json").read_text())
    config["encoder"]["name"] = "google/siglip2-base"
    config["training"] = {"data": [{"source": "/home/me/secret/ratings"}, {"source": "training/pamela"}]}
    (folder / "config.json").write_text(json.dumps(config))
    (folder / "evaluation.md").write_text("# Evaluation\n")
    (folder / "checkpoint.pt").write_bytes(b"not for others")
    return folder


@pytest.fixture
def hub(tmp_path):
    server = HubServer({}, accepts=tmp_path / "hub")
    yield server
    server.close()


def pushed(hub, folder, name, private="private", token="hf_test"):
    environment = {**hub.environment(folder.parent / "cache"), "HF_TOKEN": token}
    done = subprocess.run(
        [sys.executable, "-c", PUSH, str(folder), name, private],
        env=environment,
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_a_reward_goes_to_the_hub_and_is_found_there(hub, reward):
    said = pushed(hub, reward, "me/mine")
    assert said.splitlines() == [
        f"http://127.0.0.1:{hub.server.server_port}/me/mine",
        "['config.json', 'model.safetensors']",
    ]
    there = hub.repositories["me/mine"]
    assert {p.name for p in there.iterdir()} == {"README.md", "config.json", "model.safetensors", "evaluation.md"}
    assert (there / "model.safetensors").read_bytes() == (reward / "model.safetensors").read_bytes()
    assert hub.private == {"me/mine"}
    hub.private.clear()
    assert "refused: the repository 'me/mine' is there already, and public" in pushed(hub, reward, "me/mine")
    said = pushed(hub, reward, "me/other", token="hf_wrong")
    assert "refused: the hub did not take 'me/other': " in said
    assert "to log in: hf auth login" in said


def test_the_card_says_what_the_files_say(reward):
    told = publication(reward, "me/mine")
    config = json.loads((reward / "config.json").read_text())
    assert "# mine\n" in told.card
    assert "| family | pamela |" in told.card
    assert "| people it knows | 200 |" in told.card
    assert "| reads pictures with | `google/siglip2-base` |" in told.card
    assert "| trained on | `ratings`, `training/pamela` |" in told.card
    assert "/home/me" not in told.card
    assert 'reward_models.load("me/mine")' in told.card
    name, measured = next((n, m) for n, m in config["metrics"].items() if "srocc" in m)
    line = next(each for each in told.card.splitlines() if each.startswith(f"| {name} |"))
    assert f"{measured['srocc']:.3f} [{measured['srocc_low']:.3f}, {measured['srocc_high']:.3f}]" in line
    assert "u17" not in told.card
    assert (told.people, told.described, told.places) == (200, 200, ("/home/me/secret/ratings",))


def test_a_card_of_ones_own_is_kept(reward, tmp_path):
    folder = shutil.copytree(reward, tmp_path / "mine")
    (folder / "README.md").write_text("# My own words\n")
    assert publication(folder, "me/mine").card == "# My own words\n"


def test_what_cannot_be_pushed_is_one_line(reward, tmp_path):
    with pytest.raises(
        reward_models.RewardError, match=r"'\.\./siglip', a folder of this machine that nobody else has"
    ):
        publication(REWARD, "me/mine")
    for name in ("mine", "outputs/mine", "a/b/c"):
        with pytest.raises(reward_models.RewardError, match="is no name of a model on the hub"):
            publication(reward, name)
    with pytest.raises(reward_models.RewardError, match="does not load"):
        publication(tmp_path, "me/mine")
