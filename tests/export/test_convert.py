"""A public checkpoint becomes a package that gives the original's representation, or nothing."""

from pathlib import Path

import numpy as np
import pytest
import torch
from sklearn.datasets import load_sample_images
from torch import nn

from export.convert import convert, read_encoder
from tests.foreign import google_tensors, write_bundle
from zoo.catalog import find
from zoo.encoders import load_served
from zoo.errors import CheckpointError
from zoo.manifest import Conversion, Source
from zoo.package import verify
from zoo.runtimes import open_runtime
from zoo.runtimes.golden import agreement, read_golden
from zoo.store import find_package

MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
SOURCES = (Source(name="https://example.org/a.pth", sha256="ab" * 32, terms="MIT"),)


@pytest.fixture(scope="module")
def photos():
    """Two real photos at the size that the encoders read, uint8 (2, 224, 224, 3)."""
    return np.stack([image[100:324, 200:424] for image in load_sample_images().images])


@pytest.fixture
def home(tmp_path, monkeypatch):
    monkeypatch.setenv("ZOO_HOME", str(tmp_path / "home"))
    return tmp_path / "home"


def resnet50(torchvision):
    """torchvision's ResNet-50 with lively weights."""
    return resnet(torchvision, depth=50)


def resnet(torchvision, depth):
    """torchvision's ResNet of that depth with lively weights."""
    torch.manual_seed(0)
    network = getattr(torchvision.models, f"resnet{depth}")()
    for module in network.modules():
        if isinstance(module, nn.BatchNorm2d):
            nn.init.uniform_(module.weight, 0.5, 1.5)
            nn.init.uniform_(module.bias, -0.3, 0.3)
            assert module.running_mean is not None
            assert module.running_var is not None
            module.running_mean.uniform_(-0.3, 0.3)
            module.running_var.uniform_(0.5, 2.0)
    network.fc = nn.Identity()
    return network.eval()


@torch.no_grad()
def represent(network, photos):
    pixels = (torch.from_numpy(photos) / 255 - torch.tensor(MEAN)) / torch.tensor(STD)
    return network(pixels.permute(0, 3, 1, 2)).numpy()


def prefixed(prefix, tensors):
    return {f"{prefix}{name}": tensor for name, tensor in tensors.items()}


def published(layout, tensors):
    """The file as the publisher's program saves it."""
    if layout == "torchvision":
        return tensors | {"fc.weight": torch.ones(1000, 2048), "fc.bias": torch.ones(1000)}
    if layout == "moco":
        state = prefixed("module.encoder_q.", tensors) | prefixed("module.encoder_k.", tensors)
        state |= {"module.encoder_q.fc.weight": torch.ones(128, 2048)}
        state |= {"module.queue": torch.ones(128, 8), "module.queue_ptr": torch.zeros(1)}
        optimizer = {"state": {0: {"momentum_buffer": torch.ones(3)}}, "param_groups": []}
        return {"epoch": 200, "arch": "resnet50", "state_dict": state, "optimizer": optimizer}
    if layout == "vissl":
        model = {"trunk": prefixed("_feature_blocks.", tensors), "heads": {"a": torch.ones(2)}}
        return {
            "phase_idx": 799,
            "loss": {"name": "simclr"},
            "classy_state_dict": {"base_model": {"model": model, "meta": {}}, "optimizer": {}},
        }
    if layout == "swav":
        return prefixed("module.", tensors) | {
            "module.projection_head.0.weight": torch.ones(2048, 2),
            "module.prototypes.weight": torch.ones(3000, 2),
        }
    state = prefixed("backbone.", tensors) | {"neck.fc0.weight": torch.ones(2)}
    return {"meta": {"epoch": 800}, "state_dict": state}


def save(folder, entry, network):
    """The entry's file with the network's weights, by its name."""
    (source,) = entry.sources
    path = folder / source.files[0].name
    torch.save(published(source.layout, network.state_dict()), path)
    return {path.name: path}


@pytest.mark.parametrize(
    "name",
    [
        "supervised-r50",
        "moco-v2-r50-800ep",
        "vissl-simclr-r50",
        "swav-r50",
        "mmselfsup-simclr-r50",
    ],
)
def test_each_layout_gives_torchvisions_representation(name, tmp_path, photos, torchvision):
    entry = find(name)
    network = resnet50(torchvision)
    served, conversion = read_encoder(
        entry, entry.sources[0], save(tmp_path, entry, network), tmp_path
    )
    with torch.no_grad():
        found = served(torch.from_numpy(photos)).numpy()
    measured = agreement(found, represent(network, photos))
    assert measured.cosine_min > 0.99999
    assert measured.max_relative_error < 1e-5
    assert conversion.tensors == 265
    assert entry.verified


def test_cpcs_encoder_is_taken_out_of_lightnings_checkpoint(tmp_path, photos, torchvision):
    entry = find("cpc-v2-r18")
    network = resnet(torchvision, depth=18)
    state = prefixed("encoder.", network.state_dict())
    state |= {"encoder.fc.weight": torch.ones(1000, 512), "encoder.fc.bias": torch.ones(1000)}
    for task in ("target_cnn", "pred_cnn", "context_cnn"):
        state |= {f"contrastive_task.{task}.0.weight": torch.ones(64, 512, 1, 1)}
    state |= {"non_linear_evaluator.block_forward.2.weight": torch.ones(2)}
    path = tmp_path / "epoch=85.ckpt"
    torch.save({"epoch": 85, "state_dict": state, "hyper_parameters": {"patch_size": 32}}, path)
    (source,) = entry.sources
    served, conversion = read_encoder(entry, source, {path.name: path}, tmp_path)
    small = photos[:, :128, :128]
    with torch.no_grad():
        found = served(torch.from_numpy(small)).numpy()
    assert agreement(found, represent(network, small)).cosine_min > 0.99999
    assert conversion.tensors == 100
    assert not entry.verified


def test_the_package_is_proven_and_tells_where_it_is_from(home, tmp_path, photos, torchvision):
    entry = find("moco-v2-r50-200ep")
    network = resnet50(torchvision)
    package = convert(entry, entry.sources[0], save(tmp_path, entry, network), SOURCES)
    verify(package)
    assert find_package("moco-v2-r50-200ep").path == package.path

    expected = represent(network, photos)
    with torch.no_grad():
        in_torch = load_served(package)(torch.from_numpy(photos)).numpy()
    for found in (in_torch, open_runtime(package).embed(photos)):
        measured = agreement(found, expected)
        assert measured.cosine_min > 0.99999
        assert measured.max_relative_error < 1e-4

    manifest = package.manifest
    assert manifest.provenance.conversion == Conversion(
        layout="moco",
        mapping=1,
        tensors=265,
        dropped={
            "*.num_batches_tracked": 53,
            "module.encoder_q.fc.*": 1,
            "module.encoder_k.*": 318,
            "module.queue": 1,
            "module.queue_ptr": 1,
            "outside state_dict/": 1,
        },
    )
    card = (package.path / "card.md").read_text()
    assert "Converted from the layout moco (mapping 1): 265 tensors used." in card
    assert manifest.provenance.sources[1:] == SOURCES
    assert manifest.metrics == entry.published
    assert manifest.parity["onnxruntime-fp32"].cosine_min > 0.999999
    golden = read_golden(package.golden)
    assert set(golden.controls) == {"normalisation", "channel-order", "stem-pooling"}
    for wrong in golden.controls.values():
        assert agreement(wrong, golden.embeddings).cosine_min < manifest.tolerance


@pytest.fixture(scope="module")
def bundle(tmp_path_factory):
    """A checkpoint of SimCLR v1, width 1, in the layout of Google's files."""
    folder = tmp_path_factory.mktemp("google")
    return write_bundle(folder / "model.ckpt-225206", google_tensors(1))


@pytest.fixture
def refused(home):
    """refused(entry, files, match): converting fails and leaves the store as it was."""

    def check(entry, files, match):
        (source, *_) = entry.sources
        with pytest.raises(CheckpointError, match=match):
            convert(entry, source, files, ())
        assert not [path for path in home.rglob("*") if not path.is_dir()]
        assert not list(home.rglob(".*"))

    return check


def copied(files, folder, change):
    """The bundle with its data file changed in place."""
    index, data = files.values()
    copy = folder / data.name
    copy.write_bytes(data.read_bytes())
    with copy.open("r+b") as file:
        change(file)
    return {index.name: index, data.name: copy}


def test_half_a_checkpoint_is_refused(bundle, refused, tmp_path):
    files = copied(bundle, tmp_path, lambda file: file.truncate(40_000_000))
    refused(find("simclr-r50x1"), files, r"incomplete, the tensor 'base_model/")


def test_a_flipped_bit_is_refused_and_its_tensor_named(bundle, refused, tmp_path):
    def flip(file):
        file.seek(5_000)  # within the first tensor, the stem's kernel of 37,632 bytes
        byte = file.read(1)[0]
        file.seek(5_000)
        file.write(bytes([byte ^ 4]))

    files = copied(bundle, tmp_path, flip)
    refused(find("simclr-r50x1"), files, r"the tensor 'base_model/conv2d/kernel' is damaged")


def test_weights_of_another_network_are_refused(bundle, refused):
    refused(find("simclr-r50x2"), bundle, r"'base_model/conv2d/kernel' has shape \(7, 7, 3, 64\)")
    deeper = find("simclr-v2-r101x1")
    files = {name.replace("225206", "250228"): path for name, path in bundle.items()}
    refused(deeper, files, r"'base_model/conv2d_53/kernel' is missing")
    selective = find("simclr-v2-r50x1-sk")
    refused(selective, files, r"missing|has shape")


def test_a_file_that_is_missing_is_named(bundle, refused):
    index, _ = bundle
    refused(find("simclr-r50x1"), {index: bundle[index]}, "data-00000-of-00001 is missing")


def test_a_web_page_in_place_of_the_file_is_refused(refused, tmp_path):
    entry = find("moco-v2-r50-200ep")
    page = tmp_path / "page"
    page.write_text("<!doctype html>")
    refused(entry, {entry.sources[0].files[0].name: page}, "not a whole PyTorch file")


def test_a_pickle_that_would_run_code_is_refused_and_not_run(refused, tmp_path):
    trace, entry = tmp_path / "trace", find("moco-v2-r50-200ep")

    class Attack:
        def __reduce__(self):
            return Path.touch, (trace,)

    path = tmp_path / "attack"
    torch.save({"state_dict": Attack()}, path)
    refused(entry, {entry.sources[0].files[0].name: path}, "it holds objects that are not read")
    assert not trace.exists()
