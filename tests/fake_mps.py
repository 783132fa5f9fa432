"""An Apple GPU as far as PyTorch's rules for it go, on a machine without one.

Inside :class:`AppleGpu` tensors can be on "mps". They are computed on the CPU, and what PyTorch refuses there is
refused: double precision, operators without a kernel for MPS (as PyTorch's own list of kernels has it), tensors of two
devices together, and reading memory without ``.cpu()``. How fast, how exact or how large, it does not tell.
"""

from __future__ import annotations

import re
from contextlib import ExitStack
from functools import cache
from importlib.resources import files

import torch
from torch.overrides import TorchFunctionMode
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_flatten, tree_map, tree_unflatten

MPS = torch.device("mps", 0)
WITHIN = torch.device("meta", 1)  # how PyTorch's own code sees it; nobody else asks for a second "meta"
NO_DOUBLE = "Cannot convert a MPS Tensor to float64 dtype as the MPS framework doesn't support float64."
IMPLICIT = torch._C.DispatchKey.CompositeImplicitAutograd
DOUBLE = (torch.float64, torch.complex128)
# indices may be on the CPU; the others are how tensors come from one device to another
MIXED = {"index", "index_put", "index_put_", "_index_put_impl_", "copy_", "_to_copy"}
ATTENTION = {  # there is a kernel for MPS alone, with this one's answers
    "scaled_dot_product_attention": torch.nn.functional.scaled_dot_product_attention,
    "_scaled_dot_product_attention_math_for_mps": torch.ops.aten._scaled_dot_product_attention_math,
}


@cache
def without_kernel() -> frozenset[str]:
    """Operators, as "name.overload", that have kernels for some devices, but not for MPS."""
    text = (files("torchgen") / "packaged/ATen/native/native_functions.yaml").read_text(encoding="utf-8")
    keys, delegates = {}, {}
    for block in re.split(r"^- func: ", text, flags=re.M)[1:]:
        name = block[: block.index("(")]
        if found := re.search(r"^  structured_delegate: (\S+)", block, flags=re.M):
            delegates[name] = found[1]
        if found := re.search(r"^  dispatch:\n((?:    .*\n?)+)", block, flags=re.M):
            keys[name] = [k.strip() for line in found[1].splitlines() for k in line.partition(":")[0].split(",")]
    every = {n: keys.get(n, []) + keys.get(delegates.get(n, ""), []) for n in {*keys, *delegates}}
    return frozenset(n for n, k in every.items() if not any(x == "MPS" or x.startswith("Composite") for x in k))


class OnMps(torch.Tensor):
    """A tensor that says it is on "mps"; ``inner``: its values, on the CPU."""

    inner: torch.Tensor

    @staticmethod
    def __new__(cls, inner: torch.Tensor) -> OnMps:
        if inner.dtype in DOUBLE:
            raise TypeError(NO_DOUBLE)
        with torch.inference_mode(False):  # a view of a weight is none of inference mode's, whoever asks for it
            made = torch.Tensor._make_wrapper_subclass(
                cls,
                inner.shape,
                strides=inner.stride(),
                storage_offset=inner.storage_offset(),
                dtype=inner.dtype,
                device=WITHIN,
            )
        made.inner = inner
        return made

    @property
    def device(self) -> torch.device:
        """As a person's code sees it."""
        return MPS

    def numpy(self, *, force: bool = False):
        """Refused, as there."""
        raise TypeError("can't convert mps:0 device type tensor to numpy. Use Tensor.cpu() to copy the tensor first.")

    def __repr__(self) -> str:
        return f"OnMps({tuple(self.shape)}, {self.dtype})"

    def tolist(self):
        """Of any device."""
        return self.cpu().tolist()

    @classmethod
    def __torch_dispatch__(cls, func, types, args=(), kwargs=None):
        return _run(func, args, kwargs or {})


class _Numbered(TorchFunctionMode):
    """Makes "mps" in a call "mps:0", as only a PyTorch with MPS knows which one is meant."""

    def __torch_function__(self, func, types, args=(), kwargs=None):
        flat, form = tree_flatten((args, kwargs or {}))
        if func is torch.tensor:  # reads single numbers without asking anybody
            flat = [v.item() if isinstance(v, OnMps) and not v.dim() else v for v in flat]
        args, kwargs = tree_unflatten([MPS if _is_mps(v) else v for v in flat], form)
        return func(*args, **kwargs)


def _is_mps(value) -> bool:
    return (isinstance(value, torch.device) and value.type == "mps") or (isinstance(value, str) and value == "mps")


class _Computing(TorchDispatchMode):
    """Sees every operator, whatever it is given."""

    def __init__(self, used: set[str]) -> None:
        super().__init__()
        self.used = used

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        kwargs = kwargs or {}
        if any(isinstance(v, OnMps) for v in tree_flatten((args, kwargs))[0]):
            self.used.add(func._schema.name)
        return _run(func, args, kwargs)


class AppleGpu:
    """Inside it "mps" is a device. ``used``: the operators that ran there."""

    now: AppleGpu  # the one that is entered

    def __init__(self) -> None:
        self.used: set[str] = set()
        self.computing = _Computing(self.used)

    def __enter__(self) -> AppleGpu:
        AppleGpu.now, self._inside = self, ExitStack()
        lifted = torch._C._only_lift_cpu_tensors()
        torch._C._set_only_lift_cpu_tensors(True)  # torch.tensor(..., device="mps") comes by here, too
        self._inside.callback(torch._C._set_only_lift_cpu_tensors, lifted)
        self._inside.enter_context(_Numbered())
        self._inside.enter_context(self.computing)
        return self

    def __exit__(self, *error) -> None:
        self._inside.close()


def _run(func, args, kwargs):
    flat, form = tree_flatten((args, kwargs))
    tensors = [v for v in flat if isinstance(v, torch.Tensor)]
    there = any(isinstance(v, OnMps) for v in tensors)
    name, overload = func._schema.name.removeprefix("aten::"), func._schema.overload_name
    whole = f"{name}.{overload}" if overload else name
    work = ATTENTION.get(name, func) if there else func
    if (
        there
        and work is func
        and torch._C._dispatch_has_kernel_for_dispatch_key(func.name(), "CompositeImplicitAutograd")
    ):
        with AppleGpu.now.computing:  # what it consists of must have kernels
            return func._op_dk(IMPLICIT, *args, **kwargs)
    wanted = kwargs.get("device")
    target = MPS if wanted == WITHIN or (there and wanted is None) else torch.device(wanted or "cpu")
    if there:
        if whole in without_kernel():
            raise NotImplementedError(f"The operator 'aten::{whole}' is not currently implemented for the MPS device.")
        if name not in MIXED and any(not isinstance(v, OnMps) and v.dim() for v in tensors):
            raise RuntimeError(f"Expected all tensors to be on the same device, but 'aten::{whole}' got mps:0 and cpu")
    if target.type == "mps" and kwargs.get("dtype") in DOUBLE:
        raise TypeError(NO_DOUBLE)
    inner_args, inner_kwargs = tree_unflatten([v.inner if isinstance(v, OnMps) else v for v in flat], form)
    if wanted is not None and target.type != "meta":
        inner_kwargs["device"] = torch.device("cpu")
    found = work(*inner_args, **inner_kwargs)
    if name == "copy_":
        return args[0]
    if target.type != "mps":
        return found
    own = {id(v.inner): v for v in flat if isinstance(v, OnMps)}  # what was changed in place stays what it was
    return tree_map(lambda v: own.get(id(v), OnMps(v)) if isinstance(v, torch.Tensor) else v, found)
