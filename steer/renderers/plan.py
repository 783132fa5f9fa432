"""What fits onto a card: precision and place of a pipeline's parts, from their sizes alone. All sizes in GiB.

The precision follows from the size of the card, and so is the same at every start on one machine; the place follows
from what is free now, and changes no pixel.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Literal

Placement = Literal["none", "encoders", "model", "group"]
Eight = Literal["none", "int8"]

RESERVE = 1.0  # kept free: CUDA's own, fragmentation, reading texts
DESKTOP = 0.6  # of a card's size that is never free
# While a picture is decoded, a megapixel of it; while it is drawn, a megapixel and 1024 of the denoiser's width. By
# benchmarks/memory.py, on the published shapes: 1.50 and 3.00; .15 (FLUX.1), .19 (FLUX.2), SDXL's UNet .31 in all.
DECODING = {2: 1.5, 4: 3.0}  # by the bytes of a number
DRAWING = 0.19
TILE = 0.25  # megapixels of a tile


@dataclass(frozen=True)
class Part:
    """Weights of one part as they are loaded, and in eight bits; the same where it cannot have fewer bits."""

    size: float
    light: float


@dataclass(frozen=True)
class Work:
    """What drawing needs beside the weights: ``batch`` pictures of ``megapixels`` are drawn together and decoded one by
    one. ``width``: of the denoiser; ``decoding``: GiB a megapixel. ``upcast``: of the VAE's weights, in fp32.
    """

    megapixels: float
    batch: int = 1
    width: int = 3072
    decoding: float = DECODING[2]
    upcast: float = 0.0

    def peak(self, tiles: bool) -> float:
        """The larger of drawing and decoding, which never happen at once."""
        decoded = min(self.megapixels, TILE) if tiles else self.megapixels
        drawing = DRAWING * self.megapixels * self.batch * self.width / 1024
        return RESERVE + max(drawing, self.upcast + self.decoding * decoded)


@dataclass(frozen=True)
class Precision:
    """What changes pixels, if faintly: fewer bits of the denoiser, of the text encoders, and decoding in tiles."""

    denoiser: Eight = "none"
    text: Eight = "none"
    tiles: bool = False


@dataclass(frozen=True)
class Plan:
    """``layers``: even the text encoders come onto the card layer by layer."""

    precision: Precision
    placement: Placement
    layers: bool = False


@dataclass(frozen=True)
class Allowed:
    """What a plan may choose among; one value each where the config says which."""

    denoiser: tuple[Eight, ...] = ("none", "int8")
    text: tuple[Eight, ...] = ("none", "int8")
    tiles: tuple[bool, ...] = (False, True)
    apart: bool = True  # texts can be encoded apart from the pipeline's call


def choose(
    parts: Mapping[str, Part],
    free: float,
    work: Work,
    allowed: Allowed = Allowed(),  # frozen
    total: float | None = None,
) -> Plan:
    """The fastest plan that fits. ``total``: size of the card, by default what is ``free`` now and the desktop's share.

    >>> klein = {"text_encoder": Part(7.5, 4.1), "transformer": Part(7.2, 3.8), "vae": Part(0.2, 0.2)}
    >>> [choose(klein, free, Work(1.0)).placement for free in (23.0, 11.4, 7.4, 4.0)]
    ['none', 'encoders', 'encoders', 'group']
    >>> choose(klein, 7.4, Work(1.0)).precision
    Precision(denoiser='int8', text='int8', tiles=False)
    """
    usable = free if total is None else total - DESKTOP
    precision = _precision(parts, usable, work, allowed)
    return Plan(precision, *_place(parts, free, work, precision, allowed.apart))


def resident(parts: Mapping[str, Part], precision: Precision, placement: Placement) -> float:
    """Weights on the card while a picture is decoded."""
    sizes = _sizes(parts, precision)
    if placement == "none":
        return sum(sizes.values())
    if placement == "encoders":
        return sum(size for name, size in sizes.items() if not is_encoder(name))
    return sizes.get("vae", 0.0)


def is_encoder(name: str) -> bool:
    """Whether a pipeline's part reads texts."""
    return name.startswith("text_encoder")


def _precision(parts: Mapping[str, Part], usable: float, work: Work, allowed: Allowed) -> Precision:
    """The highest with which no part goes through the card layer by layer; else the lowest allowed."""
    found = Precision(allowed.denoiser[0], allowed.text[0], allowed.tiles[0])
    for denoiser in allowed.denoiser:
        for tiles in allowed.tiles:
            for text in allowed.text:
                found = Precision(denoiser, text, tiles)
                placement, layers = _place(parts, usable, work, found, allowed.apart)
                if placement != "group" and not layers:
                    return found
    return replace(found, tiles=allowed.tiles[0])  # layer by layer there is room for whole pictures


def _place(
    parts: Mapping[str, Part], free: float, work: Work, precision: Precision, apart: bool
) -> tuple[Placement, bool]:
    """Where the parts live, and whether the text encoders come layer by layer."""
    sizes = _sizes(parts, precision)
    peak = work.peak(precision.tiles)
    encoders = sum(size for name, size in sizes.items() if is_encoder(name))
    rest = sum(sizes.values()) - encoders
    layers = encoders + RESERVE > free
    if encoders + rest + peak <= free:
        return "none", False
    if not apart:
        return ("model" if max(sizes.values(), default=0.0) + peak <= free else "group"), False
    if encoders and rest + peak <= free:
        return "encoders", layers
    return "group", layers


def _sizes(parts: Mapping[str, Part], precision: Precision) -> dict[str, float]:
    def size(name: str, part: Part) -> float:
        eight = precision.text if is_encoder(name) else precision.denoiser
        return part.light if eight == "int8" else part.size

    return {name: size(name, part) for name, part in parts.items()}
