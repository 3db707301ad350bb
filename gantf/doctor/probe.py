"""Imports TensorFlow and the trainer in a child process: a crash or a hang ends only that one."""

import dataclasses
import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import Mapping
from typing import Any

TIMEOUT_SECONDS = 180
CHILD = "from gantf.doctor import probe; probe.print_info()"


@dataclasses.dataclass(frozen=True)
class TensorFlowInfo:
    """The outcome of importing TensorFlow and the trainer.

    Attributes:
      error: why TensorFlow cannot be imported; "" if it can.
      version: TensorFlow's version.
      built_with_cuda: whether this build can use an NVIDIA GPU.
      cpus: number of CPU devices that TensorFlow lists.
      gpus: a description of each GPU that TensorFlow lists: its name, compute capability and
        memory.
      trainer_error: why `gantf.training.trainer` cannot be imported; "" if it can.
    """

    error: str = ""
    version: str = ""
    built_with_cuda: bool = False
    cpus: int = 0
    gpus: tuple[str, ...] = ()
    trainer_error: str = ""


def probe_tensorflow(
    environ: Mapping[str, str], tpu_attached: bool, seconds: float = TIMEOUT_SECONDS
) -> TensorFlowInfo:
    """Imports TensorFlow in a child process. Raises nothing.

    Args:
      environ: environment of the child process.
      tpu_attached: if False, libtpu does not search the network for a TPU, which takes minutes.
      seconds: time limit.
    """
    skip = {} if tpu_attached else {"TPU_SKIP_MDS_QUERY": "1"}
    command = [sys.executable, "-P", "-c", CHILD]
    try:
        done = subprocess.run(
            command, capture_output=True, text=True, timeout=seconds, env={**environ, **skip}
        )
        if done.returncode:
            return TensorFlowInfo(error=describe_exit(done.returncode, done.stderr))
        fields = json.loads(done.stdout.splitlines()[-1])
        return TensorFlowInfo(**{**fields, "gpus": tuple(fields["gpus"])})
    except subprocess.TimeoutExpired:
        return TensorFlowInfo(error=f"the import did not end within {seconds:g} seconds")
    except Exception as error:  # for example no process, or no JSON
        return TensorFlowInfo(error=f"the import cannot be tried ({one_line(error)})")


def describe_exit(returncode: int, stderr: str) -> str:
    """Describes in one line how and why a process ended.

    Args:
      returncode: exit code, not 0; negative after a signal.
      stderr: its whole stderr. The reason is the first fatal line of TensorFlow's log, or else the
        last line.
    """
    fatal = re.search(r"^\S+ \S+: F .*?\] (.+)$", stderr, re.MULTILINE)
    lines = [line for line in stderr.splitlines() if line.strip()]
    reason = fatal[1] if fatal else lines[-1] if lines else "no message"
    how = f"exit code {returncode}" if returncode > 0 else signal.Signals(-returncode).name
    return f"the import ended the process with {how}: {reason.strip().rstrip('.')[:300]}"


def one_line(error: BaseException) -> str:
    """Returns an exception's type and the first line of its message."""
    text = str(error).strip().partition("\n")[0][:300]
    return f"{type(error).__name__}: {text}" if text else type(error).__name__


def print_info() -> None:
    """Prints this process's `TensorFlowInfo` as a line of JSON. `probe_tensorflow` runs it."""
    try:
        import tensorflow as tf  # not import_tensorflow, which hides the fatal line of the log
    except Exception as error:
        info = TensorFlowInfo(error=one_line(error))
    else:
        info = TensorFlowInfo(
            version=tf.__version__,
            built_with_cuda=tf.test.is_built_with_cuda(),
            cpus=len(tf.config.list_physical_devices("CPU")),
            gpus=tuple(_describe_gpu(tf, gpu) for gpu in tf.config.list_physical_devices("GPU")),
            trainer_error=_trainer_error(),
        )
    sys.stdout.write("\n" + json.dumps(dataclasses.asdict(info)) + "\n")
    sys.stdout.flush()
    os._exit(0)  # skips the exit handlers of libraries, which may crash


def _describe_gpu(tf: Any, device: Any) -> str:
    """Describes a GPU; returns its bare name if TensorFlow has no details."""
    try:
        details = tf.config.experimental.get_device_details(device)
    except Exception:  # drivers raise errors of their own
        details = {}
    capability = details.get("compute_capability")
    words = [details.get("device_name") or device.name.removeprefix("/physical_device:")]
    if capability:
        words.append("compute capability " + ".".join(str(part) for part in capability))
    if details.get("memory_limit"):
        words.append(f"{details['memory_limit'] / 2**30:.1f} GiB")
    return ", ".join(words)


def _trainer_error() -> str:
    try:
        import gantf.training.trainer  # noqa: F401
    except Exception as error:
        return one_line(error)
    return ""
