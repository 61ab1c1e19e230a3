"""A teacher's embeddings of a run's images: right, made once, gone on with, and never stale."""

import shutil
from io import BytesIO

import numpy as np
import pytest
from PIL import Image

from tests.training.method_runs import Images, packed
from training import targets
from training.errors import TrainingError
from training.targets import teacher_targets
from zoo.images import read_square
from zoo.package import Package
from zoo.runtimes import open_runtime
from zoo.store import find_package


@pytest.fixture
def teacher(make_package) -> Package:
    make_package("tiny")
    return find_package("tiny")


def served(teacher: Package, images: Images) -> np.ndarray:
    """What a gateway would answer for the stored images as files."""
    squares = []
    for image in images:
        buffer = BytesIO()
        Image.fromarray(image).save(buffer, "PNG")
        squares.append(read_square(buffer.getvalue(), teacher.manifest.input))
    rows = open_runtime(teacher).embed(np.stack(squares))
    return rows / np.linalg.norm(rows, axis=1, keepdims=True)


def test_they_are_what_the_teacher_serves_source_after_source(crops, teacher, tmp_path) -> None:
    small, large = crops(70, 16), crops(75, 40, seed=1)
    found = teacher_targets(teacher, [packed(small), packed(large)], tmp_path)
    want = np.concatenate([served(teacher, small), served(teacher, large)])
    assert found.shape == (145, teacher.manifest.dim)
    assert found.dtype == np.float16
    np.testing.assert_allclose(found.astype(np.float32), want, atol=1e-3)


def test_an_interrupted_file_is_gone_on_with_and_comes_equal(
    crops, teacher, tmp_path, monkeypatch
) -> None:
    sources = [packed(crops(200, 16))]
    whole = teacher_targets(teacher, sources, tmp_path / "whole")

    def die(done: int, _total: int) -> None:
        if done == 128:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        teacher_targets(teacher, sources, tmp_path / "broken", die)
    (partial,) = (tmp_path / "broken").glob("*.part")
    with partial.open("ab") as file:
        file.write(b"torn")  # a chunk that was not written to its end
    told: list[int] = []
    found = teacher_targets(
        teacher, sources, tmp_path / "broken", lambda done, total: told.append(done)
    )
    assert told == [192, 200]
    assert np.array_equal(found, whole)
    assert [p.name for p in (tmp_path / "broken").iterdir()] == [
        p.name for p in (tmp_path / "whole").iterdir()
    ]
    monkeypatch.setattr(targets, "open_runtime", None)  # it is not asked again
    again = teacher_targets(teacher, sources, tmp_path / "broken")
    assert np.array_equal(again, whole)


def test_other_images_or_another_teacher_never_meet_these(
    crops, teacher, tmp_path, make_package
) -> None:
    images = crops(10, 16)
    first = np.array(teacher_targets(teacher, [packed(images)], tmp_path))
    changed = images.copy()
    changed[3, 0, 0] ^= 255
    others = teacher_targets(teacher, [packed(changed)], tmp_path)
    assert np.flatnonzero((others != first).any(axis=1)).tolist() == [3]
    make_package("tiny", "2", seed=5)
    theirs = teacher_targets(find_package("tiny@2"), [packed(images)], tmp_path)
    assert not np.allclose(theirs, first, atol=0.1)
    assert len(list(tmp_path.glob("teacher-*.npy"))) == 3


def test_a_disk_without_room_is_named_before_any_image_is_embedded(
    crops, teacher, tmp_path, monkeypatch
) -> None:
    usage = type("usage", (), {"free": 100})
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage)
    with pytest.raises(TrainingError, match=r"need 0 MB of disk .* make room"):
        teacher_targets(teacher, [packed(crops(10, 16))], tmp_path / "run")
    assert not list((tmp_path / "run").iterdir())


def test_an_image_without_a_finite_embedding_is_named(
    crops, teacher, tmp_path, monkeypatch
) -> None:
    class Broken:
        def embed(self, images: Images) -> np.ndarray:
            rows = np.ones((len(images), teacher.manifest.dim), np.float32)
            rows[5] = np.nan
            return rows

    monkeypatch.setattr(targets, "open_runtime", lambda *_: Broken())
    with pytest.raises(TrainingError, match=r"tiny@1 has no finite embedding of 5\.png of crops"):
        teacher_targets(teacher, [packed(crops(10, 16))], tmp_path)
