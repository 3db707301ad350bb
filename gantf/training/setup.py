"""What a training needs before its first step: strategy, data, game."""

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


@dataclasses.dataclass(frozen=True)
class Ready:
    """A run that can start: its whole configuration, where it trains, and on what."""

    run: config.RunConfig
    strategy: tf.distribute.Strategy
    team: Workers
    settings: Any
    game: Game
    data: TrainingData


def prepare(run: config.RunConfig, model: ModuleType, settings) -> Ready:
    """Reads the data and builds the game; arguments and errors as for `train`."""
    strategy = strategies.make(run.strategy, run.logical_cpus, run.worker_timeout_seconds)
    team = strategies.team(strategy)
    _check_batch(run.batch_size, strategy.num_replicas_in_sync)
    with strategies.losses_named(team):
        team.check_alike(config.shared_by_workers(run) | {"tensorflow": tf.__version__})
        read = team.chief_first(
            lambda: loading.load(
                run.data,
                models.needs(model),
                run.size_px,
                run.skip_corrupt,
                RetryPolicy(seconds=run.data_timeout_seconds),
            )
        )
        team.check_alike({"the data's SHA-256": read.sha256})
        with strategy.scope():
            game = build_game(model, settings, read.spec, run.seed)
        _check_parts(run.batch_size // strategy.num_replicas_in_sync, game.accumulation)
    run = run.model_copy(update={"data_sha256": read.sha256})
    return Ready(run, strategy, team, settings, game, read)


def _check_batch(batch_size: int, replicas: int) -> None:
    if batch_size % replicas:
        below = batch_size - batch_size % replicas
        near = " or ".join(str(size) for size in (below, below + replicas) if size)
        raise InputError(
            f"--batch-size {batch_size} does not divide among {replicas} replicas; use {near}."
        )


def _check_parts(local_batch: int, parts: int) -> None:
    if local_batch % parts:
        raise InputError(
            f"--set accumulation={parts} does not divide the {local_batch} images of a replica; "
            f"use one that does, such as {math.gcd(local_batch, parts)}."
        )
