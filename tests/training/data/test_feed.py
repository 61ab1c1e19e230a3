import numpy as np
import pytest
import torch

from sources import Entry
from training.data import Feed, Packed


def source(crops, n: int, seed: int) -> Packed:
    return Packed(str(seed), crops(n, 8, seed=seed), [Entry(f"{i}", "", "") for i in range(n)], {})


def test_each_step_gets_its_rows_whatever_the_order_they_are_asked_in(crops) -> None:
    sources = [source(crops, 10, 0), source(crops, 6, 1)]

    def batches(step: int):
        return step % 2, np.array([step, step + 1])

    with Feed(sources, batches, 5, torch.device("cpu")) as feed:
        assert not feed.resident
        for step in (2, 3, 4, 0):
            want = sources[step % 2].pixels[step : step + 2]
            images, index = feed.images(step)
            assert np.array_equal(images.numpy(), want)
            assert index.tolist() == [10 * (step % 2) + row for row in (step, step + 1)]
        assert feed.waited > 0


def test_a_source_that_can_no_longer_be_read_says_so_and_does_not_hang(crops) -> None:
    def batches(step: int):
        if step == 1:
            raise OSError("the disk is gone")
        return 0, np.array([0])

    with Feed([source(crops, 2, 0)], batches, 3, torch.device("cpu")) as feed:
        feed.images(0)
        with pytest.raises(OSError, match="the disk is gone"):
            feed.images(1)
