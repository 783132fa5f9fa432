"""Every door through which input comes: what is made for it, and what is done with it."""

from __future__ import annotations

import contextlib
import functools
import io
import json
import logging
import os
import shutil
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml
from hypothesis import strategies as st
from PIL import Image
from PIL.PngImagePlugin import PngInfo
from rich.markup import escape

import reward_models
from reward_models.evaluation.pages import render
from reward_models.testing import FakeReward
from steer import Steerer
from steer.batch.folder import BatchFolder
from steer.batch.results import write_results
from steer.batch.rows import read_rows
from steer.cli.console import Console, Handler, console, print_line
from steer.config import load_config
from steer.lexicon import Lexicon
from steer.proposers.instructions import Ask, Instructions
from steer.resources import MINIATURE_REWARD, data_folder
from steer.study.plan import load_study
from steer.testing import FakeProposer, FakeRenderer
from steer.users.exchange import rate_from_csv
from steer.users.pictures import pictures_in
from steer.users.store import UserStore
from tests.hostile import made
from tests.hostile.house import RAW, House

JOURNAL = "journal.jsonl"


@dataclass(frozen=True)
class Door:
    """``quick`` and ``long``: how many cases of each run; ``made``: what a case is made of."""

    name: str
    made: Any
    check: Callable[[House, Any], None]
    quick: int
    long: int


def write(folder: Path, name: str, content: str | bytes) -> Path:
    """A file in the folder of a case."""
    path = folder / name
    path.write_bytes(content if isinstance(content, bytes) else content.encode("utf-8", "surrogatepass"))
    return path


# flags and settings


def flags(house: House, arguments: list[str]) -> None:
    with house.case():
        house.steer(*arguments)


FLAGS = st.one_of(
    st.tuples(st.just("config"), st.just("--config"), made.lines),
    st.tuples(st.just("show"), made.lines),
    st.tuples(st.just("list"), made.lines, st.just("--json")),
    st.tuples(st.just("list"), st.just("--last"), made.lines),
    st.tuples(st.just("resume"), made.lines),
    st.tuples(st.just("run"), st.just("--seed"), made.lines, st.just("--budget"), made.lines),
    st.tuples(st.just("run"), st.just("a fox"), st.just("--user"), st.just("u17"), st.just("--not-user"), made.lines),
    st.tuples(st.just("run"), made.lines, st.just("--user"), st.just("nobody at all"), st.just("--out"), made.lines),
    st.tuples(st.just("run"), st.just("a fox"), st.just("-u"), made.lines.map(lambda t: f"{t}?")),
    st.tuples(st.just("study"), st.just("--dry-run"), st.just("--config"), made.lines),
    st.tuples(made.lines, made.lines),
)


def typed(house: House, settings: list[str]) -> None:
    with house.case():
        house.steer("config", *[word for each in settings for word in ("--set", each)])


def yaml_files(house: House, content: str) -> None:
    with house.case() as folder:
        write(folder, "mine.yaml", content)
        house.steer("config", "--config", "mine.yaml")
        house.steer("study", "--dry-run", "--config", "mine.yaml")


def dumped(value: Any) -> str:
    return yaml.safe_dump(value, allow_unicode=True)


PRESET = yaml.safe_load((data_folder("configs") / "miniature.yaml").read_text())
WHOLE = load_config().model_dump(mode="json")
YAML = st.one_of(
    made.changed(WHOLE).map(dumped),
    made.changed(PRESET).map(dumped),
    made.values.map(dumped),
    made.damaged((data_folder("configs") / "miniature.yaml").read_bytes()).map(lambda b: b.decode("utf-8", "replace")),
    st.lists(made.texts, max_size=6).map("\n".join),
    st.tuples(made.texts, st.integers(1, 400)).map(lambda t: t[0] * t[1]),
)

# files of prompts


def prompts(house: House, case: tuple[str, bytes]) -> None:
    suffix, content = case
    with house.case() as folder, house.refusals():
        path = write(folder, f"prompts{suffix}", content)
        rows = list(read_rows([str(path)], "u17"))
        for row in rows:
            BatchFolder(folder / "batch").run_of(row).relative_to(folder / "batch" / "runs")
            json.dumps(row.facts(), allow_nan=False)
            assert not RAW.search(row.prompt)


ROW = {"prompt": "a fox", "user": "u17", "seed": 1, "budget": 4, "id": "a", "settings": {"search.seeds": 2}}
CELLS = st.lists(made.texts.map(lambda t: t.replace("\n", " ")), min_size=1, max_size=6).map(",".join)
PROMPTS = st.one_of(
    st.tuples(st.just(".jsonl"), st.lists(made.changed(ROW).map(made.as_text), max_size=4).map("\n".join)),
    st.tuples(
        st.just(".csv"), st.lists(CELLS, max_size=4).map(lambda rows: "\n".join(["prompt,user,seed,budget", *rows]))
    ),
    st.tuples(st.just(".csv"), st.lists(CELLS, max_size=4).map("\n".join)),
    st.tuples(st.sampled_from([".txt", ".csv", ".jsonl", ".parquet"]), st.lists(made.texts, max_size=4).map("\n".join)),
).map(lambda case: (case[0], case[1].encode("utf-8", "replace"))) | st.tuples(
    st.sampled_from([".txt", ".csv", ".jsonl", ".parquet"]), st.binary(max_size=60)
)

# runs


def steerer(renderer: FakeRenderer | None = None) -> Steerer:
    """Of fakes."""
    parts = {"proposer": FakeProposer(), "renderer": renderer or FakeRenderer(), "reward": FakeReward()}
    return Steerer(load_config("miniature", ["search.screen=1", "search.rewrites=2"]), **parts)


@functools.cache
def begun(whole: bool) -> Path:
    """A run of fakes, finished or interrupted; to be copied."""
    folder = Path(tempfile.mkdtemp(prefix="steer-hostile-")) / "run"
    steerer(FakeRenderer(interrupt_at=None if whole else 5)).run("a fox", "u1", budget=8, out=folder)
    return folder


@st.composite
def tampered(draw):
    """Which of a run's files, and what stands in it now."""
    whole = draw(st.booleans())
    name = draw(st.sampled_from(["manifest.json", JOURNAL, JOURNAL, "result.json", "pictures/0001.png"]))
    path = begun(whole) / name
    if not path.exists():
        path = begun(whole) / JOURNAL
    old = path.read_bytes()
    if draw(st.integers(0, 3)) == 0 or path.suffix == ".png":
        return whole, path.relative_to(begun(whole)), draw(made.damaged(old))
    if path.name != JOURNAL:
        return whole, path.relative_to(begun(whole)), made.as_text(draw(made.changed(json.loads(old)))).encode()
    rows = old.splitlines()
    at = draw(st.integers(0, len(rows) - 1))
    rows[at] = made.as_text(draw(made.changed(json.loads(rows[at])))).encode()
    if draw(st.booleans()):
        rows = draw(st.permutations(rows))
    return whole, path.relative_to(begun(whole)), b"\n".join(rows)


def runs(house: House, case: tuple[bool, Path, bytes]) -> None:
    whole, name, content = case
    with house.case() as folder:
        shutil.copytree(begun(whole), folder / "run")
        write(folder / "run", str(name), content)
        if name.suffix != ".png":
            house.steer("show", "run")
            house.steer("list", ".")
            house.steer("list", ".", "--json")
        with house.refusals():
            steerer().resume(folder / "run")
            page = (folder / "run" / "report.html").read_text()
            assert not RAW.search(page)
            assert "<script>alert" not in page


# batches


@functools.cache
def batch() -> Path:
    """A batch of fakes with a row that is done; to be copied."""
    folder = Path(tempfile.mkdtemp(prefix="steer-hostile-")) / "batch"
    rows = [
        {"prompt": "a fox", "user": "u1", "budget": 3, "id": "done"},
        {"prompt": "a cat", "user": "u1", "budget": 3},
    ]
    list(steerer().batch(rows, out=folder))
    return folder


@st.composite
def tampered_batch(draw):
    """Which of a batch's files, and what stands in it now."""
    root = batch()
    names = ["rows.jsonl", "manifest.json", "runs/do/done/result.json", "runs/do/done/failed.json"]
    name = draw(st.sampled_from(names))
    old = (root / name).read_bytes() if (root / name).exists() else b'{"reason": "it failed"}'
    if draw(st.integers(0, 3)) == 0:
        return name, draw(made.damaged(old))
    parts = old.splitlines() if name == "rows.jsonl" else [old]
    rows = [made.as_text(draw(made.changed(json.loads(part)))) for part in parts]
    return name, "\n".join(rows).encode()


def batches(house: House, case: tuple[str, bytes]) -> None:
    name, content = case
    with house.case() as folder:
        shutil.copytree(batch(), folder / "batch")
        write(folder / "batch", name, content)
        if name.endswith("failed.json"):
            os.remove(folder / "batch" / "runs" / "do" / "done" / "result.json")
        house.steer("show", "batch")
        house.steer("show", "batch", "--json")
        house.steer("list", ".")
        with house.refusals():
            opened = BatchFolder.open(folder / "batch")
            for row in opened.rows():
                opened.fail(row, "so")
            write_results(opened)
            page = (folder / "batch" / "index.html").read_text()
            assert not RAW.search(page)
            assert "<script>alert" not in page


# pictures


@functools.cache
def pictures() -> list[bytes]:
    """Whole ones of several kinds."""
    found = []
    told = PngInfo()
    told.add_itxt("steer", json.dumps({"prompt": "a fox \x1b[31m \u202e"}))
    for kind in ("PNG", "JPEG", "WEBP", "BMP", "TIFF", "GIF"):
        data = io.BytesIO()
        Image.effect_noise((40, 30), 60).convert("RGB").save(data, kind, **({"pnginfo": told} if kind == "PNG" else {}))
        found.append(data.getvalue())
    for size in ((9990, 9990), (13_000, 13_000)):
        data = io.BytesIO()
        Image.new("1", size).save(data, "PNG")
        found.append(data.getvalue())
    return found


@st.composite
def picture_files(draw):
    """A name and what stands in the file."""
    data = draw(st.sampled_from(pictures()))
    if len(data) < 100_000 and draw(st.integers(0, 5)):
        data = draw(made.damaged(data))
    return draw(st.sampled_from(["a.png", "b.jpg", "c.webp", "d.tif", "e.bmp"])), data


def picture_folders(house: House, case: tuple[str, bytes]) -> None:
    name, data = case
    with house.case() as folder, house.refusals():
        write(folder, name, data)
        for question in pictures_in(folder):
            assert not RAW.search(question.prompt)
            assert question.image.mode == "RGB"


def ratings(house: House, case: tuple[str, tuple[str, bytes]]) -> None:
    table, (name, data) = case
    with house.case() as folder:
        write(folder, name, data)
        write(folder, "ratings.csv", table)
        with contextlib.closing(UserStore(folder / "users.db")) as store, house.refusals():
            store.add("me")
            teacher = FakeReward().teacher
            assert teacher is not None
            rate_from_csv(store, teacher, "me", folder / "ratings.csv")


RATINGS = st.lists(
    st.tuples(st.sampled_from(["a.png", "b.jpg", "../outside/private.txt", "/dev/zero", "."]) | made.lines, made.lines),
    max_size=4,
).map(lambda rows: "\n".join(["picture,score", *(",".join(r) for r in rows)]))

# rewards, templates, lexicons


@functools.cache
def reward_files() -> tuple[dict[str, Any], bytes]:
    """Config and weights of the one that ships."""
    told = json.loads((MINIATURE_REWARD / "config.json").read_text())
    told["encoder"]["name"] = str((MINIATURE_REWARD / told["encoder"]["name"]).resolve())
    return told, (MINIATURE_REWARD / "model.safetensors").read_bytes()


@st.composite
def reward_folders(draw):
    """Both files of a reward, one of them changed."""
    told, weights = reward_files()
    how = draw(st.integers(0, 2))
    if how == 0:
        return made.as_text(draw(made.changed(told))).encode(), weights
    if how == 1:
        return draw(made.damaged(made.as_text(told).encode())), weights
    head = int.from_bytes(weights[:8], "little")
    return made.as_text(told).encode(), draw(made.damaged(weights[: 8 + head])) + weights[8 + head :]


def rewards(house: House, case: tuple[bytes, bytes]) -> None:
    with house.case() as folder, house.refusals():
        write(folder, "config.json", case[0])
        write(folder, "model.safetensors", case[1])
        reward_models.load(folder)


PIECES = (
    *("{{ ask.prompt }}", "{{ ask.n * 10 ** 9 }}", "{{ 'x' * 10 ** 10 }}", "{{ ask.nope }}", "{{ ''.__class__ }}"),
    *(
        "{% for i in range(99999) %}",
        "{% endfor %}",
        "{% if ask.n %}",
        "{% endif %}",
        "{% set x = 'x' %}",
        "{{ x ~ x }}",
    ),
    *("{{ '%99999999d'|format(1) }}", "{{ 'a'.center(10**9) }}", "{{ [1]|join('x' * 9) }}", "{{ user(ask) }}", "{{"),
    *("{% include 'a' %}", "{{ 1/0 }}", "{{ '{:>999999999}'.format(1) }}", "{{ lipsum() }}"),
    "{{ range(10**9)|list }}",
)


def templates(house: House, pieces: list[str]) -> None:
    with house.case() as folder, house.refusals():
        macros = "{% macro system(ask) %}x{% endmacro %}{% macro user(ask) %}" + "".join(pieces) + "{% endmacro %}"
        Instructions(str(write(folder, "mine.j2", macros))).messages(Ask("a fox", 2))


def lexicons(house: House, content: str) -> None:
    with house.case() as folder, house.refusals():
        found = Lexicon.load(str(write(folder, "mine.yaml", content)))
        for group in found.open_groups("a fox"):
            found.compose("a fox", {group.name: group.phrases[0]})


LEXICON = yaml.safe_load((data_folder("prompts") / "lexicons" / "miniature.yaml").read_text())
STUDY = yaml.safe_load((data_folder("configs") / "study" / "smoke.yaml").read_text())


def studies(house: House, content: str) -> None:
    with house.case() as folder, house.refusals():
        load_study(write(folder, "mine.yaml", content))


# what is shown


def shown(house: House, text: str) -> None:
    """The same text through everything that prints."""
    with house.case():
        out = io.StringIO()
        for width in (40, 200):
            to = Console(file=out, width=width, soft_wrap=True, highlight=False, color_system=None)
            to.print(escape(text))
            to.print(text, markup=False)
        with console.capture() as captured:
            console.print(text, markup=False, style=None)
        record = logging.LogRecord("a", logging.WARNING, "a", 1, "%s", (text,), None)
        page = render("pages/one.html.j2", "tests.hostile", text=text)
        said = out.getvalue() + captured.get() + Handler(logging.WARNING).format(record) + page
        assert not RAW.search(said)
        assert "<script>" not in page
        json_line = io.StringIO()
        with contextlib.redirect_stdout(json_line):
            print_line(json.dumps({"text": text}, ensure_ascii=False))
        assert not RAW.search(json_line.getvalue())
        assert json.loads(json_line.getvalue()) == {"text": text}


DOORS = (
    Door("flags", FLAGS, flags, 40, 300),
    Door("settings", st.lists(made.settings_typed, min_size=1, max_size=3), typed, 60, 500),
    Door("YAML files", YAML, yaml_files, 40, 300),
    Door("prompt files", PROMPTS, prompts, 60, 300),
    Door("runs", tampered(), runs, 25, 250),
    Door("batches", tampered_batch(), batches, 20, 150),
    Door("pictures", picture_files(), picture_folders, 30, 150),
    Door("ratings", st.tuples(RATINGS, picture_files()), ratings, 20, 100),
    Door("rewards", reward_folders(), rewards, 12, 100),
    Door("templates", st.lists(st.sampled_from(PIECES), max_size=5), templates, 30, 150),
    Door("lexicons", made.changed(LEXICON).map(dumped) | YAML, lexicons, 30, 150),
    Door("studies", made.changed(STUDY).map(dumped), studies, 30, 150),
    Door("shown", made.texts, shown, 30, 150),
)
