"""Prepares a training: the strategy, the workers, the data and the game."""

import dataclasses
import math
from types import ModuleType
from typing import Any

import tensorflow as tf

from evaluation import InputError, RetryPolicy
from gantf import config, models
from gantf.data import loading
from gantf.data.loading import TrainingData
from gantf.distribute import strategies
from gantf.distribute.workers import Workers
from gantf.game import Game, build_game
from gantf.runs import config_file


@dataclasses.dataclass(frozen=True)
class Ready:
    """A run that can start.

    Attributes:
      run: the complete configuration, with the hash of the data.
      strategy: the devices to train on.
      workers: the processes that train together.
      settings: the model's `Config`.
      game: built in the strategy's scope.
      data: the training data.
    """

    run: config.RunConfig
    strategy: tf.distribute.Strategy
    workers: Workers
    settings: Any
    game: Game
    data: TrainingData


def prepare(run: config.RunConfig, model: ModuleType, settings: Any) -> Ready:
    """Connects the workers, reads the data and builds the game.

    Args:
      run: the checked configuration.
      model: the model's module.
      settings: its `Config`.

    Raises:
      InputError: the strategy, the data or the batch size do not fit, or the workers differ.
    """
    strategy = strategies.make(run.strategy, run.logical_cpus, run.worker_timeout_seconds)
    workers = strategies.make_workers(strategy)
    _check_batch(run.batch_size, strategy.num_replicas_in_sync)
    with strategies.detect_lost_workers(workers):
        workers.check_same_on_all_workers(
            config_file.shared_by_workers(run) | {"tensorflow": tf.__version__}
        )
        data = workers.chief_first(
            lambda: loading.load(
                run.data,
                models.needs(model),
                run.size_px,
                run.skip_corrupt,
                RetryPolicy(seconds=run.data_timeout_seconds),
            )
        )
        workers.check_same_on_all_workers({"the data's SHA-256": data.sha256})
        with strategy.scope():
            game = build_game(model, settings, data.spec, run.seed)
        _check_accumulation(run.batch_size // strategy.num_replicas_in_sync, game.accumulation)
    run = run.model_copy(update={"data_sha256": data.sha256})
    return Ready(run, strategy, workers, settings, game, data)


def _check_batch(batch_size: int, replicas: int) -> None:
    """Raises InputError, with the nearest batch sizes, unless the replicas divide the batch."""
    if batch_size % replicas:
        below = batch_size - batch_size % replicas
        nearest = " or ".join(str(size) for size in (below, below + replicas) if size)
        raise InputError(
            f"--batch-size {batch_size} does not divide among {replicas} replicas; use {nearest}."
        )


def _check_accumulation(local_batch: int, parts: int) -> None:
    """Raises InputError unless the number of parts divides a replica's batch."""
    if local_batch % parts:
        raise InputError(
            f"--set accumulation={parts} does not divide the {local_batch} images of a replica; "
            f"use a number that does, such as {math.gcd(local_batch, parts)}."
        )
