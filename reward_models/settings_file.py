"""Settings from a YAML file; a fault is one line with the key that is wrong."""

from __future__ import annotations

from pathlib import Path
from typing import TypeVar

from pydantic import BaseModel, ValidationError

from reward_models import yaml12
from reward_models.base import RewardError
from reward_models.doors import Unreadable, read_text

Settings = TypeVar("Settings", bound=BaseModel)


def read_settings(path: Path, kind: type[Settings]) -> Settings:
    """The file as settings of this kind. Raises RewardError where there is no such file, no YAML, or a wrong key."""
    try:
        return kind.model_validate(yaml12.load(read_text(path, yaml12.MOST_CHARACTERS)))
    except FileNotFoundError as error:
        raise RewardError(f"there is no file '{path}'") from error
    except (yaml12.YAMLError, OSError, Unreadable) as error:
        raise RewardError(f"'{path}' does not read as YAML: {str(error).splitlines()[0]}") from error
    except ValidationError as error:
        first = error.errors()[0]
        key = ".".join(map(str, first["loc"])) or "the file"
        raise RewardError(f"'{path}': {key}: {first['msg']}") from error
