"""The fields that SGLang-Diffusion and vLLM-Omni take and answer, from their wheels, for the tests of the dialects.

    pip download --no-deps --dest WHEELS sglang vllm-omni
    python scripts/engine_fields.py WHEELS

Of each wheel only the module of its OpenAI protocol is run, which needs pydantic and fastapi and none of the rest. It
writes ``tests/steer/renderers/engine_fields.json``.
"""

from __future__ import annotations

import json
import sys
import tempfile
import types
import zipfile
from importlib.machinery import SourceFileLoader
from pathlib import Path
from typing import Any

from pydantic import BaseModel

KEPT = Path(__file__).parent.parent / "tests" / "steer" / "renderers" / "engine_fields.json"
MODULES = {  # in the order in which they import each other, the protocol last
    "sglang": ["sglang.multimodal_gen.runtime.entrypoints.openai.protocol"],
    "vllm_omni": ["vllm_omni.entrypoints.openai.image_api_utils", "vllm_omni.entrypoints.openai.protocol.images"],
}
CLASSES = {
    "sglang": ("ImageGenerationsRequest", "ImageResponse", "ImageResponseData"),
    "vllm_omni": ("ImageGenerationRequest", "ImageGenerationResponse", "ImageData"),
}
Models = tuple[str, type[BaseModel], type[BaseModel], type[BaseModel]]


def models(folder: Path) -> dict[str, Models]:
    """Of each engine whose wheel is in the folder: its version, and the models of a request, an answer and a picture in
    it.
    """
    found: dict[str, Models] = {}
    for package, names in MODULES.items():
        for wheel in sorted(folder.glob(f"{package}-*.whl"))[-1:]:
            with zipfile.ZipFile(wheel) as files, tempfile.TemporaryDirectory() as apart:
                for name in names:
                    module = _run(name, files.extract(name.replace(".", "/") + ".py", apart))
            request, answer, picture = (getattr(module, each) for each in CLASSES[package])
            found[package] = (wheel.name.split("-")[1], request, answer, picture)
    return found


def _run(name: str, path: str) -> types.ModuleType:
    """A module without the packages around it."""
    parts = name.split(".")
    for i in range(1, len(parts)):
        sys.modules.setdefault(".".join(parts[:i]), types.ModuleType(".".join(parts[:i])))
    loader = SourceFileLoader(name, path)
    module = sys.modules[name] = types.ModuleType(name)
    loader.exec_module(module)
    return module


def facts(found: Models) -> dict[str, Any]:
    """The fields by name: which are required, and the defaults that are plain values."""
    version, request, answer, picture = found
    return {
        "version": version,
        "request": {name: _fact(field) for name, field in request.model_fields.items()},
        "others_allowed": request.model_config.get("extra") == "allow",
        "answer": {name: _fact(field) for name, field in answer.model_fields.items()},
        "picture": {name: _fact(field) for name, field in picture.model_fields.items()},
    }


def _fact(field: Any) -> Any:
    if field.is_required():
        return "required"
    default = None if field.default_factory else field.default
    return default if isinstance(default, (str, int, float, bool, type(None))) else str(default)


def main(folder: str) -> None:
    """Write the fields down."""
    told = {package: facts(found) for package, found in models(Path(folder)).items()}
    if missing := MODULES.keys() - told.keys():
        sys.exit(f"no wheel of {', '.join(sorted(missing))} in '{folder}'")
    KEPT.write_text(json.dumps(told, indent=1) + "\n", encoding="utf-8")
    print(*(f"{package} {fact['version']}: {len(fact['request'])} fields" for package, fact in told.items()), sep="\n")


if __name__ == "__main__":
    main(sys.argv[1])
