"""The 128-bit hash of what is compared, and the normalised text it is the hash of."""

from __future__ import annotations

from functools import cache
from typing import Any, Literal, get_args

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from ..._arrays import Turns

Normal = Literal["loose", "words", "none"]
NORMALS: tuple[str, ...] = get_args(Normal)

# The form of Unicode, and what is as good as a blank.
_RULES = {
    "loose": ("NFC", r"[\s\p{Z}\x{85}\x0b]+"),
    "words": ("NFKC", r"[^\p{L}\p{M}\p{N}]+"),
}
_SPACES = [
    (0x85, 0x85), (0xA0, 0xA0), (0x1680, 0x1680), (0x2000, 0x200A), (0x2028, 0x2029),
    (0x202F, 0x202F), (0x205F, 0x205F), (0x3000, 0x3000),
]  # fmt: skip
# Characters that never join with the one before them, so that each can be looked up by itself.
# Texts with others are normalised by Arrow.
_ASCII = (0x01, 0x7F)
_ALONE = [
    (0x00A1, 0x02AF), (0x0391, 0x03C9), (0x0400, 0x0482), (0x048A, 0x052F), (0x0531, 0x0556),
    (0x0561, 0x0586), (0x05D0, 0x05EA), (0x0621, 0x063A), (0x0641, 0x064A), (0x0660, 0x066F),
    (0x0E01, 0x0E30), (0x1E00, 0x1EFF), (0x200B, 0x2027), (0x2030, 0x205E), (0x20A0, 0x20C0),
    (0x2100, 0x218B), (0x2190, 0x22FF), (0x2500, 0x27BF), (0x3001, 0x3029), (0x3041, 0x3096),
    (0x30A1, 0x30FF), (0x4E00, 0x9FFC), (0xAC00, 0xD7A3), (0xFE0E, 0xFE0F), (0xFF01, 0xFF60),
    (0x1F300, 0x1FAFF),
]  # fmt: skip


def normalised(texts: pa.LargeStringArray, normal: Normal = "loose") -> pa.LargeStringArray:
    """The texts as they are compared.

    ``loose``: Unicode NFC, lower case, every run of white space one blank, none at the ends.
    ``words``: NFKC, lower case, every run of what is neither letter nor digit one blank.
    """
    if normal == "none":
        return texts
    form, space = _RULES[normal]
    lowered = pc.utf8_lower(pc.utf8_normalize(texts, form=form))
    return pc.utf8_trim_whitespace(pc.replace_substring_regex(lowered, space, " "))


def digests(texts: pa.LargeStringArray, normal: Normal = "none") -> np.ndarray:
    """128-bit hash of each text's UTF-8, normalised or as it is, as uint64 ``[n, 2]``.

    It is MurmurHash3_x64_128 with seed 0; that of nothing is ``[0, 0]``.
    """
    digest, left = _hashed(*buffers(texts), normal)
    if left.any():
        digest[left] = digests(normalised(texts.filter(pa.array(left)), normal))
    return digest


def chat_digests(chats: Turns, normal: Normal) -> np.ndarray:
    """128-bit hash of each chat: of what its turns' roles, contents and other fields hash to.

    Contents are normalised, each by itself; roles and other fields are taken byte for byte.
    """
    role, extra = (pc.fill_null(column, "") for column in (chats.role, chats.extra))
    columns = [digests(role), digests(chats.content, normal), digests(extra)]
    said = np.concatenate(columns, axis=1)
    return _hashed(said.view(np.uint8).ravel(), chats.offsets * (said.itemsize * 6), "none")[0]


def _hashed(text: np.ndarray, offsets: np.ndarray, normal: Normal) -> tuple[np.ndarray, np.ndarray]:
    """Hashes, and which of the texts were left to be normalised otherwise."""
    digest = np.empty((len(offsets) - 1, 2), np.uint64)
    # Lower case may take a byte more than upper case, and only where there are two of them.
    room = int(np.diff(offsets).max(initial=0)) * 3 // 2
    words = np.empty(room // 8 + 4, np.uint64)
    left = _kernels().digests(
        text, offsets, normal != "none", *_tables(normal), words, words.view(np.uint8), digest
    )
    return digest, left


def buffers(texts: pa.LargeStringArray) -> tuple[np.ndarray, np.ndarray]:
    """The UTF-8 bytes of all texts, and where in them each begins and ends."""
    _, offsets, data = texts.buffers()
    if data is None:
        return np.zeros(0, np.uint8), np.zeros(len(texts) + 1, np.int64)
    where = np.frombuffer(offsets, np.int64)[texts.offset : texts.offset + len(texts) + 1]
    return np.frombuffer(data, np.uint8), where


@cache
def _tables(normal: Normal) -> tuple[np.ndarray, np.ndarray]:
    """What a character becomes: an ASCII one, and any; 0 where that takes a look at its context."""
    codes = np.concatenate([np.arange(first, last + 1) for first, last in (_ASCII, *_ALONE)])
    if normal == "none":
        return np.zeros(128, np.uint8), np.zeros(1, np.int32)
    between = pa.array([f"x{chr(code)}x" for code in codes.tolist()], pa.large_string())
    wide = np.zeros(0x110000, np.int32)
    wide[codes] = [
        ord(to[1]) if len(to) == 3 else 0 for to in normalised(between, normal).to_pylist()
    ]
    wide[0x1C:0x20] = 0  # white space at the ends of a text, and nowhere else
    for first, last in _SPACES:
        wide[first : last + 1] = ord(" ")
    return wide[:128].astype(np.uint8), wide


@cache
def _kernels() -> Any:
    from . import _digest_kernels as compiled

    return compiled
