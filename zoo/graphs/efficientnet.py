"""EfficientNet-Lite0 as an ONNX graph, drawn node by node without PyTorch.

The same network as `zoo.encoders.EfficientNetLite`, and the same names of its tensors.
"""

from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from zoo.architectures import (
    LITE0_EPSILON,
    LITE0_HEAD,
    LITE0_STAGES,
    LITE0_STEM,
    MobileStage,
    same_padding,
)
from zoo.graphs.rewrite import new_model
from zoo.images import InputBlock

PREFIX = "encoder."
"""Before the names of the network's tensors in a package."""


def lite0_graph(block: InputBlock) -> onnx.ModelProto:
    """uint8 `images` (n, size, size, 3) -> `embedding` (n, 1280).

    The weights are initializers that have a name and a shape and no values yet; see
    `zoo.graphs.rewrite.refer_to_weights`.
    """
    drawing = _Drawing(block.size)
    x = drawing.normalise(block)
    x = drawing.convolve(x, "conv_stem", "bn1", 3, LITE0_STEM, kernel=3, stride=2)
    inputs = LITE0_STEM
    for number, stage in enumerate(LITE0_STAGES):
        for repeat in range(stage.blocks):
            x = drawing.block(x, f"blocks.{number}.{repeat}", inputs, stage, first=repeat == 0)
            inputs = stage.channels
    x = drawing.convolve(x, "conv_head", "bn2", inputs, LITE0_HEAD)
    x = drawing.node("GlobalAveragePool", [x])
    drawing.node("Flatten", [x], output="embedding", axis=1)
    return new_model(drawing.nodes, drawing.initializers.values(), block.size, LITE0_HEAD)


class _Drawing:
    """A graph that grows: each method adds nodes and gives the name of their output."""

    def __init__(self, size: int) -> None:
        self.nodes: list[onnx.NodeProto] = []
        self.initializers: dict[str, onnx.TensorProto] = {}
        self.size = size  # of the maps that come next

    def node(self, kind: str, inputs: list[str], output: str = "", **attributes: Any) -> str:
        output = output or f"{kind.lower()}_{len(self.nodes)}"
        self.nodes.append(helper.make_node(kind, inputs, [output], output, **attributes))
        return output

    def constant(self, name: str, values: Any) -> str:
        self.initializers[name] = numpy_helper.from_array(np.asarray(values, np.float32), name)
        return name

    def weight(self, name: str, *shape: int) -> str:
        name = PREFIX + name
        self.initializers[name] = TensorProto(name=name, data_type=TensorProto.FLOAT, dims=shape)
        return name

    def normalise(self, block: InputBlock) -> str:
        x = self.node("Transpose", ["images"], perm=(0, 3, 1, 2))
        x = self.node("Cast", [x], to=TensorProto.FLOAT)
        x = self.node("Div", [x, self.constant("white", 255)])
        x = self.node("Sub", [x, self.constant("mean", np.reshape(block.mean, (3, 1, 1)))])
        return self.node("Div", [x, self.constant("std", np.reshape(block.std, (3, 1, 1)))])

    def block(self, x: str, name: str, inputs: int, stage: MobileStage, first: bool) -> str:
        """A mobile inverted bottleneck, in which the first convolution adds channels, if any."""
        stride, width = stage.stride if first else 1, inputs * stage.expansion
        expands = stage.expansion > 1
        out, norm = x, 1
        if expands:
            out = self.convolve(out, f"{name}.conv_pw", f"{name}.bn1", inputs, width)
            norm = 2
        out = self.convolve(
            out, f"{name}.conv_dw", f"{name}.bn{norm}", width, width,
            kernel=stage.kernel, stride=stride, groups=width,
        )  # fmt: skip
        last = f"{name}.conv_pwl" if expands else f"{name}.conv_pw"
        out = self.convolve(
            out, last, f"{name}.bn{norm + 1}", width, stage.channels, activate=False
        )
        skips = stride == 1 and inputs == stage.channels
        return self.node("Add", [out, x]) if skips else out

    def convolve(
        self,
        x: str,
        name: str,
        norm: str,
        inputs: int,
        outputs: int,
        kernel: int = 1,
        stride: int = 1,
        groups: int = 1,
        activate: bool = True,
    ) -> str:
        """A convolution with its norm and, but where it ends a block, ReLU6."""
        before, after = same_padding(self.size, kernel, stride)
        self.size = -(-self.size // stride)
        weight = self.weight(f"{name}.weight", outputs, inputs // groups, kernel, kernel)
        x = self.node(
            "Conv", [x, weight], kernel_shape=(kernel, kernel), strides=(stride, stride),
            pads=(before, before, after, after), group=groups,
        )  # fmt: skip
        parts = ("weight", "bias", "running_mean", "running_var")
        statistics = [self.weight(f"{norm}.{part}", outputs) for part in parts]
        x = self.node("BatchNormalization", [x, *statistics], epsilon=LITE0_EPSILON)
        if not activate:
            return x
        return self.node("Clip", [x, self.constant("zero", 0), self.constant("six", 6)])
