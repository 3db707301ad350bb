"""What each strategy would do on a machine, or what it lacks, as `gantf doctor` tells it."""

import dataclasses
import json
import os
from collections.abc import Mapping
from typing import get_args

from gantf.config import StrategyName
from gantf.distribute import cluster
from gantf.doctor.probe import Found

INSTALL = "python -m pip install --no-deps --requirement requirements/{}.txt"
ELSEWHERE = (
    "python -m venv .venv-{0} && "
    ".venv-{0}/bin/python -m pip install --no-deps --requirement requirements/{0}.txt ."
)
KUBERNETES = "python -m pip install kubernetes"
BAD_CONFIG = "TF_CONFIG is set, but is no JSON of a cluster and a task of it"
WORKERS = "gantf train --strategy multi-worker --workers HOST:PORT,HOST:PORT --worker-index N"


@dataclasses.dataclass(frozen=True)
class Machine:
    """What the strategies depend on.

    Attributes:
      found: what importing TensorFlow came to.
      wheels: the installed ones of TensorFlow, by name, with their versions.
      cores: CPU cores that this process may use.
      nvidia_files: /dev/nvidia0 and so on.
      tpu_files: /dev/accel0, /dev/vfio/0 and so on.
      libtpu: whether the library that drives a TPU can be imported.
      kubernetes: whether its client library can be imported.
      environ: the environment.
    """

    found: Found
    wheels: Mapping[str, str]
    cores: int = 1
    nvidia_files: tuple[str, ...] = ()
    tpu_files: tuple[str, ...] = ()
    libtpu: bool = False
    kubernetes: bool = False
    environ: Mapping[str, str] = dataclasses.field(default_factory=lambda: dict(os.environ))

    @property
    def broken(self) -> bool:
        """Whether no strategy can train here."""
        return bool(len(self.wheels) > 1 or self.found.error or self.found.trainer_error)


@dataclasses.dataclass(frozen=True)
class Prospect:
    """A strategy's state, "ready" or "missing", in words, and the command that installs more."""

    state: str
    text: str
    command: str = ""


def tell(name: str, machine: Machine) -> Prospect:
    """What `gantf train --strategy NAME` would do.

    Args:
      name: one of `StrategyName`.
      machine: where.
    """
    if machine.broken:
        return Prospect("missing", "a TensorFlow that works; see versions above", repair(machine))
    return {
        "auto": _auto,
        "one-device": _one_device,
        "mirrored": _mirrored,
        "multi-worker": _multi_worker,
        "tpu": _tpu,
    }[name](machine)


def names() -> tuple[str, ...]:
    """The strategies, as `--strategy` takes them."""
    return get_args(StrategyName)


def repair(machine: Machine) -> str:
    """The command that puts one working TensorFlow into the environment."""
    for_tpus = machine.tpu_files or set(machine.wheels) == {"tensorflow-tpu"}
    kind = "tpu" if for_tpus else "gpu" if machine.nvidia_files else "cpu"
    install = INSTALL.format(kind)
    if not machine.wheels:
        return install
    # They share one directory: to remove one of two damages the other.
    return f"python -m pip uninstall --yes {' '.join(machine.wheels)} && {install}"


def _auto(machine: Machine) -> Prospect:
    several = len(machine.found.gpus) > 1
    prospect = _mirrored(machine) if several else _one_device(machine)
    if machine.tpu_files:
        text = f"{prospect.text}; it leaves the TPU alone: --strategy tpu"
        return dataclasses.replace(prospect, text=text)
    return prospect


def _one_device(machine: Machine) -> Prospect:
    if machine.found.gpus:
        return Prospect("ready", f"one-device on the GPU ({machine.found.gpus[0]})")
    text = f"one-device on the CPU ({machine.cores} cores)"
    unused, command = _unused_gpus(machine)
    return Prospect("ready", f"{text}; {unused}" if unused else text, command)


def _mirrored(machine: Machine) -> Prospect:
    count = len(machine.found.gpus)
    if count:
        one = "" if count > 1 else ", which is one replica"
        return Prospect("ready", f"mirrored over {count} GPU{'s' * (count > 1)}{one}")
    text = "mirrored over 1 CPU device, which is one replica; --logical-cpus 2 makes it two"
    unused, command = _unused_gpus(machine)
    lacking = unused or "for GPUs it lacks an NVIDIA GPU and the CUDA libraries"
    return Prospect("ready", f"{text}; {lacking}", command if unused else _cuda(machine))


def _unused_gpus(machine: Machine) -> tuple[str, str]:
    """Why GPUs that are there cannot be used, and the command; "" where none are, or they can."""
    if not machine.nvidia_files or machine.found.gpus:
        return "", ""
    here = f"{machine.nvidia_files[0]} is here, but TensorFlow sees no GPU"
    if machine.environ.get("CUDA_VISIBLE_DEVICES") in ("", "-1"):
        return f"{here}: CUDA_VISIBLE_DEVICES hides it", ""
    return f"{here}: the CUDA libraries are missing or do not fit the driver", _cuda(machine)


def _cuda(machine: Machine) -> str:
    """The command that installs CUDA's libraries, never tensorflow beside tensorflow-tpu."""
    return (ELSEWHERE if "tensorflow-tpu" in machine.wheels else INSTALL).format("gpu")


def _multi_worker(machine: Machine) -> Prospect:
    found = clusters(machine.environ)
    if not found:
        lacking = f"no TF_CONFIG, srun or {cluster.POD_SELECTOR} names the other machines"
        return Prospect("missing", f"{lacking}; name them, with N from 0 on each", WORKERS)
    told = "; ".join(found)
    if found[0] == BAD_CONFIG:
        return Prospect("missing", f"a whole TF_CONFIG: {told}; mend it, or without it", WORKERS)
    if found[0].startswith("Kubernetes") and not machine.kubernetes:
        return Prospect("missing", f"{told}; the package kubernetes", KUBERNETES)
    each = _mirrored(machine).text if machine.found.gpus else "the CPU of each machine"
    return Prospect("ready", f"{told}; each worker: {each}")


def clusters(environ: Mapping[str, str]) -> list[str]:
    """What the environment says of several machines, in words; the first of them counts.

    The order is that of `cluster.find`, which asks SLURM or Kubernetes when training starts.
    """
    found = []
    if environ.get(cluster.CONFIG):
        found.append(_tf_config(environ[cluster.CONFIG]))
    if "SLURM_PROCID" in environ and "SLURM_STEP_NODELIST" in environ:
        count = environ.get("SLURM_NTASKS", "several")
        found.append(f"SLURM says task {environ['SLURM_PROCID']} of {count}")
    if environ.get(cluster.POD_SELECTOR):
        found.append(f"Kubernetes has the pods of {environ[cluster.POD_SELECTOR]}")
    return found


def _tf_config(text: str) -> str:
    """TF_CONFIG in words: which task of how many."""
    try:
        addresses, _ = cluster.read_config(text)
        task = json.loads(text)["task"]
        return f"TF_CONFIG says {task['type']} {task['index']} of {len(addresses)}"
    except (ValueError, KeyError, TypeError, AttributeError):
        return BAD_CONFIG


def _tpu(machine: Machine) -> Prospect:
    install = ELSEWHERE.format("tpu")
    wheel = "tensorflow-tpu" in machine.wheels and machine.libtpu
    named = machine.environ.get("TPU_NAME", "local") or "local"
    if named != "local" and wheel:
        text = f"TPUStrategy on the TPU {named} of TPU_NAME, which is not asked here"
        return Prospect("ready", f"{text}; never tried on a real TPU")
    if not machine.tpu_files:
        lacking = "a TPU (no /dev/accel0 or /dev/vfio/0 here)"
        if wheel:
            return Prospect("missing", lacking)
        return Prospect("missing", f"{lacking} and tensorflow-tpu with libtpu", install)
    if not wheel:
        text = f"tensorflow-tpu with libtpu ({machine.tpu_files[0]} is here)"
        return Prospect("missing", text, install)
    files = ", ".join(machine.tpu_files)
    return Prospect("ready", f"TPUStrategy on the TPU of {files}; never tried on a real TPU")
