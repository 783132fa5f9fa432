"""Weights that were published as files of their own: safetensors alone, since a pickle can run code when it loads."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from safetensors import SafetensorError, safe_open
from torch import Tensor, nn

from reward_models.base import RewardError

PICKLES = (".pth", ".pt", ".bin", ".ckpt", ".pkl")


def read_weights(path: Path, prefix: str = "") -> dict[str, Tensor]:
    """The tensors of a safetensors file whose names begin with ``prefix``, by the rest of their names.

    Raises RewardError for a pickle, with the line that converts it, and for a file that is missing or damaged.
    """
    if path.suffix in PICKLES:
        raise RewardError(converted_by(path))
    if not path.is_file():
        pickle = next((p for p in _pickles(path.parent) if p.stem == path.stem), None)
        raise RewardError(converted_by(pickle) if pickle else f"there is no file '{path}'")
    try:
        with safe_open(path, framework="pt") as file:
            names = [name for name in file.keys() if name.startswith(prefix)]  # noqa: SIM118
            return {name.removeprefix(prefix): file.get_tensor(name) for name in names}
    except (SafetensorError, OSError) as error:
        raise RewardError(f"'{path}' is no safetensors file: {str(error).splitlines()[0]}") from error


def weights_in(folder: str | Path) -> list[Path]:
    """The safetensors files of a folder, at least one. Raises RewardError as :func:`read_weights` does."""
    folder = Path(folder)
    found = sorted(folder.glob("*.safetensors"))
    if found:
        return found
    if pickles := _pickles(folder):
        raise RewardError(converted_by(pickles[0]))
    raise RewardError(f"there are no weights in '{folder}': no *.safetensors")


def converted_by(pickle: Path) -> str:
    """Why a pickle is refused, and what makes safetensors of it; ``weights_only`` lets torch read tensors alone."""
    code = (
        "import torch; from safetensors.torch import save_file; "
        f"w = torch.load({str(pickle)!r}, map_location='cpu', weights_only=True); "
        f"save_file({{k: v.clone() for k, v in w.items()}}, {str(pickle.with_suffix('.safetensors'))!r})"
    )
    return f"'{pickle}' is a pickle, which can run code when it loads; convert it once: python -c \"{code}\""


def pickle_hint(name: str) -> str:
    """For a model that did not load: how to convert the pickle that its folder holds in place of safetensors, or ""."""
    folder = Path(name)
    if not folder.is_dir() or any(folder.glob("*.safetensors")) or not (pickles := _pickles(folder)):
        return ""
    return f"; {converted_by(pickles[0])}"


def fill(module: nn.Module, weights: dict[str, Tensor], what: str) -> None:
    """Give the module these weights, all of them and no others. Raises RewardError."""
    try:
        module.load_state_dict(weights)
    except RuntimeError as error:
        lines = [line.strip() for line in str(error).splitlines()]
        raise RewardError(f"the weights are not those of {what}: {lines[min(1, len(lines) - 1)]}") from error


def linear_stack(weights: dict[str, Tensor], names: Sequence[str], relu_after: Sequence[str] = ()) -> nn.Sequential:
    """Linear layers (``NAME.weight``, ``NAME.bias``) one after the other, whose widths must fit; a ReLU after some.

    Raises RewardError, with the names that are there.
    """
    expected = {f"{name}.{part}" for name in names for part in ("weight", "bias")}
    if set(weights) != expected:
        there = ", ".join(sorted(weights)) or "none"
        raise RewardError(f"a head of the layers {', '.join(names)} is needed; the weights there are: {there}")
    modules: list[nn.Module] = []
    width = weights[f"{names[0]}.weight"].shape[-1]
    for name in names:
        weight = weights[f"{name}.weight"]
        if weight.ndim != 2 or weight.shape[1] != width or weights[f"{name}.bias"].shape != weight.shape[:1]:
            raise RewardError(f"the layer {name} of the head is {tuple(weight.shape)}, which does not fit {width}")
        layer, width = nn.Linear(width, weight.shape[0]), weight.shape[0]
        layer.load_state_dict({"weight": weight.float(), "bias": weights[f"{name}.bias"].float()})
        modules += [layer, nn.ReLU()] if name in relu_after else [layer]
    return nn.Sequential(*modules)


def _pickles(folder: Path) -> list[Path]:
    return sorted(p for p in folder.glob("*") if p.suffix in PICKLES) if folder.is_dir() else []
