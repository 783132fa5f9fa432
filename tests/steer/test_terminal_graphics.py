"""Pictures in a terminal: who can show them, and what is printed, read back as a terminal reads it."""

from __future__ import annotations

import base64
import io
import re

import numpy as np
import pytest
from PIL import Image

from steer.terminal_graphics import SHOWN, picture_text, protocol_of, show_picture


class Terminal(io.StringIO):
    def isatty(self):
        return True


@pytest.mark.parametrize(
    ("environment", "protocol"),
    [
        ({"TERM": "xterm-kitty"}, "kitty"),
        ({"TERM": "xterm-256color", "KITTY_WINDOW_ID": "1"}, "kitty"),
        ({"TERM": "xterm-ghostty"}, "kitty"),
        ({"TERM_PROGRAM": "iTerm.app"}, "iterm"),
        ({"TERM_PROGRAM": "WezTerm"}, "iterm"),
        ({"TERM": "xterm-sixel"}, "sixel"),
        ({"TERM": "foot"}, "sixel"),
        ({"TERM_PROGRAM": "mintty"}, "sixel"),
        ({"TERM": "xterm-256color"}, ""),
        ({"TERM": "dumb"}, ""),
        ({}, ""),
        ({"TERM": "tmux-256color", "TMUX": "/tmp/x", "KITTY_WINDOW_ID": "1"}, ""),
        ({"TERM": "xterm-kitty", "STEER_PICTURES": "none"}, ""),
        ({"TERM": "tmux-256color", "TMUX": "/tmp/x", "STEER_PICTURES": "sixel"}, "sixel"),
    ],
)
def test_terminals_that_show_pictures_are_known(environment, protocol):
    assert protocol_of(environment, Terminal()) == protocol
    assert protocol_of(environment, io.StringIO()) == ""  # a pipe or a file


def test_a_picture_comes_through_kitty_and_iterm_as_it_is():
    noise = np.random.default_rng(0).integers(0, 255, (100, 200, 3)).astype("uint8")  # more than one chunk
    image = Image.fromarray(noise)
    chunks = re.findall(r"\x1b_G([^;]*);([^\x1b]*)\x1b\\", picture_text(image, "kitty"))
    assert len(chunks) > 1
    assert [head.endswith("m=1") for head, _ in chunks] == [True] * (len(chunks) - 1) + [False]
    assert all(len(data) <= 4096 for _, data in chunks)
    assert np.array_equal(decoded("".join(data for _, data in chunks)), noise)
    data = re.fullmatch(r"\x1b\]1337;File=inline=1;size=(\d+);[^:]*:(.*)\x07", picture_text(image, "iterm"))
    assert len(base64.b64decode(data[2])) == int(data[1])
    assert np.array_equal(decoded(data[2]), noise)


def decoded(data):
    return np.asarray(Image.open(io.BytesIO(base64.b64decode(data))))


def test_sixels_draw_the_picture():
    image = Image.new("RGB", (20, 13), "white")
    image.paste((255, 0, 0), (0, 0, 10, 13))
    text = picture_text(image, "sixel")
    size, body = re.fullmatch(r'\x1bPq"1;1;(\d+;\d+)(.*)\x1b\\', text, re.DOTALL).groups()
    assert size == "20;13"
    colours = {n: tuple(map(int, c.split(";"))) for n, c in re.findall(r"#(\d+);2;([\d;]+)", body)}
    drawn, top = np.zeros((13, 20, 3), int), 0
    for band in re.sub(r"#\d+;2;[\d;]+", "", body).split("-"):
        for number, line in re.findall(r"#(\d+)([?-~]+)\$", band):
            for x, letter in enumerate(line):
                for y in range(6):
                    if (ord(letter) - 63) >> y & 1:
                        drawn[top + y, x] = colours[number]
        top += 6
    assert np.abs(drawn - np.asarray(image).astype(int) * 100 // 255).max() <= 1


def test_a_large_picture_is_made_smaller_and_a_pipe_gets_nothing(capsys):
    wide = picture_text(Image.new("RGB", (SHOWN * 4, SHOWN)), "iterm")
    assert f"width={SHOWN}px;height={SHOWN // 4}px" in wide
    assert not show_picture(Image.new("RGB", (9, 9)))
    assert capsys.readouterr().out == ""
