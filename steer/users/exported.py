"""The file that ``steer user export`` writes: what may stand in it, and how it is read.

A file comes from anywhere. What it says is checked here as far as that can be told without a reward model.
"""

from __future__ import annotations

import base64
from pathlib import Path
from typing import Annotated

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, ValidationError

from reward_models.doors import check_regular
from steer.errors import UsageError
from steer.users.limits import FACT, FACTS, PROFILE, PROMPT, printed

FORMAT = 1
MOST_BYTES = 256_000_000  # of a file
MOST_FEATURES = 200_000  # bytes of one picture's; 30,000 numbers have 60,000
MOST_ENCODERS = 20
MOST_DRAWN = 20_000  # pictures of earlier runs
PLACE = 80  # characters of where in the file a fault is


def _clean(text: str) -> str:
    if not all(map(printed, text)):
        raise ValueError("it has control characters")
    return text


def _features(text: object) -> bytes:
    found = _decoded(text)
    if len(found) > MOST_FEATURES:
        raise ValueError(f"{len(found):,} bytes are too many for the features of a picture")
    return found


def _decoded(text: object) -> bytes:
    if not isinstance(text, str):
        raise ValueError("it is no text in base64")
    return base64.b64decode(text, validate=True)


Clean = AfterValidator(_clean)
Hash = Annotated[str, Field(pattern="^[0-9a-f]{64}$")]
Time = Annotated[str, Field(max_length=40), Clean]
Prompt = Annotated[str, Field(max_length=PROMPT), Clean]
Fact = Annotated[str, Field(max_length=FACT), Clean]
Features = Annotated[bytes, BeforeValidator(_features)]
Base64 = Annotated[bytes, BeforeValidator(_decoded)]


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, strict=True)


class SaidRating(_Part):
    """A rating from 1 to 5 of a picture."""

    picture: Hash
    prompt: Prompt = ""
    score: float = Field(ge=1, le=5)
    at: Time


class SaidChoice(_Part):
    """The better of two pictures."""

    better: Hash
    worse: Hash


class SaidDrawn(_Part):
    """A picture of an earlier run; see :class:`steer.users.run_memory.DrawnBefore`."""

    run: Annotated[str, Field(max_length=400), Clean]
    prompt: Prompt
    text: Prompt
    changes: Annotated[dict[Fact, Prompt], Field(max_length=FACTS)]
    encoder: Fact
    kept: Features
    at: Time


class Exported(_Part):
    """A person as a file. ``features`` by encoder and picture hash; ``thumbnails`` by picture hash, not opened yet."""

    steer_user: int = Field(ge=1, le=FORMAT)
    id: str
    demographics: Annotated[dict[Fact, Fact], Field(max_length=FACTS)]
    profile: Annotated[str, Field(max_length=PROFILE), Clean]
    source: Fact = ""
    ratings: list[SaidRating]
    choices: list[SaidChoice]
    prompts: dict[Hash, Prompt] = {}
    features: Annotated[dict[Fact, dict[Hash, Features]], Field(max_length=MOST_ENCODERS)] = {}
    thumbnails: dict[Hash, Base64] = {}
    runs: Annotated[list[SaidDrawn], Field(max_length=MOST_DRAWN)] = []


def read_export(path: Path) -> Exported:
    """The person of a file. Raises UsageError, in one line, for a file that is no export or has something in it that an
    export never has.
    """
    try:
        check_regular(path)
        if path.stat().st_size > MOST_BYTES:
            raise ValueError(f"it is larger than {MOST_BYTES // 10**6} MB")
        return Exported.model_validate_json(path.read_bytes())
    except ValidationError as error:
        why = _first(error)
    except OSError as error:
        why = str(error.strerror)
    except ValueError as error:
        why = str(error)
    raise UsageError(f"'{path}' is not a user exported by steer: {why}")


def _first(error: ValidationError) -> str:
    """The first fault in one line, without a word of what the file says beside the place."""
    first, *_ = error.errors(include_input=False, include_url=False, include_context=False)
    if first["loc"] == ("steer_user",) and first["type"] == "less_than_equal":
        return "it was written by a newer steer"
    place = ".".join(str(part) for part in first["loc"])[:PLACE].encode("unicode_escape").decode()
    said = first["msg"].removeprefix("Value error, ")
    return f"{place}: {said}" if place else said
