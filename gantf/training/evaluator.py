"""Scores a game while it trains: metrics of `evaluation`, and some that need the game itself."""

import dataclasses
import math
from collections.abc import Callable, Iterator, Mapping, Sequence

import numpy as np
import tensorflow as tf
from scipy import stats

import evaluation
from evaluation import Features, OnDemand, Value
from gantf.data.loading import TrainingData
from gantf.game import Game
from gantf.generation import sampling
from gantf.pixels import to_floats, to_uint8
from gantf.runs.scores import Scores

SAMPLES = 1000
HELD_BYTES = 256 << 20  # of generated images at once
TRANSLATIONS = 200
METRICS = ("fid", "kid", "coverage")
LEVEL = 0.95
SSIM_SIDE_PX = 11  # side of SSIM's window


def make_scorer(
    game: Game, data: TrainingData, seed: int, fresh: bool = False
) -> Callable[[], Scores]:
    """Returns a function that scores a game.

    A generator is compared with its training images ("fid", "kid", "coverage", and with a
    classifier "modes" and "label_accuracy") and with held-out images ("fid_held_out"). A translator
    translates held-out images, if there are any; the translations are compared with their pairs
    ("psnr", "ssim", "l1") or with the other domain ("fid").

    Args:
      game: the game; its generators are scored.
      data: the run's data.
      seed: of the latents and of the choice of real images, both fixed.
      fresh: draw other latents and images, for a checkpoint that the usual ones have chosen.

    Returns:
      A function without arguments that returns scores by name, the deciding one first.

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
    images = data.images
    chosen = images.take(rows) if isinstance(images, OnDemand) else images[rows]
    real = evaluation.extract(chosen, kind)
    held_out = evaluation.extract(data.held_out.images, kind) if data.held_out else None
    inputs = sampling.draw_inputs(game, SAMPLES, rng)
    (network,) = game.generators.values()
    labelled_inputs = None
    if real.logits is not None and game.label_fractions:
        labelled_inputs = sampling.draw_inputs(
            game, SAMPLES, rng, labels=sampling.classes_in_turn(game, SAMPLES)
        )
    metrics = METRICS if real.logits is None else (*METRICS, "modes")
    watched = (  # the classes of fakes that are made from captions are not available here
        game.discriminator_fn is not None
        and data.held_out is not None
        and ("label" in inputs or not game.label_fractions)
    )

    def score() -> dict[str, Value]:
        parts, faked = [], 0.0
        for part in _parts(inputs, data.spec.image_shape):
            drawn = sampling.sample(network, part, to_uint8)
            parts.append(evaluation.extract(drawn, kind))
            if watched:
                faked += len(drawn) / SAMPLES * _mean_logit(game, drawn, part.get("label"))
        fake = _joined(parts)
        result = evaluation.measure(
            real.features,
            fake.features,
            metrics,
            seed=seed,
            real_logits=real.logits,
            fake_logits=fake.logits,
        )
        scores = {name: _from_estimate(result[name]) for name in metrics}
        if held_out is not None:
            other = evaluation.measure(held_out.features, fake.features, ("fid",), seed=seed)
            scores["fid_held_out"] = _from_estimate(other["fid"])
        if labelled_inputs is not None:
            scores["label_accuracy"] = _label_accuracy(game, network, labelled_inputs, kind)
        if watched:
            scores |= _overfitting(game, data, faked)
        return scores

    return score


def _parts(
    inputs: Mapping[str, np.ndarray], image_shape: tuple[int, int, int]
) -> Iterator[dict[str, np.ndarray]]:
    """Yields the inputs in parts whose images, as bytes, are at most HELD_BYTES."""
    rows = max(HELD_BYTES // math.prod(image_shape), 1)
    for start in range(0, SAMPLES, rows):
        yield {name: values[start : start + rows] for name, values in inputs.items()}


def _joined(parts: Sequence[Features]) -> Features:
    logits = [part.logits for part in parts if part.logits is not None]
    return dataclasses.replace(
        parts[0],
        features=np.concatenate([part.features for part in parts]),
        logits=np.concatenate(logits) if logits else None,
    )


def _from_estimate(estimate) -> Value:
    return Value(float(estimate.value), float(estimate.low), float(estimate.high))


def _label_accuracy(game: Game, network, labelled_inputs, kind) -> Value:
    """Returns how often a classifier sees the requested class."""
    images = sampling.sample(network, labelled_inputs, to_uint8)
    logits = evaluation.extract(images, kind).logits
    assert logits is not None
    targets = sampling.classes_in_turn(game, len(images))
    right = np.argmax(logits, axis=1) == targets
    interval = stats.binomtest(int(right.sum()), len(right)).proportion_ci(LEVEL, "exact")
    return Value(float(right.mean()), float(interval.low), float(interval.high))


def _overfitting(game: Game, data: TrainingData, faked: float) -> dict[str, Value]:
    """Returns where D's mean logit of held-out images lies: 0 at training images, 1 at fakes.

    Args:
      game: a game with a discriminator.
      data: the training and held-out images.
      faked: D's mean logit of fakes.

    Source: Karras et al. 2020, arXiv:2006.06676, equation 1 (its r_v).
    """
    assert data.held_out is not None
    trained, unseen = (
        _mean_logit(game, rows.sets[0]["image"], rows.sets[0].get("label"))
        for rows in (data, data.held_out)
    )
    gap = trained - faked
    return {"overfitting": Value((trained - unseen) / gap)} if abs(gap) > 1e-3 else {}


def _mean_logit(
    game: Game, images: np.ndarray | OnDemand, labels: np.ndarray | OnDemand | None
) -> float:
    assert game.discriminator_fn is not None
    total, count = 0.0, min(len(images), SAMPLES)
    size = sampling.rows_at_once(images.shape[1:])
    for start in range(0, count, size):
        rows = slice(start, min(start + size, count))
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

    def score() -> dict[str, Value]:
        scores: dict[str, Value] = {}
        distances = []
        for name, network in game.generators.items():
            inputs, targets = (np.asarray(images) for images in pairs[name])
            made = sampling.sample(network, {"image": inputs}, batch_size=50)
            suffix = "" if len(game.generators) == 1 else f"_{name}"
            if translator.paired:
                scores |= {f"{key}{suffix}": value for key, value in compare(targets, made).items()}
            else:
                distances.append(_fid(targets, made))
                scores[f"fid{suffix}"] = distances[-1]
        if distances:
            means = np.mean([dataclasses.astuple(distance) for distance in distances], axis=0)
            scores = {"fid": Value(*map(float, means))} | scores
        return scores

    return score


def first_rows(data: TrainingData, count: int, rng: np.random.Generator) -> dict[str, tf.Tensor]:
    """Returns a batch of some fixed rows of each set, in the form that a model's losses take."""
    batch = {}
    for rows in data.sets:
        order = rng.permutation(len(next(iter(rows.values()))))[:count]
        for name, array in rows.items():
            values = tf.constant(array[np.sort(order)])
            batch[name] = to_floats(values) if array.dtype == np.uint8 else values
    return batch


def compare(targets: np.ndarray, made: np.ndarray) -> dict[str, Value]:
    """Returns PSNR in dB, SSIM, and the mean absolute error in [-1, 1] units, row by row.

    Args:
      targets: shape (n, H, W, C), in [-1, 1].
      made: shape (n, H, W, C), in [-1, 1].

    Returns:
      Means over the images, with intervals by Student's t.

    Source: Wang et al. 2004, Image quality assessment, equations 6 to 13 (SSIM, by tf.image).
    """
    targets, made = (np.asarray(to_uint8(images), np.float32) / 255 for images in (targets, made))
    error = np.square(targets - made).mean(axis=(1, 2, 3))
    psnr = -10 * np.log10(np.maximum(error, 1e-10))
    side = min(SSIM_SIDE_PX, *targets.shape[1:3])
    ssim = tf.image.ssim(tf.constant(targets), tf.constant(made), 1.0, filter_size=side).numpy()
    l1 = 2 * np.abs(targets - made).mean(axis=(1, 2, 3))
    return {"psnr": _mean(psnr), "ssim": _mean(ssim), "l1": _mean(l1)}


def _mean(values: np.ndarray) -> Value:
    mean = float(values.mean())
    if len(values) < 2:
        return Value(mean)
    half = stats.t.ppf((1 + LEVEL) / 2, len(values) - 1) * values.std(ddof=1) / len(values) ** 0.5
    return Value(mean, float(mean - half), float(mean + half))


def _fid(targets: np.ndarray, made: np.ndarray) -> Value:
    real, fake = (evaluation.extract(to_uint8(images)).features for images in (targets, made))
    return _from_estimate(evaluation.measure(real, fake, ("fid",))["fid"])
