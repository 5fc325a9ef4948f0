"""Count tokens."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from . import audit
from ._arrays import Turns, strings, turns
from .audit import Frame

PIECES = Path(__file__).parent / "assets" / "static" / "vocab.txt"
ROLES = ("system", "user", "assistant", "tool")
BATCH = 4096  # texts handed to the tokenizer at once: enough for its threads, little to hold


def count(df: Frame, tokenizer: Any = None, *, per_role: bool = False) -> Frame:
    """Add the number of tokens of each row as the column ``tokens`` (int32).

    Counted are the contents of all turns, or the text of a plain document: no chat template, no
    special tokens, no role names, no tool calls, and nothing is truncated. Rows that are already
    marked are counted too, so that the ledger can tell how many tokens a step took away.

    Parameters
    ----------
    df : pandas or Dask DataFrame
        Rows as ``dm.read`` gives them.
    tokenizer : optional
        None is the tokenizer that comes with the package: WordPiece with some 29,500 lower-case
        English pieces (those of BERT and MiniLM), fast and offline. Its counts are close to those
        of larger vocabularies on English prose; on code, on text that depends on white space,
        and on other scripts they are not, so name your model's own where the count matters: the
        path of a ``tokenizer.json`` or of a folder that holds one, or a name on the Hub
        (``Qwen/Qwen3-8B``), or an object with ``encode(text)`` (which must pickle).
    per_role : bool, default False
        Adds ``tokens_system``, ``tokens_user``, ``tokens_assistant`` and ``tokens_tool``. In a
        plain document nobody speaks: they are 0.

    Returns
    -------
    DataFrame
        The same rows. A row with neither chat nor text has 0 tokens.

    Raises
    ------
    FileNotFoundError
        When ``tokenizer`` looks like a path and nothing is there.
    TypeError
        When it is neither a name nor an object with ``encode``.

    Examples
    --------
    >>> import pandas as pd
    >>> df = pd.DataFrame({"text": ["Hello, world!", None]})
    >>> count(df)["tokens"].tolist()
    [4, 0]
    """
    source = _source(tokenizer)
    arguments = {"tokenizer": _called(tokenizer), "per_role": per_role}
    return audit.transform(
        df, _Count(source, bool(per_role)), step="tokens.count", arguments=arguments
    )


def count_texts(texts: pa.Array, tokenizer: Any = None) -> np.ndarray:
    """The number of tokens of each text, [n] int64; a missing text has none."""
    found = np.zeros(len(texts), np.int64)
    if not len(texts):
        return found  # the tokenizer is not even loaded: meta is computed from empty frames
    if tokenizer is None:
        return _built_in().count(pc.fill_null(texts.cast(pa.large_string()), ""))
    numbers = _counter(_source(tokenizer))
    for start in range(0, len(texts), BATCH):
        batch = pc.fill_null(texts.slice(start, BATCH), "").to_pylist()
        found[start : start + len(batch)] = numbers(batch)
    return found


@dataclass(frozen=True)
class _Count:
    tokenizer: Any
    per_role: bool

    def __call__(self, part: pd.DataFrame) -> pd.DataFrame:
        total = np.zeros(len(part), np.int64)
        chats = turns(part["messages"]) if "messages" in part.columns else None
        if "text" in part.columns:
            texts = strings(part["text"])
            if chats is not None:  # a row is a chat or a document: never count it twice
                texts = pc.if_else(pa.array(chats.missing), texts, pa.scalar(None, texts.type))
            total += count_texts(texts, self.tokenizer)
        part = part.copy(deep=False)
        if chats is not None:
            each = count_texts(chats.content, self.tokenizer)
            total += _by_row(chats, each)
        part["tokens"] = _column(total)
        for role in ROLES if self.per_role else ():
            spoken = np.zeros(len(part), np.int64)
            if chats is not None:
                spoken = _by_row(chats, np.where(chats.role_is(role), each, 0))
            part[f"tokens_{role}"] = _column(spoken)
        return part


def _column(counts: np.ndarray) -> pd.arrays.ArrowExtensionArray:
    return pd.arrays.ArrowExtensionArray(pa.array(counts, pa.int32()))


def _by_row(chats: Turns, values: np.ndarray) -> np.ndarray:
    """Sums over the turns of each row, [n]."""
    return np.diff(np.concatenate([[0], np.cumsum(values)])[chats.offsets])


def _source(tokenizer: Any) -> Any:
    """What a partition function carries: None, a path, a name, or the object itself."""
    if tokenizer is None:
        return None  # not the path, which may be another one where the worker runs
    if isinstance(tokenizer, (str, os.PathLike)):
        return _path_or_name(os.fspath(tokenizer))
    if not callable(getattr(tokenizer, "encode", None)):
        raise TypeError(
            f"tokenizer={tokenizer!r} is neither a path, a name nor an object with encode(text)"
        )
    return tokenizer


def _path_or_name(given: str) -> str:
    path = Path(given).expanduser()
    if path.is_dir():
        path = path / "tokenizer.json"
    if path.is_file():
        return str(path.resolve())
    if given.endswith(".json") or path.is_absolute() or given.startswith((".", "~")):
        raise FileNotFoundError(f"tokenizer={given!r}: no tokenizer.json at {path}")
    return given


def _called(tokenizer: Any) -> str | None:
    """How the ledger names a tokenizer."""
    if tokenizer is None:
        return None
    if isinstance(tokenizer, (str, os.PathLike)):
        return os.fspath(tokenizer)
    return str(getattr(tokenizer, "name_or_path", "") or type(tokenizer).__name__)


def _counter(source: Any) -> Callable[[list[str]], list[int]]:
    """A function from texts to numbers of tokens."""
    if isinstance(source, str):
        return _fast(_load(source))
    backend = getattr(source, "backend_tokenizer", source)  # a fast transformers tokenizer
    if type(backend).__module__.split(".")[0] == "tokenizers":
        return _fast(_bare(backend.to_str()))
    return lambda texts: [len(source.encode(text)) for text in texts]


def _fast(tokenizer: Any) -> Callable[[list[str]], list[int]]:
    def numbers(texts: list[str]) -> list[int]:
        encoded = tokenizer.encode_batch_fast(texts, add_special_tokens=False)
        return [len(tokens) for tokens in encoded]

    return numbers


@lru_cache(maxsize=1)
def _built_in() -> Any:
    """The default: a compiled counter, and the package's tokenizer for what it leaves out."""
    from tokenizers import Tokenizer, models, normalizers, pre_tokenizers

    from ._wordpiece import Pieces

    pieces = ["[UNK]", *PIECES.read_text(encoding="utf-8").splitlines()]
    vocabulary = {piece: number for number, piece in enumerate(pieces)}
    tokenizer = Tokenizer(models.WordPiece(vocabulary, unk_token="[UNK]"))
    tokenizer.normalizer = normalizers.BertNormalizer(lowercase=True)
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    return Pieces.of(pieces, _fast(tokenizer))


@lru_cache(maxsize=8)
def _load(source: str) -> Any:
    """The tokenizer at a path or of a name, once a process."""
    if Path(source).is_file():
        return _bare(Path(source).read_text(encoding="utf-8"))
    from tokenizers import Tokenizer

    return _bare(Tokenizer.from_pretrained(source).to_str())


@lru_cache(maxsize=8)
def _bare(definition: str) -> Any:
    """A tokenizer of its own, which neither truncates nor pads."""
    from tokenizers import Tokenizer

    tokenizer = Tokenizer.from_str(definition)
    tokenizer.no_truncation()
    tokenizer.no_padding()
    return tokenizer
