"""Pages in the browser, on this machine alone: rating pictures, and watching a run (extra ``page``)."""

from __future__ import annotations

import atexit
import importlib.util
import os
import shutil
import tempfile
from typing import TYPE_CHECKING

from steer.errors import UsageError

if TYPE_CHECKING:
    from rich.console import Console

    from steer.parts import Parts
    from steer.study.votes import Ballot
    from steer.users.interview import Interview
    from steer.web.live import LivePage


def serve_rating(interview: Interview, pairs: bool, port: int, browser: bool, console: Console) -> None:
    """The rating page until its person is done or Ctrl-C. Raises UsageError where Gradio is not installed."""
    _need_gradio()
    from steer.web.rating import RatingPage

    RatingPage(interview, pairs).serve(port, browser, console)


def serve_voting(ballot: Ballot, port: int, browser: bool, console: Console) -> None:
    """The page of a study until its person is done or Ctrl-C. Raises UsageError where Gradio is not installed."""
    _need_gradio()
    from steer.web.voting import VotingPage

    VotingPage(ballot).serve(port, browser, console)


def _need_gradio() -> None:
    if importlib.util.find_spec("gradio") is None:
        raise UsageError("the page needs Gradio: pip install 'steer-t2i[page]'; or rate with --terminal")
    os.environ["GRADIO_ANALYTICS_ENABLED"] = "False"  # nothing leaves this machine
    if "GRADIO_TEMP_DIR" not in os.environ:  # copies of pictures shown: gone with this process
        folder = tempfile.mkdtemp(prefix="steer-page-")
        os.environ["GRADIO_TEMP_DIR"] = folder
        atexit.register(shutil.rmtree, folder, ignore_errors=True)


def live_page(parts: Parts) -> LivePage:
    """A page that listens to the runs of these parts. Raises UsageError where Gradio is not installed."""
    _need_gradio()
    from steer.web.live import LivePage

    return LivePage(parts)
