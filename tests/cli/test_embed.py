"""`zoo embed`."""

import os
import re

import numpy as np
import pyarrow.parquet as pq
from PIL import Image

from tests.cli.command import zoo
from zoo.images import read_square
from zoo.package import read_package
from zoo.runtimes import open_runtime


def test_embed_writes_every_image_and_lists_the_unreadable(make_package, photos, tmp_path):
    package = read_package(make_package())
    out = tmp_path / "out.parquet"
    done = zoo("embed", photos, "--out", out, "--model", "tiny", "--batch", 2)
    assert "deep/broken.jpg: not an image" in done.stderr
    assert "could not be read: 2" in done.stderr
    assert "notes.txt: not an image" in done.stderr
    assert "passed over: 1" in done.stderr
    assert "5 embeddings written" in done.stderr
    table = pq.read_table(out)
    rows = {row["path"]: row for row in table.to_pylist()}
    assert set(rows) == {
        *("a.png", "b.jpg", "deep/c.png", "deep/er/d.webp", "deep/e.PNG"),
        *("deep/broken.jpg", "empty.png"),
    }
    assert str(table.schema.field("embedding").type).endswith("float>[12]")
    assert rows["empty.png"]["embedding"] is None
    assert "0 bytes" in rows["empty.png"]["error"]
    metadata = {k.decode(): v.decode() for k, v in table.schema.metadata.items()}
    assert metadata["model"] == "tiny@1"
    assert metadata["space"] == package.manifest.space
    assert metadata["variant"] == "onnxruntime-fp32"
    square = read_square((photos / "deep/c.png").read_bytes(), package.manifest.input)
    expected = open_runtime(package).embed(square[None])[0]
    np.testing.assert_allclose(
        rows["deep/c.png"]["embedding"], expected / np.linalg.norm(expected), atol=1e-5
    )
    assert [p.name for p in tmp_path.glob(".new*")] == []


def test_embed_fails_whole(make_package, tmp_path):
    make_package()
    folder, out = tmp_path / "none", tmp_path / "kept.parquet"
    folder.mkdir()
    out.write_text("from before")
    assert "no images found" in zoo("embed", folder, "--out", out, code=1).stderr
    (folder / "a.jpg").write_text("text")
    failed = zoo("embed", folder, "--out", out, "--model", "tiny", code=1)
    assert "none of its 1 images can be read, such as a.jpg" in failed.stderr
    assert out.read_text() == "from before"
    assert sorted(p.name for p in tmp_path.glob("*.parquet*")) == ["kept.parquet"]
    away = tmp_path / "away" / "x.parquet"
    assert "x.parquet: No such file" in zoo("embed", folder, "--out", away, code=1).stderr
    zoo("embed", tmp_path / "absent", "--out", out, code=2)


def test_what_a_file_holds_decides_and_names_are_bytes(make_package, tmp_path):
    """Names are told apart in the table, and can be found again by what it says of them."""
    make_package()
    folder = tmp_path / "odd"
    folder.mkdir()
    Image.new("RGB", (30, 20), "teal").save(folder / "plain.jpg")
    image = (folder / "plain.jpg").read_bytes()
    names = [
        *(b"bad\xff.jpg", b"bad\\xff.jpg", b"bad\xfe.jpg", "bad\u00ff.jpg".encode()),
        *(b"a.HEIC", b"b.jfif", b"no suffix", b"c.txt", b"line\nfeed.png", b"red\x1b[31m.jpg"),
        b"deep\xff/er.jpg",
    ]
    (folder / os.fsdecode(b"deep\xff")).mkdir()
    for name in names:
        (folder / os.fsdecode(name)).write_bytes(image)
    (folder / "notes").write_text("text")
    (folder / "escape\x1b[31m.txt").write_text("text")
    (folder / "torn.png").write_bytes(image[:300])
    (folder / "film.mp4").write_bytes(bytes(1000))
    (folder / "gone.jpg").symlink_to("nowhere")
    os.mkfifo(folder / "pipe.jpg")
    done = zoo("embed", folder, "--out", tmp_path / "out.parquet", "--model", "tiny")
    rows = {row["path"]: row for row in pq.read_table(tmp_path / "out.parquet").to_pylist()}
    found = {_bytes(path) for path, row in rows.items() if row["error"] is None}
    assert found == {*names, b"plain.jpg"}
    assert [path for path, row in rows.items() if row["error"]] == ["torn.png"]
    assert "passed over: 5" in done.stderr
    for shown in ("notes", "escape\\x1b[31m.txt", "film.mp4", "gone.jpg", "pipe.jpg"):
        assert f"  {shown}: " in done.stderr
    assert "\x1b" not in done.stderr


def _bytes(path):
    """What the help says of the column: a doubled backslash, and \\xff for a byte."""
    text = path.encode()
    return re.sub(
        rb"\\(\\|x[0-9a-f]{2})",
        lambda found: b"\\" if found[1] == b"\\" else bytes([int(found[1][1:], 16)]),
        text,
    )


def test_of_much_that_is_passed_over_some_is_listed(make_package, photos, tmp_path):
    make_package()
    for number in range(30):
        (photos / f"{number}.csv").write_text("text")
    done = zoo("embed", photos, "--out", tmp_path / "out.parquet", "--model", "tiny")
    assert "passed over: 31" in done.stderr
    assert done.stderr.count("not an image in a format that is read\n") <= 21
    assert "... and 11 more" in done.stderr
