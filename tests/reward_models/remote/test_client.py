"""What is read from a server, and how long that takes: bounded whatever it sends."""

from __future__ import annotations

import asyncio
import contextlib
import gzip
import socket
import time
import tracemalloc

import pytest

from reward_models.addresses import kind_of
from reward_models.remote import FAULTS, Malformed, Refused, client, fetched, fetching, run, said, short
from tests.loopback import MB, Loopback

BOMB = 200, gzip.compress(b"0" * (100 * MB)), {"Content-Encoding": "gzip"}


class _Pages(Loopback):
    """``pages``: turns by path, of POST and GET."""

    def __init__(self):
        self.pages = {}
        super().__init__()

    def answer(self, path, body, number):
        return self.page(path)

    def page(self, path):
        return self.pages.get(path, (404, {}))


@pytest.fixture
def server():
    found = _Pages()
    yield found
    found.close()


def ask(server, turn, timeout_s=1.0, most=MB):
    server.pages["/v1/x"] = turn

    async def once():
        async with client(server.url, "k", timeout_s, most) as asked:
            return await asyncio.wait_for(asked.post("/x", body={}, cast_to=object), timeout_s)

    return run(once())


def fetch(server, path="/x", timeout_s=20.0, most=MB, base_url="http://127.0.0.1/v1"):
    url = path if path.startswith("http") else server.root + path
    return run(asyncio.wait_for(fetched(url, most, timeout_s, base_url), timeout_s))


@pytest.mark.parametrize("turn", [BOMB, ("endless", b"x"), (200, b"x" * (MB + 1))], ids=["bomb", "endless", "large"])
@pytest.mark.parametrize("of", ["an answer", "an error", "a file"])
def test_no_more_is_read_or_unpacked_than_allowed(server, turn, of):
    if of == "an error" and isinstance(turn[0], int):
        turn = (400, *turn[1:])
    server.pages["/x"] = turn
    tracemalloc.start()
    begun = time.monotonic()
    try:
        with pytest.raises(FAULTS) as caught:  # openai's older clients wrap it
            fetch(server) if of == "a file" else ask(server, turn, 20)
        assert short(caught.value) == "the answer is larger than 1 MB"
        assert tracemalloc.get_traced_memory()[1] < 8 * MB
    finally:
        tracemalloc.stop()
    assert time.monotonic() - begun < 10


HOSTILE = {
    "hang": ("hang", 8),
    "drip": ("drip", b"{}" * 100),
    "reset": ("reset", b""),
    "cut": ("cut", b"{}"),
    "another packing": (200, b"x", {"Content-Encoding": "br"}),
    "no packing": (200, b"xxxx", {"Content-Encoding": "gzip"}),
    "a charset that decodes nothing": (400, b"no", {"Content-Type": "text/plain; charset=zlib"}),
    "brackets": (200, b"[" * 100_000),
    "a header without end": (200, b"{}", {"X": "y" * 200_000}),
    "a number of 9999 digits": (200, b"9" * 9999),
}


@pytest.mark.parametrize("turn", HOSTILE.values(), ids=HOSTILE)
def test_every_fault_is_one_of_those_that_are_caught_and_in_time(server, turn):
    server.pages["/x"] = turn
    for once in (lambda: ask(server, turn, 0.5), lambda: fetch(server, timeout_s=0.5)):
        begun = time.monotonic()
        with contextlib.suppress(*FAULTS):  # some are answers all the same
            once()
        assert time.monotonic() - begun < 7  # the servers' 8 s and 10 s are not waited for


def test_a_question_follows_no_redirect(server):
    with pytest.raises(FAULTS) as caught:
        ask(server, (307, b"", {"Location": "http://me:pw@elsewhere.example/v1?key=1"}))
    assert said(caught.value) == (
        "HTTP 307, the server sends on to http://***@elsewhere.example/v1, where nothing was sent; if that is right, "
        "set it as base_url"
    )
    assert len(server.requests) == 1


def test_a_password_of_the_environment_is_sent_and_shown_to_no_library(server, monkeypatch, caplog):
    caplog.set_level("DEBUG")
    monkeypatch.setenv("OPENAI_BASE_URL", server.url.replace("//", "//me:p%40ss@"))
    server.pages["/v1/x"] = (200, {})

    async def once():
        async with client(None, "key", 5.0) as asked:
            await asked.post("/x", body={}, cast_to=object)

    run(once())
    assert server.requests[0]["key"] == "Basic bWU6cEBzcw=="
    assert "p%40ss" not in caplog.text
    assert "p@ss" not in caplog.text


def test_a_file_is_fetched_through_redirects(server):
    server.pages |= {"/x": (302, b"", {"Location": "/y?a=1#b"}), "/y?a=1": (200, b"file")}
    assert fetch(server) == b"file"
    server.pages["/round"] = (302, b"", {"Location": "/round"})
    with pytest.raises(FAULTS, match="leads from one to the next"):
        fetch(server, "/round")
    with pytest.raises(FAULTS, match="answers HTTP 404"):
        fetch(server, "/none")
    packed = 200, gzip.compress(b"file"), {"Content-Encoding": "gzip"}
    server.pages["/packed"] = packed
    assert fetch(server, "/packed") == b"file"


PUBLIC = "http://93.184.215.14/v1"


def test_a_public_server_cannot_send_us_to_this_machine_or_network(server):
    server.pages["/x"] = (200, b"secret")
    port = server.server.server_port
    for host in ("127.0.0.1", "localhost", "0.0.0.0", "2130706433", "0x7f.1", "[::ffff:127.0.0.1]"):
        with pytest.raises(Refused, match=r"not public \(this machine\), and the server that gave it is"):
            fetch(server, f"http://{host}:{port}/x", base_url=PUBLIC)
    for url in ("http://10.0.0.1/x", "http://192.168.0.1/", "http://[fd00::1]/", "http://169.254.169.254/latest"):
        with pytest.raises(Refused, match="not public"):
            fetch(server, url, base_url=PUBLIC)
    for url in ("file:///etc/passwd", "ftp://example.org/x", "gopher://x", "http://[::1", "http://me:pw@127.0.0.1/x"):
        with pytest.raises(Refused):
            fetch(server, url)
    assert server.fetched == []


def test_a_server_of_this_network_cannot_send_us_to_the_clouds_own_address(server):
    with pytest.raises(Refused, match="link-local"):
        fetch(server, "http://169.254.169.254/latest")


def test_a_redirect_is_looked_at_too(server):
    """The name is public when the first file is asked for, as of a proxy; then it sends on to this machine."""
    server.pages["/x"] = (302, b"", {"Location": "http://169.254.169.254/latest"})
    with pytest.raises(Refused):
        fetch(server)
    assert server.fetched == ["/x"]


def test_a_name_that_changes_its_mind_gains_nothing(server, monkeypatch):
    """DNS rebinding: the second answer for a name is this machine, but nobody asks twice."""
    answers = ["127.0.0.9", "127.0.0.1"]  # nobody listens on the first, which passes for a public one
    real, asked = socket.getaddrinfo, []
    monkeypatch.setattr(fetching, "kind_of", lambda ip: "public" if str(ip) == answers[0] else kind_of(ip))

    def rebinding(host, port, *rest, **options):
        if host == "rebind.example":
            asked.append(host)
            host = answers[min(len(asked), len(answers)) - 1]
        return real(host, port, *rest, **options)

    monkeypatch.setattr(socket, "getaddrinfo", rebinding)
    server.pages["/x"] = (200, b"secret")
    with pytest.raises(Malformed, match="does not answer"):
        fetch(server, f"http://rebind.example:{server.server.server_port}/x", timeout_s=10, base_url=PUBLIC)
    assert (len(asked), server.fetched) == (1, [])


def test_behind_a_proxy_it_is_the_proxy_that_is_asked(server, monkeypatch):
    monkeypatch.setenv("http_proxy", server.root)
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    server.pages["http://pictures.example/x"] = (200, b"file")
    assert fetch(server, "http://pictures.example/x", base_url=PUBLIC) == b"file"
    server.pages["/x"] = (200, b"near")
    assert fetch(server) == b"near"
    with pytest.raises(Refused):
        fetch(server, "http://10.0.0.1/x", base_url=PUBLIC)
