"""Small games and data for the tests of models: whatever a model needs, made from random pixels."""

import contextlib
import dataclasses
import functools
import json
from types import MappingProxyType
from unittest import mock

import numpy as np
import pytest

from gantf import config, models

SMALL = {  # settings that make a model small, wherever it has them
    "generator_channels": 4,
    "discriminator_channels": 4,
    "encoder_channels": 4,
    "channels": 4,
    "max_channels": 8,
    "latent_dim": 6,
    "style_dim": 6,
    "mapping_layers": 2,
    "residual_blocks": 1,
    "group_channels": 4,
    "text_dim": 5,
    "pool_images": 3,
    "stddev_group": 2,
    "n_critic": 2,
}
SIDE = 16
QUICK_ADA = {"ada_images": 8, "discriminator_learning_rate": 0.01}  # moves in a few steps
GRAY = (8, 8, 1)  # the smallest images of all
BATCH = 4


def make_data(name, shape=(SIDE, SIDE, 3), count=12, classes=2):
    """Training data of random pixels in the form that a model needs."""
    from gantf.data.loading import TrainingData
    from gantf.game import DataSpec

    rng = np.random.default_rng(0)
    needs = models.needs(models.load(name))

    def images(rows, image_shape=shape):
        return rng.integers(0, 256, (rows, *image_shape), dtype=np.uint8)

    labels = np.arange(count) % classes
    names = tuple("ab"[:classes]) if classes <= 2 else tuple(map(str, range(classes)))
    shares = tuple(np.bincount(labels, minlength=classes) / count)
    if needs == "domains":
        sets = ({"a": images(count)}, {"b": images(count - 5)})
        spec = DataSpec(shape, ("a", "b"), input_shape=shape)
    elif needs == "pairs":
        inputs = (*shape[:2], 1)
        sets = ({"input": images(count, inputs), "image": images(count)},)
        spec = DataSpec(shape, input_shape=inputs)
    else:
        sets = ({"image": images(count), "label": labels},)
        spec = DataSpec(shape, names, shares)
    return TrainingData(sets, spec, "random", "")


def make_game(strategy, name, data=None, seed=0, **settings):
    """A small game of a model, with further settings where the model has them."""
    from gantf.game import build_game

    model = models.load(name)
    data = make_data(name) if data is None else data
    expected_names = {
        k: v for k, v in {**SMALL, **settings}.items() if k in model.Config.model_fields
    }
    with strategy.scope():
        made = config.make_model_config(model.Config, expected_names, models.title(name))
        return build_game(model, made, data.spec, seed)


def make_loop(tf, strategy, game, data, batch_size=BATCH):
    """The compiled loop of a game, and given(count, first_step): what its `run` takes for them."""
    from gantf.data import pipeline
    from gantf.game import LOG_WIDTH
    from gantf.training import step

    def values(count, first_step=0):
        first_batch = first_step * game.batches_per_step
        dataset = pipeline.make_dataset(data.sets, 0, batch_size, first_batch)
        return (
            iter(strategy.distribute_datasets_from_function(dataset)),
            tf.constant(first_step, tf.int64),
            tf.constant(count, tf.int64),
            tf.zeros(LOG_WIDTH),
            tf.constant(step.ALL_FINITE, tf.int64),
        )

    return step.make_steps(game, strategy, batch_size, 0), values


FEW_STEPS = 20  # a trace takes as long as this many eager steps


def make_run(tf, strategy, game, data, batch_size=BATCH, eagerly=True):
    """run(count, first_step) trains some steps -> means of what was logged, the fault.

    The loop is traced the first time, which takes most of the time of most tests; a few steps are
    sooner done `eagerly`.
    """
    compiled, values = make_loop(tf, strategy, game, data, batch_size)

    def run(count, first_step=0):
        inputs = values(count, first_step)
        tf.config.run_functions_eagerly(eagerly)
        try:
            sums, fault = compiled.run(*inputs)
        finally:
            tf.config.run_functions_eagerly(False)
        return dict(zip(compiled.names, sums.numpy() / count, strict=False)), int(fault)

    return run


@contextlib.contextmanager
def eager_steps(tf):
    """Runs the steps of trainings eagerly while the block runs: a few are done before a trace is.

    Their data are still read by a graph, and their exports are traced.
    """
    from gantf.training import step

    make_steps = step.make_steps

    def make_eager_steps(*arguments):
        steps = make_steps(*arguments)

        def run(*inputs):
            tf.config.run_functions_eagerly(True)
            try:
                return steps.run(*inputs)
            finally:
                tf.config.run_functions_eagerly(False)

        return dataclasses.replace(steps, run=run)

    with mock.patch.object(step, "make_steps", make_eager_steps):
        yield


def run_steps(tf, strategy, game, data, count, batch_size=BATCH):
    """Trains the first steps of a game: eagerly if they are few. Use `make_run` for more steps."""
    return make_run(tf, strategy, game, data, batch_size, eagerly=count < FEW_STEPS)(count)


def weights(game):
    """Every variable's value by its name."""
    return {name: variable.numpy() for name, variable in game.variables().items()}


def one_device_game(name, shape=GRAY, **settings):
    """The strategy, the data and a small game on one device."""
    from gantf.distribute import strategies

    strategy, data = strategies.make("one-device"), make_data(name, shape)
    return strategy, data, make_game(strategy, name, data, **settings)


def train(tf, name, steps, shape=GRAY, **settings):
    """Every variable after some steps of a small game on one device, done eagerly."""
    strategy, data, game = one_device_game(name, shape, **settings)
    run_steps(tf, strategy, game, data, steps)
    return weights(game)


def has_effect(tf, name, change, base=MappingProxyType({}), shape=GRAY):
    """Whether settings change which kernels all networks have, or what training makes of them.

    Networks with other kernels are not trained. The second step shows each setting of an optimizer
    or a schedule. Adaptive augmentation and a moving average need a third.
    """
    settings = {**base, **change}
    steps = 3 if any(key.startswith(("ada_", "ema_")) for key in settings) else 2
    before = _kernels(_trained(tf, name, steps, shape, json.dumps(dict(base))))
    strategy, data, game = one_device_game(name, shape, **settings)
    shapes = {key: value.shape for key, value in before.items()}
    if shapes != {key: value.shape for key, value in _kernels(weights(game)).items()}:
        return True
    run_steps(tf, strategy, game, data, steps)
    after = _kernels(weights(game))
    return any(not np.array_equal(value, after[key]) for key, value in before.items())


def _kernels(values):
    return {key: value for key, value in values.items() if "kernel" in key}


def every_model(*quick):
    """The names of all models as parameters; the short run takes these, the others are slow."""
    return [
        pytest.param(name, marks=() if name in quick else pytest.mark.slow)
        for name in models.names()
    ]


def one_in_three(changes):
    """Parameters of which the short run takes one in three; the others are slow."""
    rows = [change if isinstance(change, tuple) else (change,) for change in changes]
    marks = [() if place % 3 == 0 else pytest.mark.slow for place in range(len(rows))]
    return [pytest.param(*row, marks=mark) for row, mark in zip(rows, marks, strict=True)]


@functools.lru_cache(maxsize=4)
def _trained(tf, name, steps, shape, settings):
    return train(tf, name, steps, shape, **json.loads(settings))
