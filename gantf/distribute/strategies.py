"""Builds a `tf.distribute` strategy from its name, and the worker processes that it spans."""

import os
from collections.abc import Iterator
from contextlib import contextmanager

import tensorflow as tf

from evaluation import InputError, tpu_files
from gantf.config import StrategyName
from gantf.console import Terminal
from gantf.distribute import barrier, cluster, devices
from gantf.distribute.workers import Workers
from gantf.errors import WorkerLostError

LOST_WORKER_ERRORS = (  # the collectives of the other workers raise these when a worker is gone
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
    """Builds the strategy. Call it before TensorFlow uses a device.

    Args:
      name: the strategy; "auto" is mirrored if there are several devices, else one-device.
      logical_cpus: number of devices to split the CPU into, to mirror on a machine without GPUs.
      timeout_seconds: longest time to wait for the other workers of "multi-worker".

    Raises:
      InputError: the machine lacks something the strategy needs, or a worker is not there in time.
      WorkerLostError: a worker connected and then went away.
    """
    if logical_cpus > 1:
        _split_cpu(logical_cpus)
    if name == "tpu":
        return _tpu()
    if name == "multi-worker":
        return _multi_worker(timeout_seconds)
    gpus = [device.name for device in tf.config.list_logical_devices("GPU")]
    cpus = [device.name for device in tf.config.list_logical_devices("CPU")]
    kind, chosen = devices.choose(name, gpus, cpus)
    if kind == "one-device":
        return tf.distribute.OneDeviceStrategy(chosen[0])
    if gpus:
        return tf.distribute.MirroredStrategy(chosen)
    # A process can set up collectives over CPUs only once; a plain sum always works.
    return tf.distribute.MirroredStrategy(
        chosen, cross_device_ops=tf.distribute.ReductionToOneDevice()
    )


def make_workers(strategy: tf.distribute.Strategy) -> Workers:
    """Returns the worker processes of a strategy that `make` built."""
    resolver = strategy.cluster_resolver
    if not isinstance(strategy, tf.distribute.MultiWorkerMirroredStrategy) or resolver is None:
        return Workers(strategy)
    addresses, index = cluster.find()
    return Workers(strategy, len(addresses), index)


@contextmanager
def detect_lost_workers(workers: Workers) -> Iterator[None]:
    """Turns the errors of TensorFlow's collectives into a WorkerLostError.

    Raises:
      WorkerLostError: the block failed because another worker is gone.
    """
    try:
        yield
    except LOST_WORKER_ERRORS as error:
        if workers.size == 1:
            raise
        raise WorkerLostError(_reason(error)) from error


def _reason(error: tf.errors.OpError) -> str:
    """Returns the error's message in one line, without the graph that TensorFlow adds to it."""
    message = error.message.rpartition("Collective ops is aborted by:")[2].strip()
    return " ".join(message.split("\n")[0].split())[:200].rstrip(":") or type(error).__name__


def _multi_worker(timeout_seconds: float) -> tf.distribute.Strategy:
    addresses, index = cluster.find()
    barrier.wait_for_all(addresses, index, timeout_seconds, Terminal().say)
    try:
        return tf.distribute.MultiWorkerMirroredStrategy(
            tf.distribute.cluster_resolver.TFConfigClusterResolver()
        )
    except LOST_WORKER_ERRORS as error:
        raise WorkerLostError(_reason(error)) from error
    except (tf.errors.OpError, RuntimeError, ValueError) as error:
        reason = " ".join(str(error).split())[:200]
        raise InputError(
            f"worker {index} of {len(addresses)} cannot join at {addresses[index]} ({reason}); "
            "check that its port is free and that all workers have the same addresses."
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
            "start a new process."
        ) from None


def _tpu() -> tf.distribute.Strategy:
    """Connects to the TPU that TPU_NAME names, or else to the one attached to this machine."""
    name = devices.tpu_name(os.environ)
    try:
        resolver = tf.distribute.cluster_resolver.TPUClusterResolver(tpu=name)
        tf.config.experimental_connect_to_cluster(resolver)
        tf.tpu.experimental.initialize_tpu_system(resolver)
    except Exception as error:  # the type depends on the installed parts of libtpu
        reason = " ".join(str(error).split())[:160] or type(error).__name__
        if name != devices.LOCAL_TPU:
            problem = f"--tpu {name}: {reason}"
        elif files := tpu_files():
            problem = f"the TPU of {', '.join(files)} does not start ({reason})"
        else:
            problem = "no TPU is attached to this machine"
        raise InputError(
            f"--strategy tpu: {problem}; run on a TPU VM with tensorflow-tpu installed and no "
            "other program on its TPU, or use --strategy auto."
        ) from None
    return tf.distribute.TPUStrategy(resolver)
