"""One compiled training step for every game, and the loop of steps that one host visit runs.

Here and nowhere else: the mean over the global batch, the sum over replicas, the order of moves.
"""

import dataclasses
from collections.abc import Callable, Mapping

import tensorflow as tf

from gantf import noise
from gantf.game import LOG_WIDTH, Average, Batch, Game, Player
from gantf.noise import Noise

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
    _keep_reads_before_writes()
    for player in game.players:
        _reduce_once(player.optimizer)

    @tf.autograph.experimental.do_not_convert  # which would take seconds, and finds nothing to do
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
    logged: dict[str, tf.Tensor] = {}
    for turn, batch in enumerate(batches):
        turns_left = len(batches) - turn
        movers = [player for player in game.players if player.updates_per_step >= turns_left]
        turn_noise = noise.of_step(seed, step, global_batch_size, turn, len(batches))
        take_turn = _take_turn_at_once if game.accumulation == 1 else _take_turn_in_parts
        logged |= take_turn(game, movers, batch, turn_noise)
    for average in game.averages:
        _update_average(average, step, global_batch_size)
    return logged


def _take_turn_at_once(game: Game, movers: list[Player], batch: Batch, turn_noise: Noise):
    """All moves on one batch, from one pass of what the players share."""
    logged: dict[str, tf.Tensor] = {}
    with tf.GradientTape(persistent=True) as tape:  # inside a tf.function it costs nothing
        with noise.scope(turn_noise):
            shared = game.forward(batch, turn_noise)
        for player in movers:
            loss, observed = _mean_loss(player, shared, turn_noise)
            with tape.stop_recording():
                gradients = _gradients(player, tape, loss)
                logged |= observed | _move(player, gradients, loss)
    return logged


def _take_turn_in_parts(game: Game, movers: list[Player], batch: Batch, turn_noise: Noise):
    """The same moves, each from gradients that are summed over parts of the batch."""
    logged: dict[str, tf.Tensor] = {}
    for player in movers:
        total: list[tf.Tensor] = []
        sums: dict[str, tf.Tensor] = {}
        for number in range(game.accumulation):
            part, part_noise = _part(batch, turn_noise, number, game.accumulation)
            with tf.GradientTape() as tape:
                with noise.scope(part_noise):
                    shared = game.forward(part, part_noise)
                loss, observed = _mean_loss(player, shared, part_noise)
            gradients = _gradients(player, tape, loss)
            total = [a + b for a, b in zip(total, gradients, strict=True)] if total else gradients
            for name, value in {**observed, "loss": loss}.items():
                sums[name] = sums.get(name, 0.0) + value
        loss = sums.pop("loss")
        logged |= sums | _move(player, total, loss)
    return logged


def _mean_loss(player: Player, shared: Batch, turn_noise: Noise):
    """The player's loss and what it observed, as this part's shares of global means."""
    with noise.scope(turn_noise):
        told = player.loss(shared, turn_noise)
    if not isinstance(told, tuple) or len(told) != 2:
        raise ValueError(
            f"the loss of {player.name!r} must give two things: the loss per example, and a dict "
            "of values to log, which may be empty"
        )
    loss, observed = told

    def mean(values: tf.Tensor) -> tf.Tensor:
        values = tf.cast(values, tf.float32)
        if not values.shape.is_compatible_with((turn_noise.local_rows,)):
            raise ValueError(
                f"the loss of {player.name!r}, and each value that it logs, must be one number "
                f"per example, shape ({turn_noise.local_rows},); got {values.shape}"
            )
        return tf.nn.compute_average_loss(values, global_batch_size=turn_noise.global_rows)

    return mean(loss), {name: mean(value) for name, value in observed.items()}


def _part(batch: Batch, turn_noise: Noise, number: int, parts: int) -> tuple[Batch, Noise]:
    """The rows of one of the equal parts of this replica's batch, and their noise."""
    if turn_noise.local_rows % parts:
        raise ValueError(
            f"accumulation={parts} does not divide the {turn_noise.local_rows} images of a replica"
        )
    noise_part = turn_noise.part(number, parts)
    rows = noise_part.local_rows
    cut = {name: value[number * rows : (number + 1) * rows] for name, value in batch.items()}
    return cut, noise_part


def where(fault: int, game: Game) -> tuple[int, str]:
    """The step (from 0) and the player's name that a fault tells of."""
    step, place = divmod(int(fault), len(game.players))
    return step, game.players[place].name


def _gradients(player: Player, tape: tf.GradientTape, loss: tf.Tensor) -> list[tf.Tensor]:
    variables = player.trainable_variables
    gradients = tape.gradient(loss, [variable.value for variable in variables])
    missing = [v.path for v, g in zip(variables, gradients, strict=True) if g is None]
    if missing:
        raise ValueError(f"the loss of {player.name!r} does not depend on {', '.join(missing)}")
    return [tf.convert_to_tensor(gradient) for gradient in gradients]


def _move(player: Player, gradients: list[tf.Tensor], loss: tf.Tensor) -> dict[str, tf.Tensor]:
    """Sums the gradients over the replicas, clips the sum, and applies it.

    Returns:
      The loss and the norm before clipping, as this replica's shares.
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
    """Cuts every weight of the player to its limit, on all replicas alike."""

    def cut(target: tf.Variable) -> None:
        target.assign(tf.clip_by_value(target, -player.weight_limit, player.weight_limit))

    def update(strategy):
        for variable in player.trainable_variables:
            strategy.extended.update(variable.value, cut, group=False)

    tf.__internal__.distribute.interim.maybe_merge_call(update, tf.distribute.get_strategy())


def _keep_reads_before_writes() -> None:
    """Turns off the one pass of Grappler that lets a variable be written before it was read.

    TensorFlow 2.21's dependency optimizer drops the edge from a read to the write behind it where
    a longer way leads there, and the next pass may fold that way to a constant. So it went with
    the last kernel of `wgan`'s critic, which was now and then read too late. Costs no time.
    """
    tf.config.optimizer.set_experimental_options({"dependency_optimization": False})


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
