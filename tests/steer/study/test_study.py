"""A small study from its plan to its report: drawn by the painter, steered by the shipped reward."""

from __future__ import annotations

import json
import random
import re

import numpy as np
import pytest
import yaml
from PIL import Image

from reward_models.scorers.base import SCORERS, Scorer
from steer.errors import SteerError, UsageError
from steer.lexicon import Lexicon
from steer.miniature.painter import paint
from steer.miniature.world import Scene
from steer.proposers.scripted import ScriptedWriter
from steer.resources import data_folder
from steer.study.analysis import Findings, Judged
from steer.study.folder import Cell, StudyFolder
from steer.study.judges import Jury
from steer.study.kept import KeptRenderer
from steer.study.plan import load_study, parse_study
from steer.study.report import write_study
from steer.study.running import StudyRun, draw_users
from steer.testing import FakeRenderer, RendererConformance
from tests.steer.command import steer_here
from tests.steer.web.axe import faults
from tests.steer.web.browser import DARK, DESKTOP, PHONE, open_tab, sideways

PLAN = {
    "name": "small",
    "config": "miniature",
    "settings": ["renderer=painter", "search.patience=99", "search.worth=0"],
    "users": {"count": 3, "of": 20},
    "prompts": ["a fox", "a castle in the snow"],
    "budget": 6,
    "looks": 2,
    "conditions": {
        "unoptimised": {"kind": "prompt"},
        "best of N": {"settings": ["search.rewrite=false"]},
        "population": {"user": "average"},
        "other": {"kind": "other"},
        "own": {},
        "cautious": {"settings": ["objective.caution=1"], "users": 2, "guard": True},
    },
    "judges": {"the person": {"kind": "simulated"}},
}


@pytest.fixture(scope="module")
def done(tmp_path_factory):
    folder = StudyFolder.begin(tmp_path_factory.mktemp("study") / "small", draw_users(parse_study(PLAN, "small")))
    StudyRun(folder).run()
    return folder, write_study(folder)


def test_every_condition_has_its_runs_and_budgets_are_equal(done):
    folder, table = done
    users = folder.config.everyone
    assert len(users) == 3
    for name, runs in (("own", 6), ("best of N", 6), ("population", 2), ("cautious", 4)):
        results = [folder.result(name, c) for c in folder.cells(name)]
        assert len(results) == runs
        assert {r["pictures"] for r in results} == {6}
    assert table["conditions"]["cautious"]["users"] == 2
    assert {r["user"] for c in folder.cells("population") for r in [folder.result("population", c)]} == {"average"}


def test_a_killed_study_ends_as_an_undisturbed_one_and_draws_nothing_twice(tmp_path, monkeypatch):
    few = {n: PLAN["conditions"][n] for n in ("unoptimised", "other", "own")}
    plan = draw_users(parse_study({**PLAN, "users": ["u3", "u5"], "prompts": ["a fox"], "conditions": few}, "few"))
    whole = StudyFolder.begin(tmp_path / "whole", plan)
    StudyRun(whole).run()
    table = write_study(whole)
    folder = StudyFolder.begin(tmp_path / "killed", plan)
    real, drawn = KeptRenderer.render, []

    def render(self, prompts, seeds):
        drawn.extend(zip(prompts, seeds, strict=True))
        if len(drawn) in range(8, 12):
            raise KeyboardInterrupt
        return real(self, prompts, seeds)

    with monkeypatch.context() as m:
        m.setattr(KeptRenderer, "render", render)
        with pytest.raises(KeyboardInterrupt):
            StudyRun(folder).run()
    StudyRun(folder).run()
    assert write_study(folder) == table
    files = len(list((folder.path / "pictures").rglob("*.png")))
    again = StudyRun(StudyFolder.open(folder.path))
    again.run()
    assert len(list((folder.path / "pictures").rglob("*.png"))) == files
    assert not list(folder.path.rglob("*.partial"))


def test_the_numbers_are_those_of_the_pictures(done):
    """Own, other and unchanged, again by hand from the PNGs."""
    from steer.miniature.eye import load_eye
    from steer.miniature.raters import simulated_people
    from steer.resources import miniature_weights

    folder, table = done
    eye, people, users = load_eye(miniature_weights("judge")), simulated_people(), folder.config.everyone

    def liking(user, path):
        return people[user].satisfaction(eye.read([Image.open(path)]))[0]

    def best(user, p):
        run = folder.run_of("own", Cell(p, 0, user))
        return run / json.loads((run / "result.json").read_text())["picture"]

    own = np.mean([liking(u, best(u, p)) for u in users for p in range(2)])
    other = np.mean([liking(u, best(v, p)) for u in users for v in users if v != u for p in range(2)])
    plain = [
        liking(u, f)
        for u in users
        for p in range(2)
        for f in (folder.look_of(p, 0, PLAN["prompts"][p]) / "pictures").glob("*.png")
    ]
    found = {n: table["conditions"][n]["the person"]["liking"][0] for n in ("own", "other", "unoptimised")}
    assert found == pytest.approx({"own": own, "other": other, "unoptimised": np.mean(plain)}, abs=1e-4)
    assert table["conditions"]["own"]["the person"]["above unoptimised"][0] == pytest.approx(
        own - np.mean(plain), abs=1e-4
    )


def test_the_gap_is_what_the_reward_promised_and_the_judge_did_not_see(done):
    folder, table = done
    findings = Findings(folder)
    gaps = []
    for user in folder.config.everyone:
        for p in range(2):
            cell = Cell(p, 0, user)
            candidates = folder.result("own", cell)["candidates"]
            judged = Judged(folder).run("own", cell)["the person"]["pictures"]
            best = int(np.argmax([c["objective"] for c in candidates]))
            gaps.append(candidates[best]["personal"] - candidates[0]["personal"] - judged[best] + judged[0])
    assert table["conditions"]["own"]["gap"]["the person"][0] == pytest.approx(np.mean(gaps), abs=1e-4)
    curve = findings.curves("own")["optimised"]
    assert curve.shape == (6, 3)
    assert (np.diff(curve[:, 0]) >= -0.05).all()  # held by objective, which fidelity moves a little


def test_the_report_can_be_read_and_looked_at(done):
    folder, _ = done
    text, page = ((folder.path / f"report.{end}").read_text() for end in ("md", "html"))
    cells = {line.count("|") for line in text[text.index("## Conditions") : text.index("## Guards")].splitlines()[2:-1]}
    assert len(cells) == 1  # the heading and each row
    assert "| own > other | the person |" in text
    assert "| cautious |" in text[text.index("## Guards") :]
    assert "own > cautious" not in text
    assert "1225" in text  # votes for 54:46
    assert page.count("data:image/png;base64,") == 2 * 4 + 2 * (3 * 5 - 1)  # plots; pictures, one user had no guard
    with Image.open(folder.path / "plots" / "grid-0.png") as grid:
        assert min(grid.size) > 300


def test_the_page_begins_with_a_verdict_then_shows_the_pictures(done):
    folder, table = done
    text, page = ((folder.path / f"report.{end}").read_text() for end in ("md", "html"))
    gain = table["conditions"]["own"]["the person"]["above unoptimised"]
    amount = "{:+.2f} [{:+.2f}, {:+.2f}]".format(*gain)
    assert amount in table["verdict"][0]
    assert table["verdict"][-1] == "3 people are few: take this as a first look."
    for report, first in ((text, "## What people got"), (page, "<h2>What people got</h2>")):
        assert report.index(amount) < report.index(first) < report.index("Comparisons") < report.index("Conditions")
    assert json.loads((folder.path / "findings.json").read_text())["verdict"] == table["verdict"]


def test_every_table_has_named_columns_and_every_comparison_is_told_once(done):
    folder, _ = done
    page = (folder.path / "report.html").read_text()
    heads = re.findall(r'<th scope="col"[^>]*>(.*?)</th>', page)
    assert len(heads) > 20
    assert all(heads)
    assert "<th>" not in page
    orders = re.findall(r'scope="rowgroup"[^>]*>([^<]+)<', page)
    assert len(orders) == len(set(orders)) == 5


def test_every_link_of_a_study_leads_somewhere_and_its_batches_lead_back(done):
    folder, _ = done
    page = folder.path / "report.html"
    batches = [folder.runs("own").path / "index.html", folder.looks.path / "index.html"]
    for here in (page, *batches):
        links = re.findall(r'(?:href|src)="(?!data:)([^"]+)"', here.read_text())
        assert len(links) > 6
        for link in links:
            assert (here.parent / link).exists(), f"{here}: {link}"
    for here in batches:
        assert "&larr; the study" in here.read_text()


@pytest.mark.browser
def test_the_page_is_accessible_and_fits_a_phone_in_light_and_dark(done):
    folder, _ = done
    shown = set()
    for settings in (DESKTOP, PHONE, DARK):
        with open_tab(**settings) as tab:
            tab.goto((folder.path / "report.html").as_uri())
            assert faults(tab) == []
            assert sideways(tab) == 0
            shown.add(tab.evaluate("document.querySelector('.plot img').currentSrc"))
    assert len(shown) == 2  # a plot for light screens, another for dark ones


def test_wrong_plans_are_one_line(tmp_path):
    for change, said in (
        ({"conditions": {**PLAN["conditions"], "other": {"kind": "other", "of": "nobody"}}}, "is of 'nobody'"),
        ({"baseline": "own"}, "is no condition of kind prompt"),
        ({"budgets": 3}, "budgets"),
        ({"users": ["u1", "nobody"]}, "does not know 'nobody'"),
        ({"users": {"count": 500}}, "500 are asked for"),
    ):
        with pytest.raises(UsageError, match=said):
            draw_users(parse_study({**PLAN, **change}, "small"))
    with pytest.raises(UsageError, match=r"there is no study 'minature'; shipped: .*miniature"):
        load_study("minature")
    folder = StudyFolder.begin(tmp_path / "s", draw_users(parse_study(PLAN, "small")))
    with pytest.raises(UsageError, match="another plan"):
        StudyFolder.begin(folder.path, draw_users(parse_study({**PLAN, "budget": 7}, "small")))


@pytest.mark.parametrize("name", [p.stem for p in (data_folder("configs") / "study").glob("*.yaml")])
def test_shipped_studies_are_whole(name):
    from steer.config import load_config

    plan = load_study(name)
    assert {"unoptimised", "own", "other"} <= set(plan.conditions)
    for condition in plan.steered().values():
        load_config(plan.config, plan.settings, condition.settings)


def test_kept_pictures_are_those_that_were_drawn(tmp_path):
    inner = FakeRenderer()
    kept = KeptRenderer(inner, tmp_path)
    first = kept.render(["a fox", "a cat"], [1, 2])
    again = kept.render(["a cat", "a fox", "a fox"], [2, 1, 3])
    assert again[0].tobytes() == first[1].tobytes()
    assert again[1].tobytes() == first[0].tobytes()
    assert (kept.drawn, kept.found) == (3, 2)
    assert len(inner.rendered) == 3
    assert kept.name == inner.name
    assert kept.describe() == inner.describe()


class TestKept(RendererConformance):
    @pytest.fixture(autouse=True)
    def _folder(self, tmp_path):
        self.folder = tmp_path

    def make(self):
        return KeptRenderer(FakeRenderer(), self.folder)


class Tiered(FakeRenderer):
    """Its drafts are other pictures under other settings; every picture has a price, and can be stopped early."""

    def __init__(self):
        super().__init__(batch_size=7)
        self.drafts = FakeRenderer()
        self.drafts.describe = lambda: {"kind": "fake", "tier": "draft"}
        self.meter, self.previews, self.prepared = object(), object(), []

    def prepare(self, prompts):
        self.prepared += prompts


def test_each_tier_of_a_kept_renderer_is_kept_under_its_own_settings(tmp_path):
    inner = Tiered()
    kept = KeptRenderer(inner, tmp_path)
    assert isinstance(kept.drafts, KeptRenderer)
    for _ in range(2):
        kept.render(["a fox"], [1])
        kept.drafts.render(["a fox", "a cat"], [1, 2])
    assert (kept.drawn, kept.found) == (1, 1)
    assert (kept.drafts.drawn, kept.drafts.found) == (2, 2)
    assert len(list(tmp_path.rglob("*.png"))) == 3
    assert (len(inner.rendered), len(inner.drafts.rendered)) == (1, 2)
    again = KeptRenderer(Tiered(), tmp_path)  # a killed study goes on
    again.drafts.render(["a cat"], [2])
    assert again.drafts.drawn == 0
    kept.prepare(["a fox"])
    assert inner.prepared == ["a fox"]
    assert (kept.batch_size, kept.meter, kept.previews) == (7, inner.meter, inner.previews)


def test_a_condition_may_change_the_kind_that_its_study_sets(tmp_path):
    """The settings of a study are a layer below those of a condition."""
    plan = {
        **PLAN,
        "settings": [
            "proposer=scripted",
            "proposer.shown=3",
            "search.patience=99",
            "search.worth=0",
            "renderer=painter",
        ],
        "conditions": {**PLAN["conditions"], "own": {"settings": ["proposer=lexical"]}},
        "users": ["u3"],
    }
    run = StudyRun(StudyFolder.begin(tmp_path / "kinds", draw_users(parse_study(plan, "kinds"))))
    assert run._parts_for(["proposer=lexical"]).config.proposer.kind == "lexical"
    assert run._parts_for(["search.rewrite=false"]).config.proposer.shown == 3


class Bright(Scorer):
    """How bright a picture is."""

    def score(self, images, prompts):
        return np.array([np.asarray(image.convert("L"), dtype=float).mean() for image in images])

    def fingerprint(self):
        return "bright"


def test_a_condition_may_steer_by_a_scorer_alone(tmp_path):
    SCORERS.add("bright of a study", Bright)
    conditions = {"unoptimised": {"kind": "prompt"}, "own": {}, "by brightness": {"scorer": "bright"}}
    scorers = {"bright": {"kind": "bright of a study", "linear": [0, 255]}}
    plan = {**PLAN, "users": ["u3", "u5"], "prompts": ["a fox"], "conditions": conditions, "scorers": scorers}
    folder = StudyFolder.begin(tmp_path / "s", draw_users(parse_study(plan, "s")))
    StudyRun(folder).run()
    table = write_study(folder)
    (cell,) = folder.cells("by brightness")  # one run serves everybody
    found = folder.result("by brightness", cell)["candidates"]
    with_fidelity = [c for c in found if c["objective"] != pytest.approx(c["others"]["bright"], abs=1e-4)]
    assert all(c["objective"] < c["others"]["bright"] for c in with_fidelity)  # what the fidelity guard takes
    assert len(with_fidelity) < len(found)
    assert {u for u, _ in table["conditions"]["by brightness"].items()} >= {"the person", "price"}
    assert "by the scorer 'bright'" in (folder.path / "report.md").read_text()
    again = StudyFolder.open(folder.path).config
    assert again.settings_of("by brightness") == folder.config.settings_of("by brightness")
    for change, said in (
        ({"scorers": {}}, "steers by 'bright'; scorers of this study: none"),
        ({"conditions": {**conditions, "x": {"kind": "prompt", "scorer": "bright"}}}, "'x' steers by 'bright'"),
    ):
        with pytest.raises(UsageError, match=said):
            parse_study({**plan, **change}, "s")


@pytest.mark.slow
def test_the_papers_setting_on_tiny_stand_ins_of_its_classes(tmp_path, flux2, miniature):
    """configs/study/paper.yaml with a tiny FLUX.2-dev, a chat server and the miniature's rewards."""
    from steer.resources import miniature_weights
    from tests.steer.chat_server import ChatServer

    class Llama(ChatServer):
        """Answers as the script does that stands in for a language model: the same whoever asks first."""

        @staticmethod
        def plain(body, number):
            asked = body["messages"][1]["content"]
            return ScriptedWriter(Lexicon.load("general"))._answer(asked, random.Random(f"{body['seed']} {asked}"))

    server = Llama()
    values = yaml.safe_load((data_folder("configs") / "study" / "paper.yaml").read_text())
    values |= {"users": ["u1", "u2"], "prompts": ["a fox"], "budget": 9, "looks": 1}
    values["settings"] += [
        f"renderer.model={flux2}",
        "renderer.device=cpu",
        "renderer.dtype=float32",
        "renderer.width=32",
        "renderer.height=32",
        "renderer.steps=2",
        "renderer.batch_size=4",
        "reward=miniature",
        "reward.device=cpu",
        "search.rewrites=4",
        f"proposer.base_url={server.url}",
    ]
    for name in ("best of N", "population"):
        del values["conditions"][name]
    values["judges"] = {"held-out reward": {"kind": "reward", "model": "miniature/held-out"}}
    values["fidelity"] = {"kind": "encoder", "model": str(miniature_weights("siglip"))}
    try:
        folder = StudyFolder.begin(tmp_path / "paper", draw_users(parse_study(values, "paper")))
        StudyRun(folder).run()
    finally:
        server.close()
    table = write_study(folder)
    assert {r["body"]["model"] for r in server.requests} == {"meta-llama/Llama-3.1-8B-Instruct"}
    assert table["conditions"]["own"]["price"]["pictures"] == 9
    assert table["conditions"]["own, guarded"]["price"]["pictures"] <= 9
    seeds = {c["seed"] for c in folder.result("own", Cell(0, 0, "u1"))["candidates"]}
    assert len(seeds) == 1  # the paper's one fixed seed


@pytest.mark.parametrize(("more", "depth"), [([], 5), pytest.param(["search.ahead=true"], 3, marks=pytest.mark.slow)])
def test_each_round_of_the_papers_loop_is_written_with_the_scores_of_the_one_before(tmp_path, more, depth):
    """By what the chat server was shown: a text is one deeper than the deepest whose score its writer saw."""
    from tests.steer.chat_server import ChatServer

    answered = []

    class Writer(ChatServer):
        """Another place in each answer, in four styles."""

        @staticmethod
        def plain(body, number):
            place = ("in a forest", "in the snow", "in the desert", "in the city", "in the mountains")[len(answered)]
            texts = [f"a fox {place}, {style}" for style in ("watercolour", "neon", "ink drawing", "oil painting")]
            answered.append((body["messages"][1]["content"], texts))
            return json.dumps({"rewrites": texts})

    server = Writer()
    values = yaml.safe_load((data_folder("configs") / "study" / "paper.yaml").read_text())
    values |= {"config": "miniature", "users": ["u1"], "prompts": ["a fox"], "budget": 21, "looks": 1}
    values["settings"] += ["renderer=painter", "reward=miniature", "reward.device=cpu", "search.rewrites=4"]
    values["settings"] += [f"proposer.base_url={server.url}", *more]
    values["conditions"] = {name: values["conditions"][name] for name in ("unoptimised", "own")}
    values |= {"judges": {"the person": {"kind": "simulated"}}, "fidelity": {"kind": "eye"}}
    try:
        folder = StudyFolder.begin(tmp_path / "paper", draw_users(parse_study(values, "paper")))
        StudyRun(folder).run()
    finally:
        server.close()
    assert folder.result("own", Cell(0, 0, "u1"))["pictures"] == 21
    depths = {"a fox": 0}
    for asked, texts in answered:
        shown = re.findall(r"^-?\d\.\d\d: (.+)$", asked, re.MULTILINE)
        depths |= dict.fromkeys(texts, 1 + max((depths[text] for text in shown), default=0))
    assert len(answered) == 5
    assert max(depths.values()) == depth


def test_diversity_is_between_users(done):
    folder, table = done
    found = {n: table["conditions"][n]["diversity"] for n in ("own", "unoptimised", "population")}
    assert np.isnan(found["population"][0])
    rows = [[Judged(folder).run("own", Cell(p, 0, u))["features"][0] for u in folder.config.everyone] for p in range(2)]
    by_hand = []
    for x in map(np.array, rows):
        x = x / np.linalg.norm(x, axis=1, keepdims=True)
        by_hand += [1 - x[i] @ x[j] for i in range(3) for j in range(i)]
    assert found["own"][0] == pytest.approx(np.mean(by_hand), abs=1e-6)
    assert found["own"][0] > found["unoptimised"][0]


def test_judges_and_settings_are_looked_at_before_anything_is_drawn(tmp_path):
    for change, said in (
        (
            {"judges": {"mine": {"kind": "reward", "model": str(tmp_path / "nowhere")}}},
            "the judge|there is no reward in",
        ),
        (
            {"conditions": {**PLAN["conditions"], "own": {"settings": ["search.sedes=3"]}}},
            "Did you mean 'search.seeds'",
        ),
    ):
        folder = StudyFolder.begin(tmp_path / said[:4], draw_users(parse_study({**PLAN, **change}, "small")))
        with pytest.raises(SteerError, match=said):
            StudyRun(folder).run()
        assert not (folder.path / "runs").exists()


def test_what_a_study_would_take_is_said_before():
    done = steer_here("study", "--config", "smoke", "--dry-run", "--json")
    told = json.loads(done.stdout)
    assert told["runs"] == {"best of N": 12, "population": 2, "own": 12, "cautious": 6}
    assert told["pictures"] == 32 * 12
    assert told["fresh pictures"] == 32 * 2 + 2 * 12  # two of each text, a whole budget of the prompts
    wrong = steer_here("study", "--config", "nope")
    assert wrong.returncode == 2
    assert "there is no study 'nope'" in wrong.stderr


def test_the_people_of_another_world_judge_otherwise():
    judges = {"one": {"kind": "simulated", "world": 1}, "two": {"kind": "simulated", "world": 2}}
    jury = Jury(draw_users(parse_study({**PLAN, "users": ["u3"], "judges": judges}, "few")))
    picture = paint(Scene("fox", "snow", "night", "ink", "wide", "left"))
    one, two = (judge.likings([picture], ["a fox"], ["u3"])[0, 0] for judge in jury.judges.values())
    assert one == jury.judges["one"].people["u3"].satisfaction(jury.judges["one"].eye.read([picture]))[0]
    assert abs(one - two) > 0.01
    marks = jury.fingerprint()
    assert marks["two"] == f"{marks['one']} world 2"
    with pytest.raises(UsageError, match=r"judges\.the person\.world"):
        parse_study({**PLAN, "judges": {"the person": {"kind": "simulated", "world": 3}}}, "few")
