"""The rewards that only judge, by their shipped recipes, on the data set of a work folder."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

from reward_models import yaml12
from steer.resources import data_folder
from steer.store.files import write_json

HERE = "training/"  # where the recipes have their data and their results


def train(name: str, work: Path) -> None:
    """``steer reward train`` by ``configs/train/NAME.yaml``. Raises CalledProcessError where it fails."""
    file = work / "recipes" / f"{name}.yaml"
    file.parent.mkdir(parents=True, exist_ok=True)
    write_json(file, moved((data_folder("configs") / "train" / f"{name}.yaml").read_text(encoding="utf-8"), work))
    subprocess.run([sys.executable, "-m", "steer", "reward", "train", "--config", str(file)], check=True)


def moved(recipe: str, work: Path) -> object:
    """The values of a recipe with every path below ``training/`` below ``work`` instead."""
    inside = json.dumps(f"{work}/")[:-1]
    return json.loads(json.dumps(yaml12.load(recipe)).replace(f'"{HERE}', inside))
