"""An interview, a study and a run to put on pages."""

from __future__ import annotations

import os

import pytest

os.environ["GRADIO_ANALYTICS_ENABLED"] = "False"
pytest.importorskip("gradio")

from steer.users.interview import Interview


@pytest.fixture
def interview(miniature, store, questions):
    store.add("me")
    return Interview(store, miniature.parts.reward, "me", questions)


@pytest.fixture
def known_well(interview, ratings_of):
    """An interview that has heard enough."""
    truth = ratings_of("u185")
    while not interview.progress().enough:
        question = interview.next()
        interview.rate(question, truth[question.hash])
    return interview


@pytest.fixture
def serve():
    """Start a page on a free port of this machine; closed at the end of the test."""
    running = []

    def start(page):
        running.append(page.start())
        return running[-1]

    yield start
    for served in running:
        served.close()
