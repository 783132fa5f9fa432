"""Who gets in to the page, asked of the real server."""

from __future__ import annotations

import httpx
import pytest

from tests.steer.ui.conftest import ALL, ANN, BOB, PROXY, run_to_its_end


def test_the_link_opens_the_page_and_nothing_else_does(faked):
    assert httpx.get(faked.here).status_code == 401
    assert "token" in httpx.get(faked.here).text
    assert httpx.get(f"{faked.here}?token=wrong").status_code == 403
    assert httpx.post(faked.here, data={"token": "wrong"}).status_code == 403
    assert httpx.post(faked.here, content=b"token=" + b"x" * 10_000).status_code == 403
    for path in ("ui/start", "ui/runs", "ui/people", "ui/page/main.js", "v1/runs"):
        assert httpx.get(faked.here + path).status_code == 403, path
        assert httpx.get(f"{faked.root}/{path}").status_code == 401, path
    answer = httpx.get(faked.link())
    assert "<title>steer</title>" in faked.visit().get("").text
    cookie = answer.headers["set-cookie"].lower()
    assert "httponly" in cookie
    assert "samesite=strict" in cookie
    assert f"path={faked.ui.room.lower()};" in cookie


def test_the_token_may_be_typed(faked):
    visitor = httpx.Client(base_url=faked.here)
    assert visitor.post("", data={"token": f" {ANN} "}).status_code == 200
    assert visitor.get("ui/start").json()["everybody"] is False
    assert ALL not in visitor.get("").text


@pytest.mark.parametrize(
    "headers",
    [
        {"Host": "evil.example"},
        {"Origin": "http://evil.example"},
        {"Origin": "http://127.0.0.1:1"},
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site"},
    ],
)
def test_other_websites_and_servers_of_this_machine_get_nothing(faked, headers):
    visitor = faked.visit()
    before = faked.service.parts.store.ids()
    assert visitor.get("ui/runs", headers=headers).status_code == 403
    assert visitor.post("ui/people", json={"name": "eve"}, headers=headers).status_code == 403
    assert faked.service.parts.store.ids() == before


def test_no_other_page_frames_or_scripts_it(faked):
    headers = faked.visit().get("").headers
    policy = headers["content-security-policy"]
    assert "default-src 'none'" in policy
    assert "unsafe" not in policy
    assert "frame-ancestors 'none'" in policy
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["cross-origin-resource-policy"] == "same-origin"
    assert faked.visit().get("ui/page/..%2fapp.py").status_code == 404


def test_a_token_for_some_users_sees_their_runs_and_people_alone(faked):
    everybody, ann, bob = faked.visit(), faked.visit(ANN), faked.visit(BOB)
    runs = {
        u: run_to_its_end(everybody, prompt="a fox", user=u, budget=4) for u in ("u17", "bob", "average", "u17,bob")
    }
    seen = {who: {r["name"] for r in v.get("ui/runs").json()["runs"]} for who, v in (("ann", ann), ("bob", bob))}
    assert seen == {"ann": {runs["u17"]}, "bob": {runs["bob"]}}
    assert len(everybody.get("ui/runs").json()["runs"]) == 4
    for path in ("", "/pictures/0", "/pictures/0?side=256"):
        assert bob.get(f"ui/runs/{runs['u17']}{path}").status_code == 404
        assert ann.get(f"ui/runs/{runs['u17']}{path}").status_code == 200
    other = runs["u17"]
    assert bob.post(f"ui/runs/{other}/favourite", json={"picture": 0, "favourite": True}).status_code == 404
    assert bob.post(f"ui/runs/{other}/rate", json={"picture": 0, "score": 3}).status_code == 404
    assert bob.post(f"ui/runs/{other}/resume").status_code == 404
    assert bob.get("ui/export", params={"run": other}).status_code == 404
    assert bob.get("ui/export", params={"picture": f"{other}/0"}).status_code == 404
    assert [p["id"] for p in ann.get("ui/people").json()["own"]] == []
    assert ann.get("ui/people").json()["others"] == ["u17"]
    assert ann.get("ui/people/bob").status_code == 403
    assert ann.get("ui/people/nobody").status_code == 403  # the same, whether they exist or not
    assert ann.delete("ui/people/bob").status_code == 403
    assert ann.post("ui/people", json={"name": "eve"}).status_code == 403
    assert ann.post("ui/people", json={"name": "ann"}).status_code == 201
    assert ann.get("ui/batches").status_code == 403
    assert ann.post("ui/batches?file=a.txt", content=b"a fox").status_code == 403


def test_a_proxys_token_has_no_page(faked):
    visitor = faked.visit(PROXY)
    for path in ("ui/runs", "ui/people", "ui/batches"):
        assert visitor.get(path).status_code == 403
    assert visitor.get("ui/runs", headers={"X-OpenWebUI-User-Id": "u17"}).status_code == 403
