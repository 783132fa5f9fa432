"""Who gets in to a page, asked of the real server: by the link, and from nowhere else."""

from __future__ import annotations

import http.client
import json
import socket
import threading

import gradio as gr
import pytest

from steer.web.address import Address
from steer.web.rating import RatingPage
from steer.web.serving import Served
from tests.steer.web.browser import open_tab
from tests.steer.web.visitor import Visitor


@pytest.fixture(scope="module")
def pressed():
    """What the button of the page was told."""
    return []


@pytest.fixture(scope="module", params=["127.0.0.1", "0.0.0.0"])
def served(request, pressed):
    with gr.Blocks(analytics_enabled=False) as page:
        word = gr.Textbox("a word")
        gr.Button("Press").click(pressed.append, word, None, api_visibility="private")
    running = Served(page, Address(request.param, browser=False))
    yield running
    running.close()


@pytest.fixture(scope="module")
def friend(served):
    visitor = Visitor(served)
    visitor.origin = visitor.here.rpartition("/")[0].rpartition("/")[0]
    visitor.at = f"127.0.0.1:{visitor.origin.rpartition(':')[2]}"
    return visitor


def ask(friend, path="", method="GET", body=None, cookie=True, **headers):
    """The status of a request as a program can make it, and its headers."""
    connection = http.client.HTTPConnection(friend.at, timeout=20)
    headers = {name.replace("_", "-"): value for name, value in headers.items()}
    if cookie:
        headers["Cookie"] = f"steer={friend.token}"
    room = "/" + friend.here.split("/", 3)[3]
    connection.request(method, path if path.startswith("/") else room + path, body, headers)
    answer = connection.getresponse()
    answer.read()
    connection.close()
    return answer.status, {name.lower(): value for name, value in answer.getheaders()}


def test_without_the_token_there_is_nothing(friend):
    for path in ("", "?token=guess", "?token=", "config", "gradio_api/info", "/", "/config", "/gradio_api/queue/join"):
        for method in ("GET", "HEAD", "POST", "OPTIONS", "PUT"):
            status, headers = ask(friend, path, method, cookie=False)
            assert (status, headers.get("set-cookie")) == (403, None), (path, method)


def test_the_link_gives_a_cookie_that_other_sites_and_ports_do_not_get(friend):
    status, headers = ask(friend, f"?token={friend.token}", cookie=False)
    assert status == 200
    cookie = headers["set-cookie"].lower()
    room = "/" + friend.here.split("/", 3)[3]
    assert "samesite=strict" in cookie
    assert "httponly" in cookie
    assert f"path={room.lower()};" in cookie
    assert len(friend.token) >= 20
    assert friend.token not in friend.get().decode()  # no script of the page can read it
    assert ask(friend)[0] == 200


@pytest.mark.parametrize(
    "host", ["evil.example", "evil.example:{port}", "127.0.0.1.evil.example", "", "localhost.evil:80"]
)
def test_a_name_that_somebody_points_here_is_refused(friend, host):
    """DNS rebinding: the page is in the attacker's origin then, and its requests are of one origin."""
    host = host.format(port=friend.at.split(":")[1])
    for path in ("", f"?token={friend.token}", "config"):
        assert ask(friend, path, Host=host, Origin=f"http://{host}")[0] == 403


def test_names_of_this_machine_and_tunnels_are_not(friend):
    for host in (friend.at, "localhost:9000", "[::1]:80", socket.gethostname()):
        assert ask(friend, "config", Host=host, Origin=f"http://{host}")[0] == 200


@pytest.mark.parametrize("origin", ["http://evil.example", "http://127.0.0.1:1", "http://localhost:1", "null", ""])
def test_pages_of_other_origins_can_do_nothing(friend, pressed, origin):
    """Nor those on another port of this machine, to which a browser sends the cookie along."""
    before = list(pressed)
    for method, path in (
        ("GET", "config"),
        ("POST", "gradio_api/queue/join"),
        ("OPTIONS", "gradio_api/queue/join"),
        ("POST", "goodbye"),
    ):
        status, headers = ask(friend, path, method, b"{}", Origin=origin, Content_Type="application/json")
        assert status == 403
        assert not [name for name in headers if name.startswith("access-control")]
    assert pressed == before


def test_nobody_uploads_or_calls_by_name(friend):
    """The page needs none of it, so not even its own person can."""
    form = b'--x\r\nContent-Disposition: form-data; name="files"; filename="a"\r\n\r\nabc\r\n--x--\r\n'
    for origin in (f"http://{friend.at}", "http://evil.example"):
        told = {"Content_Type": "multipart/form-data; boundary=x", "Origin": origin}
        assert ask(friend, "gradio_api/upload", "POST", form, **told)[0] == 403
    for path in (
        "run/lambda",
        "call/lambda",
        "call/v2/append",
        "api/append",
        "component_server",
        "vibe-edit",
        "process_recording",
    ):
        assert ask(friend, f"gradio_api/{path}", "POST", b"{}", Content_Type="application/json")[0] == 403
    for path in (
        "file=/etc/hostname",
        "file/etc/hostname",
        "proxy=http://127.0.0.1:1/",
        "info",
        "monitoring",
        "deep_link",
    ):
        assert ask(friend, f"gradio_api/{path}")[0] == 403
    for path in (
        "../",
        "assets/../config/../gradio_api/info",
        "monitoring",
        "openapi.json",
        "docs",
        "gradio_api/openapi.json",
    ):
        assert ask(friend, path)[0] in (403, 404)


def test_no_frame_around_it_and_no_part_of_it_elsewhere(friend):
    _, headers = ask(friend)
    assert headers["content-security-policy"] == "frame-ancestors 'none'"
    assert headers["cross-origin-resource-policy"] == "same-origin"


def test_who_has_the_link_can_press(friend, pressed):
    """As the page does it: by the number of the event, and then the stream of answers."""
    before = len(pressed)
    friend.get("gradio_api/startup-events")
    (event,) = [d["id"] for d in json.loads(friend.get("config"))["dependencies"]]
    told = json.dumps({"data": ["a fox"], "fn_index": event, "session_hash": "s", "trigger_id": None}).encode()
    friend.get("gradio_api/queue/join", told, {"Content-Type": "application/json", "Origin": friend.origin})
    with friend.open("gradio_api/queue/data?session_hash=s") as answers:
        assert any(b"process_completed" in line for line in answers)
    assert pressed[before:] == ["a fox"]


def test_no_page_has_functions_with_a_name(interview, serve):
    """What Gradio offers to programs; the gate is closed to them as well."""
    page = RatingPage(interview)
    events = json.loads(Visitor(serve(page)).get("config"))["dependencies"]
    assert len(events) > 5
    assert {event["api_visibility"] for event in events} == {"private"}


@pytest.mark.browser
def test_another_site_in_the_same_browser_changes_nothing(interview, serve):
    """A page on another port of this machine, in the browser that has the cookie: a form, a fetch, a frame."""
    served = serve(RatingPage(interview))
    visitor = Visitor(served)
    with open_tab() as tab, socket.create_server(("127.0.0.1", 0)) as listening:
        html = b"<title>other</title><iframe></iframe>"
        answer = b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nContent-Length: %d\r\nConnection: close\r\n\r\n" % len(
            html
        )
        heads = []

        def serve_once():
            while len(heads) < 1:
                client, _ = listening.accept()
                heads.append(client.recv(65536))
                client.sendall(answer + html)
                client.close()

        thread = threading.Thread(target=serve_once, daemon=True)
        thread.start()
        tab.goto(served.url)
        tab.wait_for_selector("#picture img")
        tab.goto(f"http://127.0.0.1:{listening.getsockname()[1]}/")
        said = tab.evaluate(
            """async (url) => {
                const tried = [];
                for (const options of [{}, {method: 'POST', body: 'x'}, {method: 'POST', body: new FormData()}])
                    for (const path of ['config', 'goodbye', 'gradio_api/upload'])
                        tried.push(await fetch(url + path, {...options, credentials: 'include'})
                            .then(() => 'read', () => 'not'));
                document.querySelector('iframe').src = url;
                await new Promise((done) => setTimeout(done, 500));
                return tried;
            }""",
            visitor.here,
        )
        assert set(said) == {"not"}
        assert not served.done.is_set()
        assert visitor.token.encode() not in heads[0]  # the cookie stays in its room
        assert all("How much do you like" not in frame.content() for frame in tab.frames[1:])
    assert interview.store.ids() == ["me"]
