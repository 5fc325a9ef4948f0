"""Repair characters: mojibake, control characters, composed and decomposed letters."""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Literal

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from .. import audit
from .._arrays import messages_array, messages_column, string_column, strings, turns
from .._choices import one_of
from ..audit import Frame

Form = Literal["NFC", "NFD", "NFKC", "NFKD"]

# Anything but printable ASCII and ordinary white space; what lacks it needs no repair.
_UNUSUAL = r"[^\t\n\f\r\x20-\x7e]"
# What ftfy takes out as control characters, and the sequences that colour a terminal.
_CONTROL = r"\x00-\x08\x0b\x0e-\x1f\x7f\x{206a}-\x{206f}\x{feff}\x{fff9}-\x{fffc}"
_BIDI = r"\x{202a}-\x{202e}\x{2066}-\x{2069}"
_BIDI_CHARACTERS = re.compile("[\u202a-\u202e\u2066-\u2069]")


def unicode(
    df: Frame,
    *,
    form: Form | None = "NFC",
    mojibake: bool = True,
    control: bool = True,
    bidi: Literal["keep", "remove"] = "keep",
) -> Frame:
    """Repair the characters of texts and messages.

    Texts decoded with the wrong encoding are set right (``schÃ¶n`` is ``schön`` again), control
    characters and terminal colours go, letters and their accents become one character. The work
    is ftfy's, set to leave code and other scripts as they are: quotes stay curly, HTML entities
    stay entities, full-width letters stay wide, ligatures and line ends stay. Roles and other
    fields are not touched, nor are rows that are already marked: they keep the words they were
    judged by.

    Parameters
    ----------
    df : pandas or Dask DataFrame
        Rows as ``dm.read`` gives them.
    form : {"NFC", "NFD", "NFKC", "NFKD"} or None, default "NFC"
        Unicode normal form. The two with a K change what is written (10³ becomes 103).
    mojibake : bool, default True
        Repair wrongly decoded text.
    control : bool, default True
        Remove control characters (all below U+0020 but tab, line feed, form feed and carriage
        return; U+007F; byte order marks; interlinear annotations; the object replacement
        character) and terminal escape sequences.
    bidi : {"keep", "remove"}, default "keep"
        Whether to remove the marks that override the direction of text (U+202A to U+202E,
        U+2066 to U+2069). Right-to-left prose uses them in good faith; in source code they can
        hide what is really there. Joiners and direction marks (U+200B to U+200F) stay always:
        emoji and Persian words are spelt with them.

    Returns
    -------
    DataFrame
        The same rows and columns.

    References
    ----------
    https://ftfy.readthedocs.io

    Examples
    --------
    >>> import pandas as pd
    >>> df = pd.DataFrame({"text": ["schÃ¶n", "&lt;b&gt; “quoted”"]})
    >>> unicode(df.assign(drop_reason=None, drop_detail=None))["text"].tolist()
    ['schön', '&lt;b&gt; “quoted”']
    """
    one_of("form", form, ("NFC", "NFD", "NFKC", "NFKD", None))
    one_of("bidi", bidi, ("keep", "remove"))
    arguments = {"form": form, "mojibake": mojibake, "control": control, "bidi": bidi}
    change = _Unicode(form, bool(mojibake), bool(control), bidi == "remove")
    return audit.transform(df, change, step="clean.unicode", arguments=arguments)


@dataclass(frozen=True)
class _Unicode:
    form: Form | None
    mojibake: bool
    control: bool
    remove_bidi: bool

    def __call__(self, part: pd.DataFrame) -> pd.DataFrame:
        alive = part[audit.REASON].isna().to_numpy(dtype=bool)
        part = part.copy(deep=False)
        if "text" in part.columns:
            fixed = self.repair(strings(part["text"]), alive)
            part["text"] = string_column(fixed, part.index)
        if "messages" in part.columns:
            chats = turns(part["messages"])
            content = self.repair(chats.content, alive[chats.row])
            array = messages_array(chats.offsets, chats.role, content, chats.extra, chats.missing)
            part["messages"] = messages_column(array, part.index)
        return part

    def repair(self, texts: pa.LargeStringArray, where: np.ndarray) -> pa.LargeStringArray:
        """The texts, repaired where asked."""
        unusual = pc.fill_null(pc.match_substring_regex(texts, _UNUSUAL), False)
        rows = np.flatnonzero(unusual.to_numpy(zero_copy_only=False) & where)
        if not len(rows):
            return texts
        before = texts.take(pa.array(rows))
        suspect = pc.match_substring_regex(before, _screen(self))
        after = [
            self.repair_one(text) if sure or not self._is_normal(text) else text
            for text, sure in zip(before.to_pylist(), suspect.to_pylist(), strict=True)
        ]
        mask = np.zeros(len(texts), bool)
        mask[rows] = True
        return pc.replace_with_mask(texts, pa.array(mask), pa.array(after, pa.large_string()))

    def repair_one(self, text: str) -> str:
        """What becomes of one text: the definition, which the screen only makes fast."""
        from ftfy import fix_text

        if self.remove_bidi:
            text = _BIDI_CHARACTERS.sub("", text)
        return fix_text(text, _ftfy(self))

    def _is_normal(self, text: str) -> bool:
        return self.form is None or unicodedata.is_normalized(self.form, text)


@lru_cache(maxsize=16)
def _ftfy(options: _Unicode) -> Any:
    """Settings of ftfy under which code and other scripts keep what they say."""
    from ftfy import TextFixerConfig

    return TextFixerConfig(
        unescape_html=False,
        remove_terminal_escapes=options.control,
        fix_encoding=options.mojibake,
        fix_c1_controls=options.mojibake,
        fix_latin_ligatures=False,
        fix_character_width=False,
        uncurl_quotes=False,
        fix_line_breaks=False,
        fix_surrogates=False,  # Arrow's strings cannot hold any
        remove_control_chars=options.control,
        normalization=options.form,
        explain=False,
    )


@lru_cache(maxsize=16)
def _screen(options: _Unicode) -> str:
    """A pattern found in every text ftfy would change for other reasons than its normal form."""
    ranges = _CONTROL if options.control else ""
    ranges += _BIDI if options.remove_bidi else ""
    parts = [f"[{ranges}]"] if ranges else []
    if options.mojibake:
        parts.append(_mojibake())
    return "|".join(parts) or r"[^\x00-\x{10ffff}]"


def _mojibake() -> str:
    """Two neighbours of the characters mojibake is made of, or one that is telling by itself.

    ftfy's own expression takes long over every text beyond ASCII; nearly all sound ones, with a
    dash or a curly quote here and there, or in Greek or Cyrillic letters, need not wait for it.
    """
    from ftfy.badness import MOJIBAKE_CATEGORIES

    letters = "".join(MOJIBAKE_CATEGORIES[name] for name in ("upper_common", "lower_common"))
    others = "".join(
        ranges for name, ranges in MOJIBAKE_CATEGORIES.items() if not name.endswith("er_common")
    )
    return f"[{letters}{others}][{others}]|[\\x{{80}}-\\x{{9f}}ŒœÂÃ]|[вВ]Ђ"
