"""`random-conv`, `random-conv:SEED`: a small convolutional network with random weights.

No training and no download: textures, edges and colours at three or four scales, of images of any
size. Three to four 3 x 3 convolutions of stride 2 with 32, 64, 128 and 128 channels, as long as a
side of more than 2 pixels is left; kernels with orthonormal columns times sqrt(2), leaky ReLU with
slope 0.2, no bias; of each layer the mean and the standard deviation over all places. Gray images
are taken as RGB. Images of 28 pixels or more have 704 features.

The weights are drawn by NumPy from the seed (0 if none is given) and rounded to multiples of 2^-16,
so that they are the same on every machine. Different seeds are different features.

They tell texture and colour, and hardly what an image shows: trained features are better where
there are any.

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
    """The network for images of one size.

    Raises:
      InputError: a seed that is no whole number, or an option that the kind does not have.
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
    """How many convolutions images (H, W, C) go through, at least 1."""
    halvings = math.ceil(math.log2(max(min(shape[:2]) / LAST_SIDE_PX, 1)))
    return min(max(halvings, 1), len(CHANNELS))


def weights(seed: int, count: int) -> list[np.ndarray]:
    """Kernels (3, 3, inputs, outputs), float64; each layer from a stream of its own."""
    kernels, inputs = [], 3
    for layer in range(count):
        normal = np.random.default_rng([seed, layer]).standard_normal((9 * inputs, CHANNELS[layer]))
        # with fewer inputs than outputs the rows are orthonormal instead
        wide = normal.shape[0] < normal.shape[1]
        with threadpoolctl.threadpool_limits(1, user_api="blas"):  # too small for several
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
        values, found = tf.cast(values, dtype), []
        for kernel in kernels:
            values = tf.nn.conv2d(values, tf.cast(kernel, dtype), 2, "SAME")
            values = tf.nn.leaky_relu(values, SLOPE)
            places = tf.cast(values, tf.float32)
            mean = tf.reduce_mean(places, [1, 2])
            spread = tf.reduce_mean(tf.square(places - mean[:, None, None]), [1, 2])
            found += [mean, tf.sqrt(spread)]
        return (tf.concat(found, axis=-1),)

    return network
