"""Pages in the browser: rating pictures, voting in a study, and watching a run (extra ``page``)."""

from __future__ import annotations

import importlib.util
import os
from typing import TYPE_CHECKING

from steer.errors import UsageError
from steer.web.address import Address
from steer.web.temporary import own_folder

if TYPE_CHECKING:
    from rich.console import Console

    from steer.parts import Parts
    from steer.study.votes import Ballot
    from steer.users.interview import Interview
    from steer.web.live import LivePage

__all__ = ["Address", "live_page", "need_gradio", "serve_rating", "serve_voting"]


def serve_rating(interview: Interview, pairs: bool, address: Address, console: Console) -> None:
    """The rating page until its person is done or Ctrl-C. Raises UsageError where Gradio is not installed."""
    need_gradio("; or rate with --terminal")
    from steer.web.rating import RatingPage, TastePairsPage

    page = TastePairsPage(interview) if pairs else RatingPage(interview)
    page.serve(address, console)


def serve_voting(ballot: Ballot, address: Address, console: Console) -> None:
    """The page of a study until its person is done or Ctrl-C. Raises UsageError where Gradio is not installed."""
    need_gradio()
    from steer.web.voting import VotingPage

    VotingPage(ballot).serve(address, console)


def live_page(parts: Parts) -> LivePage:
    """A page that listens to the runs of these parts. Raises UsageError where Gradio is not installed."""
    need_gradio()
    from steer.web.live import LivePage

    return LivePage(parts)


def need_gradio(instead: str = "") -> None:
    """Raise UsageError where Gradio is not installed; else set it up before it is imported: no analytics, a private
    temporary folder.
    """
    if importlib.util.find_spec("gradio") is None:
        raise UsageError(f"the page needs Gradio: pip install 'steer-t2i[page]'{instead}")
    os.environ["GRADIO_ANALYTICS_ENABLED"] = "False"  # nothing leaves this machine
    if "GRADIO_TEMP_DIR" not in os.environ:  # else /tmp/gradio, which belongs to whoever of this machine made it first
        os.environ["GRADIO_TEMP_DIR"] = str(own_folder())
