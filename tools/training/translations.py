"""Compares a trained translator with its untrained form, and with a simple baseline."""

from pathlib import Path

import numpy as np
import tensorflow as tf
from answers import SAMPLES, Row, fraction, mean_of, ratio_of_means, row

from evaluation import Value
from gantf import config
from gantf.data.loading import TrainingData
from gantf.game import Game
from gantf.generation import sampling
from gantf.runs import restore
from gantf.training import evaluator

EPOCHS = 12  # of the domain classifier
MAX_FOOLED_UNTRAINED = 0.5  # above this fraction, the classifier is not informative


def paired(game: Game, start: Game, read: TrainingData) -> list[Row]:
    """Returns PSNR, SSIM and L1 on held-out and on training pairs, and the baseline's."""
    table = []
    assert game.translator is not None
    for split, source in (("held-out", read.held_out), ("training", read)):
        if source is None:
            continue
        batch = evaluator.first_rows(source, SAMPLES, np.random.default_rng(0))
        inputs, targets = (
            np.asarray(x) for x in game.translator.validation_pairs(batch)["generator"]
        )
        outputs, first = (
            sampling.sample(model.generators["generator"], {"image": inputs}, batch_size=50)
            for model in (game, start)
        )
        simple = _baseline(game, inputs, read)
        now, before, baseline = (evaluator.compare(targets, x) for x in (outputs, first, simple))
        for name in now:
            beside = {"untrained": before[name].value, "baseline": baseline[name].value}
            headline = split == "held-out" and name != "ssim"
            table.append(row(f"{name}, {split} images", now[name], headline, **beside))
        gain = _gain(targets, outputs, simple)
        table.append(row(f"psnr gain over the baseline, {split} images", gain))
    return table


def _gain(targets: np.ndarray, outputs: np.ndarray, simple: np.ndarray) -> Value:
    """Returns the gain in PSNR over the baseline, in dB, averaged over the images."""
    gains = [
        evaluator.compare(targets[i : i + 1], outputs[i : i + 1])["psnr"].value
        - evaluator.compare(targets[i : i + 1], simple[i : i + 1])["psnr"].value
        for i in range(len(targets))
    ]
    return mean_of(gains)


def pretrained(run_dir: Path, run: config.RunConfig, read: TrainingData) -> list[Row]:
    """Scores the end of pretraining without a discriminator, if the model has such a phase.

    The adversarial loss lowers PSNR, so this score separates the two phases.
    """
    steps = run.settings.get("pretraining_steps", 0)
    if not steps or read.held_out is None:
        return []
    game = restore.load(run_dir, str(steps)).game
    assert game.translator is not None
    batch = evaluator.first_rows(read.held_out, SAMPLES, np.random.default_rng(0))
    inputs, targets = (np.asarray(x) for x in game.translator.validation_pairs(batch)["generator"])
    outputs = sampling.sample(game.generators["generator"], {"image": inputs}, batch_size=50)
    gain = _gain(targets, outputs, _baseline(game, inputs, read))
    split = f"held-out images, content-trained phase (step {steps})"
    return [row(f"psnr gain over the baseline, {split}", gain)]


def _baseline(game: Game, inputs: np.ndarray, read: TrainingData) -> np.ndarray:
    """Returns bicubic upsampling of the inputs, or the median training image for each."""
    if game.translator is not None and game.translator.upscaling > 1:
        height, width = (
            inputs.shape[1] * game.translator.upscaling,
            inputs.shape[2] * game.translator.upscaling,
        )
        upsampled = tf.image.resize(inputs, (height, width), "bicubic").numpy()
        return np.clip(upsampled, -1, 1)
    median = np.median(read.images, axis=0).astype(np.float32) / 127.5 - 1
    return np.broadcast_to(median, (len(inputs), *median.shape))


def unpaired(game: Game, start: Game, read: TrainingData) -> list[Row]:
    """Returns the cycle errors on held-out images, and how often translations fool a classifier."""
    assert game.translator is not None
    classifier, accuracy = domain_classifier(read)
    batch = evaluator.first_rows(read.held_out or read, SAMPLES, np.random.default_rng(0))
    pairs = game.translator.validation_pairs(batch)
    table = [row("accuracy of the domain classifier on held-out real images", accuracy)]
    names = list(game.generators)
    for name, back in zip(names, reversed(names), strict=True):
        inputs = np.asarray(pairs[name][0])
        errors, fooled = [], []
        for model in (game, start):
            translated = sampling.sample(model.generators[name], {"image": inputs}, batch_size=50)
            cycled = sampling.sample(model.generators[back], {"image": translated}, batch_size=50)
            errors.append(np.abs(cycled - inputs).mean(axis=(1, 2, 3)))
            is_b = np.asarray(classifier(tf.constant(np.clip(translated, -1, 1)))).ravel() > 0
            fooled.append(fraction(is_b == (name == names[0])))
        ratio = ratio_of_means(errors[0], errors[1])
        table.append(row(f"cycle error of {name} / untrained cycle error", ratio, untrained=1.0))
        table.append(
            row(
                f"{name}: classified as the target domain",
                fooled[0],
                fooled[1].value < MAX_FOOLED_UNTRAINED,
                untrained=fooled[1].value,
            )
        )
    return table


def domain_classifier(read: TrainingData):
    """Trains a small classifier of the domains; returns it and its accuracy on held-out images.

    A logit > 0 means domain "b".
    """
    import keras

    keras.utils.set_random_seed(0)
    shape = read.sets[0]["a"].shape[1:]
    inputs = keras.Input(shape)
    x = inputs
    for width in (16, 32, 64):
        x = keras.layers.Conv2D(width, 3, strides=2, padding="same", activation="relu")(x)
    x = keras.layers.GlobalAveragePooling2D()(x)
    network = keras.Model(inputs, keras.layers.Dense(1)(x))
    network.compile("adam", keras.losses.BinaryCrossentropy(from_logits=True))
    pixels, labels = _both(read)
    network.fit(pixels, labels, batch_size=64, epochs=EPOCHS, verbose=0)
    pixels, labels = _both(read.held_out or read)
    is_b = network.predict(pixels, verbose=0).ravel() > 0
    return network, fraction(is_b == (labels > 0))


def _both(read: TrainingData) -> tuple[np.ndarray, np.ndarray]:
    a, b = read.sets[0]["a"], read.sets[1]["b"]
    pixels = np.concatenate([a, b]).astype(np.float32) / 127.5 - 1
    return pixels, np.concatenate([np.zeros(len(a)), np.ones(len(b))]).astype(np.float32)
