"""Every training command in its order, for seconds each, on 300 pictures: they run, resume and fit together."""

from __future__ import annotations

import subprocess
import sys

import pytest

STEPS = (
    ("paint", "--n", "300"),
    ("text", "--steps", "60"),
    ("autoencoder", "--minutes", "0.1"),
    ("latents",),
    ("decoder", "--minutes", "0.05"),
    ("generator", "--minutes", "0.1"),
    ("pairs", "--n", "40"),
    ("crisp", "--minutes", "0.1", "--adversarial-after", "1"),
    ("decoded", "--n", "64"),
    ("eye", "--minutes", "0.1"),
    ("eye", "--name", "judge", "--minutes", "0.1"),
    ("siglip", "--minutes", "0.1"),
    ("sample", "--n", "64", "--steps", "2"),
    ("siglip", "--minutes", "0.2"),
)


@pytest.mark.slow
def test_the_training_commands_fit_together(tmp_path):
    for step in STEPS:
        command = [sys.executable, "-m", "trainers", *step, "--work", str(tmp_path)]
        done = subprocess.run(command, capture_output=True, text=True, timeout=300)
        assert done.returncode == 0, (step, done.stderr[-2000:])
        if step == ("siglip", "--minutes", "0.2"):
            assert "resumed at step" in done.stdout
    for part in ("autoencoder", "decoder", "generator", "crisp", "eye", "judge", "siglip"):
        assert list((tmp_path / part / "model").rglob("*.safetensors")), part
