"""Parquet as Hugging Face's `datasets` writes it, and plainer."""

import io
import json
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image

from sources import DataError, Entry, list_entries, read_files
from training.data import pack


@pytest.fixture(scope="module")
def encoded(crops) -> list[bytes]:
    files = []
    for pixels in crops(5, 20):
        buffer = io.BytesIO()
        Image.fromarray(pixels).save(buffer, "PNG")
        files.append(buffer.getvalue())
    return files


def hugging_face(path: Path, images: list[bytes | None], labels: list[int | None]) -> None:
    """A shard with numbered labels whose names stand in the schema's metadata."""
    cells = [None if data is None else {"bytes": data, "path": "x.png"} for data in images]
    image = pa.array(cells, pa.struct([("bytes", pa.binary()), ("path", pa.string())]))
    features = {"image": {"_type": "Image"}, "label": {"names": ["ant", "bee"]}}
    table = pa.table({"label": pa.array(labels, pa.int64()), "image": image})
    metadata = {"huggingface": json.dumps({"info": {"features": features}})}
    pq.write_table(table.replace_schema_metadata(metadata), path, row_group_size=2)


def test_shards_give_named_labels_the_split_of_their_name_and_their_bytes(
    encoded, tmp_path
) -> None:
    folder = tmp_path / "bees"
    (folder / "data").mkdir(parents=True)
    hugging_face(folder / "data" / "train-00000-of-00002.parquet", encoded[:3], [1, 0, None])
    hugging_face(folder / "data" / "train-00001-of-00002.parquet", encoded[3:4], [1])
    hugging_face(folder / "data" / "test-00000-of-00001.parquet", encoded[4:], [0])
    train = list_entries(folder, "train")
    assert [(e.label, e.split) for e in train] == [
        ("bee", "train"),
        ("ant", "train"),
        ("", "train"),
        ("bee", "train"),
    ]
    assert dict(read_files(folder, train)) == dict(enumerate(encoded[:4]))
    assert dict(read_files(folder, train[1:3])) == {0: encoded[1], 1: encoded[2]}
    assert [e.label for e in list_entries(folder)].count("ant") == 2


@pytest.mark.parametrize("kind", [pa.binary(), pa.large_binary()])
def test_plain_bytes_with_columns_of_text_are_packed_and_bad_rows_are_listed(
    kind, encoded, tmp_path
) -> None:
    table = pa.table(
        {
            "picture": pa.array([encoded[0], b"no image", None, encoded[1]], kind),
            "label": ["cat", "dog", "dog", None],
            "split": ["train", "train", "train", "val"],
        }
    )
    pq.write_table(table, tmp_path / "pets.parquet")
    packed = pack(tmp_path / "pets.parquet", tmp_path / "cache", 20)
    assert packed.name == "pets"
    assert packed.entries == [
        Entry("pets.parquet/000000000", "cat", "train"),
        Entry("pets.parquet/000000003", "", "val"),
    ]
    for row, data in zip(packed.pixels, encoded[:2], strict=True):
        assert np.array_equal(row, np.asarray(Image.open(io.BytesIO(data))))
    assert packed.unreadable.keys() == {"pets.parquet/000000001", "pets.parquet/000000002"}


def test_what_cannot_be_used_is_named(tmp_path) -> None:
    (tmp_path / "torn.parquet").write_bytes(b"PAR1 and no more")
    with pytest.raises(DataError, match=r"torn\.parquet: not a readable Parquet file"):
        list_entries(tmp_path / "torn.parquet")
    pq.write_table(pa.table({"text": ["a"], "n": [1]}), tmp_path / "text.parquet")
    with pytest.raises(DataError, match=r"no column of images .* it has text: string, n: int64"):
        list_entries(tmp_path / "text.parquet")
