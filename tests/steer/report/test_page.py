"""The report of a run: what a person reads and where its links lead."""

from __future__ import annotations

import base64
import io
import json
import re
import shlex

import pytest
from PIL import Image

from steer.report.html import embedded
from steer.report.theme import DARK, LIGHT
from steer.store.run_folder import RunFolder
from steer.testing import FakeRenderer
from steer.types import LIKED_BY, StopReason
from tests.docs.commands import parse


@pytest.fixture
def run(fake_steerer, tmp_path):
    """A run's result and its page; a rewrite won."""
    result = fake_steerer(["search.original_seeds=3"]).run("a castle", "u1", budget=24, out=tmp_path / "run")
    assert result.gain > 0
    return result, (tmp_path / "run" / "report.html").read_text()


def figures(page):
    """(link, alt, caption as text) of each picture, in order."""
    one = r'<figure[^>]*>\s*<a href="([^"]+)"><img [^>]*alt="([^"]*)">.*?<figcaption>(.*?)</figcaption>'
    found = re.findall(one, page, re.DOTALL)
    return [(link, alt, " ".join(re.sub("<[^>]+>", " ", caption).split())) for link, alt, caption in found]


def test_the_number_under_a_picture_is_that_pictures_and_its_text_is_there(run):
    result, page = run
    by_picture = {c.picture: c for c in result.candidates}
    shown = figures(page)
    for link, alt, caption in shown:
        candidate = by_picture[link]
        assert caption.startswith(f"{candidate.personal:.2f} fidelity {candidate.fidelity:.2f}")
        assert candidate.rewrite.text in alt
    below = [link for link, _, caption in shown if caption.endswith(by_picture[link].rewrite.text)]
    assert len(below) == len(result.candidates) + 2  # and the two large ones
    assert set(below) == set(by_picture)
    assert "fid " not in page


def test_the_original_is_shown_on_the_seed_of_the_best_with_all_its_other_pictures(run):
    result, page = run
    top = page[: page.index("What next")]
    (typed, *_), own = figures(top), [c for c in result.candidates if c.rewrite.text == "a castle"]
    assert len(own) == 3
    assert typed[0] == next(c.picture for c in own if c.seed == result.best.seed)
    assert {c.picture for c in own} <= {link for link, *_ in figures(top)}
    assert str(result.comparison) in page
    assert f"{result.comparison.original:.2f} &rarr; {result.comparison.best:.2f}" in page


def test_a_best_picture_of_the_prompt_itself_stands_alone(fake_steerer, tmp_path):
    result = fake_steerer(["search.rewrite=false"]).run("a fox", "u1", budget=3, out=tmp_path / "run")
    page = (tmp_path / "run" / "report.html").read_text()
    top = figures(page[: page.index("What next")])
    assert next(link for link, *_ in top) == result.best.picture
    assert len({link for link, *_ in top}) == len(top) == 3
    assert "the best of 3 pictures against their mean" in page


def test_a_run_whose_rewrites_all_lost_says_so(fake_steerer, tmp_path):
    result = fake_steerer().run("a fox", "u1", budget=8, out=tmp_path / "run")
    assert result.winner.rewrite.text == "a fox"
    page = (tmp_path / "run" / "report.html").read_text()
    assert "No rewrite was liked more than the prompt as typed." in page
    assert len(figures(page[: page.index("What next")])) == 1


def test_links_and_commands_of_a_run(run, tmp_path):
    _, page = run
    folder = tmp_path / "run"
    links = set(re.findall(r'href="([^"]+)"', page))
    assert {"./", "contact_sheet.png", "result.json"} <= links
    assert all((folder / link).exists() for link in links)
    commands = re.findall(r'class="command">([^<]+)<', page)
    told = [shlex.split(line.replace("&#39;", "'")) for line in commands]
    assert ["steer", "user", "rate", "me", "--pictures", str(folder)] in told
    assert ["steer", "show", str(folder)] in told
    assert ["steer", "again", str(folder), "--seeds", "4"] in told
    assert any(line[:4] == ["steer", "run", "--from", str(folder)] for line in told)
    for line in told:
        parse(line)
    assert not any("resume" in line for line in told)


def test_an_interrupted_run_says_how_it_goes_on(fake_steerer, tmp_path):
    result = fake_steerer(renderer=FakeRenderer(interrupt_at=5)).run("a fox", "u1", budget=12, out=tmp_path / "run")
    assert result.stop is StopReason.INTERRUPTED
    assert f"steer resume {tmp_path / 'run'}<" in (tmp_path / "run" / "report.html").read_text()


def test_each_persons_liking_is_on_the_page_of_a_run_for_several(fake_steerer, tmp_path):
    result = fake_steerer().run("a fox", "u1,u17", budget=8, out=tmp_path / "run")
    page = (tmp_path / "run" / "report.html").read_text()
    told = json.loads((tmp_path / "run" / "result.json").read_text())
    assert LIKED_BY + "u17" in result.candidates[0].others
    for person in ("u1", "u17"):
        before, after = (told[name]["liked_by"][person] for name in ("original", "best"))
        row = re.search(rf'<tr><th scope="row">{person}</th>(.*?)</tr>', page)[1]
        assert re.findall(r">([-+\d.]+)<", row) == [f"{before:.2f}", f"{after:.2f}", f"{after - before:+.2f}"]


def test_html_in_texts_is_shown_not_run(fake_steerer, tmp_path):
    attack = '<script>alert(1)</script> " onload=x'
    fake_steerer().run(f"a fox {attack}", "u1", budget=5, out=tmp_path / "run")
    page = (tmp_path / "run" / "report.html").read_text()
    assert "<script>" not in page
    assert '" onload' not in page
    assert page.count("&lt;script&gt;") > 10


def test_large_pictures_are_carried_small(tmp_path):
    noise = Image.effect_noise((1200, 600), 80).convert("RGB")
    noise.save(tmp_path / "large.png")
    kind, data = embedded(tmp_path / "large.png", 320).split(";base64,")
    with Image.open(io.BytesIO(base64.b64decode(data))) as carried:
        assert carried.size == (320, 160)
    assert kind == "data:image/jpeg"
    small = noise.resize((320, 160))
    small.save(tmp_path / "small.png")
    kind, data = embedded(tmp_path / "small.png", 320).split(";base64,")
    assert kind == "data:image/png"
    assert base64.b64decode(data) == (tmp_path / "small.png").read_bytes()


def test_a_failed_picture_is_told_with_its_reason(fake_steerer, tmp_path):
    fake_steerer(renderer=FakeRenderer(fail=[3])).run("a fox", "u1", budget=8, out=tmp_path / "run")
    page = (tmp_path / "run" / "report.html").read_text()
    assert page.count("no picture") == 1
    assert "failed: the fake was told to fail" in page


def test_a_report_of_a_run_read_again_is_the_same(run, tmp_path):
    """Nothing on the page depends on when it is written."""
    from steer.report.page import render_page

    result, page = run
    assert render_page(result, RunFolder.open(tmp_path / "run")) == page


def luminance(colour):
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in (v / 255 for v in colour)]
    return sum(w * c for w, c in zip((0.2126, 0.7152, 0.0722), linear, strict=True))


@pytest.mark.parametrize("theme", [LIGHT, DARK], ids=["light", "dark"])
def test_text_has_a_contrast_of_four_and_a_half(theme):
    for text in ("ink", "pale", "accent", "fault"):
        for behind in ("paper", "surface") if text != "ink" else ("paper", "surface", "added", "removed"):
            high, low = sorted((luminance(theme.rgb(text)), luminance(theme.rgb(behind))), reverse=True)
            assert (high + 0.05) / (low + 0.05) >= 4.5, (text, behind)
