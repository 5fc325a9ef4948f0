"""What tests of reading share: compressed writers, and rows as plain values."""

from __future__ import annotations

import base64
import bz2
import gzip
import json
import lzma
from collections.abc import Callable
from typing import Any

import pandas as pd
import pyarrow as pa

import datamerge as dm


def zstd(data: bytes) -> bytes:
    return pa.compress(data, codec="zstd", asbytes=True)


COMPRESS: dict[str, Callable[[bytes], bytes]] = {
    "": bytes,
    ".gz": gzip.compress,
    ".zst": zstd,
    ".bz2": bz2.compress,
    ".xz": lzma.compress,
}


def read(*inputs: Any, **options: Any) -> pd.DataFrame:
    """What `dm.read` gives, computed, with the columns and dtypes it promises."""
    lazy = dm.read(*inputs, **options)
    df = lazy.compute()
    assert list(df.columns) == list(lazy._meta.columns)
    assert df.dtypes.to_dict() == lazy._meta.dtypes.to_dict()
    assert df["id"].is_unique
    return df


def rows(df: pd.DataFrame) -> list[tuple[Any, ...]]:
    """Every row as plain values, in the order of ids, so that frames can be compared."""
    columns = [pa.array(df[name], from_pandas=True).to_pylist() for name in df.columns]
    return sorted(zip(*columns, strict=True), key=lambda row: row[0])


def positions(df: pd.DataFrame) -> list[int]:
    """Where the records stand, as their ids say."""
    return [int(key.rpartition("#")[2]) for key in df["id"]]


def alive(df: pd.DataFrame) -> pd.DataFrame:
    return df[df["drop_reason"].isna()]


def malformed(df: pd.DataFrame) -> dict[int, tuple[str, bytes]]:
    """Reason and raw bytes of each malformed record, by its position."""
    dead = df[df["drop_reason"] == "malformed"]
    raws = [raw_of(json.loads(meta)) for meta in dead["meta"]]
    return dict(zip(positions(dead), zip(dead["drop_detail"], raws, strict=True), strict=True))


def raw_of(meta: dict[str, str]) -> bytes:
    return base64.b64decode(meta["raw_base64"]) if "raw_base64" in meta else meta["raw"].encode()
