"""One compiled training step for every game, and the inner loop of such steps.

Only this file averages over the global batch, sums over replicas, and orders the updates.
"""

import dataclasses
from collections.abc import Callable, Mapping, Sequence

import tensorflow as tf

from gantf import noise
from gantf.data import pipeline
from gantf.game import LOG_WIDTH, Average, Batch, Game, PerExample, Player
from gantf.noise import Noise
from gantf.training import determinism

ALL_FINITE = -1
AVERAGE_RAMP = 0.1  # the half-life of an average is at most this fraction of the images seen


@dataclasses.dataclass(frozen=True)
class Steps:
    """The compiled inner loop.

    Attributes:
      run: (iterator, first_step, count, sums, nonfinite) -> (sums, nonfinite) after `count` steps.
        `sums`, shape (LOG_WIDTH,), accumulates the logged values. `nonfinite` is `ALL_FINITE`, or
        encodes the first loss or gradient that was not finite (see `decode_nonfinite`).
      names: of the entries of `sums`, in order; filled when `run` is first traced.
    """

    run: Callable[..., tuple[tf.Tensor, tf.Tensor]]
    names: list[str]


def make_steps(
    game: Game, strategy: tf.distribute.Strategy, global_batch_size: int, seed: int
) -> Steps:
    """Compiles the game's inner loop for a strategy."""
    names: list[str] = []
    determinism.keep_reads_before_writes()
    for player in game.players:
        _reduce_once(player.optimizer)

    @tf.autograph.experimental.do_not_convert  # conversion would take seconds and change nothing
    def replica_step(batches: tuple[Batch, ...], step: tf.Tensor) -> tf.Tensor:
        logged = train_step(game, batches, step, global_batch_size, seed)
        names[:] = list(logged)
        if len(names) > LOG_WIDTH:
            raise ValueError(f"a step may log {LOG_WIDTH} values; this game logs {len(names)}")
        values = tf.stack([tf.cast(value, tf.float32) for value in logged.values()])
        return tf.pad(values, [[0, LOG_WIDTH - len(names)]])

    @tf.function(reduce_retracing=True)
    def run(iterator, first_step, count, sums, nonfinite):
        for step in tf.range(first_step, first_step + count):
            batches = tuple(next(iterator) for _ in range(game.batches_per_step))
            with determinism.fixed_order_sums():
                per_replica = strategy.run(replica_step, (batches, step))
            logged = strategy.reduce(tf.distribute.ReduceOp.SUM, per_replica, axis=None)
            sums += logged
            nonfinite = tf.where(
                nonfinite == ALL_FINITE, _encode_nonfinite(game, names, logged, step), nonfinite
            )
        return sums, nonfinite

    return Steps(run, names)


def train_step(
    game: Game, batches: Sequence[Batch], step: tf.Tensor, global_batch_size: int, seed: int
) -> Mapping[str, tf.Tensor]:
    """Updates every player once or more, on the calling replica.

    On each batch but the last, only the players that update more than once are updated.

    Args:
      game: whose variables change.
      batches: `game.batches_per_step` local batches, with images of uint8 or floats in [-1, 1].
      step: the number of the step, from 0.
      global_batch_size: over all replicas.
      seed: of the run.

    Returns:
      Scalars by name; their sums over the replicas are the values to log.
    """
    logged: dict[str, tf.Tensor] = {}
    for number, batch in enumerate(map(pipeline.as_floats, batches)):
        batches_left = len(batches) - number
        players = [player for player in game.players if player.updates_per_step >= batches_left]
        batch_noise = noise.of_step(seed, step, global_batch_size, number, len(batches))
        update = _update_at_once if game.accumulation == 1 else _update_in_parts
        logged |= update(game, players, batch, batch_noise)
    for average in game.averages:
        _update_average(average, step, global_batch_size)
    return logged


def _update_at_once(
    game: Game, players: Sequence[Player], batch: Batch, batch_noise: Noise
) -> dict[str, tf.Tensor]:
    """Updates the players on one batch, after one forward pass for all of them."""
    logged: dict[str, tf.Tensor] = {}
    with tf.GradientTape(persistent=True) as tape:  # costs nothing inside a tf.function
        with noise.scope(batch_noise):
            shared = game.forward(batch, batch_noise)
        for player in players:
            loss, observed = _mean_loss(player, shared, batch_noise)
            with tape.stop_recording():
                gradients = _gradients(player, tape, loss)
                logged |= observed | _apply_gradients(player, gradients, loss)
    return logged


def _update_in_parts(
    game: Game, players: Sequence[Player], batch: Batch, batch_noise: Noise
) -> dict[str, tf.Tensor]:
    """Updates the players with gradients that are summed over parts of the batch."""
    logged: dict[str, tf.Tensor] = {}
    for player in players:
        total: list[tf.Tensor] = []
        sums: dict[str, tf.Tensor] = {}
        for number in range(game.accumulation):
            part, part_noise = _part(batch, batch_noise, number, game.accumulation)
            with tf.GradientTape() as tape:
                with noise.scope(part_noise):
                    shared = game.forward(part, part_noise)
                loss, observed = _mean_loss(player, shared, part_noise)
            gradients = _gradients(player, tape, loss)
            total = [a + b for a, b in zip(total, gradients, strict=True)] if total else gradients
            for name, value in {**observed, "loss": loss}.items():
                sums[name] = sums.get(name, 0.0) + value
        loss = sums.pop("loss")
        logged |= sums | _apply_gradients(player, total, loss)
    return logged


def _mean_loss(
    player: Player, shared: Batch, batch_noise: Noise
) -> tuple[tf.Tensor, dict[str, tf.Tensor]]:
    """Returns the player's loss and its logged values, as this replica's parts of global means."""
    with noise.scope(batch_noise):
        returned = player.loss(shared, batch_noise)
    if not isinstance(returned, tuple) or len(returned) != 2:
        raise ValueError(
            f"the loss of {player.name!r} must give two things: the loss per example, and a dict "
            "of values to log, which may be empty"
        )
    loss, observed = returned

    def mean(values: PerExample) -> tf.Tensor:
        values = tf.cast(values, tf.float32)
        if not values.shape.is_compatible_with((batch_noise.local_rows,)):
            raise ValueError(
                f"the loss of {player.name!r}, and each value that it logs, must be one number "
                f"per example, shape ({batch_noise.local_rows},); got {values.shape}"
            )
        return tf.nn.compute_average_loss(values, global_batch_size=batch_noise.global_rows)

    return mean(loss), {name: mean(value) for name, value in observed.items()}


def _part(batch: Batch, batch_noise: Noise, number: int, parts: int) -> tuple[Batch, Noise]:
    """Returns the rows of one of the equal parts of this replica's batch, and their noise."""
    if batch_noise.local_rows % parts:
        raise ValueError(
            f"accumulation={parts} does not divide the {batch_noise.local_rows} images of a replica"
        )
    part_noise = batch_noise.part(number, parts)
    rows = part_noise.local_rows
    part = {name: value[number * rows : (number + 1) * rows] for name, value in batch.items()}
    return part, part_noise


def decode_nonfinite(nonfinite: int, game: Game) -> tuple[int, str]:
    """Returns the step, from 0, and the player's name that `Steps.run` encoded."""
    step, place = divmod(int(nonfinite), len(game.players))
    return step, game.players[place].name


def _encode_nonfinite(
    game: Game, names: Sequence[str], logged: tf.Tensor, step: tf.Tensor
) -> tf.Tensor:
    """Returns `ALL_FINITE`, or step * players + the place of the first player with a NaN."""
    nonfinite = tf.constant(ALL_FINITE, tf.int64)
    for place, player in reversed(list(enumerate(game.players))):
        loss = logged[names.index(f"{player.name}/loss")]
        norm = logged[names.index(f"{player.name}/gradient_norm")]
        finite = tf.math.is_finite(loss) & tf.math.is_finite(norm)
        code = tf.cast(step, tf.int64) * len(game.players) + place
        nonfinite = tf.where(finite, nonfinite, code)
    return nonfinite


def _gradients(player: Player, tape: tf.GradientTape, loss: tf.Tensor) -> list[tf.Tensor]:
    variables = player.trainable_variables
    gradients = tape.gradient(loss, [variable.value for variable in variables])
    missing = [v.path for v, g in zip(variables, gradients, strict=True) if g is None]
    if missing:
        raise ValueError(f"the loss of {player.name!r} does not depend on {', '.join(missing)}")
    return [tf.convert_to_tensor(gradient) for gradient in gradients]


def _apply_gradients(
    player: Player, gradients: list[tf.Tensor], loss: tf.Tensor
) -> dict[str, tf.Tensor]:
    """Sums the gradients over the replicas, clips the sum, and updates the variables.

    Returns:
      The loss and the gradient norm before clipping, as this replica's parts of both.
    """
    replicas = tf.distribute.get_replica_context()
    gradients = replicas.all_reduce(tf.distribute.ReduceOp.SUM, gradients)
    norm = tf.linalg.global_norm(gradients)
    if player.clip_norm:
        scale = tf.minimum(1.0, player.clip_norm / tf.maximum(norm, 1e-12))
        gradients = [gradient * scale for gradient in gradients]
    player.optimizer.apply(gradients, player.trainable_variables)
    if player.weight_limit:
        _limit_weights(player)
    return {
        f"{player.name}/loss": loss,
        f"{player.name}/gradient_norm": norm / replicas.num_replicas_in_sync,
    }


def _limit_weights(player: Player) -> None:
    """Clips every weight of the player to its limit, on all replicas."""

    def cut(target: tf.Variable) -> None:
        target.assign(tf.clip_by_value(target, -player.weight_limit, player.weight_limit))

    def update(strategy):
        for variable in player.trainable_variables:
            strategy.extended.update(variable.value, cut, group=False)

    tf.__internal__.distribute.interim.maybe_merge_call(update, tf.distribute.get_strategy())


def _reduce_once(optimizer) -> None:
    """Keeps a Keras optimizer from summing the gradients over replicas a second time.

    Keras has no public way to do this; `test_step.py` fails if this one stops working.
    """
    optimizer._all_reduce_sum_gradients = lambda gradients_and_variables: gradients_and_variables


def _update_average(average: Average, step: tf.Tensor, global_batch_size: int) -> None:
    images_seen = tf.cast((step + 1) * global_batch_size, tf.float32)
    half_life = tf.minimum(float(average.half_life_images), images_seen * AVERAGE_RAMP)
    keep = tf.pow(0.5, global_batch_size / half_life)

    def move(target: tf.Variable, source: tf.Tensor, keep: tf.Tensor) -> None:
        target.assign(source + keep * (target - source))

    def update(strategy, keep):
        pairs = zip(average.average.variables, average.source.variables, strict=True)
        for target, source in pairs:
            strategy.extended.update(target.value, move, args=(source.value, keep), group=False)

    tf.__internal__.distribute.interim.maybe_merge_call(update, tf.distribute.get_strategy(), keep)
