"""How good a game is while it trains: `evaluation`'s metrics, and what only the game can tell."""

import dataclasses
from collections.abc import Callable

import numpy as np
import tensorflow as tf
from scipy import stats

import evaluation
from gantf.data.loading import TrainingData
from gantf.game import Game
from gantf.generation import sampling
from gantf.pixels import to_floats, to_uint8
from gantf.runs.scores import Score, Scores

SAMPLES = 1000
TRANSLATIONS = 200
METRICS = ("fid", "kid", "coverage")
LEVEL = 0.95
SSIM_SIDE_PX = 11  # of the window in which structure is compared


def make_scorer(
    game: Game, data: TrainingData, seed: int, fresh: bool = False
) -> Callable[[], Scores]:
    """Prepares the scoring of a game.

    A generator is compared with the images it is trained on ("fid", "kid", "coverage", and with a
    classifier "modes" and "label_accuracy") and with held-out ones ("fid_held_out"); a translator
    translates held-out images, where there are any, and what comes of them is compared with their
    pairs ("psnr", "ssim", "l1") or with the other domain ("fid").

    Args:
      game: whose generators are scored.
      data: of the run.
      seed: of the fixed latents and of the real images that are compared.
      fresh: take others of both than without it, for what was chosen by these.

    Returns:
      A function without arguments: scores by name, first the one by which checkpoints are chosen.

    Raises:
      InputError: too few images, or images that the metrics refuse; the returned function raises
        it, too.
    """
    rng = np.random.default_rng([seed, 0x5C0E, 1] if fresh else [seed, 0x5C0E])
    if game.translator is not None:
        return _translator_scorer(game, data, rng)
    return _generator_scorer(game, data, seed, rng)


def _generator_scorer(game: Game, data: TrainingData, seed: int, rng) -> Callable[[], Scores]:
    kind = evaluation.default_features(data.name, data.spec.image_shape)
    rows = np.sort(rng.permutation(len(data.images))[: 2 * SAMPLES])
    real = evaluation.extract(data.images[rows], kind)
    held_out = evaluation.extract(data.held_out.images, kind) if data.held_out else None
    inputs = sampling.draw_inputs(game, SAMPLES, rng)
    (network,) = game.generators.values()
    asked = None
    if real.logits is not None and game.label_fractions:
        asked = sampling.draw_inputs(
            game, SAMPLES, rng, labels=sampling.classes_in_turn(game, SAMPLES)
        )
    metrics = METRICS if real.logits is None else (*METRICS, "modes")

    def score() -> dict[str, Score]:
        images = sampling.sample(network, inputs, to_uint8)
        fake = evaluation.extract(images, kind)
        result = evaluation.measure(
            real.features,
            fake.features,
            metrics,
            seed=seed,
            real_logits=real.logits,
            fake_logits=fake.logits,
        )
        found = {name: _of(result[name]) for name in metrics}
        if held_out is not None:
            other = evaluation.measure(held_out.features, fake.features, ("fid",), seed=seed)
            found["fid_held_out"] = _of(other["fid"])
        if asked is not None:
            found["label_accuracy"] = _label_accuracy(game, network, asked, kind)
        if game.discriminator_fn is not None and data.held_out is not None:
            found |= _overfitting(game, data, images, inputs)
        return found

    return score


def _of(estimate) -> Score:
    return Score(float(estimate.value), float(estimate.low), float(estimate.high))


def _label_accuracy(game: Game, network, asked, kind) -> Score:
    """How often a classifier sees the class that was asked for."""
    images = sampling.sample(network, asked, to_uint8)
    logits = evaluation.extract(images, kind).logits
    assert logits is not None
    wanted = sampling.classes_in_turn(game, len(images))
    right = np.argmax(logits, axis=1) == wanted
    interval = stats.binomtest(int(right.sum()), len(right)).proportion_ci(LEVEL, "exact")
    return Score(float(right.mean()), float(interval.low), float(interval.high))


def _overfitting(game: Game, data: TrainingData, fakes: np.ndarray, inputs) -> dict[str, Score]:
    """How far D takes held-out images for fakes: 0 as little as training images, 1 as fakes.

    Source: Karras et al. 2020, arXiv:2006.06676, equation 1 (its r_v).
    """
    assert data.held_out is not None
    labels = inputs.get("label")
    if labels is None and game.label_fractions:
        return {}  # fakes of captions, whose classes are not known here
    trained, unseen = (
        _mean_logit(game, rows.sets[0]["image"], rows.sets[0].get("label"))
        for rows in (data, data.held_out)
    )
    faked = _mean_logit(game, fakes, labels)
    gap = trained - faked
    return {"overfitting": Score((trained - unseen) / gap)} if abs(gap) > 1e-3 else {}


def _mean_logit(game: Game, images: np.ndarray, labels: np.ndarray | None) -> float:
    assert game.discriminator_fn is not None
    total, count = 0.0, min(len(images), SAMPLES)
    for start in range(0, count, sampling.BATCH_IMAGES):
        rows = slice(start, min(start + sampling.BATCH_IMAGES, count))
        batch = {"image": to_floats(tf.constant(images[rows]))}
        if labels is not None:
            batch["label"] = tf.constant(labels[rows], tf.int64)
        logits = np.asarray(game.discriminator_fn(batch))
        total += float(logits.reshape(len(logits), -1).mean(axis=1).sum())
    return total / count


def _translator_scorer(game: Game, data: TrainingData, rng) -> Callable[[], Scores]:
    translator = game.translator
    assert translator is not None
    chosen = first_rows(data.held_out or data, TRANSLATIONS, rng)
    pairs = translator.validation_pairs(chosen)

    def score() -> dict[str, Score]:
        found: dict[str, Score] = {}
        distances = []
        for name, network in game.generators.items():
            given, wanted = (np.asarray(images) for images in pairs[name])
            made = sampling.sample(network, {"image": given}, batch_size=50)
            suffix = "" if len(game.generators) == 1 else f"_{name}"
            if translator.paired:
                found |= {f"{key}{suffix}": value for key, value in compare(wanted, made).items()}
            else:
                distances.append(_fid(wanted, made))
                found[f"fid{suffix}"] = distances[-1]
        if distances:
            means = np.mean([dataclasses.astuple(distance) for distance in distances], axis=0)
            found = {"fid": Score(*map(float, means))} | found
        return found

    return score


def first_rows(data: TrainingData, count: int, rng: np.random.Generator) -> dict[str, tf.Tensor]:
    """A batch of some fixed rows of each set, as a model's losses see them."""
    batch = {}
    for rows in data.sets:
        order = rng.permutation(len(next(iter(rows.values()))))[:count]
        for name, array in rows.items():
            values = tf.constant(array[np.sort(order)])
            batch[name] = to_floats(values) if array.dtype == np.uint8 else values
    return batch


def compare(wanted: np.ndarray, made: np.ndarray) -> dict[str, Score]:
    """PSNR in dB, SSIM, and the mean absolute error in [-1, 1] units, of images row by row.

    Args:
      wanted: shape (n, H, W, C), in [-1, 1].
      made: likewise.

    Returns:
      Means over the images, with intervals by Student's t.

    Source: Wang et al. 2004, Image quality assessment, equations 6 to 13 (SSIM, by tf.image).
    """
    wanted, made = (np.asarray(to_uint8(images), np.float32) / 255 for images in (wanted, made))
    error = np.square(wanted - made).mean(axis=(1, 2, 3))
    psnr = -10 * np.log10(np.maximum(error, 1e-10))
    side = min(SSIM_SIDE_PX, *wanted.shape[1:3])
    ssim = tf.image.ssim(tf.constant(wanted), tf.constant(made), 1.0, filter_size=side).numpy()
    l1 = 2 * np.abs(wanted - made).mean(axis=(1, 2, 3))
    return {"psnr": _mean(psnr), "ssim": _mean(ssim), "l1": _mean(l1)}


def _mean(values: np.ndarray) -> Score:
    mean = float(values.mean())
    if len(values) < 2:
        return Score(mean)
    half = stats.t.ppf((1 + LEVEL) / 2, len(values) - 1) * values.std(ddof=1) / len(values) ** 0.5
    return Score(mean, float(mean - half), float(mean + half))


def _fid(wanted: np.ndarray, made: np.ndarray) -> Score:
    real, fake = (evaluation.extract(to_uint8(images)).features for images in (wanted, made))
    return _of(evaluation.measure(real, fake, ("fid",))["fid"])
