"""Half a character, which no encoding has, never stops what is written down."""

from __future__ import annotations

import json

from hypothesis import given, settings

from steer.store.files import append_line, read_lines, write_json
from tests.answers import ANY_TEXT


@given(ANY_TEXT)
@settings(max_examples=30, derandomize=True, deadline=None)
def test_any_text_can_be_written_and_is_read_as_it_was(tmp_path_factory, text):
    folder = tmp_path_factory.mktemp("any")
    append_line(folder / "journal.jsonl", {text: text})
    append_line(folder / "journal.jsonl", {"after": 1})
    write_json(folder / "whole.json", {text: text})
    written = (folder / "journal.jsonl").read_bytes().split(b"\n")
    assert [json.loads(line) for line in written[:2]] == [{text: text}, {"after": 1}]
    assert len(list(read_lines(folder / "journal.jsonl"))) == 2
    assert json.loads((folder / "whole.json").read_text("utf-8")) == {text: text}
