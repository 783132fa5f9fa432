"""What is looked at before anything is fetched, against a hub on loopback."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

from tests.hub_server import COMMIT, HubServer

KLEIN, LORA = "black-forest-labs/FLUX.2-klein-4B", "maker/lora"
SCRIPT = """
import json, shutil
from steer.config import DiffusersConfig, LoraConfig
from steer.errors import RenderError
from steer.renderers import fetching

def said(work):
    try:
        return work()
    except RenderError as error:
        return str(error)

config, open_ = (DiffusersConfig(model=f"black-forest-labs/FLUX.2-klein-{n}") for n in ("4B", "4B-open"))
lora = LoraConfig(path="maker/lora", file="style.safetensors")
found = {"licence": said(lambda: fetching.pipeline_folder(config))}
usage = shutil.disk_usage
shutil.disk_usage = lambda path: usage(path)._replace(free=10)
found["disk"] = said(lambda: fetching.pipeline_folder(open_))
shutil.disk_usage = usage
found["file"] = said(lambda: fetching.lora_file(lora.model_copy(update={"file": "other.safetensors"})))
found["lora"] = said(lambda: fetching.lora_file(lora)[1])
print(json.dumps(found))
"""


@pytest.fixture(scope="module")
def found(klein, tmp_path_factory):
    (lora := tmp_path_factory.mktemp("lora")).joinpath("style.safetensors").write_bytes(b"x" * 100)
    server = HubServer({KLEIN: klein, f"{KLEIN}-open": klein, LORA: lora}, gated=[KLEIN])
    environment = {k: v for k, v in server.environment(tmp_path_factory.mktemp("hf")).items() if k != "HF_TOKEN"}
    command = [sys.executable, "-c", SCRIPT]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=120)
    fetched = list(server.fetched)
    server.close()
    assert done.returncode == 0, done.stderr[-2000:]
    return json.loads(done.stdout), fetched


def test_licence_and_disk_are_looked_at_before_the_first_byte(found):
    assert "accepted their licence" in found[0]["licence"]
    assert "GB and" in found[0]["disk"]
    assert "free some, or set HF_HOME" in found[0]["disk"]
    assert not [file for name, file in found[1] if name != LORA]


def test_a_lora_is_known_by_its_commit_and_a_wrong_file_by_name(found):
    assert found[0]["lora"] == {"hub": LORA, "file": "style.safetensors", "commit": COMMIT}
    assert found[0]["file"] == f"'{LORA}' has no file 'other.safetensors' (renderer.loras)"
