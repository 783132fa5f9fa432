"""The gain is liking: the best less the prompt as typed on the same seeds, the same number wherever it is told."""

from __future__ import annotations

import csv
import json
import math
import re

import pytest

from steer.config import load_config
from steer.result import Comparison, compare
from steer.search.search import Search
from steer.types import Candidate, Rewrite, State, SteerRequest
from tests.steer.command import steer_here

PAINTED = ("--set", "renderer=painter", "-n", "12")


def picture(text, seed, personal, fidelity=0.9, tier="full", index=0):
    scores = {"personal": personal, "population": 0.5, "fidelity": fidelity, "uncertainty": 0.1}
    return Candidate(index, 0, Rewrite(text), seed, State.SCORED, tier=tier, **scores)


def search(*settings):
    config = load_config("miniature", list(settings))
    return Search(SteerRequest("a fox", "u1"), None, config.search, config.objective)


def test_the_prompt_itself_pays_no_penalty_and_a_rewrite_does():
    under_way = search()
    originals = [picture("a fox", seed, 0.6, fidelity) for seed, fidelity in enumerate((0.9, 0.9, 0.1))]
    rewrite = picture("a fox in fog", 0, 0.6, fidelity=0.1)
    under_way.round = 0
    under_way.tell([*originals])
    under_way.tell([rewrite])
    assert [c.objective for c in originals] == [0.6, 0.6, 0.6]
    assert rewrite.objective < 0.3


def test_a_picture_that_does_not_show_the_prompt_is_not_chosen_among_the_prompts_own():
    under_way = search("search.rewrite=false")
    under_way.round = 0
    under_way.tell([picture("a fox", 0, 0.6), picture("a fox", 1, 0.7, fidelity=0.1), picture("a fox", 2, 0.5)])
    assert under_way.best().seed == 0


def test_the_comparison_is_of_the_same_seeds_with_its_standard_error():
    told = [picture("a fox", s, p) for s, p in enumerate((0.2, 0.4, 0.6, 0.9))]
    best = [picture("a fox at dawn", s, p) for s, p in enumerate((0.5, 0.6, 0.7))]
    found = compare([*told, *best], "a fox", "a fox at dawn", best[2])
    assert (found.seeds, found.original, found.best) == (3, pytest.approx(0.4), pytest.approx(0.6))
    assert found.gain == pytest.approx(0.2)
    assert found.percent == pytest.approx(50)
    assert found.error == pytest.approx(0.1 / math.sqrt(3))


def test_drafts_do_not_count_where_both_texts_were_drawn_in_full():
    told = [picture("a fox", 0, 0.1, tier="draft"), picture("a fox", 1, 0.5)]
    best = [picture("a fox at dawn", 0, 0.9, tier="draft"), picture("a fox at dawn", 1, 0.6)]
    assert compare([*told, *best], "a fox", "a fox at dawn", best[1]).gain == pytest.approx(0.1)


def test_texts_without_a_common_seed_are_not_compared():
    best = picture("a fox at dawn", 2, 0.9)
    assert compare([picture("a fox", 1, 0.1), best], "a fox", "a fox at dawn", best) is None


def test_a_choice_among_the_prompts_own_pictures_is_called_one():
    told = [picture("a fox", s, p) for s, p in enumerate((0.2, 0.4, 0.6))]
    found = compare(told, "a fox", "a fox", told[2])
    assert found == Comparison(0.6, pytest.approx(0.4), 3, pytest.approx(math.nan, nan_ok=True), chosen=True)
    assert str(found) == "+0.20 (+50 %), the best of 3 pictures against their mean"


def test_a_search_whose_rewrites_lost_gained_nothing():
    told = [picture("a fox", s, p) for s, p in enumerate((0.2, 0.6))]
    assert compare([*told, picture("a fox at dawn", 0, 0.1)], "a fox", "a fox", told[1]).gain == 0


def test_terminal_json_page_and_batch_tell_the_same_numbers(tmp_path):
    run = tmp_path / "run"
    shown = steer_here("run", "-u", "u17", "-p", "a castle", *PAINTED, "--out", run)
    result = json.loads((run / "result.json").read_text())
    scored = [c for c in result["candidates"] if c["state"] == "SCORED"]
    own = {c["seed"]: c["personal"] for c in scored if c["text"] == "a castle"}
    best = {c["seed"]: c["personal"] for c in scored if c["text"] == result["best"]["text"]}
    seeds = own.keys() & best.keys()
    gain = sum(best[s] - own[s] for s in seeds) / len(seeds)
    assert result["gain"] == pytest.approx(gain, abs=1e-4)
    assert result["gain"] > 0
    assert result["gain_seeds"] == len(seeds)
    assert result["original"]["liking"] == pytest.approx(sum(own.values()) / len(own), abs=1e-4)
    assert f"gain      {result['gain_words']}" in shown.stdout
    assert f"original  {result['original']['liking']:.2f}" in shown.stdout
    assert f"gain      {result['gain_words']}" in steer_here("show", run).stdout
    page = (run / "report.html").read_text()
    under = [float(v) for v in re.findall(r'class="liking">([\d.]+)<', page)]
    assert under == [pytest.approx(c["personal"], abs=0.005) for c in scored]

    (tmp_path / "rows.csv").write_text("prompt,user\na castle,u17\n")
    steer_here("batch", tmp_path / "rows.csv", *PAINTED, "--out", tmp_path / "batch")
    with open(tmp_path / "batch" / "results.csv") as file:
        (row,) = csv.DictReader(file)
    for name, expected in (("gain", result["gain"]), ("liking", result["best"]["liking"])):
        assert float(row[name]) == pytest.approx(expected)
    assert float(row["original"]) == pytest.approx(result["original"]["liking"])


def test_a_run_for_several_people_tells_how_much_each_of_them_likes_it(tmp_path):
    run = tmp_path / "run"
    people = ("-u", "u17", "-u", "u42", "--not-user", "u3")
    shown = steer_here("run", *people, "-p", "a castle", *PAINTED, "--out", run).stdout
    result = json.loads((run / "result.json").read_text())
    for user, liking in result["best"]["liked_by"].items():
        assert re.search(rf"{user} +likes the original [\d.]+, the best {liking:.2f}", shown)
    assert set(result["best"]["liked_by"]) == {"u17", "u42", "u3"}
    assert re.search(r"u3 +likes .*\(steered away from\)", shown)
    assert shown.count("steered away from") == 1
    assert "u3 (steered away from)" in (run / "report.html").read_text()
