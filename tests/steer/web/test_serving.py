"""The server of a page: who gets in, how it ends, what it prints."""

from __future__ import annotations

import http.cookiejar
import socket
import threading
import urllib.error
import urllib.request

import gradio as gr
import pytest
from rich.console import Console

from steer.errors import UsageError
from steer.web.address import Address
from steer.web.serving import Served


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


def get(url, opener=urllib.request, data=None):
    with (opener.open if opener is not urllib.request else opener.urlopen)(url, data) as answer:
        return answer.read().decode()


def test_a_page_is_on_loopback_alone_and_needs_no_token(start):
    served = start()
    assert served.url.startswith("http://127.0.0.1:")
    assert "token" not in served.url
    assert "key-" in get(served.url).partition("</style>")[2]  # style and keys are there before Gradio's script


def test_another_host_needs_the_token_of_the_printed_link(start):
    served = start(host="0.0.0.0")
    token = served.url.partition("?token=")[2]
    port = served.url.rpartition(":")[2].partition("/")[0]
    here = f"http://127.0.0.1:{port}/"
    assert len(token) >= 20
    for stranger in (here, f"{here}?token=guess", f"{here}config", f"{here}gradio_api/info"):
        with pytest.raises(urllib.error.HTTPError) as refused:
            get(stranger)
        assert refused.value.code == 403
    friend = urllib.request.build_opener(urllib.request.HTTPCookieProcessor(http.cookiejar.CookieJar()))
    assert "key-" in get(f"{here}?token={token}", friend)
    assert "components" in get(f"{here}config", friend)  # from now on by cookie


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
    assert "Thank you." in get(f"{served.url}goodbye", data=b"")
    waiting.join(10)
    assert not waiting.is_alive()
    with pytest.raises(urllib.error.URLError):
        get(served.url)
