"""How weights and files are loaded, read from the source: rules that ruff's S and banned-api do not know."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
SHIPPED = sorted(p for top in ("steer", "reward_models", "scripts") for p in (ROOT / top).rglob("*.py"))
LOADERS = {  # where `from_pretrained` may stand without trust_remote_code=False at the call
    "reward_models/trusted.py",
    "reward_models/encoders/vlm.py",
    "reward_models/encoders/siglip.py",
    "reward_models/encoders/vision.py",
    "reward_models/encoders/hidden_states.py",
    "reward_models/scorers/classifier.py",
    "reward_models/prompted/local.py",  # a file of settings of ours
}


def faults(source: str, loader: bool = False) -> Iterator[str]:
    """What breaks a rule in ``source``, one line each; ``loader``: it may load models as it likes."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Dict):
            told = {k.value: v for k, v in zip(node.keys, node.values, strict=True) if isinstance(k, ast.Constant)}
        elif isinstance(node, ast.Call):
            told = {k.arg: k.value for k in node.keywords if k.arg}
            called = ast.unparse(node.func)
            if called == "torch.load" and not _is(told.get("weights_only"), True):
                yield f"line {node.lineno}: torch.load without weights_only=True runs code"
            if called.endswith((".from_pretrained", ".download")) and not called.endswith("Embedding.from_pretrained"):
                says_no = _is(told.get("trust_remote_code"), False)
                if not says_no and not loader:
                    yield f"line {node.lineno}: {called} without trust_remote_code=False"
            if called in ("eval", "exec", "compile", "__import__"):
                yield f"line {node.lineno}: {called} runs code"
        else:
            continue
        if "trust_remote_code" in told and not _is(told["trust_remote_code"], False):
            yield f"line {node.lineno}: trust_remote_code other than False"
        if "allow_pickle" in told and not _is(told["allow_pickle"], False):
            yield f"line {node.lineno}: allow_pickle runs code"


def _is(value: ast.expr | None, wanted: bool) -> bool:
    return isinstance(value, ast.Constant) and value.value is wanted


@pytest.mark.parametrize("top", ["steer", "reward_models", "scripts"])
def test_nothing_that_is_loaded_runs_code(top):
    found = []
    for path in SHIPPED:
        name = str(path.relative_to(ROOT))
        if name.startswith(f"{top}/"):
            found += [f"{name}, {fault}" for fault in faults(path.read_text("utf-8"), name in LOADERS)]
    assert found == []
    assert len(SHIPPED) > 200


@pytest.mark.parametrize(
    ("line", "loader"),
    [
        ("AutoModel.from_pretrained(name)", False),
        ("AutoModel.from_pretrained(name, trust_remote_code=True)", True),
        ("AutoModel.from_pretrained(name, trust_remote_code=config.trust)", True),
        ("told = {'trust_remote_code': True}", True),
        ("torch.load(path)", True),
        ("torch.load(path, weights_only=False)", True),
        ("np.load(path, allow_pickle=True)", False),
        ("DiffusionPipeline.download(name)", False),
        ("eval(text)", False),
    ],
)
def test_the_rules_find_what_they_are_for(line, loader):
    assert list(faults(line, loader))


@pytest.mark.parametrize(
    "line",
    [
        "AutoModel.from_pretrained(name, trust_remote_code=False)",
        "torch.load(path, weights_only=True)",
        "nn.Embedding.from_pretrained(vectors)",
        "np.load(path)",
        "model.eval()",
    ],
)
def test_the_rules_leave_the_rest_alone(line):
    assert list(faults(line)) == []
