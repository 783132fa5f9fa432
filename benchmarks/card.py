"""What each option of the renderer is worth on a card of 80 GB, in under eight minutes: `render.py --card`.

SDXL, FLUX.1 dev and FLUX.2 klein in their true geometry with random weights, one megapixel, bf16; nothing is fetched.
For each: the plain diffusers loop, ours, and ours with each option alone; batches of 1, and of 8 for the first two. A
row has seconds a picture (the best of two calls after one to warm up), pictures a second, the card's peak memory, the
split into text, denoiser and decoding (of a call of its own, as it waits for the card at each part), and the share of
the card's own bf16 matrix rate, measured first, that the arithmetic of the plain loop takes in that time; caches skip
some of it, so their share is of work done or spared. Caches that decide by what they see (first-block, sea) and
MagCache see noise here: their rows say what they skipped, not what they would.

Whatever does not run is a row that says why; when the minutes are over, the rest is listed as left out. One JSON
(--out), one table. **Not yet run on a card.** --tiny runs the same code on tiny models on the CPU, to test it.
"""

from __future__ import annotations

import gc
import json
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from torch.utils.flop_counter import FlopCounterMode

from steer.config import DiffusersConfig
from steer.errors import SteerError
from steer.renderers.diffusion import DiffusersRenderer
from steer.renderers.speed import denoiser

Way = dict[str, Any]  # settings upon the plain ones
PLAIN, OURS = "plain loop", "ours"
CACHES: dict[str, Way] = {
    "first-block cache": {"cache": "first-block"},
    "sea cache": {"cache": "sea"},
    "taylorseer cache": {"cache": "taylorseer"},
    "mag cache": {"cache": "mag", "cache_settings": {"ratios": [1.0, 0.99, 0.98]}},
}
FAST: dict[str, Way] = {
    "cudnn attention": {"attention": "_native_cudnn"},
    "flash 3 attention": {"attention": "_flash_3"},
    "fused projections": {"fuse_projections": True},
    "weights in fp8": {"quantize": "fp8-cast"},
    "int8 weights": {"quantize": "int8"},
    "compiled": {"compile": True},
    "compiled, fp8": {"compile": True, "quantize": "fp8"},
}
TINY_FAST: dict[str, Way] = {
    "math attention": {"attention": "_native_math"},
    "fused projections": {"fuse_projections": True},
    "weights in fp8": {"quantize": "fp8-cast"},
    "no such attention": {"attention": "_flash_3"},
}
MODELS: dict[str, Way] = {
    "klein": {"steps": 4, "call": {"guidance_scale": 1.0}},
    "flux": {"steps": 12, "call": {"guidance_scale": 3.5}},
    "sdxl": {"steps": 12, "call": {"guidance_scale": 6.0}},
}
TINY_CALL = {"klein": {"max_sequence_length": 64}, "flux": {"max_sequence_length": 32}, "sdxl": {}}


class Meter:
    """Seconds in the parts of one pipeline, and how often blocks of the denoiser ran."""

    def __init__(self, pipeline: Any, device: str):
        self.pipeline, self.device = pipeline, device
        self.seconds: dict[str, float] = {}

    @contextmanager
    def split(self) -> Iterator[None]:
        """While it lasts, each part is waited for and timed."""
        parts = {n: p for n, p in self.pipeline.components.items() if n.startswith("text_encoder") and p is not None}
        parts |= {"denoiser": denoiser(self.pipeline)}
        handles, begun = [], {}
        for name, part in parts.items():
            key = "text" if name.startswith("text") else name

            def before(*_: Any, key: str = key) -> None:
                self.wait()
                begun[key] = time.perf_counter()

            def after(*_: Any, key: str = key) -> None:
                self.wait()
                self.seconds[key] = self.seconds.get(key, 0.0) + time.perf_counter() - begun[key]

            handles += [part.register_forward_pre_hook(before), part.register_forward_hook(after)]
        real = self.pipeline.vae.decode

        def decode(*args: Any, **given: Any) -> Any:
            self.wait()
            start = time.perf_counter()
            made = real(*args, **given)
            self.wait()
            self.seconds["decode"] = self.seconds.get("decode", 0.0) + time.perf_counter() - start
            return made

        self.pipeline.vae.decode = decode
        try:
            yield
        finally:
            self.pipeline.vae.decode = real
            for handle in handles:
                handle.remove()

    def wait(self) -> None:
        """For the card."""
        if self.device == "cuda":
            torch.cuda.synchronize()


def run(tiny: bool, minutes: float, only: list[str], out: Path | None) -> None:
    """All rows, a JSON and a table. ``only``: models and ways by name; without any, all."""
    device = "cpu" if tiny else "cuda"
    if not tiny and not torch.cuda.is_available():
        raise SystemExit("there is no CUDA card; --tiny runs the same code on tiny models")
    end = time.monotonic() + 60 * minutes
    rate = matrix_rate(device, 256 if tiny else 8192)
    rows: list[dict[str, Any]] = []
    left: list[str] = []
    for name in [m for m in MODELS if not set(only) & set(MODELS) or m in only]:
        operations = 0
        for way, changes, batch in cases(name, tiny):
            if set(only) - set(MODELS) and way not in only:
                continue
            if time.monotonic() > end:
                left.append(f"{name}, {way}, {batch} together")
                continue
            row: dict[str, Any] = {"model": name, "way": way, "batch": batch}
            try:
                row |= measured(name, way, changes, batch, device, tiny)
                operations = operations or row.pop("operations")
                row.pop("operations", None)
                row["share"] = operations / row["seconds"] / rate
            except (SteerError, RuntimeError, ImportError) as error:
                row["fault"] = str(error).splitlines()[0][:160]
            rows.append(row)
            print(shown(row), flush=True)
            empty(device)
    card = torch.cuda.get_device_name() if device == "cuda" else "CPU, tiny models"
    found = {"device": card, "torch": torch.__version__, "rate": rate, "rows": rows, "left out": left}
    print(table(found))
    if out:
        out.write_text(json.dumps(found, indent=1), encoding="utf-8")


def cases(model: str, tiny: bool) -> list[tuple[str, Way, int]]:
    """Ways of one model, the most telling first: the time may run out."""
    many = 2 if tiny else 8
    found: list[tuple[str, Way, int]] = [(way, {}, batch) for batch in (1, many) for way in (PLAIN, OURS)]
    options = {**({} if model == "sdxl" else CACHES), **(TINY_FAST if tiny else FAST)}
    if model == "sdxl":
        options = {"channels last": {"channels_last": True}, **options}
    return found + [(way, changes, 1) for way, changes in options.items()]


def measured(model: str, way: str, changes: Way, batch: int, device: str, tiny: bool) -> dict[str, Any]:
    """One row; the pipeline is made anew, as options stay in it."""
    from render import plain_loop

    settings = {**MODELS[model], "width": 1024, "height": 1024, "dtype": "bfloat16", "batch_size": batch}
    if tiny:
        call = settings["call"] | TINY_CALL[model]
        settings |= {"width": 32, "height": 32, "steps": 8, "dtype": "float32", "call": call}
        if "fp8-cast" in changes.values():
            settings["dtype"] = "bfloat16"
    config = DiffusersConfig.model_validate({**settings, "model": model, **changes})
    renderer = DiffusersRenderer(config, made(model, device, tiny, getattr(torch, settings["dtype"])))
    texts, seeds = [f"a fox {i}" for i in range(batch)], list(range(batch))
    meter = Meter(renderer.pipeline, device)

    def draw() -> None:
        if way == PLAIN:
            plain_loop(renderer, texts, seeds)
        else:
            renderer.conditioning._known.clear()  # new texts, as in a new round
            renderer.render(texts, seeds)

    if device == "cuda":
        torch.cuda.reset_peak_memory_stats()
    operations = counted(draw) // batch if way == PLAIN else 0  # and warm
    draw()
    times = [seconds_of(draw, meter) for _ in range(2)]
    peak = torch.cuda.max_memory_allocated() / 2**30 if device == "cuda" else None
    blocks = computed(renderer, draw)
    with meter.split():
        draw()
    each = min(times) / batch
    return {
        "operations": operations,
        "seconds": each,
        "pictures/s": 1 / each,
        "peak GiB": peak,
        "blocks": blocks,
        **{f"{part} s": spent / batch for part, spent in meter.seconds.items()},
    }


def made(model: str, device: str, tiny: bool, dtype: torch.dtype) -> Any:
    """The pipeline with random weights."""
    if not tiny:
        from full_pipelines import build

        return build(model, device, dtype)
    from diffusers import DiffusionPipeline

    from tests.steer.tiny_pipelines import save_flux, save_klein, save_sdxl

    with tempfile.TemporaryDirectory() as folder:
        saved = {"sdxl": save_sdxl, "flux": save_flux, "klein": save_klein}[model](Path(folder))
        return DiffusionPipeline.from_pretrained(saved, dtype=dtype)


def computed(renderer: DiffusersRenderer, draw: Callable[[], None]) -> float:
    """Calls of the first matrix of attention, per call of the denoiser: fewer where a cache skips blocks."""
    model = denoiser(renderer.pipeline)
    parts = [p for name, p in model.named_modules() if name.endswith((".to_q", ".to_qkv", ".to_qkv_mlp_proj"))]
    ran: list[int] = []
    calls: list[int] = []
    handles = [p.register_forward_pre_hook(lambda part, *_: ran.append(id(part))) for p in parts]
    handles.append(model.register_forward_pre_hook(lambda *_: calls.append(1)))
    draw()
    for handle in handles:
        handle.remove()
    return len(ran) / max(1, len(calls) * len(set(ran)))  # parts that were fused into others never run


def counted(draw: Callable[[], None]) -> int:
    """Operations, by torch's own count."""
    with FlopCounterMode(display=False) as counter:
        draw()
    return int(counter.get_total_flops())


def seconds_of(draw: Callable[[], None], meter: Meter) -> float:
    meter.wait()
    begun = time.perf_counter()
    draw()
    meter.wait()
    return time.perf_counter() - begun


def matrix_rate(device: str, side: int, times: int = 20) -> float:
    """bf16 operations a second at a large matrix product: the median of three."""
    x, y = (torch.randn(side, side, device=device, dtype=torch.bfloat16) for _ in "xy")
    x @ y
    meter = Meter(None, device)
    found = [seconds_of(lambda: [x @ y for _ in range(times)] and None, meter) for _ in range(3)]
    return times * 2 * side**3 / statistics.median(found)


def empty(device: str) -> None:
    gc.collect()
    torch.compiler.reset()
    if device == "cuda":
        torch.cuda.empty_cache()


def shown(row: dict[str, Any]) -> str:
    about = f"{row['model']:6s} {row['way']:20s} {row['batch']:3d}"
    if "fault" in row:
        return f"{about}  {row['fault']}"
    peak = f"{row['peak GiB']:6.1f}" if row["peak GiB"] is not None else "     -"
    split = " ".join(f"{row.get(f'{part} s', 0.0):7.3f}" for part in ("text", "denoiser", "decode"))
    speed = f"{row['seconds']:8.3f} {row['pictures/s']:8.2f}"
    return f"{about} {speed} {peak} {split} {row['blocks']:6.2f} {row['share']:6.0%}"


def table(found: dict[str, Any]) -> str:
    head = (
        f"{'model':6s} {'way':20s} {'n':>3s} {'s':>8s} {'pict./s':>8s} {'GiB':>6s} "
        f"{'text':>7s} {'denois.':>7s} {'decode':>7s} {'blocks':>6s} {'rate':>6s}"
    )
    lines = [f"\n{found['device']}, {found['rate'] / 1e12:.2f} TFLOP/s at bf16 matrices", head]
    lines += [shown(row) for row in found["rows"]]
    if found["left out"]:
        lines.append("left out, as the time was over: " + "; ".join(found["left out"]))
    return "\n".join(lines)
