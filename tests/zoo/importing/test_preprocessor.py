"""How photos are prepared is read from Hugging Face's file, or it is said what cannot be done."""

import json

import pytest

from tests.foreign_onnx import SIZE, convolutions, save
from zoo.errors import ImportRefusedError
from zoo.importing import Origin, Said, import_onnx
from zoo.importing.preprocessor import read_config

CLIP = {
    "crop_size": {"height": 224, "width": 224},
    "do_center_crop": True,
    "do_convert_rgb": True,
    "do_normalize": True,
    "do_rescale": True,
    "do_resize": True,
    "image_mean": [0.48145466, 0.4578275, 0.40821073],
    "image_processor_type": "CLIPImageProcessor",
    "image_std": [0.26862954, 0.26130258, 0.27577711],
    "resample": 3,
    "rescale_factor": 0.00392156862745098,
    "size": {"shortest_edge": 224},
}
DINOV2 = CLIP | {
    "image_mean": [0.485, 0.456, 0.406],
    "image_std": [0.229, 0.224, 0.225],
    "image_processor_type": "BitImageProcessor",
    "size": {"shortest_edge": 256},
}
OLD_CLIP = {
    "crop_size": 224,
    "do_center_crop": True,
    "do_normalize": True,
    "do_resize": True,
    "feature_extractor_type": "CLIPFeatureExtractor",
    "image_mean": [0.5, 0.5, 0.5],
    "image_std": [0.5, 0.5, 0.5],
    "resample": 2,
    "size": 256,
}
VIT = {
    "do_normalize": True,
    "do_resize": True,
    "image_mean": [0.5, 0.5, 0.5],
    "image_std": [0.5, 0.5, 0.5],
    "size": 224,
}
CONVNEXT = {
    "crop_pct": 0.875,
    "do_resize": True,
    "image_mean": [0.485, 0.456, 0.406],
    "image_std": [0.229, 0.224, 0.225],
    "resample": 3,
    "size": {"shortest_edge": 224},
}


SIGLIP = VIT | {
    "image_processor_type": "SiglipImageProcessor",
    "resample": 3,
    "size": {"height": 224, "width": 224},
}
DEIT = VIT | {
    "crop_size": 224,
    "do_center_crop": True,
    "feature_extractor_type": "DeiTFeatureExtractor",
    "size": 256,
}


@pytest.fixture
def read(tmp_path):
    def run(config):
        path = tmp_path / "preprocessor_config.json"
        path.write_text(config if isinstance(config, str) else json.dumps(config))
        return read_config(path)

    return run


@pytest.mark.parametrize(
    ("config", "size", "crop", "interpolation", "mean"),
    [
        (CLIP, 224, 1.0, "bicubic", (0.48145466, 0.4578275, 0.40821073)),
        (DINOV2, 224, 0.875, "bicubic", (0.485, 0.456, 0.406)),
        (OLD_CLIP, 224, 0.875, "bilinear", (0.5, 0.5, 0.5)),
        (CONVNEXT, 224, 0.875, "bicubic", (0.485, 0.456, 0.406)),
        (CLIP | {"do_normalize": False}, 224, 1.0, "bicubic", (0.0, 0.0, 0.0)),
        (CLIP | {"image_mean": 0.5}, 224, 1.0, "bicubic", (0.5, 0.5, 0.5)),
    ],
)
def test_what_is_understood(read, config, size, crop, interpolation, mean):
    found = read(config)
    assert (found.size, found.crop, found.interpolation) == (size, crop, interpolation)
    assert found.mean == pytest.approx(mean)
    assert not found.squash
    assert not found.problems


@pytest.mark.parametrize(
    ("config", "size", "crop", "interpolation"),
    [
        (VIT, 224, 1.0, None),
        (VIT | {"feature_extractor_type": "ViTFeatureExtractor"}, 224, 1.0, "bilinear"),
        (VIT | {"image_processor_type": "ViTImageProcessorFast", "resample": 3}, 224, 1, "bicubic"),
        (SIGLIP, 224, 1.0, "bicubic"),
        ({"image_processor": SIGLIP}, 224, 1.0, "bicubic"),
        (DEIT, 224, 0.875, None),
        (CONVNEXT | {"size": {"shortest_edge": 384}}, 384, 1.0, "bicubic"),
        (CONVNEXT | {"size": 384}, 384, 1.0, "bicubic"),
    ],
)
def test_whole_photos_that_are_squeezed(read, config, size, crop, interpolation):
    found = read(config)
    assert (found.size, found.crop, found.interpolation) == (size, crop, interpolation)
    assert found.squash
    assert not found.problems


def test_values_that_are_not_rescaled_are_up_to_255(read):
    """The package's mean and deviation are of values up to 1."""
    config = CLIP | {"do_rescale": False, "image_mean": [127.5] * 3, "image_std": [51.0] * 3}
    found = read(config)
    assert found.mean == pytest.approx((0.5, 0.5, 0.5))
    assert found.std == pytest.approx((0.2, 0.2, 0.2))


@pytest.mark.parametrize(
    ("config", "problem", "words"),
    [
        (CLIP | {"do_center_crop": False}, "crop", "keeps the shape of photos"),
        (CLIP | {"do_resize": False}, "crop", "at the size they have"),
        (CLIP | {"do_pad": True}, "crop", "pads"),
        (CLIP | {"size": {"shortest_edge": 200}}, "crop", "224 pixels out of 200"),
        (CLIP | {"resample": 1}, "interpolation", "lanczos"),
        (CLIP | {"rescale_offset": True}, "normalisation", "rescale_offset"),
    ],
)
def test_what_is_not_done_is_named(read, config, problem, words):
    assert words in read(config).problems[problem]


@pytest.mark.parametrize(
    ("config", "words"),
    [
        ("<html>", "not JSON"),
        ("[" * 100_000, "not JSON"),
        ([1], "valid dictionary"),
        (CLIP | {"image_std": [1, 2]}, "image_std"),
        (CLIP | {"crop_size": {"height": 224, "width": 336}}, "no square"),
        (CLIP | {"do_flip_channel_order": True}, "blue first"),
    ],
)
def test_what_is_not_understood_is_refused(read, config, words):
    with pytest.raises(ImportRefusedError, match=r"preprocessor_config\.json") as caught:
        read(config)
    assert words in str(caught.value)


@pytest.fixture
def import_beside(tmp_path):
    """import_beside(config, **said): the input of a model beside whose file `config` lies."""
    path = save(convolutions(size="side"), tmp_path / "model.onnx")

    def run(config, **said):
        (tmp_path / "preprocessor_config.json").write_text(json.dumps(config))
        version = str(len(list(tmp_path.glob("home/packages/mine/*"))) + 1)
        return import_onnx(path, "mine", version, Said(**said), Origin()).manifest.input

    return run


def test_nothing_has_to_be_said_beside_it_and_options_come_first(import_beside):
    small = DINOV2 | {"crop_size": {"height": SIZE, "width": SIZE}, "size": {"shortest_edge": 40}}
    block = import_beside(small)
    assert (block.size, block.crop, block.interpolation) == (SIZE, 0.8, "bicubic")
    assert block.mean == pytest.approx((0.485, 0.456, 0.406))
    block = import_beside(small, crop=1.0, interpolation="bilinear", range="-1-1", size=48)
    assert (block.size, block.crop, block.interpolation) == (48, 1.0, "bilinear")
    assert block.mean == (0.5, 0.5, 0.5)


def test_what_is_not_done_can_be_decided(import_beside):
    config = VIT | {"do_pad": True, "size": SIZE, "resample": 0}
    with pytest.raises(ImportRefusedError) as caught:
        import_beside(config)
    lines = str(caught.value).splitlines()
    assert [line.split()[0] for line in lines[1:]] == ["--crop", "--interpolation"]
    assert "pads" in lines[1]
    block = import_beside(config, crop=1.0, interpolation="bilinear")
    assert (block.size, block.crop, block.squash) == (SIZE, 1.0, False)


def test_a_squeezed_photo_and_another_choice(import_beside):
    config = VIT | {"size": SIZE}
    assert import_beside(config).squash
    assert not import_beside(config, crop=1.0).squash
    assert import_beside(config, crop=0.9, squash=True).squash
    assert not import_beside(config, squash=False).squash


def test_the_graph_and_the_file_beside_it_differ(tmp_path):
    path = save(convolutions(), tmp_path / "model.onnx")
    (tmp_path / "preprocessor_config.json").write_text(json.dumps(CLIP))
    with pytest.raises(ImportRefusedError, match=r"preprocessor_config\.json says 224.*--size 32"):
        import_onnx(path, "mine", "1", Said(), Origin())
