"""The mcp package's own client against ``steer mcp``, as an assistant starts it and in this process."""

from __future__ import annotations

import asyncio
import json
import sys
from pathlib import Path

import pytest
from mcp import Client, StdioServerParameters
from PIL import Image

from steer.server.mcp import mcp_server
from steer.server.service import Service
from steer.server.settings import ServerSettings
from steer.users.store import UserStore
from tests.steer.server.conftest import fake_parts


def said(result):
    """What a tool answered."""
    assert not result.is_error, result.content
    found = result.structured_content
    return found.get("result", found)


async def a_session(client):
    """Make a picture, rate it, ask what is believed; the four answers."""
    async with client:
        tools = {tool.name for tool in (await client.list_tools()).tools}
        asked = {"prompt": "a fox in the snow", "user": "me", "quality": "draft", "seed": 3}
        made = said(await client.call_tool("make_picture", asked))
        rated = {"run": made["run"], "picture": made["picture"], "score": 5}
        rating = said(await client.call_tool("rate_picture", rated))
        beliefs = said(await client.call_tool("beliefs_about", {"user": "me"}))
        wrong = await client.call_tool("make_picture", {"prompt": "a fox", "user": "stranger"})
    return tools, made, rating, beliefs, wrong


@pytest.mark.slow
def test_an_assistant_starts_the_command(tmp_path):
    """Whole: a process, pipes, the miniature's reward and the painter."""
    store = tmp_path / "users.db"
    UserStore(store).add("me")
    command = ["-m", "steer", "mcp", "--store", str(store), "--out", str(tmp_path / "runs"), "-s", "renderer=painter"]
    server = StdioServerParameters(command=sys.executable, args=command)
    tools, made, rating, beliefs, wrong = asyncio.run(a_session(Client(server)))
    assert tools == {"make_picture", "rate_picture", "beliefs_about", "people"}
    path = Path(made["path"])
    assert path.is_absolute()
    with Image.open(path) as image:
        facts = json.loads(image.info["steer"])
    assert (facts["user"], facts["text"]) == ("me", made["text"])
    assert rating["user"] == "me"
    assert beliefs["known"] > 0
    assert {"phrase", "more", "sure"} <= set(beliefs["likes"][0])
    assert wrong.is_error
    assert "'stranger' not found" in wrong.content[0].text


def test_tools_answer_with_paths_and_keep_to_their_people(tmp_path):
    parts = fake_parts(tmp_path)
    parts.store.add("me")
    service = Service(parts, ServerSettings(out=tmp_path / "runs"))

    async def talk():
        async with Client(mcp_server(service, ["me"])) as client:
            assert said(await client.call_tool("people", {})) == ["me"]
            made = said(await client.call_tool("make_picture", {"prompt": "a fox", "user": "me"}))
            assert Path(made["path"]).is_file()
            assert "b64" not in json.dumps(made)
            rated = {"run": made["run"], "picture": made["picture"], "score": 4}
            assert said(await client.call_tool("rate_picture", rated))["user"] == "me"
            for tool, asked, why in (
                ("make_picture", {"prompt": "a fox", "user": "u17"}, "for me alone"),
                ("beliefs_about", {"user": "u17"}, "for me alone"),
                ("make_picture", {"prompt": "", "user": "me"}, "the prompt is empty"),
                ("rate_picture", {**rated, "run": "none"}, "no run"),
                ("rate_picture", {**rated, "picture": 99}, "no picture 99"),
                ("rate_picture", {**rated, "user": "u17"}, "only the people of a run"),
            ):
                answer = await client.call_tool(tool, asked)
                assert answer.is_error
                assert why in answer.content[0].text

    try:
        asyncio.run(talk())
        assert parts.store.get("me").ratings == 1
    finally:
        service.close()
        service.join()
