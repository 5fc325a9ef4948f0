"""Keep the rows that are written in given languages."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from .. import audit
from .._arrays import string_column
from .._choices import names, nearest, one_of
from ..audit import Frame
from ..text import TextView, view

# The model's labels, so that a wrong code is an error before the model is loaded.
LANGUAGES = frozenset(
    """ace af am an ar ary arz as az ba bcl be bg bn br bs ca crh cs cy da de dz el en eo es et eu
    ext fa fi fo fr fuv fy ga gcf gcr gd gl gom grc gu gug guw ha hbo he hi hr ht hu hy id ig is it
    ja jv ka kab kik kk km kn ko ku ky la lb lg lij ln lo lt ltg lv mg mk ml mn mr ms mt my ne nl nn
    no nso oc om or pa pcm pl ps pt qu ro ru rw sa sdh se si sk sl sn so sq sr st sv sw ta te tg th
    tk tl tr tt ug uk ur uz uzs vec vi vo wa wuu xh yo yue zh zu""".split()  # noqa: SIM905
)

UNKNOWN = "und"

# What people write for some of them, to tell them the right code.
OTHER_CODES = {
    "arabic": "ar", "ara": "ar", "chinese": "zh", "chi": "zh", "cmn": "zh", "cn": "zh", "zho": "zh",
    "deu": "de", "dutch": "nl", "eng": "en", "english": "en", "fra": "fr", "fre": "fr",
    "french": "fr", "ger": "de", "german": "de", "hin": "hi", "hindi": "hi", "ita": "it",
    "italian": "it", "japanese": "ja", "jp": "ja", "jpn": "ja", "kor": "ko", "korean": "ko",
    "nb": "no", "nor": "no", "norwegian": "no", "por": "pt", "portuguese": "pt", "rus": "ru",
    "russian": "ru", "spa": "es", "spanish": "es", "turkish": "tr", "ukrainian": "uk",
}  # fmt: skip

# Short texts are easily taken for a near relative: of 429 Chinese prompts 24 came out as Wu, of
# 2,312 English ones 19 as Nigerian Pidgin. Nobody who keeps the one means to lose the other.
VARIETIES = {
    "ary": "ar", "arz": "ar", "gcr": "gcf", "nn": "no", "pcm": "en",
    "uzs": "uz", "wuu": "zh", "yue": "zh", "zxx": UNKNOWN,
}  # fmt: skip


def language(
    df: Frame,
    keep: str | Iterable[str] | None,
    *,
    text: TextView = "prompt",
    min_score: float = 0.2,
    undetermined: Literal["keep", "mark"] = "keep",
    max_chars: int = 500,
    reason: str = "language",
) -> Frame:
    """Mark rows that are not written in one of the languages to keep.

    Adds two columns: ``language`` (the ISO 639 code, or ``und``) and ``language_score`` (float32,
    the model's probability for its best guess, 0 to 1). The model is the one in py3langid
    (naive Bayes over byte n-grams, 139 languages, offline), and so are the labels, save that the
    probabilities of a label the model has twice are added up, and that a variety counts as its
    language (Wu and Cantonese as ``zh``, Nynorsk as ``no``, Nigerian Pidgin as ``en``, Egyptian
    and Moroccan Arabic as ``ar``) unless ``keep`` names it.

    Parameters
    ----------
    df : pandas or Dask DataFrame
        Rows as ``dm.read`` gives them.
    keep : str, list of str or None
        ISO 639 codes of the languages to keep, such as ``["en", "de"]``. None marks nothing and
        only adds the columns.
    text : {"prompt", "response", "chat"} or column name, default "prompt"
        What to look at: the user's turns, the assistant's, all turns, or a column. A row that
        has no such turns (a plain document) is judged by all it has.
    min_score : float, default 0.2
        The least score at which the model is believed. Below it, and where a text has no words
        to go by (empty, digits, symbols), the language is ``und``.
    undetermined : {"keep", "mark"}, default "keep"
        What becomes of rows whose language is ``und``. The rule of web corpora (FineWeb keeps
        English at 0.65 or more) is ``min_score=0.65, undetermined="mark"``.
    max_chars : int, default 500
        How much of each text is read. On 96,592 English prompts and answers, reading 500
        characters and reading everything gave the same label but for 62.
    reason : str, default "language"
        What ``drop_reason`` says.

    Returns
    -------
    DataFrame
        The same rows. ``drop_detail`` holds language and score: ``zh 0.99``.

    Raises
    ------
    ValueError
        For a code the model does not know, or an option out of its range.

    References
    ----------
    https://github.com/adbar/py3langid

    Examples
    --------
    >>> import pandas as pd
    >>> df = pd.DataFrame({"text": ["How do I bake good bread?", "Wie backe ich gutes Brot?"]})
    >>> df = language(df.assign(drop_reason=None, drop_detail=None), ["en"])
    >>> df[["language", "drop_reason"]]
      language drop_reason
    0       en        <NA>
    1       de    language
    """
    wanted = None if keep is None else names("keep", keep)
    for code in wanted or ():
        _check_code(code)
    one_of("undetermined", undetermined, ("keep", "mark"))
    if not 0 <= min_score <= 1:
        raise ValueError(f"min_score={min_score!r} must be between 0 and 1")
    if max_chars < 1:
        raise ValueError(f"max_chars={max_chars!r} must be at least 1")
    judge = _Language(wanted, text, float(min_score), undetermined == "mark", int(max_chars))
    arguments = {
        "keep": None if wanted is None else list(wanted), "text": text, "min_score": min_score,
        "undetermined": undetermined, "max_chars": max_chars,
    }  # fmt: skip
    return audit.mark(df, judge, step="filters.language", reason=reason, arguments=arguments)


def identify(
    texts: pa.Array | list[str | None],
    *,
    max_chars: int = 500,
    apart: Iterable[str] = (),
) -> tuple[np.ndarray, np.ndarray]:
    """The language and score of each text: what :func:`language` does for a frame.

    ``apart`` names varieties to be told apart from their language. A missing text is ``und``.

    >>> identify(["Où est la gare, s'il vous plaît ?", "1234", None])[0].tolist()
    ['fr', 'und', 'und']
    """
    array = pc.fill_null(pa.array(texts, pa.large_string()), "")
    if not len(array):
        return np.zeros(0, object), np.zeros(0, np.float32)
    from ._naive_bayes import classify

    told_apart = set(apart)
    counts_as = {code: to for code, to in VARIETIES.items() if code not in told_apart}
    return classify(array, max_chars, counts_as)


def _check_code(code: str) -> None:
    if code in LANGUAGES or code == UNKNOWN:
        return
    simple = code.lower().replace("_", "-").split("-")[0]
    meant = OTHER_CODES.get(simple, simple)
    hint = f" (did you mean {meant!r}?)" if meant in LANGUAGES else nearest(code, LANGUAGES)
    raise ValueError(
        f"keep: {code!r} is no language the model knows{hint}; it knows the ISO 639 codes "
        f"{' '.join(sorted(LANGUAGES))}"
    )


@dataclass(frozen=True)
class _Language:
    keep: tuple[str, ...] | None
    text: str
    min_score: float
    mark_undetermined: bool
    max_chars: int

    def __call__(self, part: pd.DataFrame) -> audit.Verdict:
        best, score = identify(self._texts(part), max_chars=self.max_chars, apart=self.keep or ())
        label = np.where(score < self.min_score, UNKNOWN, best)
        columns = {
            "language": string_column(pa.array(label, pa.large_string()), part.index).array,
            "language_score": pd.arrays.ArrowExtensionArray(pa.array(score)),
        }
        return audit.Verdict(self._details(label, best, score), columns)

    def _texts(self, part: pd.DataFrame) -> pa.LargeStringArray:
        """The text asked for; all there is where a row has none of that kind."""
        if self.text not in ("prompt", "response"):
            return view(part, self.text)
        texts = view(part, self.text)
        return pc.coalesce(texts, view(part, "chat")) if texts.null_count else texts

    def _details(self, label: np.ndarray, best: np.ndarray, score: np.ndarray) -> pa.Array:
        if self.keep is None:
            return pa.nulls(len(label), pa.large_string())
        stays = {*self.keep} if self.mark_undetermined else {*self.keep, UNKNOWN}
        details = [
            None if name in stays else _detail(name, guess, sure)
            for name, guess, sure in zip(label, best, score, strict=True)
        ]
        return pa.array(details, pa.large_string())


def _detail(label: str, best: str, score: float) -> str:
    if label == UNKNOWN and best != UNKNOWN:
        return f"{UNKNOWN} ({best} {score:.2f})"
    return f"{label} {score:.2f}"
