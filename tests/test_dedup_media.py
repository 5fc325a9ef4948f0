"""Duplicates by images and videos: real files, damaged and hostile ones among them."""

from __future__ import annotations

import base64
import io
import json
import os
import struct
import subprocess
import sys
import zlib

import dask
import dask.dataframe as dd
import fsspec
import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from frames import make_frame
from PIL import Image

import datamerge as dm
from datamerge.dedup.media import files as media_files
from datamerge.dedup.media import pixels
from datamerge.dedup.media import reader as media_reader
from datamerge.dedup.media.files import Refused, references
from datamerge.dedup.media.reader import TOLD

MediaWarning = dm.dedup.MediaWarning


@pytest.fixture(autouse=True)
def _workdir(tmp_path):
    with dask.config.set({"datamerge.workdir": str(tmp_path / "work")}):
        yield


def picture(seed: int = 0, size=(40, 30), mode="RGB") -> Image.Image:
    rng = np.random.default_rng(seed)
    depth = {"RGB": 3, "RGBA": 4, "L": 1}[mode]
    array = rng.integers(0, 256, (size[1], size[0], depth), np.uint8)
    return Image.fromarray(array if depth > 1 else array[:, :, 0])


def encoded(image: Image.Image, format: str, **options) -> bytes:
    file = io.BytesIO()
    image.save(file, format, **options)
    return file.getvalue()


def png(seed: int = 0, **options) -> bytes:
    return encoded(picture(seed), "PNG", **options)


@pytest.fixture
def files(tmp_path):
    """A folder of media, and what is not quite that."""
    folder = tmp_path / "files"
    (folder / "deep").mkdir(parents=True)
    cat = picture(1)
    made = {
        "cat.png": encoded(cat, "PNG"),
        "deep/cat.webp": encoded(cat, "WEBP", lossless=True),
        "cat.tiff": encoded(cat, "TIFF"),
        "cat.bmp": encoded(cat, "BMP"),
        "cat_alpha.png": encoded(cat.convert("RGBA"), "PNG"),
        "dog.png": png(2),
        "dog.jpg": encoded(picture(2), "JPEG"),
        "cut.png": encoded(cat, "PNG")[:-60],
        "cut.jpg": encoded(cat, "JPEG")[:-200],
        "empty.png": b"",
        "film.mp4": b"\0\0\0\x18ftypmp42 not really",
        "film2.mp4": b"\0\0\0\x18ftypmp42 not really",
        "film3.mp4": b"\0\0\0\x18ftypmp42 another",
    }
    for name, data in made.items():
        (folder / name).write_bytes(data)
    (tmp_path / "secret.png").write_bytes(made["cat.png"])
    (folder / "link.png").symlink_to(tmp_path / "secret.png")
    os.mkfifo(folder / "pipe")
    return folder


def frame(*images, **columns) -> pd.DataFrame:
    return pd.DataFrame({"images": pd.Series(list(images), dtype=object), **columns})


def gone(found) -> dict:
    table = found.decisions()
    return dict(zip(table["id"].tolist(), table["witness"].tolist(), strict=True))


def unread(found) -> dict[tuple, str]:
    with pytest.warns(MediaWarning, match="could not read"):
        table = found.unreadable
    return {(row.id, row.path): row.reason for row in table.itertuples()}


def test_the_same_pixels_in_other_containers(files):
    names = [
        "cat.png",
        "deep/cat.webp",
        "cat.tiff",
        "cat.bmp",
        "cat_alpha.png",
        "dog.png",
        "dog.jpg",
    ]
    df = frame(*names)
    assert gone(dm.dedup.media(df, root=files)) == {1: 0, 2: 0, 3: 0, 4: 0}
    assert gone(dm.dedup.media(df, root=files, pixels=False)) == {}
    by_array = {}
    for n, name in enumerate(names):
        pixels_of = np.asarray(Image.open(files / name).convert("RGBA")).tobytes()
        by_array.setdefault(pixels_of, []).append(n)
    assert gone(dm.dedup.media(df, root=files)) == {
        n: group[0] for group in by_array.values() for n in group[1:]
    }


def test_palettes_greys_and_deep_pictures():
    grey = picture(3, mode="L")
    deep = Image.fromarray(np.arange(1200, dtype=np.uint16).reshape(30, 40) * 50)
    other = Image.fromarray(np.arange(1200, dtype=np.uint16).reshape(30, 40) * 50 + 1)
    few = grey.convert("RGB").quantize(16)
    df = frame(
        encoded(grey, "PNG"), encoded(grey.convert("RGB"), "PNG"),
        encoded(few, "PNG"), encoded(few.convert("RGB"), "PNG"),
        encoded(deep, "PNG"), encoded(other, "PNG"), encoded(deep, "TIFF"),
        encoded(grey.resize((30, 40)), "PNG"),
    )  # fmt: skip
    assert gone(dm.dedup.media(df)) == {1: 0, 3: 2, 6: 4}


def test_pictures_are_turned_as_their_exif_data_say():
    upright = picture(4)
    exif = Image.Exif()
    turned = []
    for orientation, method in [
        (1, None), (2, Image.Transpose.FLIP_LEFT_RIGHT), (3, Image.Transpose.ROTATE_180),
        (6, Image.Transpose.ROTATE_90), (8, Image.Transpose.ROTATE_270),
    ]:  # fmt: skip
        exif[0x0112] = orientation
        stored = upright if method is None else upright.transpose(method)
        turned.append(encoded(stored, "PNG", exif=exif))
    turned.append(encoded(upright.transpose(Image.Transpose.ROTATE_90), "PNG"))
    assert gone(dm.dedup.media(frame(*turned))) == {1: 0, 2: 0, 3: 0, 4: 0}


def test_animations_are_compared_by_their_bytes():
    frames = [picture(n) for n in range(3)]

    def moving(order):
        first, *rest = [frames[n] for n in order]
        return encoded(first, "PNG", save_all=True, append_images=rest)

    df = frame(moving([0, 1, 2]), moving([0, 2, 1]), moving([0, 1, 2]), png(0))
    assert gone(dm.dedup.media(df)) == {2: 0}
    greys = [picture(n, mode="L") for n in range(2)]
    gifs = [encoded(greys[0], "GIF", save_all=True, append_images=rest) for rest in ([], greys[1:])]
    assert gone(dm.dedup.media(frame(*gifs, encoded(greys[0], "PNG")))) == {2: 0}


def test_large_files_are_refused(files, monkeypatch):
    monkeypatch.setattr(media_files, "LARGEST", 30)
    told = unread(dm.dedup.media(frame("cat.png", "film.mp4"), root=files))
    assert list(told) == [(0, "cat.png")] and "the most is 30" in told[0, "cat.png"]
    monkeypatch.undo()
    monkeypatch.setattr(media_reader, "MOST_BYTES", 10)
    assert gone(dm.dedup.media(frame("cat.png", "cat.bmp", "cat.png"), root=files)) == {2: 0}


def test_all_media_must_agree_in_order():
    a, b = png(1), png(2)
    df = frame([a, b], [b, a], [a], [a, b], [a, a], a, None, [], [[a], [b]], [None, a])
    assert gone(dm.dedup.media(df)) == {3: 0, 5: 2, 8: 0, 9: 2}
    two = frame([a], [a], [], [a], videos=[[], [b"film"], [b"film"], [b"film"]])
    assert gone(dm.dedup.media(two)) == {3: 1}
    moved = frame([a], None, videos=[None, [a]])
    assert gone(dm.dedup.media(moved)) == {}


def test_videos_and_unknown_files_by_their_bytes(files):
    df = pd.DataFrame({"videos": ["film.mp4", "film3.mp4", ["film2.mp4"]]})
    assert gone(dm.dedup.media(df, root=files)) == {2: 0}


def test_text_counts_if_it_is_asked_for():
    a = png(1)
    df = frame(a, a, a, text=["What is it?", "what  is it? ", "Where?"]).set_axis(list("xyz"))
    assert gone(dm.dedup.media(df)) == {"y": "x", "z": "x"}
    assert gone(dm.dedup.media(df, text="text")) == {"y": "x"}
    found = dm.dedup.media(df, text="chat")
    assert found.decisions(keep="longest")["id"].tolist() == ["x"]
    with pytest.raises(ValueError, match="neither a view nor a column"):
        dm.dedup.media(df, text="nothing")


def test_what_cannot_be_read_is_told_and_its_rows_stay(files):
    names = ["cat.png", "cut.png", "cut.png", "cut.jpg", "empty.png", "none.png", ".", "pipe"]
    df = frame(*names, ["cat.png", "none.png"], "cat.png", 7, index_=range(11))
    found = dm.dedup.media(df, root=files)
    told = unread(found)
    assert set(told) == {
        *((n, name) for n, name in enumerate(names) if n), (8, "none.png"), (10, "")
    }  # fmt: skip
    assert told[5, "none.png"] == told[8, "none.png"] == "no such file"
    assert told[6, "."] == told[7, "pipe"] == "not a regular file"
    assert told[4, "empty.png"] == "an empty file"
    assert "int" in told[10, ""]
    assert gone(found) == {9: 0}
    assert found._evidence.about["unreadable_count"] == 9


def test_the_list_of_the_unreadable_is_bounded(monkeypatch):
    found = dm.dedup.media(frame(*[f"/nowhere/{n}" for n in range(TOLD + 5)]))
    assert len(unread(found)) == TOLD
    assert found._evidence.about["unreadable_count"] == TOLD + 5


def bomb(width: int, height: int) -> bytes:
    """A PNG of a few bytes that says it is huge."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        body = kind + data
        return struct.pack(">I", len(data)) + body + struct.pack(">I", zlib.crc32(body))

    head = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    data = zlib.compress(b"\0" * 1000)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", data) + chunk(b"IEND", b"")


def test_bombs_are_refused(monkeypatch):
    df = frame(bomb(10_000, 10_000), bomb(60_000, 60_000), png(1), png(1))
    found = dm.dedup.media(df)
    told = unread(found)
    assert set(told) == {(0, "bytes"), (1, "bytes")}
    assert "pixels" in told[0, "bytes"] and "pixels" in told[1, "bytes"]
    assert gone(found) == {3: 2}
    monkeypatch.setattr(pixels, "MOST_PIXELS", 40 * 30)
    assert pixels.pixel_digest(io.BytesIO(png(1)))
    monkeypatch.setattr(pixels, "MOST_PIXELS", 40 * 30 - 1)
    with pytest.raises(ValueError, match="40 x 30 pixels"):
        pixels.pixel_digest(io.BytesIO(png(1)))


def test_no_program_is_run_for_an_image():
    postscript = b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 10 10\n(x) run\n"
    assert Image.open(io.BytesIO(postscript)).format == "EPS"
    assert pixels.pixel_digest(io.BytesIO(postscript)) is None
    assert gone(dm.dedup.media(frame(postscript, postscript))) == {1: 0}


def test_strips_do_not_matter(monkeypatch):
    tall = encoded(picture(5, size=(3, 700)), "PNG")
    whole = pixels.pixel_digest(io.BytesIO(tall))
    monkeypatch.setattr(pixels, "_STRIP", 7)
    assert pixels.pixel_digest(io.BytesIO(tall)) == whole


@pytest.mark.parametrize(
    ("path", "said"),
    [
        ("../secret.png", "leads out of root"),
        ("deep/../../secret.png", "leads out of root"),
        ("..\\secret.png", "leads out of root"),
        ("{root}/cat.png", "an absolute path"),
        ("~/x.png", "an absolute path"),
        ("C:\\x.png", "an absolute path"),
        ("link.png", "a link leads out"),
        ("file://{root}/cat.png", "an absolute path"),
        ("cat.png\0.txt", "not a plain path"),
        ("simplecache::http://127.0.0.1:9/x", "not a plain path"),
        ("http://127.0.0.1:9/x.png", "remote=True allows it"),
        ("S3://bucket/x.png", "remote=True allows it"),
        ("ssh://somewhere/x.png", "is not opened"),
        ("memory://x.png", "is not opened"),
        ("data:image/png,abc", "without base64"),
        ("x" * 5000, "File name too long"),
    ],
)
def test_paths_of_strangers(files, path, said):
    path = path.format(root=files) if "{root}" in path else path
    told = unread(dm.dedup.media(frame(path, "cat.png"), root=files))
    ((key, shown),) = told
    assert key == 0 and path.startswith(shown) and said in told[key, shown]


def test_paths_that_are_allowed(files, monkeypatch):
    inside = ["cat.png", "./cat.png", "deep/../cat.png", "deep/cat.webp"]
    assert gone(dm.dedup.media(frame(*inside), root=files)) == {1: 0, 2: 0, 3: 0}
    assert gone(dm.dedup.media(frame(*inside), root=str(files) + "/")) == {1: 0, 2: 0, 3: 0}
    free = [str(files / "cat.png"), f"file://{files}/cat.png", str(files / "link.png")]
    assert gone(dm.dedup.media(frame(*free))) == {1: 0, 2: 0}
    monkeypatch.chdir(files)
    assert gone(dm.dedup.media(frame("cat.png", "deep/cat.webp"))) == {1: 0}
    url = "data:image/png;base64," + base64.b64encode((files / "cat.png").read_bytes()).decode()
    assert gone(dm.dedup.media(frame("cat.png", url))) == {1: 0}


def test_roots_and_urls_on_other_file_systems():
    store = fsspec.filesystem("memory")
    store.pipe("/pets/cat.png", png(1))
    df = frame("cat.png", png(1), "../pets/cat.png")
    found = dm.dedup.media(df, root="memory://pets")
    assert list(unread(found).values()) == ["the path leads out of root"]
    assert gone(found) == {1: 0}
    store.rm("/pets", recursive=True)


def test_a_remote_file_is_fetched_when_that_is_allowed(files, monkeypatch):
    store = fsspec.filesystem("memory")
    store.pipe("/far/cat.png", png(1))
    monkeypatch.setattr(media_files, "REMOTE", ("memory",))  # in place of one that needs a network
    df = frame("cat.png", "memory://far/cat.png")
    assert gone(dm.dedup.media(df, root=files, remote=True)) == {1: 0}
    told = unread(dm.dedup.media(df, root=files))
    assert told == {(1, "memory://far/cat.png"): "memory: is not fetched; remote=True allows it"}
    store.rm("/far", recursive=True)


def test_changed_files_are_looked_at_again(files):
    df = frame("cat.png", "dog.png", "new.png")
    assert set(unread(dm.dedup.media(df, root=files))) == {(2, "new.png")}
    (files / "new.png").write_bytes(png(2))
    again = dm.dedup.media(df, root=files)
    assert "not computed" in repr(again)
    assert gone(again) == {2: 1}
    assert "found" in repr(again) and again.unreadable.empty


def as_dask(table: pa.Table, cuts: int) -> dd.DataFrame:
    whole = table.to_pandas(types_mapper=pd.ArrowDtype)
    ready = make_frame(["x"] * len(whole)).assign(images=whole["images"].to_numpy())
    ready["images"] = whole["images"].set_axis(ready.index)
    return dd.from_pandas(ready, npartitions=cuts, sort=False)


def test_hugging_face_images_on_pandas_and_dask(files):
    kind = pa.list_(pa.struct([("bytes", pa.binary()), ("path", pa.string())]))
    images = [
        [{"bytes": png(1), "path": "never read"}],
        [{"bytes": None, "path": "cat.png"}],
        [{"bytes": png(2), "path": None}, {"bytes": None, "path": "cat.png"}],
        [],
        None,
        [{"bytes": encoded(picture(2), "TIFF"), "path": ""}, {"bytes": png(1), "path": None}],
    ]
    expected = {1: 0, 5: 2}
    assert gone(dm.dedup.media(frame(*images), root=files)) == expected
    table = pa.table({"images": pa.array(images, kind)})
    for cuts in (1, 3):
        found = dm.dedup.media(as_dask(table, cuts), root=files)
        assert gone(found) == {f"s#{a}": f"s#{b}" for a, b in expected.items()}
        marked = found.mark().compute()
        assert marked["drop_reason"].isna().tolist() == [True, False, True, True, True, False]
        assert marked["drop_reason"].tolist()[1] == "media_duplicate"


def test_lists_that_dask_has_made_text_of_are_told():
    ready = make_frame(["x"]).assign(images=pd.Series([["cat.png"]], dtype=object))
    found = dm.dedup.media(dd.from_pandas(ready, npartitions=1))
    (reason,) = unread(found).values()
    assert "use an Arrow column" in reason


def test_fields_that_reading_put_into_meta(files, tmp_path):
    def part(url):
        return {"type": "image_url", "image_url": {"url": url}}

    records = [
        {"messages": [{"role": "user", "content": "<image> what?"}], "images": ["cat.png"]},
        {"messages": [{"role": "user", "content": "<image> where?"}], "images": ["deep/cat.webp"]},
        {"messages": [{"role": "user", "content": "<image> who?"}], "images": ["dog.png"]},
        {"messages": [{"role": "user", "content": "no picture"}]},
    ]
    path = tmp_path / "chats.jsonl"
    path.write_text("".join(json.dumps(r) + "\n" for r in records))
    found = dm.dedup.media(dm.read(path), root=files)
    assert gone(found) == {"chats/chats.jsonl#84": "chats/chats.jsonl#0"}
    assert gone(dm.dedup.media(dm.read(path), columns="images", root=files, text="chat")) == {}
    parts = [
        {"messages": [{"role": "user", "content": [part(url), {"type": "text", "text": "hm"}]}]}
        for url in ("cat.png", "cat.bmp", "dog.png")
    ]
    told = dm.read(parts, name="p")
    assert gone(dm.dedup.media(told, columns=["messages"], root=files)) == {"p#1": "p#0"}


def test_dead_rows_are_not_looked_at(files):
    df = frame("cat.png", "cat.png", "none.png", drop_reason=["gone", None, "gone"])
    found = dm.dedup.media(df, root=files)
    assert gone(found) == {} and found.unreadable.empty


def test_against(files):
    old = frame("cat.png", "none.png")
    new = frame("cat.bmp", "dog.png")
    found = dm.dedup.media(new, root=files, against=old)
    assert set(unread(found)) == {(1, "none.png")}
    assert gone(found) == {0: 0} and found.decisions()["against"].all()
    marked = found.mark()
    assert marked["drop_detail"].tolist()[0] == "same media as 0, in the frame compared against"
    assert marked["drop_reason"].isna().tolist() == [False, True]


def test_marking_a_frame_with_ids_from_its_index():
    marked = dm.dedup.media(frame(png(1), png(2), png(1))).mark()
    assert marked["drop_detail"].isna().tolist() == [True, True, False]
    assert marked["drop_detail"].tolist()[2] == "same media as 0"
    assert marked["drop_reason"].tolist()[2] == "media_duplicate"


def test_nothing_to_compare():
    with pytest.raises(ValueError, match="has none of the columns images, videos; it has text"):
        dm.dedup.media(pd.DataFrame({"text": ["a"]}))
    with pytest.warns(MediaWarning, match="found nothing in pictures"):
        assert gone(dm.dedup.media(dm.read(["a"], name="a"), columns="pictures")) == {}
    assert gone(dm.dedup.media(pd.DataFrame({"images": []}))) == {}


def test_what_values_mean():
    one = {"bytes": None, "path": "a"}
    assert list(references([one, {"path": None, "url": "u"}, (b"x", None), np.array(["z"])])) == [
        "a", "u", b"x", "z"
    ]  # fmt: skip
    assert list(references(float("nan"))) == list(references(pd.NA)) == list(references("")) == []
    with pytest.raises(Refused, match="type float"):
        list(references([1.5]))


def test_pillow_is_an_extra():
    script = (
        "import sys; sys.modules['PIL'] = None\n"
        "import pandas as pd, datamerge as dm\n"
        "df = pd.DataFrame({'images': [b'a']})\n"
        "dm.dedup.media(df, pixels=False)\n"
        "try: dm.dedup.media(df)\n"
        "except ImportError as error: assert 'datamerge[media]' in str(error)\n"
        "else: raise SystemExit(1)\n"
    )
    subprocess.run([sys.executable, "-c", script], check=True, timeout=120)
