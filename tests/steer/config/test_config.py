"""Configuration: presets, files, --set, and the one line a mistake costs."""

from __future__ import annotations

import json
import sys
import traceback

import pytest

from steer.config import (
    ChatConfig,
    DiffusersConfig,
    LexicalConfig,
    LocalConfig,
    PainterConfig,
    ProposerPlugin,
    RemoteConfig,
    RendererPlugin,
    SmolLMConfig,
    TrainedConfig,
    load_config,
    override,
    parse_config,
    presets,
)
from steer.errors import UsageError
from steer.proposers import build_proposer
from steer.registry import PROPOSERS, RENDERERS
from steer.renderers import build_renderer
from tests.steer.command import steer_here

PLUGIN = """
from PIL import Image
from steer.protocols import Proposer, Renderer
from steer.types import Rewrite

class Crayon(Renderer):
    name = "crayon"
    def __init__(self, colour="blue"):
        self.colour = colour
    def render(self, prompts, seeds):
        return [Image.new("RGB", (8, 8), self.colour) for _ in prompts]
    def describe(self):
        return {"colour": self.colour}

class Echo(Proposer):
    name = "echo"
    def propose(self, request, history, n):
        return [Rewrite(f"{request.prompt} {i}") for i in range(n)]
    def fingerprint(self):
        return "echo"
"""
POINTS = """
[steer.renderers]
crayon = crayons:Crayon
blunt = crayons:Nothing
painter = crayons:Crayon

[steer.proposers]
echo = crayons:Echo
"""


@pytest.fixture
def plugin(tmp_path, monkeypatch):
    """A package as installed, with entry points; one of them does not load, one has the name of what ships."""
    folder = tmp_path / "site" / "crayons-1.0.dist-info"
    folder.mkdir(parents=True)
    (folder / "METADATA").write_text("Metadata-Version: 2.1\nName: crayons\nVersion: 1.0\n")
    (folder / "entry_points.txt").write_text(POINTS)
    (folder.parent / "crayons.py").write_text(PLUGIN)
    monkeypatch.syspath_prepend(str(folder.parent))
    yield
    sys.modules.pop("crayons", None)


def test_every_preset_loads():
    assert "miniature" in presets()
    for name in presets():
        assert load_config(name).name == name


def test_a_dumped_config_is_read_as_the_same_one():
    configs = [
        *(load_config(name) for name in presets()),
        *(load_config("miniature", [f"proposer={kind}"]) for kind in PROPOSERS.names()),
        *(load_config("miniature", [f"renderer={kind}"]) for kind in RENDERERS.names()),
    ]
    for config in configs:
        assert parse_config(config.model_dump()) == config
        assert parse_config(json.loads(json.dumps(config.model_dump(mode="json")))) == config


def test_settings_win_over_the_file(tmp_path):
    path = tmp_path / "mine.yaml"
    path.write_text("search: {budget: 10, seeds: 3}\n")
    config = load_config(path, ["search.seeds=2", "renderer=remote", "renderer.call={a: 1}"])
    assert (config.search.budget, config.search.seeds) == (10, 2)
    assert config.renderer.kind == "remote"
    assert config.renderer.call == {"a": 1}


# kinds


@pytest.mark.parametrize("named", ["renderer=painter", "renderer.kind=painter", "renderer={kind: painter}"])
def test_another_kind_leaves_behind_what_the_preset_set_for_its_own(named):
    assert load_config("flux2-klein", [named]).renderer == PainterConfig()


def test_another_kind_keeps_what_it_has_too_but_no_model_and_no_arguments_of_calls():
    renderer = load_config("flux2-klein", ["renderer=remote", "renderer.aspect=3:2"]).renderer
    assert renderer == RemoteConfig(aspect="3:2")
    smollm = load_config(
        "smollm", ["proposer.extra={repeat_penalty: 2}", "proposer.temperature=0.5"], ["proposer=chat"]
    )
    assert smollm.proposer == ChatConfig(style="words", temperature=0.5)
    assert load_config("api", ["proposer=local"]).proposer.model == ""
    proposer = load_config("sdxl", ["proposer=chat", "proposer.model=m"]).proposer
    assert isinstance(proposer, ChatConfig)
    assert (proposer.lexicon, proposer.style, proposer.model) == ("general", "tags", "m")


def test_a_kinds_defaults_are_its_own():
    assert load_config("smollm").proposer == SmolLMConfig(style="words")
    assert load_config("smollm", ["proposer=chat"]).proposer == ChatConfig(style="words")
    assert load_config("smollm", ["proposer.shown=8"], ["proposer=chat"]).proposer.shown == 8
    assert load_config("smollm", ["proposer.shown=3"], ["proposer=chat"]).proposer.shown == 3


@pytest.mark.parametrize(
    "layers",
    [
        [["renderer=painter", "renderer.quantize=int8"]],
        [["renderer.quantize=int8", "renderer=painter"]],  # one layer, in whatever order
        [["renderer.kind=painter"], ["renderer.quantize=int8"]],
        [["renderer={kind: painter, quantize: int8}"]],
    ],
)
def test_a_setting_of_another_kind_is_an_error(layers):
    with pytest.raises(UsageError, match=r"renderer\.quantize is a setting of 'diffusers', not of 'painter'"):
        load_config("miniature", *layers)


def test_a_later_layer_may_change_the_kind_of_an_earlier_one():
    chat = ["proposer=chat", "proposer.model=m", "proposer.max_calls=3"]
    assert load_config("miniature", chat, ["proposer=lexical"]).proposer == LexicalConfig(style="words")
    assert load_config("miniature", chat, ["proposer=local"]).proposer == LocalConfig(style="words", max_calls=3)
    back = load_config("miniature", ["renderer=painter"], ["renderer=diffusers"]).renderer
    assert back == DiffusersConfig()  # the preset's own settings are gone with the first change


@pytest.mark.parametrize("renderer", ["painter", "{kind: painter}"])
def test_a_file_may_change_the_kind_of_its_base(tmp_path, renderer):
    below, above = tmp_path / "below.yaml", tmp_path / "above.yaml"
    below.write_text(
        "base: flux1-dev\nrenderer: {quantize: int8, draft: {steps: 2}}\nproposer: {kind: chat, model: m}\n"
    )
    above.write_text(f"base: {below}\nrenderer: {renderer}\nproposer: {{kind: local}}\n")
    config = load_config(above)
    assert config.renderer == PainterConfig()
    assert config.proposer == LocalConfig(lexicon="general", fallback="lexical")
    above.write_text(f"base: {below}\nrenderer: {{kind: painter, steps: 3}}\n")
    with pytest.raises(
        UsageError, match=r"above.yaml: renderer\.steps is a setting of 'diffusers' or 'remote', not of 'painter'"
    ):
        load_config(above)


def test_a_checked_config_takes_a_further_layer():
    config = load_config("miniature", ["proposer=smollm", "proposer.most=7"])
    changed = override(config, {"proposer": "chat", "proposer.model": "m", "search.seeds": "2"})
    assert changed.proposer == ChatConfig(style="words", model="m", most=7)
    assert changed.search.seeds == 2
    assert override(parse_config(config.model_dump(mode="json")), {"proposer": "chat"}) == override(
        config, {"proposer": "chat"}
    )
    with pytest.raises(UsageError, match=r"proposer\.most=3: proposer\.most is a setting of .*, not of 'lexical'"):
        override(config, {"proposer": "lexical", "proposer.most": 3})


def test_a_bare_name_is_a_rewards_model():
    assert load_config("miniature", ["reward=miniature/linear-hidden"]).reward.model == "miniature/linear-hidden"
    reward = load_config("miniature", ["reward.members=1"], ["reward=a/folder", "reward.device=cpu"]).reward
    assert reward == TrainedConfig(model="a/folder", members=1, device="cpu")


def test_wrong_kinds_are_one_line_of_the_command():
    for setting, said in (
        ("renderer.quantize=int8", "renderer.quantize is a setting of 'diffusers', not of 'painter'"),
        (
            "proposer.max_calls=3",
            "proposer.max_calls is a setting of 'chat', 'local', 'smollm' or 'scripted', not of 'lexical'",
        ),
        ("proposer=lexicl", "proposer 'lexicl' not found (5 known). Did you mean 'lexical'?"),
    ):
        done = steer_here("run", "--user", "u17", "--prompt", "a fox", "--set", "renderer=painter", "--set", setting)
        assert done.returncode == 2
        assert said in " ".join(done.stderr.split())
        assert "Traceback" not in done.stderr


# plug-ins


def test_a_plugin_is_a_kind(plugin):
    config = load_config("flux2-klein", ["renderer=crayon", "renderer.settings.colour=red", "proposer=echo"])
    assert config.renderer == RendererPlugin(kind="crayon", settings={"colour": "red"})
    assert config.proposer == ProposerPlugin(kind="echo", lexicon="general")
    assert parse_config(config.model_dump(mode="json")) == config
    (picture,) = build_renderer(config.renderer).render(["a fox"], [1])
    assert picture.getpixel((0, 0)) == (255, 0, 0)
    assert build_proposer(config.proposer).name == "echo"
    assert "crayon" in RENDERERS.names()


def test_a_plugins_mistakes_are_one_line(plugin):
    with pytest.raises(UsageError, match=r"renderer\.quantize is a setting of 'diffusers', not of 'crayon'"):
        load_config("miniature", ["renderer=crayon", "renderer.quantize=int8"])
    with pytest.raises(UsageError, match=r"'crayon' does not take renderer\.settings as given: .*'size'"):
        build_renderer(load_config("miniature", ["renderer=crayon", "renderer.settings.size=3"]).renderer)
    with pytest.raises(UsageError, match=r"'blunt' of the plug-in 'crayons:Nothing' does not load"):
        build_renderer(load_config("miniature", ["renderer=blunt"]).renderer)
    with pytest.raises(UsageError, match=r"renderer 'crayn' not found \(5 known\)\. Did you mean 'crayon'"):
        load_config("miniature", ["renderer=crayn"])


def test_settings_of_one_plugin_are_none_of_another(plugin):
    config = load_config("miniature", ["renderer=crayon", "renderer.settings.colour=red"], ["renderer=blunt"])
    assert config.renderer.settings == {}


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        (["search.sedes=2"], r"search.sedes=2: unknown setting 'search.sedes'\. Did you mean 'search.seeds'"),
        (["serach.seeds=2"], r"unknown setting 'serach'\. Did you mean 'search'"),
        (["search.seeds=zero"], r"the setting search.seeds=zero: 'zero' is not a whole number"),
        (["search.seeds=0"], r"search.seeds=0: 0 is less than 1"),
        (["search.seeds"], r"there is no value; write key=value"),
        (["name.inner=1"], r"'.*name.*'"),
        (["renderer.kind=crayon"], r"renderer 'crayon' not found \(3 known\). Known: diffusers, remote, painter"),
        (["renderer=paintr"], r"Did you mean 'painter'"),
        (
            ["renderer=[3]"],
            r"renderer=\[3\]: give a mapping of settings, or one of the kinds diffusers",
        ),
        (["renderer.stesp=2"], r"unknown setting 'renderer.stesp'\. Did you mean 'renderer.steps'"),
        (["renderer.draft.stesp=2"], r"unknown setting 'renderer.draft.stesp'\. Did you mean 'renderer.draft.steps'"),
        (["renderer.loras=[{pth: x}]"], r"renderer.loras.0.path is missing"),
        (
            ["objective.scorers={q: {kin: x}}"],
            r"unknown setting 'objective.scorers.q.kin'\. Did you mean '.*q.kind'",
        ),
        (["proposer.turns=2"], r"proposer.turns is a setting of 'chat', .* not of 'lexical'"),
    ],
)
def test_mistakes(settings, message):
    with pytest.raises(UsageError, match=message) as caught:
        load_config("miniature", settings)
    assert "\n" not in str(caught.value)


def test_unknown_config_names_the_nearest():
    with pytest.raises(UsageError, match="Did you mean 'miniature'"):
        load_config("minature")
    with pytest.raises(UsageError, match="does not exist"):
        load_config("nowhere/mine.yaml")


def test_a_file_that_is_not_yaml(tmp_path):
    path = tmp_path / "bad.yaml"
    path.write_text("a: [1,\n")
    with pytest.raises(UsageError, match="is not YAML"):
        load_config(path)
    path.write_text("- a\n- b\n")
    with pytest.raises(UsageError, match="mapping"):
        load_config(path)


def test_an_error_blames_what_was_typed_and_not_the_preset():
    with pytest.raises(UsageError) as error:
        load_config("miniature", ["search.seeds=2", "renderer.widht=3"])
    assert "the setting renderer.widht=3:" in str(error.value)
    assert "miniature.yaml" not in str(error.value)


def test_an_error_of_the_file_blames_the_file_beside_any_setting(tmp_path):
    (tmp_path / "mine.yaml").write_text("base: miniature\nsearch: {sedes: 2}\n")
    with pytest.raises(UsageError, match=r"mine\.yaml: unknown setting 'search\.sedes'"):
        load_config(tmp_path / "mine.yaml", ["search.budget=8"])


# what values mean


@pytest.mark.parametrize(
    ("setting", "value"),
    [
        ("renderer.aspect=3:2", "3:2"),
        ("renderer.aspect=16:9", "16:9"),
        ('renderer.aspect="3:2"', "3:2"),
        ("renderer.aspect=null", None),
        ("renderer.tiling=on", "on"),
        ("renderer.revision=1e10", "1e10"),
        ("renderer.revision=0123", "0123"),
        ("renderer.negative_prompt=no: text, [logos", "no: text, [logos"),
        ("renderer.call.style=no", "no"),
        ("renderer.call.scale=1e3", 1000.0),
        ("renderer.scheduler_settings={shift: 3, kind: off}", {"shift": 3, "kind": "off"}),
        ("renderer.loras=[{path: 0123.safetensors}]", [{"path": "0123.safetensors", "file": None, "scale": 1.0}]),
        ("renderer.workers=2", 2),
        ("renderer.workers=auto", "auto"),
        ("renderer.draft.steps=3", 3),
        ("search.rewrite=no", False),
        ("search.learn=on", True),
        ("search.budget=1e3", 1000),
        ("search.budget=0123", 123),
        ("search.budget=1_000", 1000),
        ("search.time_limit_s=null", None),
        ("objective.weights.personal=1e-1", 0.1),
        (
            "objective.scorers.q={kind: no, linear: [0, 1]}",
            {"kind": "no", "settings": {}, "linear": (0, 1), "gaussian": None},
        ),
    ],
)
def test_a_setting_is_read_as_its_type(setting, value):
    found = load_config("miniature", [setting]).model_dump()
    for part in setting.partition("=")[0].split("."):
        found = found[part]
    assert found == value
    assert type(found) is type(value)


def test_a_file_is_read_as_yaml_of_today(tmp_path):
    (tmp_path / "mine.yaml").write_text("renderer: {aspect: 3:2, tiling: on, revision: no}\nsearch: {budget: 1e2}\n")
    config = load_config(tmp_path / "mine.yaml")
    assert (config.renderer.aspect, config.renderer.tiling, config.renderer.revision) == ("3:2", "on", "no")
    assert config.search.budget == 100


def test_text_in_a_table_of_rows_is_read_as_its_type():
    changed = override(load_config(), {"search.rewrite": "no", "search.seeds": "1e1", "renderer.aspect": "3:2"})
    assert (changed.search.rewrite, changed.search.seeds, changed.renderer.aspect) == (False, 10, "3:2")


def test_yaml_that_is_broken_blames_its_setting():
    with pytest.raises(UsageError, match=r"^--set renderer\.call=\{a: '\{a' is not YAML"):
        load_config("miniature", ["renderer.call={a"], typed_as="--set")


@pytest.mark.parametrize("key", ["proposer.base_url", "renderer.base_url", "reward.base_url"])
@pytest.mark.parametrize(
    ("address", "said"),
    [
        ("http://[::1", "no address such as http://localhost:8000/v1"),
        ("http://localhost:99999/v1", "no address such as"),
        ("localhost:11434", "no address such as"),
        ("http://host/v1?key=SECRET", "has more than a path"),
        ("http://me:SECRET@host/v1", "holds a name or password, which would be kept with every run"),
    ],
)
def test_an_address_of_a_server_is_checked_and_holds_no_password(key, address, said):
    kinds = ["proposer=chat", "renderer=remote", "reward=prompted"]
    with pytest.raises(UsageError, match=said) as caught:
        load_config("miniature", [*kinds, f"{key}={address}"])
    assert str(caught.value).startswith(f"the setting {key}=http" if "://" in address else f"the setting {key}=")
    shown = "".join(traceback.format_exception(caught.value))  # as --debug prints it
    assert "me:SECRET" not in shown
    assert load_config("miniature", [*kinds, f"{key}=http://[::1]:8000/v1"])
