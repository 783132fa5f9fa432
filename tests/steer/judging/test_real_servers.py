"""Servers that others wrote, started here: transformers' own, and llama.cpp's with a real small chat model."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
import urllib.request

import numpy as np
import pytest
from transformers.utils.import_utils import is_serve_available

from reward_models import Person, RewardError
from reward_models.encoders.vlm import load_vlm
from reward_models.prompted.family import Settings, make
from reward_models.prompted.local import LocalDecider
from reward_models.prompted.question import liking_question
from reward_models.prompted.servers import ChatDecider, SystemOneDecider
from reward_models.testing.fakes import random_pictures
from tests.reward_models.tiny_vlms import save_gemma

QUESTIONS = [liking_question(), liking_question('In their own words: "warm light, no neon"')]


def _free_port():
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return found.getsockname()[1]


@pytest.fixture(scope="module")
def gemma(tmp_path_factory):
    return save_gemma(tmp_path_factory.mktemp("gemma"))


@pytest.fixture(scope="module")
def served(gemma):
    """`transformers serve` with a tiny Gemma 3, in a process of its own."""
    if not is_serve_available():
        pytest.skip("transformers[serving] is not installed")
    port = _free_port()
    command = [sys.executable, "-c", "from transformers.cli.transformers import main; main()", "serve", str(gemma)]
    environment = {**os.environ, "HF_HUB_OFFLINE": "1", "OMP_NUM_THREADS": "1"}
    process = subprocess.Popen(
        [*command, "--device", "cpu", "--port", str(port)],
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    url = f"http://127.0.0.1:{port}"
    try:
        for _ in range(600):
            assert process.poll() is None, process.stdout.read()
            try:
                urllib.request.urlopen(f"{url}/health", timeout=1).read()
                break
            except OSError:
                time.sleep(0.1)
        yield f"{url}/v1"
    finally:
        process.terminate()
        process.wait(10)


def test_transformers_serve_says_what_the_model_says_here(served, gemma):
    pictures = [p.resize((64, 64)) for p in random_pictures(2)]
    here = LocalDecider(load_vlm(gemma), 64).answers([*pictures, "a fox at dawn"], QUESTIONS)
    there = SystemOneDecider(str(gemma), base_url=served, size=64).answers([*pictures, "a fox at dawn"], QUESTIONS)
    for ours, theirs in zip(here, there, strict=True):
        for a, b in zip(ours, theirs, strict=True):
            np.testing.assert_allclose(a.probabilities, b.probabilities, atol=1e-5)


def test_a_chat_without_logprobs_is_one_line(served, gemma):
    """The chat of transformers' server gives none."""
    with pytest.raises(RewardError, match="gives no logprobs"):
        ChatDecider(str(gemma), base_url=served, size=64, retries=0).answers(["a fox"], QUESTIONS[:1])


@pytest.fixture(scope="module")
def smollm():
    from steer.proposers.smollm import missing_packages, serve

    if missing_packages():
        pytest.skip("SmolLM2's packages are not installed")
    return serve(1)


@pytest.mark.slow
def test_a_real_small_model_answers_about_texts_by_its_logprobs(smollm):
    """SmolLM2-135M by llama.cpp's server: probabilities of levels, and what it spends on other words."""
    from steer.proposers.smollm import MODEL

    rows = ChatDecider(MODEL, base_url=smollm, timeout_s=120).answers(["a fox at dawn", "a grey wall"], QUESTIONS)
    answers = [a for row in rows for a in row]
    assert all(a.probabilities and 0 <= a.off < 1 for a in answers)
    assert len({a.liking for a in answers}) == len(answers)


@pytest.mark.slow
def test_a_server_that_decides_nothing_is_one_line(smollm):
    """llama.cpp has /v1/systemone for decision models alone."""
    from steer.proposers.smollm import MODEL

    with pytest.raises(RewardError, match=r"cannot answer typed questions|no such address"):
        make(Settings(MODEL, "systemone", base_url=smollm)).score(random_pictures(1), [""], Person())
