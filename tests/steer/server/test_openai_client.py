"""OpenAI's own client, unmodified, against a running server."""

from __future__ import annotations

import base64
import io
import json

import openai
import pytest
from PIL import Image

from reward_models import Person
from tests.steer.server.conftest import ALL, ANN


def client(server, token=ALL, **more):
    return openai.OpenAI(base_url=server.url, api_key=token, max_retries=0, timeout=300, **more)


def opened(b64):
    image = Image.open(io.BytesIO(base64.b64decode(b64)))
    image.load()
    return image


def facts(image):
    return json.loads(image.info["steer"])


def test_user_decides_the_taste_and_revised_prompt_is_the_winning_text(painted):
    answer = client(painted).images.generate(prompt="a fox in the snow", user="u17", size="auto", quality="low")
    (picture,) = answer.data
    image = opened(picture.b64_json)
    assert image.size == (128, 128)
    assert answer.size == "128x128"
    assert facts(image)["user"] == "u17"
    assert facts(image)["text"] == picture.revised_prompt
    assert "fox" in picture.revised_prompt
    assert "Negative prompt:" in image.info["parameters"]


def test_quality_is_what_the_search_may_spend_and_n_are_the_best(painted):
    def spent(quality, n=1):
        more = {"seed": 4}
        answer = client(painted).images.generate(prompt="a cat", user="u3", quality=quality, n=n, extra_body=more)
        return answer, answer.steer["pictures"]

    assert spent("low")[1] < spent("standard")[1] == 12
    answer, _ = spent("standard", n=3)
    texts = [d.revised_prompt for d in answer.data]
    assert len(set(texts)) == 3
    reward, images = painted.service.parts.reward, [opened(d.b64_json) for d in answer.data]
    liked = reward.judge(reward.read(images, ["a cat"] * 3), Person("u3")).personal
    assert liked[0] >= liked[2] - 0.15  # the order is that of what is believed, not of one score


def test_an_address_opens_without_a_token_and_only_as_it_was_signed(painted):
    answer = client(painted).images.generate(prompt="a cat", user="u17", response_format="url", quality="low")
    url = answer.data[0].url
    http = openai.DefaultHttpxClient()
    assert http.get(url).headers["content-type"] == "image/png"
    for other in (url[:-1] + ("0" if url[-1] != "0" else "1"), url.replace("expires=", "expires=9"), url.split("?")[0]):
        assert http.get(other).status_code == 404


def test_a_stream_brings_the_best_so_far_of_rounds(painted):
    events = list(
        client(painted).images.generate(prompt="a fox", user="u17", stream=True, partial_images=2, quality="standard")
    )
    kinds = [event.type for event in events]
    assert kinds == ["image_generation.partial_image"] * 2 + ["image_generation.completed"]
    assert [event.partial_image_index for event in events[:-1]] == [0, 1]
    assert all(facts(opened(event.b64_json))["user"] == "u17" for event in events)
    assert events[-1].revised_prompt == facts(opened(events[-1].b64_json))["text"]


@pytest.mark.parametrize(
    ("asked", "error", "said"),
    [
        ({"user": "u71x"}, openai.BadRequestError, "user 'u71x' not found"),
        ({"user": ""}, openai.BadRequestError, "who is it for"),
        ({"user": "../../x"}, openai.BadRequestError, "cannot be"),
        ({"user": "u1", "model": "sdxl"}, openai.NotFoundError, "/v1/models"),
        ({"user": "u1", "prompt": ""}, openai.BadRequestError, "the prompt is empty"),
        ({"user": "u1", "size": "9x9"}, openai.BadRequestError, "size"),
        ({"user": "u1", "quality": "best"}, openai.BadRequestError, "quality"),
        ({"user": "u1", "n": 99}, openai.BadRequestError, "n"),
    ],
)
def test_errors_are_in_the_wires_form(painted, asked, error, said):
    with pytest.raises(error) as caught:
        client(painted).images.generate(**{"prompt": "a fox", **asked})
    assert said in caught.value.body["message"]
    assert caught.value.body["type"] in ("invalid_request_error", "not_found_error")
    assert "Traceback" not in caught.value.response.text


def test_a_wrong_token_and_a_user_outside_its_scope_are_refused(painted):
    with pytest.raises(openai.AuthenticationError, match="none of the server's"):
        client(painted, "guess").images.generate(prompt="a fox", user="u17")
    with pytest.raises(openai.PermissionDeniedError, match="not for this user"):
        client(painted, ANN).images.generate(prompt="a fox", user="u3")
    with pytest.raises(openai.PermissionDeniedError) as unknown:
        client(painted, ANN).images.generate(prompt="a fox", user="nobody")
    assert "u3" not in str(unknown.value)
    answer = client(painted, ANN).images.generate(prompt="a fox", quality="low")  # the token's only user
    assert answer.steer["user"] == "u17"


def test_the_models_are_the_server_and_its_people(painted):
    names = [m.id for m in client(painted).models.list()]
    assert {"miniature", "miniature/average", "miniature/u17", "miniature/bob"} <= set(names)
    assert [m.id for m in client(painted, ANN).models.list()] == ["miniature", "miniature/average", "miniature/u17"]
    assert client(painted).models.retrieve("miniature/u17").id == "miniature/u17"
    with pytest.raises(openai.NotFoundError):
        client(painted, ANN).models.retrieve("miniature/u3")


def test_chat_rewrites_for_the_person_in_the_models_name(painted):
    def rewritten(user, n=1):
        messages = [{"role": "system", "content": "Expand."}, {"role": "user", "content": "a fox in the snow"}]
        return client(painted).chat.completions.create(model=f"miniature/{user}", messages=messages, n=n, seed=1)

    texts = {user: rewritten(user).choices[0].message.content for user in ("u17", "u3", "u8")}
    assert len(set(texts.values())) > 1
    judge = painted.service.parts.reward
    imagined = judge.imagination.read(list(texts.values()))
    for row, user in enumerate(texts):
        liking = judge.judge(imagined, Person(user)).personal
        assert liking[row] == max(liking)  # of the three, their own is liked best
    answer = rewritten("u17", n=3)
    assert len({c.message.content for c in answer.choices}) == 3
    assert answer.steer["expected_liking"] == sorted(answer.steer["expected_liking"], reverse=True)
    assert answer.choices[0].finish_reason == "stop"


def test_chat_streams_and_takes_parts_of_messages(painted):
    message = {"role": "user", "content": [{"type": "text", "text": "a cat"}]}
    chunks = client(painted).chat.completions.create(model="miniature/u17", messages=[message], stream=True)
    text = "".join(chunk.choices[0].delta.content or "" for chunk in chunks)
    assert "cat" in text


def test_chat_reads_what_sglang_sends(painted):
    """Body and headers as its prompt enhancer makes them (sglang 0.5.23, multimodal_gen, prompt_enhancement.py)."""
    sent = {
        "max_tokens": 512,
        "temperature": 0,
        "model": "miniature/u17",
        "messages": [
            {"role": "system", "content": "You expand prompts for image and video generation."},
            {"role": "user", "content": json.dumps({"task": "image", "prompt": "a lighthouse by the sea"})},
        ],
        "stream": False,
        "n": 1,
    }
    http = openai.DefaultHttpxClient(base_url=painted.url + "/", headers={"Authorization": f"Bearer {ALL}"})
    choice = http.post("chat/completions", json=sent).raise_for_status().json()["choices"][0]
    assert choice["finish_reason"] == "stop"
    assert "lighthouse" in choice["message"]["content"]
    assert "prompt" not in choice["message"]["content"]
