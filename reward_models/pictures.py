"""Pictures of others, opened with care: how many pixels and how much text they hold is known before decoding."""

from __future__ import annotations

import io
import struct
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from PIL import Image, PngImagePlugin

from reward_models.doors import Unreadable, check_regular

MOST_PIXELS = 50_000_000  # in one picture: 150 MB as RGB
MOST_TEXT = 4 * 2**20  # bytes in all texts of a PNG
KINDS = ("PNG", "JPEG", "WEBP", "BMP", "TIFF", "GIF", "PPM")

# what Pillow raises for a damaged file, depending on where the damage is
FAULTS = (
    Image.DecompressionBombError,
    SyntaxError,
    ValueError,
    TypeError,
    LookupError,
    EOFError,
    OSError,
    OverflowError,
    struct.error,
    zlib.error,
)
# Pillow has one bound for the whole process
PngImagePlugin.MAX_TEXT_MEMORY = min(PngImagePlugin.MAX_TEXT_MEMORY, MOST_TEXT)


@contextmanager
def open_picture(source: Path | bytes, kinds: tuple[str, ...] = KINDS) -> Iterator[Image.Image]:
    """A picture of a file or of a file's content, not decoded yet; decode it inside ``with``, where faults are caught.

    Raises Unreadable, in one line without the path, for what is no picture of these ``kinds``, is cut, or is larger
    than ``MOST_PIXELS``; OSError for a file that cannot be opened.
    """
    if isinstance(source, Path):
        check_regular(source)
        source.open("rb").close()  # a file that may not be read is no fault of the picture
    try:
        with Image.open(io.BytesIO(source) if isinstance(source, bytes) else source, formats=kinds) as image:
            check_size(image.size)
            yield image
    except Unreadable:
        raise
    except Image.UnidentifiedImageError as error:
        raise Unreadable("it is not a picture") from error
    except FAULTS as error:
        raise Unreadable(_reason(error)) from error


def read_picture(source: Path | bytes, kinds: tuple[str, ...] = KINDS) -> Image.Image:
    """A picture in RGB, decoded to its last pixel. Raises as :func:`open_picture` does."""
    with open_picture(source, kinds) as image:
        return image.convert("RGB")


def check_size(size: tuple[int, int]) -> None:
    """Raise Unreadable for a picture of more than ``MOST_PIXELS``."""
    width, height = size
    if width * height > MOST_PIXELS:
        raise Unreadable(f"it has {width} x {height} pixels, more than {MOST_PIXELS // 10**6} million")


def _reason(error: Exception) -> str:
    if isinstance(error, Image.DecompressionBombError):
        return f"it has more than {MOST_PIXELS // 10**6} million pixels"
    return (str(error).splitlines() or [type(error).__name__])[0]
