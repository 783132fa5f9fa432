"""Templates and rewards of others: what would fill the memory, never end or silently change a score is refused."""

from __future__ import annotations

import json
import time

import pytest
import torch
from safetensors.torch import load_file, save_file

from reward_models.base import RewardError
from reward_models.linear_hidden.reward import LinearHiddenReward
from reward_models.pamela.reward import PamelaReward
from steer.errors import UsageError
from steer.proposers.instructions import Ask, Instructions
from steer.resources import MINIATURE_LINEAR_HIDDEN, MINIATURE_REWARD
from tests.hostile.house import _forget_peak, _status


def template(folder, body):
    path = folder / "mine.j2"
    path.write_text("{% macro system(ask) %}x{% endmacro %}{% macro user(ask) %}" + body + "{% endmacro %}")
    return Instructions(str(path)).messages(Ask("a fox", 2))[1]["content"]


@pytest.mark.parametrize(
    "body",
    [
        "{{ 'x' * 10 ** 10 }}",
        "{{ '%10000000000d'|format(1) }}",
        "{{ '{:>10000000000}'.format(1) }}",
        "{{ 'a'.ljust(10 ** 10) }}",
        "{{ 'a'|center(10 ** 10) }}",
        "{{ range(99999)|join('x' * 9) }}",
        "{% set x = 'x' %}" + "{% set x = x ~ x %}" * 40,
        "{{ 10 ** 64 ** 64 }}",
        "{{ user(ask) }}",
        "{{ 1 / 0 }}",
        "{% include '/etc/passwd' %}",
        "{{ ''.__class__.__mro__ }}",
        "{% for i in range(99999) %}{{ 'xxxxxxxxxxxxxx' }}{% endfor %}",
    ],
)
def test_a_template_that_grows_or_leaves_its_box_is_refused_at_once(tmp_path, body):
    begun, resident = time.process_time(), _status("VmRSS")
    _forget_peak()
    with pytest.raises(UsageError, match=r"^chat template .*(does not compile|cannot be filled in): ") as said:
        template(tmp_path, body)
    assert "\n" not in str(said.value)
    assert time.process_time() - begun < 4
    assert _status("VmHWM") - resident < 100 * 2**20


def test_a_template_that_never_ends_is_stopped(tmp_path, monkeypatch):
    monkeypatch.setattr("steer.proposers.sandbox.SECONDS", 0.2)
    loops = "{% for i in range(99999) %}" * 3 + "y" + "{% endfor %}" * 3
    with pytest.raises(UsageError, match=r"takes longer than 0.2 seconds"):
        template(tmp_path, loops)


def test_what_templates_are_written_with_stays(tmp_path):
    body = "{% for text, reward in ask.ranked|reverse %}{% endfor %}{{ '%.2f'|format(0.5) }} {{ ask.n + 1 }}"
    body += " {{ ask.prompt|upper }}"
    assert template(tmp_path, body) == "0.50 3 A FOX"


def spoilt(source, folder, name, change):
    """A copy of a reward's folder with one of its tensors changed."""
    told = json.loads((source / "config.json").read_text())
    weights = load_file(source / "model.safetensors")
    weights[name] = change(weights[name])
    (folder / "config.json").write_text(json.dumps(told))
    save_file(weights, folder / "model.safetensors")
    return folder


def nan(tensor):
    tensor = tensor.clone()
    tensor.view(-1)[0] = float("nan")
    return tensor


@pytest.mark.parametrize(
    ("name", "change", "said"),
    [
        ("0.prior.axes", nan, "values that are no finite numbers"),
        ("0.no_prompt", nan, "values that are no finite numbers"),
        ("imagination.bias", nan, "values that are no finite numbers"),
        ("0.prior.mean", lambda t: t[:5].clone(), r"shape \(5,\), not \(128\)"),
        ("0.prior.table", lambda t: t[:5].clone(), r"'prior.table' has the shape"),
        ("0.prior.frequency", lambda t: t[:5].clone(), r"'prior.frequency' has the shape"),
        ("0.prior.covariances", lambda t: t[:5].clone(), r"'prior.covariances' has the shape"),
        ("0.cls", lambda t: torch.zeros(128, dtype=torch.int8), "holds no fractions"),
    ],
)
def test_a_pamela_reward_with_spoilt_weights_does_not_load(tmp_path, name, change, said):
    with pytest.raises(RewardError, match=said):
        PamelaReward.from_folder(spoilt(MINIATURE_REWARD, tmp_path, name, change))


@pytest.mark.parametrize(
    ("name", "change", "said"),
    [
        ("crowd.dual", nan, "values that are no finite numbers"),
        ("taste.directions", lambda t: t[:, :5].clone(), r"'taste.directions' has the shape"),
        ("scaler.scale", lambda t: t * 0, "a scale of 0 or less"),
        ("support.rows", lambda t: t + 10**6, "pictures that are not there"),
        ("support.likings", lambda t: t + 5, "not all from 0 to 1"),
    ],
)
def test_a_linear_hidden_reward_with_spoilt_weights_does_not_load(tmp_path, name, change, said):
    with pytest.raises(RewardError, match=said):
        LinearHiddenReward.from_folder(spoilt(MINIATURE_LINEAR_HIDDEN, tmp_path, name, change))
