"""SimCLR's ResNet in TensorFlow, from its description: run by `test_tensorflow.py`, not imported.

`python tensorflow_simclr.py FOLDER '{"depth": 50, "width": 1, "selective": false, ...}'` reads
`images.npy` (uint8) in the folder and writes there a checkpoint of random weights, in the layout of
Google's files, and the network's `representation.npy` for the images.

Architecture: Chen et al. 2020 (arXiv:2002.05709, appendix B.5; arXiv:2006.10029, section 3), ResNet
with the stride in the 3x3 (Goyal et al. 2017), shortcut and stem of ResNet-D (arXiv:1812.01187) and
selective kernels (arXiv:1903.06586) where `selective`. Strided convolutions pad by their kernel.
"""

import json
import sys
from pathlib import Path

import numpy as np
import tensorflow as tf

BLOCKS = {50: (3, 4, 6, 3), 101: (3, 4, 23, 3), 152: (3, 8, 36, 3)}
rng = np.random.default_rng(0)


class Variables:
    """Makes variables under the names that TensorFlow's layers would have given them."""

    def __init__(self):
        self.made, self.counts = {}, {}

    def layer(self, kind):
        number = self.counts[kind] = self.counts.get(kind, -1) + 1
        return f"base_model/{kind}_{number}" if number else f"base_model/{kind}"

    def variable(self, name, values):
        self.made[name] = tf.Variable(values.astype(np.float32))
        return self.made[name]

    def conv(self, x, outputs, size, stride=1):
        shape = (size, size, x.shape[-1], outputs)
        values = rng.standard_normal(shape, np.float32) * np.sqrt(2 / np.prod(shape[:3]))
        kernel = self.variable(f"{self.layer('conv2d')}/kernel", values)
        if stride == 1:
            return tf.nn.conv2d(x, kernel, 1, "SAME")
        before = (size - 1) // 2
        after = size - 1 - before
        x = tf.pad(x, [[0, 0], [before, after], [before, after], [0, 0]])
        return tf.nn.conv2d(x, kernel, stride, "VALID")

    def norm(self, x):
        """Statistics near those of its input, as training leaves them.

        With any others, values grow from block to block until the attention of selective kernels
        is a step, which no two float32 computations take at the same place. A channel that three
        images hardly move counts as one that moves like the rest.
        """
        name, channels = self.layer("batch_normalization"), x.shape[-1]
        mean, variance = (m.numpy() for m in tf.nn.moments(x, [0, 1, 2]))
        variance += variance.mean()
        mean += rng.uniform(-0.3, 0.3, channels) * np.sqrt(variance)
        variance *= rng.uniform(0.5, 2.0, channels)
        gamma = self.variable(f"{name}/gamma", rng.uniform(0.5, 1.5, channels))
        beta = self.variable(f"{name}/beta", rng.uniform(-0.3, 0.3, channels))
        mean = self.variable(f"{name}/moving_mean", mean)
        variance = self.variable(f"{name}/moving_variance", variance)
        return tf.nn.batch_normalization(x, mean, variance, beta, gamma, 1e-5)

    def selective_kernel(self, x, channels, stride):
        x = tf.nn.relu(self.norm(self.conv(x, 2 * channels, 3, stride)))
        first, second = tf.split(x, 2, axis=-1)
        overall = tf.reduce_mean(first + second, [1, 2], keepdims=True)
        squeezed = tf.nn.relu(self.norm(self.conv(overall, max(channels // 16, 32), 1)))
        a, b = tf.split(self.conv(squeezed, 2 * channels, 1), 2, axis=-1)
        share = tf.sigmoid(a - b)  # the softmax of two
        return first * share + second * (1 - share)

    def bottleneck(self, x, channels, stride, project, selective):
        shortcut = x
        if project:
            if selective:
                if stride > 1:
                    shortcut = tf.pad(shortcut, [[0, 0], [0, 1], [0, 1], [0, 0]])
                padding = "SAME" if stride == 1 else "VALID"
                shortcut = tf.nn.avg_pool2d(shortcut, 2, stride, padding)
            shortcut = self.conv(shortcut, 4 * channels, 1, 1 if selective else stride)
            shortcut = self.norm(shortcut)
        x = tf.nn.relu(self.norm(self.conv(x, channels, 1)))
        if selective:
            x = self.selective_kernel(x, channels, stride)
        else:
            x = tf.nn.relu(self.norm(self.conv(x, channels, 3, stride)))
        return tf.nn.relu(self.norm(self.conv(x, 4 * channels, 1)) + shortcut)

    def network(self, images, depth, width, selective):
        x, channels = tf.cast(images, tf.float32) / 255, 64 * width
        if selective:
            x = tf.nn.relu(self.norm(self.conv(x, channels // 2, 3, 2)))
            x = tf.nn.relu(self.norm(self.conv(x, channels // 2, 3)))
            x = self.conv(x, channels, 3)
        else:
            x = self.conv(x, channels, 7, 2)
        x = tf.nn.max_pool2d(tf.nn.relu(self.norm(x)), 3, 2, "SAME")
        for stage, blocks in enumerate(BLOCKS[depth]):
            for block in range(blocks):
                stride = 2 if stage and not block else 1
                x = self.bottleneck(x, channels * 2**stage, stride, block == 0, selective)
        return tf.reduce_mean(x, [1, 2])


def add_other_parts(variables, dim, second_version):
    """What the files hold beside the network."""
    trained = [name for name in variables.made if "/moving_" not in name]
    for part in ("kernel", "bias"):
        shape = (dim, 10) if part == "kernel" else (10,)
        variables.variable(f"head_supervised/linear_layer/dense/{part}", np.ones(shape))
    if second_version:
        for name in trained:
            variables.variable(f"{name}/Momentum", np.ones(variables.made[name].shape))
        for name in [name for name in variables.made if name.startswith("base_model/")]:
            variables.variable(f"ema_model/{name}", np.ones(variables.made[name].shape))
        variables.variable("head_contrastive/nl_0/dense/kernel", np.ones((dim, 4)))
        variables.variable("head_contrastive/nl_2/batch_normalization/gamma", np.ones(4))
    variables.made["global_step"] = tf.Variable(np.int64(225206))


def main(folder, options):
    second_version, steps = options.pop("second_version"), options.pop("steps")
    variables = Variables()
    representation = variables.network(np.load(folder / "images.npy"), **options)
    np.save(folder / "representation.npy", representation.numpy())
    add_other_parts(variables, representation.shape[-1], second_version)
    saver = tf.compat.v1.train.Saver(variables.made)
    saver.save(None, str(folder / "model.ckpt"), global_step=steps, write_meta_graph=False)


main(Path(sys.argv[1]), json.loads(sys.argv[2]))
