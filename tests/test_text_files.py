"""Text files are UTF-8 on every machine: Windows would write and read them in its own encoding."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
FOLDERS = ("steer", "reward_models", "trainers", "scripts", "benchmarks", "examples", "integrations")


def without_encoding(source: str) -> list[int]:
    """Lines that open a text file in whatever encoding the machine has."""
    return [node.lineno for node in ast.walk(ast.parse(source)) if isinstance(node, ast.Call) and _bare(node)]


def _bare(call: ast.Call) -> bool:
    if any(k.arg == "encoding" or k.arg is None for k in call.keywords):
        return False
    if isinstance(call.func, ast.Attribute):
        if call.func.attr in ("read_text", "write_text"):
            return len(call.args) < (1 if call.func.attr == "read_text" else 2)
        owner = ast.unparse(call.func.value)  # of Image.open() and RunFolder.open(), which are no files' open()
        if call.func.attr != "open" or owner[:1].isupper() or owner in ("cls", "os", "webbrowser"):
            return False
        modes = call.args[:1]
    elif isinstance(call.func, ast.Name) and call.func.id == "open":
        modes = call.args[1:2]
    else:
        return False
    modes += [k.value for k in call.keywords if k.arg == "mode"]
    mode = modes[0].value if modes and isinstance(modes[0], ast.Constant) else "r"
    return "b" not in str(mode)


@pytest.mark.parametrize("folder", FOLDERS)
def test_every_text_file_is_opened_as_utf_8(folder):
    found = {
        str(path.relative_to(ROOT)): lines
        for path in sorted((ROOT / folder).rglob("*.py"))
        if (lines := without_encoding(path.read_text(encoding="utf-8")))
    }
    assert found == {}


@pytest.mark.parametrize(
    ("line", "bare"),
    [
        ("path.read_text()", True),
        ("path.write_text(text)", True),
        ("open(path, 'a')", True),
        ("path.open(newline='')", True),
        ("open(path, 'rb')", False),
        ("path.open('wb')", False),
        ("open(path, encoding='utf-8')", False),
        ("path.write_text(text, encoding='utf-8')", False),
        ("Image.open(path)", False),
        ("RunFolder.open(path)", False),
    ],
)
def test_what_is_found(line, bare):
    assert bool(without_encoding(line)) is bare
