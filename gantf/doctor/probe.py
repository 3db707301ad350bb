"""What `gantf doctor` asks a process of its own: an import that aborts or hangs ends only that."""

import dataclasses
import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import Mapping
from typing import Any

PATIENCE_SECONDS = 180
CHILD = "from gantf import probing; probing.tell()"


@dataclasses.dataclass(frozen=True)
class Found:
    """What importing TensorFlow and the trainer came to.

    Attributes:
      error: why TensorFlow cannot be imported; "" where it can.
      version: of TensorFlow.
      built_with_cuda: whether it could use an NVIDIA GPU.
      cpus: how many CPU devices it lists.
      gpus: each GPU that it lists, in words: its name, and its memory where TensorFlow tells.
      trainer_error: why `gantf.training.trainer` cannot be imported; "" where it can.
    """

    error: str = ""
    version: str = ""
    built_with_cuda: bool = False
    cpus: int = 0
    gpus: tuple[str, ...] = ()
    trainer_error: str = ""


def ask(environ: Mapping[str, str], tpu_attached: bool, seconds: float = PATIENCE_SECONDS) -> Found:
    """Imports TensorFlow in a process of its own and tells what came of it; raises nothing.

    Args:
      environ: the environment of that process.
      tpu_attached: where it is not, libtpu is kept from asking the network for one, which takes
        many minutes.
      seconds: after which it is given up.
    """
    skip = {} if tpu_attached else {"TPU_SKIP_MDS_QUERY": "1"}
    command = [sys.executable, "-P", "-c", CHILD]
    try:
        done = subprocess.run(
            command, capture_output=True, text=True, timeout=seconds, env={**environ, **skip}
        )
        if done.returncode:
            return Found(error=ending(done.returncode, done.stderr))
        answer = json.loads(done.stdout.splitlines()[-1])
        return Found(**{**answer, "gpus": tuple(answer["gpus"])})
    except subprocess.TimeoutExpired:
        return Found(error=f"importing it did not end within {seconds:g} seconds")
    except Exception as error:  # no process, no JSON: whatever it is becomes a line
        return Found(error=f"it could not be asked ({one_line(error)})")


def ending(returncode: int, stderr: str) -> str:
    """How a process ended, and the line of its stderr that says why, in one line.

    Args:
      returncode: not 0; negative after a signal.
      stderr: all of it. The first fatal line of TensorFlow's log wins, or else the last line.
    """
    fatal = re.search(r"^\S+ \S+: F .*?\] (.+)$", stderr, re.MULTILINE)
    lines = [line for line in stderr.splitlines() if line.strip()]
    why = fatal[1] if fatal else lines[-1] if lines else "it said nothing"
    how = f"exit code {returncode}" if returncode > 0 else signal.Signals(-returncode).name
    return f"importing it ended the process with {how}: {why.strip().rstrip('.')[:300]}"


def one_line(error: BaseException) -> str:
    """An exception's type and the first line of what it says."""
    text = str(error).strip().partition("\n")[0][:300]
    return f"{type(error).__name__}: {text}" if text else type(error).__name__


def tell() -> None:
    """Prints what this process finds as one line of JSON; run by `ask`."""
    try:
        import tensorflow as tf  # not import_tensorflow, which drops the line that says why
    except Exception as error:
        found = Found(error=one_line(error))
    else:
        found = Found(
            version=tf.__version__,
            built_with_cuda=tf.test.is_built_with_cuda(),
            cpus=len(tf.config.list_physical_devices("CPU")),
            gpus=tuple(_gpu(tf, device) for device in tf.config.list_physical_devices("GPU")),
            trainer_error=_trainer_error(),
        )
    sys.stdout.write("\n" + json.dumps(dataclasses.asdict(found)) + "\n")
    sys.stdout.flush()
    os._exit(0)  # what libraries do on their way out is no part of the answer


def _gpu(tf: Any, device: Any) -> str:
    """A GPU in words; its bare name where TensorFlow tells nothing."""
    try:
        details = tf.config.experimental.get_device_details(device)
    except Exception:  # the driver's own errors differ
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
