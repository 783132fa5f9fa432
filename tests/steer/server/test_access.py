"""Who gets in and as whom: Host, Origin, tokens with a scope, and proxies that say who asks."""

from __future__ import annotations

import openai
import pytest

from steer.errors import UsageError
from steer.server.settings import ServerSettings
from steer.server.tokens import Token, Tokens, add_token, digest_of, read_tokens
from tests.steer.server.conftest import ALL, ANN, BOB, PROXY, fake_parts, running

BODY = {"prompt": "a fox", "quality": "low"}


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    folder = tmp_path_factory.mktemp("access")
    settings = ServerSettings(out=folder / "runs", origins=("https://friend.example",))
    with running(fake_parts(folder), settings) as found:
        yield found


def ask(server, token=ALL, path="/v1/images/generations", body=None, method="POST", **headers):
    http = openai.DefaultHttpxClient(base_url=server.root, timeout=120)
    sent = {name.replace("_", "-"): value for name, value in headers.items()}
    if token:
        sent["Authorization"] = f"Bearer {token}"
    return http.request(method, path, json=body if body is not None or method == "GET" else BODY, headers=sent)


def test_other_names_and_websites_are_refused(server):
    assert ask(server, body={**BODY, "user": "u1"}).status_code == 200
    for headers in (
        {"Host": "evil.example"},
        {"Host": f"evil.example:{server.port}"},
        {"Origin": "http://evil.example"},
    ):
        answer = ask(server, body={**BODY, "user": "u1"}, **headers)
        assert answer.status_code == 403
        assert answer.json()["error"]["type"] == "permission_error"
    assert ask(server, path="/health", method="GET", Host="evil.example").status_code == 403
    own = ask(server, body={**BODY, "user": "u1"}, Origin=server.root)
    friend = ask(server, body={**BODY, "user": "u1"}, Origin="https://friend.example")
    assert (own.status_code, friend.status_code) == (200, 200)
    assert friend.headers["access-control-allow-origin"] == "https://friend.example"


@pytest.mark.parametrize("path", ["/v1/models", "/v1/runs", "/metrics", "/sdapi/v1/options", "/nothing", "/docs"])
def test_nothing_answers_without_a_token(server, path):
    for token in (None, "", "guess", digest_of(ALL)):
        assert ask(server, token, path, method="GET").status_code == 401
    assert ask(server, None, "/health", method="GET").json()["status"] == "ok"


FORGED = [
    {"X-OpenWebUI-User-Id": "u17"},
    {"x-openwebui-user-email": "ann@example.org"},
    {"X-OPENWEBUI-USER-NAME": "u17"},
    {"X-OpenWebUI-User-Jwt": "a.b.c"},
]


@pytest.mark.parametrize("headers", FORGED)
@pytest.mark.parametrize("token", [ALL, ANN, BOB])
def test_forged_identity_headers_are_refused(server, headers, token):
    answer = ask(server, token, body={**BODY, "user": "u17"}, **headers)
    assert answer.status_code == 403
    assert answer.json()["error"]["code"] == "forged_identity"


def test_a_proxy_says_who_asks(server):
    def asked(body=BODY, **headers):
        return ask(server, PROXY, body=body, **headers)

    by_mail = asked(X_OpenWebUI_User_Id="7f1c", X_OpenWebUI_User_Email="ann%40example.org")
    assert by_mail.json()["steer"]["user"] == "u17"
    assert asked(X_OpenWebUI_User_Id="blue").json()["steer"]["user"] == "blue"
    other = asked({**BODY, "user": "u1"}, X_OpenWebUI_User_Id="blue")
    assert (other.status_code, other.json()["error"]["code"]) == (403, "forged_identity")
    assert asked(X_OpenWebUI_User_Id="stranger").json()["error"]["code"] == "unknown_user"
    assert asked().json()["error"]["code"] == "no_user"
    twice = openai.DefaultHttpxClient(base_url=server.root).post(
        "/v1/images/generations",
        json=BODY,
        headers=[
            ("Authorization", f"Bearer {PROXY}"),
            ("X-OpenWebUI-User-Id", "u1"),
            ("X-OpenWebUI-User-Id", "u17"),
        ],
    )
    assert twice.status_code == 400


def test_behind_a_proxy_a_person_sees_their_own_runs_alone(server):
    run = ask(server, PROXY, "/v1/runs", {"prompt": "a fox", "budget": 4}, X_OpenWebUI_User_Id="blue").json()["id"]
    for path in (f"/v1/runs/{run}", f"/v1/runs/{run}/pictures", f"/v1/runs/{run}/events"):
        assert ask(server, PROXY, path, method="GET", X_OpenWebUI_User_Id="blue").status_code == 200
        for token, headers in ((PROXY, {"X-OpenWebUI-User-Id": "u1"}), (ALL, {}), (ANN, {})):
            assert ask(server, token, path, method="GET", **headers).status_code == 404
    assert ask(server, ANN, f"/v1/runs/{run}/stop", {}).status_code == 404
    assert ask(server, PROXY, "/v1/runs", method="GET", X_OpenWebUI_User_Id="u1").json()["data"] == []


def test_a_token_draws_and_rates_in_its_scope_alone(server):
    for path in ("/v1/images/generations", "/v1/runs"):
        for user in ("u1", "u17,u1", "u17,!u1", "nobody"):
            answer = ask(server, ANN, path, {"prompt": "a fox", "user": user})
            assert (answer.status_code, answer.json()["error"]["code"]) == (403, "forbidden_user")
    chat = {"model": "miniature/u1", "messages": [{"role": "user", "content": "a fox"}]}
    assert ask(server, ANN, "/v1/chat/completions", chat).status_code == 403
    assert ask(server, ANN, body={**BODY, "user": "average"}).json()["steer"]["user"] == "average"


def test_a_body_without_end_and_a_body_that_is_none(server):
    assert ask(server, body={**BODY, "user": "u1", "prompt": "x" * 2**21}).status_code == 413
    http = openai.DefaultHttpxClient(base_url=server.root, headers={"Authorization": f"Bearer {ALL}"})
    for content in (b"", b"{", b"[]", b'{"prompt": NaN}', b"[" * 100_000, b"\xff\xfe"):
        answer = http.post("/v1/images/generations", content=content, headers={"Content-Type": "application/json"})
        assert answer.status_code in (400, 422), content[:20]
        assert answer.json()["error"]["message"]


def test_an_unknown_user_can_be_nobody_by_setting(tmp_path):
    with running(fake_parts(tmp_path), ServerSettings(out=tmp_path / "runs", unknown="average")) as server:
        assert ask(server, body={**BODY, "user": "stranger"}).json()["steer"]["user"] == "average"
        assert ask(server).json()["steer"]["user"] == "average"


def test_no_answer_has_demographics_or_a_profile(tmp_path):
    parts = fake_parts(tmp_path)
    parts.store.add("secretive", {"age_binned": "30-39"}, "warm light, hates neon")
    with running(parts, ServerSettings(out=tmp_path / "runs")) as server:
        run = ask(server, path="/v1/runs", body={"prompt": "a fox", "user": "secretive", "budget": 4}).json()["id"]
        texts = [ask(server, path=f"/v1/runs/{run}/events", method="GET").text]
        for path in ("", "/result", "/pictures", "/questions"):
            texts.append(ask(server, path=f"/v1/runs/{run}{path}", method="GET").text)
        texts.append(ask(server, body={**BODY, "user": "secretive"}).text)
        texts.append(ask(server, path="/v1/models", method="GET").text)
        texts.append(ask(server, path="/metrics", method="GET").text)
    assert not any("30-39" in text or "hates neon" in text for text in texts)


def test_a_file_of_tokens(tmp_path, monkeypatch):
    path = tmp_path / "tokens.yaml"
    secret = add_token(path, "phone", ["me"])
    other = add_token(path, "open-webui", proxy=True, people={"ann@example.org": "me"})
    assert secret not in path.read_text()
    assert path.stat().st_mode & 0o077 == 0
    tokens = Tokens(read_tokens(path))
    phone, proxy = tokens.find(secret), tokens.find(other)
    assert phone == Token("phone", digest_of(secret), frozenset({"me"}))
    assert phone.only == "me"
    assert (proxy.proxy, proxy.people) == (True, {"ann@example.org": "me"})
    with pytest.raises(UsageError, match="proxy: true"):
        add_token(path, "other", people={"ann@example.org": "me"})
    assert tokens.find("guess") is None
    with pytest.raises(UsageError, match="has a token 'phone' already"):
        add_token(path, "phone")
    monkeypatch.setenv("SECRET", "x" * 20)
    path.write_text("tokens:\n- {name: a, env: SECRET, users: [u1]}\n")
    assert Tokens(read_tokens(path)).find("x" * 20).name == "a"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("tokens: 3", "tokens"),
        ("tokens:\n- {name: a, users: [u1]}", "sha256 or env"),
        ("tokens:\n- {name: a, env: NOT_THERE, users: [u1]}", "NOT_THERE"),
        ("tokens:\n- {name: a, sha256: " + "ab" * 32 + "}", "needs users"),
        ("tokens:\n- {name: a, sha256: xyz, users: [u1]}", "sha256"),
        ("tokens:\n- {name: a, sha256: " + "ab" * 32 + ", users: [u1], people: {x: y}}", "proxy: true"),
        ("[", "cannot be read"),
    ],
)
def test_a_file_that_is_none_is_one_line(tmp_path, text, said):
    path = tmp_path / "tokens.yaml"
    path.write_text(text)
    with pytest.raises(UsageError, match=said) as caught:
        read_tokens(path)
    assert "\n" not in str(caught.value)
