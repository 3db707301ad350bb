"""Compares a trained model with its untrained form, with real data, and with a simple baseline.

The questions depend on the capabilities of the game, not on its name.
"""

import sys
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf
from scipy import stats

import evaluation
from evaluation import Value
from gantf import config, models
from gantf.data import loading
from gantf.data.loading import TrainingData
from gantf.game import Game, build_game
from gantf.generation import export, sampling
from gantf.pixels import to_floats, to_uint8
from gantf.runs import restore
from gantf.training import evaluator

Row = dict[str, Any]
"""A question, the value with its interval, and values to compare with."""

SAMPLES = 2000
EPOCHS = 12  # of the domain classifier
DRAWS = 6
MAX_FOOLED_UNTRAINED = 0.5  # above this fraction, the classifier is not informative


def untrained(run: config.RunConfig, read: TrainingData) -> Game:
    """Returns the model at step 0."""
    module = models.load(run.model)
    settings = config.make_model_config(module.Config, run.settings, run.model)
    return build_game(module, settings, read.spec, run.seed)


def rows(run_dir: Path) -> list[Row]:
    """Returns all rows of a run."""
    restored = restore.load(run_dir, "last")
    game, run = restored.game, restored.run
    read = loading.load(run.data, models.needs(models.load(run.model)), run.size_px)
    start = untrained(run, read)
    if game.translator is None:
        return _generated(run_dir, game, start, run, read)
    if game.translator.paired:
        return _paired(game, start, read) + _pretrained(run_dir, run, read)
    return _unpaired(game, start, read)


def _row(question: str, score: Value, headline: bool = True, **beside: float) -> Row:
    low, high = (score.low, score.high) if score.has_interval else (None, None)
    row = {"question": question, "headline": headline, "value": score.value}
    return row | {"low": low, "high": high, **beside}


def _generated(run_dir: Path, game: Game, start: Game, run, read: TrainingData) -> list[Row]:
    """Returns FID, precision and recall as in `gantf-eval`, and scores of labels and encoders."""
    table = []
    with tempfile.TemporaryDirectory() as folder:
        export.save(start, run, read.spec, 0, Path(folder))
        first = evaluation.evaluate(Path(folder) / "generator", metrics=None)
    result = evaluation.evaluate(run_dir / "generator")
    floor = result.floor
    for name in ("fid", "precision", "recall", "modes"):
        if name in result:
            score = Value(result[name].value, result[name].low, result[name].high)
            beside = {"untrained": first[name].value}
            if floor is not None and name in floor:
                beside["floor"] = floor[name].value
            table.append(_row(name, score, name != "recall", **beside))
    ratio = result.context.get("fid_plain_over_floor")
    if ratio is not None:
        beside = {"untrained": first.context["fid_plain_over_floor"], "floor": 1.0}
        ideal = result.context.get("fid_plain_ideal")
        if ideal is not None and floor is not None:
            beside["ideal"] = ideal / floor["fid"].details["plain"]
        table.append(_row("plain FID / floor's plain FID", Value(ratio), **beside))
    if game.label_fractions:
        now, before = (_label_accuracy(g, run, read) for g in (game, start))
        if now and before:
            table.append(_row("accuracy of the requested label", now, untrained=before.value))
        table += _in_the_floors_fractions(game, run, read)
    if game.encoder is not None:
        table.append(_reconstruction(game, start, read))
    return table


def _label_accuracy(game: Game, run, read: TrainingData) -> Value | None:
    """Returns how often the digits classifier recognises the requested class."""
    kind = evaluation.default_features(run.data, read.spec.image_shape)
    (network,) = game.generators.values()
    requested = np.arange(SAMPLES) % len(game.label_fractions)
    inputs = sampling.draw_inputs(game, SAMPLES, np.random.default_rng(1), requested)
    images = sampling.sample(network, inputs, to_uint8)
    logits = evaluation.extract(images, kind).logits
    return None if logits is None else fraction(logits.argmax(axis=1) == requested)


def _in_the_floors_fractions(game: Game, run, read: TrainingData) -> list[Row]:
    """Returns the plain FID for the labels of the held-out images, over the images' own plain FID.

    The held-out digits are stratified. With random labels, even an ideal generator reaches several
    times the floor. A conditional generator can use the labels of the held-out images instead.
    """
    if read.held_out is None or "label" not in read.held_out.sets[0]:
        return []
    kind = evaluation.default_features(run.data, read.spec.image_shape)
    (network,) = game.generators.values()
    labels = np.asarray(read.held_out.sets[0]["label"])
    sets = [read.images, read.held_out.images]
    real, held_out = (evaluation.extract(images, kind).features for images in sets)
    floor = _plain(real, held_out)
    ratios = []
    for draw in range(DRAWS):
        inputs = sampling.draw_inputs(game, len(labels), np.random.default_rng(draw), labels)
        images = sampling.sample(network, inputs, to_uint8)
        ratios.append(_plain(real, evaluation.extract(images, kind).features) / floor)
    half = stats.t.ppf(0.975, DRAWS - 1) * np.std(ratios, ddof=1) / DRAWS**0.5
    mean = float(np.mean(ratios))
    question = "plain FID / floor's plain FID, labels as in the floor"
    return [_row(question, Value(mean, mean - half, mean + half), floor=1.0)]


def _plain(real: np.ndarray, fake: np.ndarray) -> float:
    """Returns the FID that other programs print."""
    return float(evaluation.measure(real, fake, "fid", protocol="ttur")["fid"].value)


def fraction(right: np.ndarray) -> Value:
    """Returns the fraction that is right, with its exact binomial interval."""
    interval = stats.binomtest(int(right.sum()), len(right)).proportion_ci(0.95, "exact")
    return Value(float(right.mean()), float(interval.low), float(interval.high))


def _reconstruction(game: Game, start: Game, read: TrainingData) -> Row:
    """Returns the squared error of encoded and decoded held-out images, over the mean image's."""
    assert read.held_out is not None
    held_out = to_floats(read.held_out.images)
    mean = to_floats(read.images).mean(axis=0)
    mean_errors = np.square(held_out - mean).mean(axis=(1, 2, 3))

    def error(model: Game) -> np.ndarray:
        assert model.encoder is not None
        latents = np.asarray(model.encoder({"image": held_out}, training=False))
        images = sampling.sample(model.generators["generator"], {"latents": latents})
        return np.square(held_out - images).mean(axis=(1, 2, 3))

    ratio = ratio_of_means(error(game), mean_errors)
    return _row(
        "reconstruction error / error of the mean image",
        ratio,
        untrained=float(error(start).mean() / mean_errors.mean()),
        baseline=1.0,
    )


def ratio_of_means(numerator: np.ndarray, denominator: np.ndarray) -> Value:
    """Returns the ratio of two means over the same images, with the delta method's interval."""
    ratio = numerator.mean() / denominator.mean()
    spread = (numerator - ratio * denominator).std(ddof=1) / denominator.mean()
    half = stats.t.ppf(0.975, len(numerator) - 1) * spread / len(numerator) ** 0.5
    return Value(float(ratio), float(ratio - half), float(ratio + half))


def _paired(game: Game, start: Game, read: TrainingData) -> list[Row]:
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
            table.append(_row(f"{name}, {split} images", now[name], headline, **beside))
        gain = _gain(targets, outputs, simple)
        table.append(_row(f"psnr gain over the baseline, {split} images", gain))
    return table


def _gain(targets: np.ndarray, outputs: np.ndarray, simple: np.ndarray) -> Value:
    """Returns the gain in PSNR over the baseline, in dB, averaged over the images."""
    gains = [
        evaluator.compare(targets[i : i + 1], outputs[i : i + 1])["psnr"].value
        - evaluator.compare(targets[i : i + 1], simple[i : i + 1])["psnr"].value
        for i in range(len(targets))
    ]
    half = stats.t.ppf(0.975, len(gains) - 1) * np.std(gains, ddof=1) / len(gains) ** 0.5
    mean = float(np.mean(gains))
    return Value(mean, mean - half, mean + half)


def _pretrained(run_dir: Path, run: config.RunConfig, read: TrainingData) -> list[Row]:
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
    return [_row(f"psnr gain over the baseline, {split}", gain)]


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


def _unpaired(game: Game, start: Game, read: TrainingData) -> list[Row]:
    """Returns the cycle errors on held-out images, and how often translations fool a classifier."""
    assert game.translator is not None
    classifier, accuracy = domain_classifier(read)
    batch = evaluator.first_rows(read.held_out or read, SAMPLES, np.random.default_rng(0))
    pairs = game.translator.validation_pairs(batch)
    table = [_row("accuracy of the domain classifier on held-out real images", accuracy)]
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
        table.append(_row(f"cycle error of {name} / untrained cycle error", ratio, untrained=1.0))
        table.append(
            _row(
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


if __name__ == "__main__":
    for row in rows(Path(sys.argv[1])):
        print(row)
