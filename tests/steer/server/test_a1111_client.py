"""webuiapi, a client of AUTOMATIC1111's web UI, unmodified, against a running server."""

from __future__ import annotations

import json

import openai
import pytest
from webuiapi import WebUIApi

from tests.steer.server.conftest import ALL


@pytest.fixture
def api(painted):
    return WebUIApi(host="127.0.0.1", port=painted.port, username="u17", password=ALL)


def test_the_user_name_decides_the_taste(api):
    result = api.txt2img(prompt="a fox in the snow", seed=5, batch_size=2)
    assert len(result.images) == 2
    assert result.info["steer"]["user"] == "u17"
    assert [json.loads(image.info["steer"])["user"] for image in result.images] == ["u17", "u17"]
    assert result.info["infotexts"][0] == result.images[0].info["parameters"]
    assert result.info["all_prompts"][0] == json.loads(result.images[0].info["steer"])["text"]
    assert (result.info["width"], result.info["height"]) == result.images[0].size == (128, 128)
    assert result.info["sampler_name"] == "painter"


def test_a_checkpoint_is_a_person(api):
    assert api.util_get_current_model() == "miniature/u17"
    assert "miniature/u3" in api.util_get_model_names()
    assert api.get_samplers()[0]["name"] == "painter"
    checkpoint = {"sd_model_checkpoint": "miniature/u3"}
    result = api.txt2img(prompt="a cat", override_settings=checkpoint)
    assert result.info["steer"]["user"] == "u3"
    with pytest.raises(RuntimeError, match="override_settings"):
        api._to_api_result(api.session.post(f"{api.baseurl}/options", json=checkpoint))


def test_progress_is_nothing_where_nothing_runs(api):
    progress = api.get_progress()
    assert progress["progress"] == 0.0
    assert progress["state"]["job_count"] == 0
    api.util_wait_for_ready()
    assert api.interrupt() == {}


def test_errors_are_in_this_wires_form(painted):
    nobody = WebUIApi(host="127.0.0.1", port=painted.port, username="u17", password="guess")
    with pytest.raises(RuntimeError) as caught:
        nobody.txt2img(prompt="a fox")
    status, text = caught.value.args
    assert status == 401
    assert "none of the server's" in json.loads(text)["detail"]
    unknown = WebUIApi(host="127.0.0.1", port=painted.port, username="u71x", password=ALL)
    with pytest.raises(RuntimeError, match=r"u71x.* not found"):
        unknown.txt2img(prompt="a fox")


def test_what_cannot_be_done_is_said_and_not_left_out(painted):
    http = openai.DefaultHttpxClient(base_url=painted.root, auth=("u17", ALL))
    for more, status in (({"enable_hr": True}, 422), ({"script_name": "x"}, 422), ({"negative_prompt": "fog"}, 400)):
        answer = http.post("/sdapi/v1/txt2img", json={"prompt": "a fox", **more}, timeout=120)
        assert answer.status_code == status, answer.text
        assert answer.json()["detail"]
