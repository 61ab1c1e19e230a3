"""`zoo embed`."""

import numpy as np
import pyarrow.parquet as pq

from tests.cli.command import zoo
from zoo.images import read_square
from zoo.package import read_package
from zoo.runtimes import open_runtime


def test_embed_writes_every_image_and_lists_the_unreadable(make_package, photos, tmp_path):
    package = read_package(make_package())
    out = tmp_path / "out.parquet"
    done = zoo("embed", photos, "--out", out, "--model", "tiny", "--batch", 2)
    assert "deep/broken.jpg: not an image" in done.stderr
    assert "2 of 7 images could not be read" in done.stderr
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
    assert [p.name for p in tmp_path.glob(".out*")] == []


def test_embed_fails_whole(make_package, tmp_path):
    make_package()
    folder, out = tmp_path / "none", tmp_path / "kept.parquet"
    folder.mkdir()
    out.write_text("from before")
    assert "no images found" in zoo("embed", folder, "--out", out, code=1).stderr
    (folder / "a.jpg").write_text("text")
    failed = zoo("embed", folder, "--out", out, "--model", "tiny", code=1)
    assert "none of its 1 images can be read" in failed.stderr
    assert out.read_text() == "from before"
    assert sorted(p.name for p in tmp_path.glob("*.parquet*")) == ["kept.parquet"]
    away = tmp_path / "away" / "x.parquet"
    assert "give another --out" in zoo("embed", folder, "--out", away, code=1).stderr
    zoo("embed", tmp_path / "absent", "--out", out, code=2)
