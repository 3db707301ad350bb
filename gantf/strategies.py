"""A strategy's name -> a tf.distribute strategy."""

import tensorflow as tf

from evaluation import InputError
from gantf.config import StrategyName


def make(name: StrategyName, logical_cpus: int = 1) -> tf.distribute.Strategy:
    """Builds the strategy; to be called before TensorFlow has used a device.

    Args:
      name: "auto" is mirrored where there are several devices, else one-device.
      logical_cpus: split the CPU into so many devices, to mirror on a machine without GPUs.

    Raises:
      InputError: the machine lacks what the strategy needs.
    """
    if logical_cpus > 1:
        _split_cpu(logical_cpus)
    if name == "tpu":
        return _tpu()
    if name == "multi-worker":
        raise InputError(
            "--strategy multi-worker: training over several machines is not part of this release; "
            "use --strategy mirrored on each machine."
        )
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
    try:
        resolver = tf.distribute.cluster_resolver.TPUClusterResolver(tpu="local")
        tf.config.experimental_connect_to_cluster(resolver)
        tf.tpu.experimental.initialize_tpu_system(resolver)
    except Exception:  # which one depends on what of libtpu is there
        raise InputError(
            "--strategy tpu: no TPU is attached to this machine; run on a TPU VM with "
            "tensorflow-tpu installed, or use --strategy auto."
        ) from None
    return tf.distribute.TPUStrategy(resolver)
