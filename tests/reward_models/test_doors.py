"""What is read of others: regular files within bounds, and never outside the folder that is meant."""

from __future__ import annotations

import io
import os
import socket

import pytest
from PIL import Image
from PIL.PngImagePlugin import PngInfo

from reward_models import yaml12
from reward_models.doors import Unreadable, inside, may_be_replaced, parse_json, read_bytes, read_text, shown
from reward_models.pictures import MOST_PIXELS, open_picture, read_picture
from reward_models.printable import finalized, printable


def bomb(levels=9):
    """Aliases of aliases: 9 to the power of 9 values in a few lines."""
    return "a0: &a0 [x, x]\n" + "".join(f"a{i}: &a{i} [{', '.join([f'*a{i - 1}'] * 9)}]\n" for i in range(1, levels))


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (bomb(), "more than 50000 values"),
        ("a: &a [*a]", "contains itself"),
        ("[" * 3000, "more than 40 lists"),
        ("x" * 300_000, "more than 200,000 characters"),
        ("a: 1\nb: {c: 1, c: 2}", "the key 'c' stands twice"),
        ("a: 1\na: 1", "the key 'a' stands twice"),
        ("9" * 5000, "is no whole number"),
        ("!!int x", "is no whole number"),
        ("!!bool x", "is no truth value"),
        ("!!set {a}", "constructor"),
        ("!!timestamp 2020-01-01", "constructor"),
        ("!!binary aGVsbG8=", "constructor"),
        ("a: \x1b", "unacceptable character"),
        ("? [a]\n: 1", "unhashable"),
        ("<<: 3", "expected a mapping"),
    ],
)
def test_yaml_beyond_its_bounds_is_an_error_of_one_kind(text, said):
    with pytest.raises(yaml12.YAMLError, match=said):
        yaml12.load(text)


def test_what_people_write_in_yaml_stays():
    assert yaml12.load("base: &b {x: 1, y: 2}\nmine: {<<: *b, y: 3}") == {
        "base": {"x": 1, "y": 2},
        "mine": {"x": 1, "y": 3},
    }
    assert yaml12.load("[-.INF, .5, 1e3, 0x1F, -7, True, ~, '1', on]") == [
        *(float("-inf"), 0.5, 1000.0, 31, -7, True, None, "1", "on")
    ]


@pytest.mark.parametrize("text", ["[" * 100_000, "NaN", "[Infinity]", "{", "9" * 9999, b"\xff"])
def test_bad_json_is_a_value_error(text):
    with pytest.raises(ValueError, match=r"."):
        parse_json(text)


def test_only_regular_files_are_read(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    with socket.socket(socket.AF_UNIX) as server:
        here = os.getcwd()
        os.chdir(tmp_path)  # the name of a socket may not be long
        server.bind("socket")
        os.chdir(here)
    (tmp_path / "zero").symlink_to("/dev/zero")
    for name, what in (("pipe", "a pipe"), ("socket", "a socket"), ("zero", "a device"), (".", "a folder")):
        with pytest.raises(Unreadable, match=what):
            read_bytes(tmp_path / name)
        assert not may_be_replaced(tmp_path / name)
    (tmp_path / "text").write_bytes(b"\xef\xbb\xbfa\r\nb")
    assert read_text(tmp_path / "text") == "a\nb"
    assert may_be_replaced(tmp_path / "text")
    assert may_be_replaced(tmp_path / "new")
    with pytest.raises(Unreadable, match="more than 3 bytes"):
        read_bytes(tmp_path / "text", most=3)


@pytest.mark.parametrize("name", ["../x", "a/../../x", "/etc/passwd", "", None, 3, "a\0b", "out/x", "x" * 5000])
def test_a_name_stays_inside_its_folder(tmp_path, name):
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "out").symlink_to(tmp_path)
    with pytest.raises((Unreadable, OSError)):
        inside(tmp_path / "in", name).read_bytes()
    if name not in ("x" * 5000,):
        with pytest.raises(Unreadable):
            inside(tmp_path / "in", name)


def test_a_value_is_shown_in_short_whatever_it_is():
    deep: list = []
    for _ in range(10):
        deep = [deep] * 10  # 10 to the power of 10 lists
    for value in (deep, "x" * 10**6, {"a": deep}, 10**5000, {i: i for i in range(10**5)}):
        assert len(shown(value)) <= 170


def png(size, mode="1"):
    data = io.BytesIO()
    Image.new(mode, size).save(data, "PNG")
    return data.getvalue()


def test_a_picture_of_too_many_pixels_is_refused_before_it_is_decoded(tmp_path):
    for size in ((9990, 9990), (20_000, 20_000)):  # the second is a bomb to Pillow too
        (tmp_path / "large.png").write_bytes(png(size))
        for source in (tmp_path / "large.png", png(size)):
            with pytest.raises(Unreadable, match=r"pixels|million"):
                read_picture(source)
    assert MOST_PIXELS < 9990 * 9990
    assert read_picture(png((30, 20))).size == (30, 20)


def test_what_is_no_whole_picture_is_said_in_one_line(tmp_path):
    whole = png((64, 64), "RGB")
    many = PngInfo()
    for i in range(9):
        many.add_text(f"k{i}", "x" * 700_000)
    data = io.BytesIO()
    Image.new("RGB", (4, 4)).save(data, "PNG", pnginfo=many)
    flood = PngInfo()
    flood.add_text("steer", "x" * 50_000_000, zip=True)
    packed = io.BytesIO()
    Image.new("RGB", (4, 4)).save(packed, "PNG", pnginfo=flood)
    for content in (b"", b"text", whole[:60], whole[:-30], data.getvalue(), packed.getvalue(), b"P6 9 9 255\n"):
        with pytest.raises(Unreadable) as said:
            read_picture(content)
        assert "\n" not in str(said.value)
    os.mkfifo(tmp_path / "pipe.png")
    with pytest.raises(Unreadable, match="a pipe"), open_picture(tmp_path / "pipe.png"):
        pass
    with pytest.raises(FileNotFoundError):
        read_picture(tmp_path / "none.png")


def test_nothing_that_a_terminal_obeys_is_printed():
    every = "".join(map(chr, [*range(0x20), *range(0x7F, 0xA0), 0x202E, 0x2066, 0x2028, 0xD83E]))
    clean = printable(every)
    assert clean.isascii()
    assert set(clean) <= set("\\u0123456789abcdef\n\t")
    assert printable("Füchse 狐 🦊 \u200d a\nb") == "Füchse 狐 🦊 \u200d a\nb"
    assert finalized("\x1b") == "\\u001b"
    assert finalized(3) == 3
