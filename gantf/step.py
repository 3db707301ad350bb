"""One compiled training step for every game, and the loop of steps that one host visit runs.

Here and nowhere else: the mean over the global batch, the sum over replicas, the order of moves.
"""

import dataclasses
from collections.abc import Callable, Mapping

import tensorflow as tf

from gantf import noise
from gantf.game import Average, Batch, Game, Player

LOG_WIDTH = 32  # room for the logged values: their number is only known once the step is traced
ALL_FINITE = -1
AVERAGE_RAMP = 0.1  # an average's half-life is at most this share of the images seen


@dataclasses.dataclass(frozen=True)
class Steps:
    """The compiled loop.

    Attributes:
      run: (iterator, first_step, count, sums, fault) -> (sums, fault) after `count` steps.
        `sums`, shape (LOG_WIDTH,), gathers the logged values; `fault` is `ALL_FINITE` or tells of
        the first loss or gradient that was not finite (see `where`).
      names: what stands where in `sums`; filled when `run` is first traced.
    """

    run: Callable[..., tuple[tf.Tensor, tf.Tensor]]
    names: list[str]


def make_steps(
    game: Game, strategy: tf.distribute.Strategy, global_batch_size: int, seed: int
) -> Steps:
    """Compiles the game's training loop for a strategy."""
    names: list[str] = []
    for player in game.players:
        _reduce_once(player.optimizer)

    def replica_step(batches: tuple[Batch, ...], step: tf.Tensor) -> tf.Tensor:
        logged = train_step(game, batches, step, global_batch_size, seed)
        names[:] = list(logged)
        if len(names) > LOG_WIDTH:
            raise ValueError(f"a step may log {LOG_WIDTH} values; this game logs {len(names)}")
        values = tf.stack([tf.cast(value, tf.float32) for value in logged.values()])
        return tf.pad(values, [[0, LOG_WIDTH - len(names)]])

    @tf.function(reduce_retracing=True)
    def run(iterator, first_step, count, sums, fault):
        for step in tf.range(first_step, first_step + count):
            batches = tuple(next(iterator) for _ in range(game.batches_per_step))
            per_replica = strategy.run(replica_step, (batches, step))
            logged = strategy.reduce(tf.distribute.ReduceOp.SUM, per_replica, axis=None)
            sums += logged
            fault = tf.where(fault == ALL_FINITE, _fault_of_step(game, names, logged, step), fault)
        return sums, fault

    return Steps(run, names)


def train_step(
    game: Game, batches: tuple[Batch, ...], step: tf.Tensor, global_batch_size: int, seed: int
) -> Mapping[str, tf.Tensor]:
    """One move of every player, on the replica that calls; the players that move more often first.

    Args:
      game: whose variables change.
      batches: `game.batches_per_step` local batches.
      step: number of the step, from 0.
      global_batch_size: over all replicas.
      seed: of the run.

    Returns:
      Scalars by name whose sum over the replicas is the value to log.
    """
    logged = {}
    for turn, batch in enumerate(batches):
        turns_left = len(batches) - turn
        movers = [player for player in game.players if player.updates_per_step >= turns_left]
        turn_noise = noise.of_step(seed, step * len(batches) + turn, global_batch_size)
        with tf.GradientTape(persistent=True) as tape:  # inside a tf.function it costs nothing
            shared = game.forward(batch, turn_noise)
            for player in movers:
                loss, observed = player.loss(shared, turn_noise)
                mean_loss = tf.nn.compute_average_loss(loss, global_batch_size=global_batch_size)
                with tape.stop_recording():
                    norm = _move(player, tape, mean_loss)
                    logged[f"{player.name}/loss"] = mean_loss
                    logged[f"{player.name}/gradient_norm"] = norm
                    for name, value in observed.items():
                        logged[name] = tf.nn.compute_average_loss(
                            value, global_batch_size=global_batch_size
                        )
        del tape
    for average in game.averages:
        _update_average(average, step, global_batch_size)
    return logged


def where(fault: int, game: Game) -> tuple[int, str]:
    """The step (from 0) and the player's name that a fault tells of."""
    step, place = divmod(int(fault), len(game.players))
    return step, game.players[place].name


def _move(player: Player, tape: tf.GradientTape, loss: tf.Tensor) -> tf.Tensor:
    """Applies the gradient of the global mean loss; returns its norm, divided by the replicas."""
    variables = player.network.trainable_variables
    gradients = tape.gradient(loss, [variable.value for variable in variables])
    missing = [v.path for v, g in zip(variables, gradients, strict=True) if g is None]
    if missing:
        raise ValueError(f"the loss of {player.name!r} does not depend on {', '.join(missing)}")
    replicas = tf.distribute.get_replica_context()
    gradients = replicas.all_reduce(tf.distribute.ReduceOp.SUM, gradients)
    player.optimizer.apply(gradients, variables)
    return tf.linalg.global_norm(gradients) / replicas.num_replicas_in_sync


def _reduce_once(optimizer) -> None:
    """Keeps a Keras optimizer from summing over replicas again what `_move` has summed.

    Keras offers no public way; `test_step.py` fails if this one stops working.
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


def _fault_of_step(game: Game, names: list[str], logged: tf.Tensor, step: tf.Tensor) -> tf.Tensor:
    """`ALL_FINITE`, or step * players + the place of the first player that is not finite."""
    fault = tf.constant(ALL_FINITE, tf.int64)
    for place, player in reversed(list(enumerate(game.players))):
        loss = logged[names.index(f"{player.name}/loss")]
        norm = logged[names.index(f"{player.name}/gradient_norm")]
        finite = tf.math.is_finite(loss) & tf.math.is_finite(norm)
        fault = tf.where(finite, fault, tf.cast(step, tf.int64) * len(game.players) + place)
    return fault
