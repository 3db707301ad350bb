"""`random-conv`, `random-conv:SEED`: a small convolutional network with random weights.

It needs no training and no download, and takes images of any size. It has up to four 3 x 3
convolutions of stride 2 with 32, 64, 128 and 128 channels; it stops when the shorter side is at
most 2 pixels. Kernels have orthonormal columns times sqrt(2); the activation is a leaky ReLU with
slope 0.2; there is no bias. The features are each channel's mean and standard deviation over all
positions, in every layer. Gray images become RGB. Images of 28 pixels or more have 704 features.

NumPy draws the weights from the seed (default 0) and rounds them to multiples of 2^-16, so they are
equal on every machine. Different seeds are different features.

These features describe edges, texture and colour, but hardly the content of an image: prefer
trained features if you have them.

Source: Saxe et al. 2014, arXiv:1312.6120 (orthogonal weights); Naeem et al. 2020, arXiv:2002.09797
(networks without training as features of generated images).
"""

import hashlib
import math

import numpy as np
import threadpoolctl

from evaluation.errors import InputError
from evaluation.features import devices
from evaluation.features.extractor import Extractor, Request, refuse
from evaluation.runtime.tensorflow import import_tensorflow

HAS_LOGITS = False
CHANNELS = (32, 64, 128, 128)
SLOPE = 0.2
GRID = 2.0**16
LAST_SIDE_PX = 2
DEFINITION = f"random-conv 1: 3 x 3, stride 2, {CHANNELS}, orthonormal, leaky {SLOPE}, mean and sd"


def open_extractor(request: Request) -> Extractor:
    """Compiles the network for images of one size.

    Raises:
      InputError: the seed is not a whole number, or the kind does not have an option.
    """
    refuse(request, "layer", "weights", "resize")
    text = request.argument or "0"
    if not (text.isascii() and text.isdigit()):
        raise InputError(f"random-conv:{text}; the seed must be a whole number, 0 or more.")
    kernels = [kernel.astype(np.float32) for kernel in weights(int(text), layers(request.shape))]
    settings = {"seed": int(text), "layers": len(kernels), "precision": request.precision}
    sha256 = hashlib.sha256(f"{DEFINITION}; seed {int(text)}".encode()).hexdigest()
    run = devices.compiled(_network(kernels, request.precision), request.batch_size)
    name = f"random-conv:{int(text)}"
    return Extractor(name, sha256, settings, run, packages=("tensorflow",))


def layers(shape: tuple[int, int, int]) -> int:
    """Returns the number of convolutions for images (H, W, C), at least 1."""
    halvings = math.ceil(math.log2(max(min(shape[:2]) / LAST_SIDE_PX, 1)))
    return min(max(halvings, 1), len(CHANNELS))


def weights(seed: int, count: int) -> list[np.ndarray]:
    """Draws kernels (3, 3, inputs, outputs), float64; each layer has its own random stream."""
    kernels, inputs = [], 3
    for layer in range(count):
        normal = np.random.default_rng([seed, layer]).standard_normal((9 * inputs, CHANNELS[layer]))
        # with fewer inputs than outputs the rows are orthonormal instead
        wide = normal.shape[0] < normal.shape[1]
        with threadpoolctl.threadpool_limits(1, user_api="blas"):  # too small for more threads
            q, r = np.linalg.qr(normal.T if wide else normal)
        q = q * np.where(np.diag(r) < 0, -1.0, 1.0)
        kernel = (q.T if wide else q).reshape(3, 3, inputs, CHANNELS[layer])
        kernels.append(np.rint(math.sqrt(2.0) * kernel * GRID) / GRID)
        inputs = CHANNELS[layer]
    return kernels


def _network(kernels: list[np.ndarray], precision: str) -> devices.Network:
    tf = import_tensorflow()
    dtype = tf.as_dtype(precision)

    def network(images):
        values = tf.cast(images, tf.float32) / 127.5 - 1.0
        if values.shape[-1] == 1:
            values = tf.repeat(values, 3, axis=-1)
        values, moments = tf.cast(values, dtype), []
        for kernel in kernels:
            values = tf.nn.conv2d(values, tf.cast(kernel, dtype), 2, "SAME")
            values = tf.nn.leaky_relu(values, SLOPE)
            exact = tf.cast(values, tf.float32)
            mean = tf.reduce_mean(exact, [1, 2])
            variance = tf.reduce_mean(tf.square(exact - mean[:, None, None]), [1, 2])
            moments += [mean, tf.sqrt(variance)]
        return (tf.concat(moments, axis=-1),)

    return network
