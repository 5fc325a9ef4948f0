"""What an image shows, or a file holds, as 128 bits."""

from __future__ import annotations

import importlib.util
from typing import Any, BinaryIO

import xxhash

MOST_PIXELS = 1 << 26  # an image of more is refused: decoded it takes 256 MiB and more
MOST_BYTES = 1 << 28  # of a file that is looked at as an image
CHUNK = 1 << 20
# Formats that Pillow decodes by itself; some others run programs (EPS: Ghostscript).
FORMATS = (
    *("PNG", "JPEG", "MPO", "WEBP", "GIF", "BMP", "DIB", "TIFF", "PPM", "ICO", "JPEG2000"),
    *("AVIF", "TGA", "PCX", "SGI", "DDS", "QOI"),
)
_AS_RGBA = ("1", "L", "LA", "P", "PA", "RGB", "RGBA", "RGBX")
_STRIP = 256


class MissingExtraError(ImportError):
    """A package that an extra brings is not there."""


def need_pillow() -> None:
    """Raise unless images can be decoded."""
    if importlib.util.find_spec("PIL") is None:
        raise MissingExtraError(
            "looking at the pixels of images needs Pillow: pip install 'datamerge[media]'; "
            "with pixels=False files are compared byte for byte"
        )


def content_digest(file: BinaryIO) -> bytes:
    """The xxh3 of what is left of a file; raises ValueError if that is nothing."""
    state = xxhash.xxh3_128()
    size = 0
    while chunk := file.read(CHUNK):
        size += len(chunk)
        state.update(chunk)
    if not size:
        raise ValueError("an empty file")
    return state.digest()


def pixel_digest(file: BinaryIO) -> bytes | None:
    """The xxh3 of mode, size and pixels of an image, turned as its EXIF data say.

    None where this is no still image that Pillow knows; an image that is damaged, or has too
    many pixels, is an error. Pictures of up to 8 bits are compared as RGBA, whatever their file
    keeps them as; others as they are. Colour profiles are not looked at.
    """
    from PIL import Image, ImageOps, UnidentifiedImageError

    try:
        image: Any = Image.open(file, formats=[name for name in FORMATS if _known(name)])
    except UnidentifiedImageError:
        return None
    with image:
        width, height = image.size
        if width * height > MOST_PIXELS:
            raise ValueError(f"an image of {width} x {height} pixels; the most is {MOST_PIXELS:,}")
        if getattr(image, "is_animated", False) and image.format != "MPO":
            return None
        image.load()
        return _of_pixels(ImageOps.exif_transpose(image) if _is_turned(image) else image)


def _known(name: str) -> bool:
    from PIL import Image

    if name not in Image.OPEN:
        Image.init()
    return name in Image.OPEN


def _is_turned(image: Any) -> bool:
    """Whether the EXIF data say so; those that can't be read say nothing."""
    try:
        return image.getexif().get(0x0112, 1) in range(2, 9)
    except Exception:
        return False


def _of_pixels(image: Any) -> bytes:
    mode = "RGBA" if image.mode in _AS_RGBA else image.mode
    width, height = image.size
    state = xxhash.xxh3_128(f"{mode} {width} {height}\n".encode())
    for top in range(0, height, _STRIP):  # a strip at a time: all of it as RGBA takes more memory
        strip = image.crop((0, top, width, min(top + _STRIP, height)))
        state.update((strip.convert(mode) if strip.mode != mode else strip).tobytes())
    return state.digest()
