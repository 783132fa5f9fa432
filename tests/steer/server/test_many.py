"""Many at once: everybody gets their own taste, nothing is lost, nothing crosses."""

from __future__ import annotations

import asyncio
import base64
import io
import json
import random

import numpy as np
import openai
import pytest
from PIL import Image

from reward_models import Person
from steer.server.settings import ServerSettings
from tests.steer.server.conftest import ALL, fake_parts, running

USERS = ["u3", "u8", "u17", "u25", "u42", "u64", "u99", "u120"]


async def asked(server, wishes, beside=64):
    """Every wish by the openai client, so many at once; the answers in order."""
    limit = asyncio.Semaphore(beside)
    async with openai.AsyncOpenAI(base_url=server.url, api_key=ALL, max_retries=20, timeout=900) as client:

        async def one(wish):
            async with limit:
                return await client.images.generate(**wish)

        return await asyncio.gather(*map(one, wishes))


def opened(answer):
    image = Image.open(io.BytesIO(base64.b64decode(answer.data[0].b64_json)))
    image.load()
    return image


def crossed(wishes, answers):
    """How many answers are not of their own wish: another prompt, user, text or pixels."""
    wrong = 0
    for wish, answer in zip(wishes, answers, strict=True):
        image = opened(answer)
        facts = json.loads(image.info["steer"])
        own = (facts["prompt"], facts["user"]) == (wish["prompt"], wish["user"])
        wrong += not (own and facts["text"] == answer.data[0].revised_prompt and answer.steer["user"] == wish["user"])
    return wrong


def liking(reward, images, prompt):
    """(users, pictures): how much each of USERS likes each picture."""
    reading = reward.read(images, [prompt] * len(images))
    return np.stack([reward.judge(reading, Person(user)).personal for user in USERS])


@pytest.mark.parametrize("each", [1, pytest.param(8, marks=pytest.mark.slow)])
def test_users_at_once_get_their_own_taste(painted, each):
    prompt = "a lighthouse by the sea"
    some = USERS[::2] if each == 1 else USERS * each
    wishes = [{"prompt": prompt, "user": user, "quality": "standard"} for user in some]
    answers = asyncio.run(asked(painted, wishes))
    assert len(answers) == len(wishes)
    assert crossed(wishes, answers) == 0
    matrix = liking(painted.service.parts.reward, [opened(a) for a in answers], prompt)
    own = np.array([matrix[USERS.index(w["user"]), i] for i, w in enumerate(wishes)])
    assert own.mean() > matrix.mean() + 0.15  # their own pictures are liked more than others' are by them
    ranks = [(matrix[USERS.index(w["user"])] > own[i]).mean() for i, w in enumerate(wishes)]
    assert np.mean(ranks) < 0.25


@pytest.mark.parametrize("many", [40, pytest.param(10_000, marks=pytest.mark.slow)])
def test_no_request_gets_the_answer_of_another(tmp_path, many):
    people = [f"p{i}" for i in range(50)]
    settings = ServerSettings(out=tmp_path / "runs", queue=64)
    with running(fake_parts(tmp_path, people=people, settings=["search.budget=1"]), settings) as server:
        chance = random.Random(0)
        wishes = [
            {"prompt": f"thing {i} of {chance.randrange(10**6)}", "user": chance.choice(people)} for i in range(many)
        ]
        answers = asyncio.run(asked(server, wishes))
        assert crossed(wishes, answers) == 0
        assert len(server.service.runs) <= settings.remembered + 64
