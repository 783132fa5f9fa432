"""The server of a page: who gets in, how it ends, what it prints."""

from __future__ import annotations

import socket
import threading
import urllib.error

import gradio as gr
import pytest
from rich.console import Console

from steer.errors import UsageError
from steer.web.address import Address
from steer.web.serving import Served
from tests.steer.web.visitor import Visitor


def page():
    with gr.Blocks(analytics_enabled=False) as blocks:
        gr.HTML("<h1>Hello</h1>")
    return blocks


@pytest.fixture
def start():
    running = []

    def serve(**address):
        running.append(Served(page(), Address(**address, browser=False)))
        return running[-1]

    yield serve
    for served in running:
        served.close()


def test_style_and_keys_are_there_before_gradios_script(start):
    assert b"key-" in Visitor(start()).get().partition(b"</style>")[2]


def test_the_link_is_printed_whole_on_a_narrow_terminal(start, capsys):
    served = start(host="0.0.0.0")
    served.announce(Console(width=40), "Ctrl-C ends it")
    assert served.url in capsys.readouterr().out


@pytest.mark.parametrize("host", ["no such host", "192.0.2.1"])
def test_a_host_that_is_not_here_is_refused_in_one_line(start, host):
    with pytest.raises(UsageError, match=f"--host: '{host}' is not an address of this machine"):
        start(host=host)


def test_a_taken_port_is_one_line_and_nothing_else(start, capfd):
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        with pytest.raises(UsageError, match=f"--port: {port} is taken"):
            start(port=port)
    assert capfd.readouterr() == ("", "")


def test_done_thanks_and_ends(start):
    served = start()
    waiting = threading.Thread(target=served.wait)
    waiting.start()
    assert b"Thank you." in Visitor(served).get("goodbye", b"")
    waiting.join(10)
    assert not waiting.is_alive()
    with pytest.raises(urllib.error.URLError):
        Visitor(served)
