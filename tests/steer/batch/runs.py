"""What the tests of batches ask of a batch's runs."""

from __future__ import annotations

import json

from PIL import Image

from steer.store.files import read_lines

PROMPTS = ["a fox", "a castle", "a lighthouse", "a robot", "a cake"]


def facts_of(folder):
    """Everything a batch found but for times and places."""
    found = {}
    for row in folder.rows():
        result = json.loads((folder.run_of(row) / "result.json").read_text())
        found[row.id] = {k: v for k, v in result.items() if k not in ("seconds", "folder")}
    return found


def in_journals(batch):
    """What the journals of a batch's runs name, as in the log of what was drawn."""
    lines = [line for path in batch.rglob("journal.jsonl") for _, line in read_lines(path)]
    return {f"{line['seed']} {line['text']}" for line in lines if line["kind"] == "candidate"}


def check_whole(folder):
    """No torn picture, nothing half written, and every picture says its own row."""
    for row in folder.rows():
        run = folder.run_of(row)
        by_picture = {c["picture"]: c for c in json.loads((run / "result.json").read_text())["candidates"]}
        assert {str(p.relative_to(run)) for p in run.rglob("pictures/*.png")} == set(by_picture)
        for name, candidate in by_picture.items():
            with Image.open(run / name) as image:
                image.load()
                told = json.loads(image.text["steer"])
            assert (told["prompt"], told["user"]) == (row.prompt, row.user)
            assert (told["text"], told["seed"]) == (candidate["text"], candidate["seed"])
    assert not list(folder.path.rglob("*.partial"))
