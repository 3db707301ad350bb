"""What a trained model is worth beside its own start, real data, and the simplest alternative.

Which questions are asked follows from what the game can do, not from its name.
"""

import sys
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf
from scipy import stats

import evaluation
from gantf import config, models
from gantf.data import loading
from gantf.data.loading import TrainingData
from gantf.game import Game, build_game
from gantf.generation import export, sampling
from gantf.pixels import to_floats, to_uint8
from gantf.runs import restore
from gantf.runs.scores import Score
from gantf.training import evaluator

Row = dict[str, Any]
"""A question, the answer with its interval, and what it is to be compared with."""

SAMPLES = 2000
EPOCHS = 12  # of the domain classifier
DRAWS = 6
TELLS_NOTHING = 0.5  # a classifier that so many untrained translations fool


def untrained(run: config.RunConfig, read: TrainingData) -> Game:
    """The model as it was at step 0."""
    module = models.load(run.model)
    settings = config.make_model_config(module.Config, run.settings, run.model)
    return build_game(module, settings, read.spec, run.seed)


def rows(run_dir: Path) -> list[Row]:
    """All that is asked of a run."""
    restored = restore.load(run_dir, "last")
    game, run = restored.game, restored.run
    read = loading.load(run.data, models.needs(models.load(run.model)), run.size_px)
    start = untrained(run, read)
    if game.translator is None:
        return _generated(run_dir, game, start, run, read)
    if game.translator.paired:
        return _paired(game, start, read) + _pretrained(run_dir, run, read)
    return _unpaired(game, start, read)


def _row(question: str, score: Score, headline: bool = True, **beside: float) -> Row:
    return {
        "question": question,
        "headline": headline,
        "value": score.value,
        "low": score.low,
        "high": score.high,
        **beside,
    }


def _generated(run_dir: Path, game: Game, start: Game, run, read: TrainingData) -> list[Row]:
    """FID, precision and recall as `gantf-eval` gives them; labels; reconstructions."""
    found = []
    with tempfile.TemporaryDirectory() as folder:
        export.save(start, run, read.spec, 0, Path(folder))
        first = evaluation.evaluate(Path(folder) / "generator", metrics=None)
    result = evaluation.evaluate(run_dir / "generator")
    floor = result.floor
    for name in ("fid", "precision", "recall", "modes"):
        if name in result:
            score = Score(result[name].value, result[name].low, result[name].high)
            beside = {"untrained": first[name].value}
            if floor is not None and name in floor:
                beside["floor"] = floor[name].value
            found.append(_row(name, score, name != "recall", **beside))
    ratio = result.context.get("fid_plain_over_floor")
    if ratio is not None:
        beside = {"untrained": first.context["fid_plain_over_floor"], "floor": 1.0}
        ideal = result.context.get("fid_plain_ideal")
        if ideal is not None and floor is not None:
            beside["ideal"] = ideal / floor["fid"].details["plain"]
        found.append(_row("plain FID / floor's plain FID", Score(ratio), **beside))
    if game.label_fractions:
        now, before = (_label_accuracy(g, run, read) for g in (game, start))
        if now and before:
            found.append(_row("accuracy of the requested label", now, untrained=before.value))
        found += _in_the_floors_shares(game, run, read)
    if game.encoder is not None:
        found.append(_reconstruction(game, start, read))
    return found


def _label_accuracy(game: Game, run, read: TrainingData) -> Score | None:
    """How often the shipped classifier sees the class that was asked for."""
    kind = evaluation.default_features(run.data, read.spec.image_shape)
    (network,) = game.generators.values()
    asked = np.arange(SAMPLES) % len(game.label_fractions)
    inputs = sampling.draw_inputs(game, SAMPLES, np.random.default_rng(1), asked)
    images = sampling.sample(network, inputs, to_uint8)
    logits = evaluation.extract(images, kind).logits
    return None if logits is None else share(logits.argmax(axis=1) == asked)


def _in_the_floors_shares(game: Game, run, read: TrainingData) -> list[Row]:
    """The plain FID of labels in the shares of the held-out images, over those images' own.

    The held-out digits are stratified, so that labels drawn at random put even an ideal generator
    at several times the floor; a conditional one may be asked for the same labels.
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
    return [_row(question, Score(mean, mean - half, mean + half), floor=1.0)]


def _plain(real: np.ndarray, fake: np.ndarray) -> float:
    """The FID that other programs print."""
    return float(evaluation.measure(real, fake, "fid", protocol="ttur")["fid"].value)


def share(right: np.ndarray) -> Score:
    """A share with its exact binomial interval."""
    interval = stats.binomtest(int(right.sum()), len(right)).proportion_ci(0.95, "exact")
    return Score(float(right.mean()), float(interval.low), float(interval.high))


def _reconstruction(game: Game, start: Game, read: TrainingData) -> Row:
    """Mean squared error of held-out images encoded and decoded, over the mean image's."""
    assert read.held_out is not None
    held_out = to_floats(read.held_out.images)
    mean = to_floats(read.images).mean(axis=0)
    of_mean = np.square(held_out - mean).mean(axis=(1, 2, 3))

    def error(of: Game) -> np.ndarray:
        assert of.encoder is not None
        latents = np.asarray(of.encoder({"image": held_out}, training=False))
        made = sampling.sample(of.generators["generator"], {"latents": latents})
        return np.square(held_out - made).mean(axis=(1, 2, 3))

    ratio = ratio_of_means(error(game), of_mean)
    return _row(
        "reconstruction error / error of the mean image",
        ratio,
        untrained=float(error(start).mean() / of_mean.mean()),
        baseline=1.0,
    )


def ratio_of_means(numerator: np.ndarray, denominator: np.ndarray) -> Score:
    """The ratio of two means over the same images, with the delta method's interval."""
    ratio = numerator.mean() / denominator.mean()
    spread = (numerator - ratio * denominator).std(ddof=1) / denominator.mean()
    half = stats.t.ppf(0.975, len(numerator) - 1) * spread / len(numerator) ** 0.5
    return Score(float(ratio), float(ratio - half), float(ratio + half))


def _paired(game: Game, start: Game, read: TrainingData) -> list[Row]:
    """PSNR, SSIM and L1 on held-out pairs and on trained ones, beside the simplest alternative."""
    found = []
    assert game.translator is not None
    for where, source in (("held-out", read.held_out), ("training", read)):
        if source is None:
            continue
        batch = evaluator.first_rows(source, SAMPLES, np.random.default_rng(0))
        given, wanted = (
            np.asarray(x) for x in game.translator.validation_pairs(batch)["generator"]
        )
        made, first = (
            sampling.sample(of.generators["generator"], {"image": given}, batch_size=50)
            for of in (game, start)
        )
        simplest = _simplest(game, given, read)
        now, before, baseline = (evaluator.compare(wanted, x) for x in (made, first, simplest))
        for name in now:
            beside = {"untrained": before[name].value, "baseline": baseline[name].value}
            headline = where == "held-out" and name != "ssim"
            found.append(_row(f"{name}, {where} images", now[name], headline, **beside))
        gained = _gain(wanted, made, simplest)
        found.append(_row(f"psnr gain over the baseline, {where} images", gained))
    return found


def _gain(wanted: np.ndarray, made: np.ndarray, simplest: np.ndarray) -> Score:
    """PSNR in dB more than the simplest alternative's, image by image."""
    gains = [
        evaluator.compare(wanted[i : i + 1], made[i : i + 1])["psnr"].value
        - evaluator.compare(wanted[i : i + 1], simplest[i : i + 1])["psnr"].value
        for i in range(len(wanted))
    ]
    half = stats.t.ppf(0.975, len(gains) - 1) * np.std(gains, ddof=1) / len(gains) ** 0.5
    mean = float(np.mean(gains))
    return Score(mean, mean - half, mean + half)


def _pretrained(run_dir: Path, run: config.RunConfig, read: TrainingData) -> list[Row]:
    """The end of a phase without a discriminator, whose loss costs PSNR, where there is one."""
    steps = run.settings.get("pretraining_steps", 0)
    if not steps or read.held_out is None:
        return []
    game = restore.load(run_dir, str(steps)).game
    assert game.translator is not None
    batch = evaluator.first_rows(read.held_out, SAMPLES, np.random.default_rng(0))
    given, wanted = (np.asarray(x) for x in game.translator.validation_pairs(batch)["generator"])
    made = sampling.sample(game.generators["generator"], {"image": given}, batch_size=50)
    gained = _gain(wanted, made, _simplest(game, given, read))
    where = f"held-out images, content-trained phase (step {steps})"
    return [_row(f"psnr gain over the baseline, {where}", gained)]


def _simplest(game: Game, given: np.ndarray, read: TrainingData) -> np.ndarray:
    """Bicubic enlargement, or the median of all training images for each."""
    if game.translator is not None and game.translator.upscaling > 1:
        height, width = (
            given.shape[1] * game.translator.upscaling,
            given.shape[2] * game.translator.upscaling,
        )
        enlarged = tf.image.resize(given, (height, width), "bicubic").numpy()
        return np.clip(enlarged, -1, 1)
    median = np.median(read.images, axis=0).astype(np.float32) / 127.5 - 1
    return np.broadcast_to(median, (len(given), *median.shape))


def _unpaired(game: Game, start: Game, read: TrainingData) -> list[Row]:
    """The way there and back on held-out images, and whether a classifier takes them for real."""
    assert game.translator is not None
    classifier, accuracy = domain_classifier(read)
    batch = evaluator.first_rows(read.held_out or read, SAMPLES, np.random.default_rng(0))
    exercises = game.translator.validation_pairs(batch)
    found = [_row("accuracy of the domain classifier on held-out real images", accuracy)]
    names = list(game.generators)
    for name, back in zip(names, reversed(names), strict=True):
        given = np.asarray(exercises[name][0])
        errors, fooled = [], []
        for of in (game, start):
            there = sampling.sample(of.generators[name], {"image": given}, batch_size=50)
            again = sampling.sample(of.generators[back], {"image": there}, batch_size=50)
            errors.append(np.abs(again - given).mean(axis=(1, 2, 3)))
            told = np.asarray(classifier(tf.constant(np.clip(there, -1, 1)))).ravel() > 0
            fooled.append(share(told == (name == names[0])))
        ratio = ratio_of_means(errors[0], errors[1])
        found.append(_row(f"cycle error of {name} / untrained cycle error", ratio, untrained=1.0))
        found.append(
            _row(
                f"{name}: classified as the target domain",
                fooled[0],
                fooled[1].value < TELLS_NOTHING,
                untrained=fooled[1].value,
            )
        )
    return found


def domain_classifier(read: TrainingData):
    """A small network that tells "b" (logit > 0) from "a", and how often it is right when new."""
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
    told = network.predict(pixels, verbose=0).ravel() > 0
    return network, share(told == (labels > 0))


def _both(read: TrainingData) -> tuple[np.ndarray, np.ndarray]:
    a, b = read.sets[0]["a"], read.sets[1]["b"]
    pixels = np.concatenate([a, b]).astype(np.float32) / 127.5 - 1
    return pixels, np.concatenate([np.zeros(len(a)), np.ones(len(b))]).astype(np.float32)


if __name__ == "__main__":
    for row in rows(Path(sys.argv[1])):
        print(row)
