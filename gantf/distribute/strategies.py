"""A strategy's name -> a tf.distribute strategy, and the processes that it spans."""

import os
from collections.abc import Iterator
from contextlib import contextmanager

import click
import tensorflow as tf

from evaluation import InputError, tpu_files
from gantf.config import StrategyName
from gantf.distribute import barrier, cluster
from gantf.distribute.workers import Workers
from gantf.errors import WorkerLostError

TPU_NAME = "TPU_NAME"  # what TensorFlow's resolver reads; --tpu sets it
LOSSES = (  # what the collectives of other workers raise when one is gone
    tf.errors.UnavailableError,
    tf.errors.AbortedError,
    tf.errors.InternalError,
    tf.errors.DeadlineExceededError,
    tf.errors.CancelledError,
    tf.errors.FailedPreconditionError,
)


def make(
    name: StrategyName, logical_cpus: int = 1, timeout_seconds: float = 600.0
) -> tf.distribute.Strategy:
    """Builds the strategy; to be called before TensorFlow has used a device.

    Args:
      name: "auto" is mirrored where there are several devices, else one-device.
      logical_cpus: split the CPU into so many devices, to mirror on a machine without GPUs.
      timeout_seconds: how long to wait for the other workers of "multi-worker".

    Raises:
      InputError: the machine lacks what the strategy needs, or a worker did not come in time.
      WorkerLostError: a worker was there and went.
    """
    if logical_cpus > 1:
        _split_cpu(logical_cpus)
    if name == "tpu":
        return _tpu()
    if name == "multi-worker":
        return _multi_worker(timeout_seconds)
    gpus = [device.name for device in tf.config.list_logical_devices("GPU")]
    cpus = [device.name for device in tf.config.list_logical_devices("CPU")]
    devices = gpus or cpus
    if name == "one-device" or (name == "auto" and len(devices) == 1):
        return tf.distribute.OneDeviceStrategy(devices[0])
    if gpus:
        return tf.distribute.MirroredStrategy(gpus)
    # Collectives over CPUs can be set up once in a process only; a plain sum works always.
    return tf.distribute.MirroredStrategy(
        cpus, cross_device_ops=tf.distribute.ReductionToOneDevice()
    )


def workers_of(strategy: tf.distribute.Strategy) -> Workers:
    """The processes that a strategy of `make` spans."""
    resolver = strategy.cluster_resolver
    if not isinstance(strategy, tf.distribute.MultiWorkerMirroredStrategy) or resolver is None:
        return Workers(strategy)
    addresses, index = cluster.find()
    return Workers(strategy, len(addresses), index)


@contextmanager
def losses_named(workers: Workers) -> Iterator[None]:
    """Turns what collectives raise when a worker is gone into a WorkerLostError."""
    try:
        yield
    except LOSSES as error:
        if workers.size == 1:
            raise
        raise WorkerLostError(_reason(error)) from error


def _reason(error: tf.errors.OpError) -> str:
    """What an error of the collectives says, without the graph in which it was found."""
    said = error.message.rpartition("Collective ops is aborted by:")[2].strip()
    return " ".join(said.split("\n")[0].split())[:200].rstrip(":") or type(error).__name__


def _multi_worker(timeout_seconds: float) -> tf.distribute.Strategy:
    addresses, index = cluster.find()
    barrier.wait_for_all(addresses, index, timeout_seconds, lambda line: click.echo(line, err=True))
    try:
        return tf.distribute.MultiWorkerMirroredStrategy(
            tf.distribute.cluster_resolver.TFConfigClusterResolver()
        )
    except LOSSES as error:
        raise WorkerLostError(_reason(error)) from error
    except (tf.errors.OpError, RuntimeError, ValueError) as error:
        reason = " ".join(str(error).split())[:200]
        raise InputError(
            f"worker {index} of {len(addresses)} cannot join at {addresses[index]} ({reason}); "
            "see that its port is free, and that all workers name the same addresses."
        ) from None


def _split_cpu(count: int) -> None:
    cpu = tf.config.list_physical_devices("CPU")[0]
    configuration = [tf.config.LogicalDeviceConfiguration()] * count
    present = tf.config.get_logical_device_configuration(cpu) or [None]
    if len(present) == count:
        return
    try:
        tf.config.set_logical_device_configuration(cpu, configuration)
    except RuntimeError:
        raise InputError(
            f"--logical-cpus {count}: TensorFlow already runs with {len(present)} in this process; "
            "start a new one."
        ) from None


def _tpu() -> tf.distribute.Strategy:
    """The TPU of --tpu NAME, or of TPU_NAME, or else the one that is attached to this machine."""
    name = os.environ.get(TPU_NAME) or "local"
    try:
        resolver = tf.distribute.cluster_resolver.TPUClusterResolver(tpu=name)
        tf.config.experimental_connect_to_cluster(resolver)
        tf.tpu.experimental.initialize_tpu_system(resolver)
    except Exception as error:  # which one depends on what of libtpu is there
        reason = " ".join(str(error).split())[:160] or type(error).__name__
        if name != "local":
            what = f"--tpu {name}: {reason}"
        elif files := tpu_files():
            what = f"the TPU of {', '.join(files)} does not start ({reason})"
        else:
            what = "no TPU is attached to this machine"
        raise InputError(
            f"--strategy tpu: {what}; run on a TPU VM with tensorflow-tpu installed and no other "
            "program on its TPU, or use --strategy auto."
        ) from None
    return tf.distribute.TPUStrategy(resolver)
