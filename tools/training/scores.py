"""Compares a trained model with its untrained form, with real data, and with a simple baseline.

The questions depend on the capabilities of the game, not on its name.
"""

import sys
import tempfile
from pathlib import Path

import numpy as np
import translations
from answers import SAMPLES, Row, fraction, mean_of, ratio_of_means, row

import evaluation
from evaluation import Value
from gantf import config, models
from gantf.data import loading
from gantf.data.loading import TrainingData
from gantf.game import Game, build_game
from gantf.generation import export, sampling
from gantf.pixels import to_floats, to_uint8
from gantf.runs import restore

DRAWS = 6


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
        return translations.paired(game, start, read) + translations.pretrained(run_dir, run, read)
    return translations.unpaired(game, start, read)


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
            table.append(row(name, score, name != "recall", **beside))
    ratio = result.context.get("fid_plain_over_floor")
    if ratio is not None:
        beside = {"untrained": first.context["fid_plain_over_floor"], "floor": 1.0}
        ideal = result.context.get("fid_plain_ideal")
        if ideal is not None and floor is not None:
            beside["ideal"] = ideal / floor["fid"].details["plain"]
        table.append(row("plain FID / floor's plain FID", Value(ratio), **beside))
    if game.label_fractions:
        now, before = (_label_accuracy(g, run, read) for g in (game, start))
        if now and before:
            table.append(row("accuracy of the requested label", now, untrained=before.value))
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
    question = "plain FID / floor's plain FID, labels as in the floor"
    return [row(question, mean_of(ratios), floor=1.0)]


def _plain(real: np.ndarray, fake: np.ndarray) -> float:
    """Returns the FID that other programs print."""
    return float(evaluation.measure(real, fake, "fid", protocol="ttur")["fid"].value)


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
    return row(
        "reconstruction error / error of the mean image",
        ratio,
        untrained=float(error(start).mean() / mean_errors.mean()),
        baseline=1.0,
    )


if __name__ == "__main__":
    for answer in rows(Path(sys.argv[1])):
        print(answer)
