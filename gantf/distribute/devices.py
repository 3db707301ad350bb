"""Which devices a strategy trains on. Imports no TensorFlow, so that `gantf doctor` can use it."""

from collections.abc import Mapping, Sequence

TPU_NAME = "TPU_NAME"  # TensorFlow's TPU resolver reads this variable; --tpu sets it
LOCAL_TPU = "local"


def choose(name: str, gpus: Sequence[str], cpus: Sequence[str]) -> tuple[str, list[str]]:
    """Returns the kind of strategy, "one-device" or "mirrored", and the names of its devices.

    Args:
      name: "one-device", "mirrored", or "auto", which is mirrored if there are several devices.
      gpus: names of the GPUs.
      cpus: names of the CPU devices, used if there is no GPU.
    """
    devices = list(gpus or cpus)
    if name == "one-device" or (name == "auto" and len(devices) == 1):
        return "one-device", devices[:1]
    return "mirrored", devices


def tpu_name(environ: Mapping[str, str]) -> str:
    """Returns the name of the TPU to train on; "local" is the one attached to this machine."""
    return environ.get(TPU_NAME) or LOCAL_TPU
