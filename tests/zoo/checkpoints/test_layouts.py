"""A checkpoint fits whole or not at all, and what does not fit is named."""

from pathlib import Path

import numpy as np
import pytest
import torch

from tests.foreign import google_tensors
from zoo.architectures import ResNetArchitecture
from zoo.catalog import load_catalog
from zoo.checkpoints import Checkpoint, map_tensors
from zoo.checkpoints.layouts import LAYOUTS
from zoo.encoders import build_resnet
from zoo.errors import CheckpointError


def shapes_of(**architecture):
    with torch.device("meta"):
        network = build_resnet(ResNetArchitecture(**architecture))
    return {
        name: tuple(tensor.shape)
        for name, tensor in network.state_dict().items()
        if not name.endswith("num_batches_tracked")
    }


def checkpoint_of(tensors):
    return Checkpoint(
        Path("some.ckpt"), {n: a.shape for n, a in tensors.items()}, tensors.__getitem__, False
    )


SMALL = {"conv1.weight": (4, 3, 2, 1), "bn1.weight": (4,), "layer1.0.conv1.weight": (4, 4, 1, 1)}


def small(prefix, **more):
    rng = np.random.default_rng(0)
    tensors = {prefix + n: rng.random(shape).astype(np.float32) for n, shape in SMALL.items()}
    return tensors | {name.replace("__", "."): value for name, value in more.items()}


def test_every_layout_of_the_catalog_has_a_map():
    used = [s.layout for e in load_catalog() for s in (*e.sources, e.wheel) if s]
    assert set(used) == set(LAYOUTS)


def test_googles_numbers_count_a_blocks_shortcut_first():
    names = LAYOUTS["google-simclr"].names(shapes_of(depth=50, stem="imagenet-same"))
    expected = {
        "conv1.weight": "conv2d/kernel",
        "bn1.running_mean": "batch_normalization/moving_mean",
        "layer1.0.downsample.0.weight": "conv2d_1/kernel",
        "layer1.0.downsample.1.weight": "batch_normalization_1/gamma",
        "layer1.0.conv1.weight": "conv2d_2/kernel",
        "layer1.0.bn3.bias": "batch_normalization_4/beta",
        "layer1.1.conv1.weight": "conv2d_5/kernel",
        "layer1.2.bn3.running_var": "batch_normalization_10/moving_variance",
        "layer2.0.downsample.0.weight": "conv2d_11/kernel",
        "layer4.2.conv3.weight": "conv2d_52/kernel",
    }
    assert {ours: names[ours] for ours in expected} == {
        ours: f"base_model/{theirs}" for ours, theirs in expected.items()
    }


def test_with_selective_kernels_convolutions_and_norms_are_counted_apart():
    shapes = shapes_of(depth=50, stem="deep-same", selective_kernels=True)
    names = LAYOUTS["google-simclr"].names(shapes)
    expected = {
        "conv1.6.weight": "conv2d_2/kernel",
        "bn1.weight": "batch_normalization_2/gamma",
        "layer1.0.downsample.0.weight": "conv2d_3/kernel",
        "layer1.0.conv2.streams.weight": "conv2d_5/kernel",
        "layer1.0.conv2.mix.weight": "conv2d_7/kernel",
        "layer1.0.conv3.weight": "conv2d_8/kernel",
        "layer1.0.conv2.squeeze_norm.weight": "batch_normalization_6/gamma",
        "layer1.0.bn3.weight": "batch_normalization_7/gamma",
    }
    assert {ours: names[ours] for ours in expected} == {
        ours: f"base_model/{theirs}" for ours, theirs in expected.items()
    }


@pytest.mark.parametrize("depth", [50, 101])
@pytest.mark.parametrize("selective", [False, True])
def test_googles_checkpoints_fill_the_network(depth, selective):
    tensors = dict(google_tensors(1, depth, selective))
    stem = "deep-same" if selective else "imagenet-same"
    wanted = shapes_of(depth=depth, stem=stem, selective_kernels=selective)
    mapped = map_tensors(checkpoint_of(tensors), "google-simclr", wanted)
    assert {name: values.shape for name, values in mapped.tensors.items()} == wanted
    assert mapped.dropped == {"head_supervised/*": 2, "global_step": 1}
    kernel = tensors["base_model/conv2d/kernel"]
    first = mapped.tensors["conv1.0.weight" if selective else "conv1.weight"]
    assert first[5, 2, 1, 0] == kernel[1, 0, 2, 5]


@pytest.mark.parametrize(
    ("layout", "prefix"),
    [
        ("torchvision", ""),
        ("torchvision", "state_dict/"),
        ("moco", "state_dict/module.encoder_q."),
        ("vissl", "classy_state_dict/base_model/model/trunk/_feature_blocks."),
        ("vissl", "model_state_dict/_feature_blocks."),
        ("swav", "module."),
        ("mmselfsup", "state_dict/backbone."),
    ],
)
def test_prefixes_are_removed_whole(layout, prefix):
    # "backbone.bn1" stripped of the letters of "backbone." would be "1".
    tensors = small(prefix)
    mapped = map_tensors(checkpoint_of(tensors), layout, SMALL)
    for name, values in mapped.tensors.items():
        np.testing.assert_array_equal(values, tensors[prefix + name])


def test_what_is_left_out_is_counted_by_its_pattern():
    extra = {
        "state_dict/module.encoder_k.conv1.weight": np.ones(1),
        "state_dict/module.queue": np.ones(1),
        "state_dict/module.encoder_q.fc.0.weight": np.ones(1),
        "state_dict/module.encoder_q.bn1.num_batches_tracked": np.array(1),
        "optimizer/state/0/momentum_buffer": np.ones(1),
    }
    tensors = small("state_dict/module.encoder_q.") | extra
    assert map_tensors(checkpoint_of(tensors), "moco", SMALL).dropped == {
        "module.encoder_k.*": 1,
        "module.queue": 1,
        "module.encoder_q.fc.*": 1,
        "*.num_batches_tracked": 1,
        "outside state_dict/": 1,
    }


@pytest.mark.parametrize(
    ("layout", "tensors", "says"),
    [
        ("moco", small("state_dict/module."), "not laid out as moco"),
        ("torchvision", small("", layer2=np.ones(1)), "'layer2' belongs to no part"),
        ("mmselfsup", small("state_dict/backbone.", **{"state_dict/decoder": np.ones(1)}),
         "'state_dict/decoder' belongs to no part"),
        ("swav", small("module.", module__bn1__weight=np.ones(5)),
         r"'module\.bn1\.weight' has shape \(5,\).*'bn1\.weight' of shape \(4,\)"),
        ("torchvision", small("", bn1__weight=np.ones(4, int)), "'bn1.weight' is of int64"),
    ],
)  # fmt: skip
def test_what_does_not_fit_is_named(layout, tensors, says):
    with pytest.raises(CheckpointError, match=says):
        map_tensors(checkpoint_of(tensors), layout, SMALL)


def test_a_missing_tensor_is_named():
    tensors = small("module.")
    del tensors["module.bn1.weight"]
    with pytest.raises(CheckpointError, match=r"'module\.bn1\.weight' is missing \(1 in all\)"):
        map_tensors(checkpoint_of(tensors), "swav", SMALL)


def test_kernels_that_are_transposed_do_not_fit():
    tensors = small("", conv1__weight=np.ones((2, 1, 3, 4), np.float32))
    with pytest.raises(CheckpointError, match=r"conv1\.weight"):
        map_tensors(checkpoint_of(tensors), "torchvision", SMALL)


@pytest.mark.parametrize(
    ("name", "value", "says"),
    [
        ("conv1.weight", np.nan, "holds values that are no numbers"),
        ("bn1.running_mean", -np.inf, "holds values that are no numbers"),
        ("layer1.0.bn1.running_var", -1e-9, "holds variances below zero"),
    ],
)
def test_a_tensor_that_no_training_gives_is_named(name, value, says):
    tensors = {n: np.ones(s, np.float32) for n, s in shapes_of(depth=18).items()}
    tensors[name] = tensors[name].copy()
    tensors[name].flat[-1] = value
    with pytest.raises(CheckpointError, match=f"some.ckpt: '{name}' {says}"):
        map_tensors(checkpoint_of(tensors), "torchvision", shapes_of(depth=18))
