"""Images to take ranges from, and others to measure on."""

from collections import Counter
from pathlib import Path

from PIL import Image

from export.samples import divide_samples
from export.variant_cost import check_labelled
from training.data import sample_labelled
from zoo.images import InputBlock


def test_of_many_classes_some_are_measured_and_rare_ones_left_out(tmp_path: Path):
    """A sample over all classes would hold too few images of each."""
    image = Image.new("RGB", (9, 9))
    for number in range(6):
        for name, count in ((f"common-{number}", 20), (f"rare-{number}", 3)):
            (tmp_path / name).mkdir()
            for i in range(count):
                image.save(tmp_path / name / f"{i}.png")
    found = sample_labelled([tmp_path], InputBlock(size=8), 2512, 9)
    samples, rare = divide_samples(found, ("many",))
    counts = Counter(samples.labelled.labels)
    assert 3 <= len(counts) < 6
    assert all(name.startswith("common") for name in counts)
    assert rare
    assert all(name.startswith("rare") for name in rare)
    assert len(samples.calibration) > 10
    check_labelled(samples.labelled)
