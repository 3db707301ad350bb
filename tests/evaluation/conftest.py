"""Small real generators for the tests: SavedModels made of a tf.Module."""

import json
import os

# k-means has a thread for each core. They wait for each other in a loop of up to ten times the
# computation where another process, such as a second worker of the tests, takes one of the cores.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")

import numpy as np
import pytest

from evaluation import load_images

CONTRACT = {
    "format": 1,
    "model": "gan",
    "signature": "serving_default",
    "latents": {"dim": 4, "law": "normal"},
    "labels": None,
    "images": {"height": 8, "width": 8, "channels": 1, "range": [-1.0, 1.0], "layout": "NHWC"},
    "data": {"name": "digits", "size_px": None, "split": "train"},
    "step": 20,
    "seed": 0,
    "averaged": True,
    "versions": {"gantf": "0.1.0"},
}


@pytest.fixture(scope="session")
def make_generator(tf):
    """make_generator(directory, function, contract, dim): function maps latents (n, dim) to images.

    Without a function, pixel k of every image is tanh of latent k mod dim. contract None writes no
    generator.json; a dictionary replaces entries of CONTRACT.
    """

    def make(directory, function=None, contract=(), dim=4, latents_name="latents", labels=False):
        def tiled(latents):
            return tf.reshape(tf.tile(tf.tanh(latents), [1, 64 // dim]), [-1, 8, 8, 1])

        module = tf.Module()
        module.shift = tf.Variable(0.0)
        module.function = function or tiled
        specs = [tf.TensorSpec([None, dim], tf.float32, name=latents_name)]
        if labels:
            specs.append(tf.TensorSpec([None], tf.int64, name="labels"))

        @tf.function(input_signature=specs)
        def serve(*inputs):
            return {"images": module.function(*inputs) + module.shift}

        module.serve = serve
        tf.saved_model.save(module, str(directory), signatures={"serving_default": serve})
        if contract is not None:
            content = CONTRACT | dict(contract)
            (directory / "generator.json").write_text(json.dumps(content))
        return directory

    return make


@pytest.fixture(scope="session")
def tanh_generator(make_generator, tmp_path_factory):
    """A generator of digits-shaped images with its contract, in a run directory."""
    return make_generator(tmp_path_factory.mktemp("run") / "generator")


@pytest.fixture(scope="session")
def digits(tf):
    """The digits' two splits as Images."""
    return {split: load_images("digits", split) for split in ("train", "test")}


@pytest.fixture
def noise_images():
    """noise_images(n, height, width, channels, seed) -> uint8 images of noise."""

    def make(n, height=8, width=8, channels=1, seed=0):
        rng = np.random.default_rng(seed)
        return rng.integers(0, 256, (n, height, width, channels), dtype=np.uint8)

    return make
