"""Reports what each strategy would do on this machine, or what it lacks."""

import dataclasses
import os
from collections.abc import Mapping
from typing import get_args

from evaluation import InputError
from gantf.config import StrategyName
from gantf.distribute import cluster, devices
from gantf.doctor.probe import TensorFlowInfo

NAMES = get_args(StrategyName)
INSTALL = "python -m pip install --no-deps --requirement requirements/{}.txt"
INSTALL_IN_NEW_VENV = (
    "python -m venv .venv-{0} && "
    ".venv-{0}/bin/python -m pip install --no-deps --requirement requirements/{0}.txt ."
)
INSTALL_KUBERNETES = "python -m pip install kubernetes"
NAME_WORKERS = "gantf train --strategy multi-worker --workers HOST:PORT,HOST:PORT --worker-index N"
UNTRIED = "never tried on a real TPU"


@dataclasses.dataclass(frozen=True)
class Machine:
    """The parts of a machine that decide which strategies can train on it.

    Attributes:
      tensorflow: the outcome of importing TensorFlow.
      wheels: version of each installed TensorFlow wheel, by its name.
      cores: number of CPU cores that this process may use.
      nvidia_files: device files of GPUs: /dev/nvidia0 and so on.
      tpu_files: device files of TPUs: /dev/accel0, /dev/vfio/0 and so on.
      libtpu: whether the TPU driver's library can be imported.
      kubernetes: whether the Kubernetes client library can be imported.
      environ: environment variables.
    """

    tensorflow: TensorFlowInfo
    wheels: Mapping[str, str]
    cores: int = 1
    nvidia_files: tuple[str, ...] = ()
    tpu_files: tuple[str, ...] = ()
    libtpu: bool = False
    kubernetes: bool = False
    environ: Mapping[str, str] = dataclasses.field(default_factory=lambda: dict(os.environ))

    @property
    def is_broken(self) -> bool:
        """Whether no strategy can train here."""
        failed = self.tensorflow.error or self.tensorflow.trainer_error
        return bool(len(self.wheels) > 1 or failed)


@dataclasses.dataclass(frozen=True)
class Availability:
    """Whether a strategy can train on a machine.

    Attributes:
      state: "ready" or "missing".
      text: what the strategy would do if it is ready; otherwise the missing part.
      command: shell command that adds the missing part; "" if there is none.
    """

    state: str
    text: str
    command: str = ""


def availability_of(name: str, machine: Machine) -> Availability:
    """Describes what `gantf train --strategy NAME` would do on a machine."""
    if machine.is_broken:
        text = "a working TensorFlow; see versions above"
        return Availability("missing", text, repair_command(machine))
    if name == "multi-worker":
        return _multi_worker(machine)
    return _tpu(machine) if name == "tpu" else _on_local_devices(name, machine)


def repair_command(machine: Machine) -> str:
    """Returns the command that leaves one working TensorFlow in the environment."""
    for_tpus = machine.tpu_files or set(machine.wheels) == {"tensorflow-tpu"}
    install = INSTALL.format("tpu" if for_tpus else "gpu" if machine.nvidia_files else "cpu")
    if not machine.wheels:
        return install
    # The wheels share one directory: removing one of two damages the other.
    return f"python -m pip uninstall --yes {' '.join(machine.wheels)} && {install}"


def _on_local_devices(name: str, machine: Machine) -> Availability:
    gpus = machine.tensorflow.gpus
    cpus = [f"CPU ({machine.cores} cores)"] * machine.tensorflow.cpus
    kind, chosen = devices.choose(name, [f"GPU ({gpu})" for gpu in gpus], cpus)
    if kind == "one-device":
        notes = [f"one-device on the {chosen[0]}"]
    else:
        plural = "s" * (len(chosen) > 1)
        notes = [f"mirrored over {len(chosen)} {'GPU' if gpus else 'CPU device'}{plural}"]
        if not plural:
            notes[0] += ", which is one replica"
        if not gpus:
            notes.append("--logical-cpus 2 makes it two")
    command = ""
    if not gpus and (machine.nvidia_files or kind == "mirrored"):
        reason, command = _why_no_gpu(machine)
        notes.append(reason)
    if name == "auto" and machine.tpu_files:
        notes.append("to use the TPU, give --strategy tpu")
    return Availability("ready", "; ".join(notes), command)


def _why_no_gpu(machine: Machine) -> tuple[str, str]:
    """Returns why TensorFlow sees no GPU, and the command that installs CUDA if that helps."""
    # tensorflow must not be installed beside tensorflow-tpu.
    install = INSTALL_IN_NEW_VENV if "tensorflow-tpu" in machine.wheels else INSTALL
    if not machine.nvidia_files:
        return "GPUs need an NVIDIA card and the CUDA libraries", install.format("gpu")
    unseen = f"TensorFlow does not see the GPU of {machine.nvidia_files[0]}"
    if machine.environ.get("CUDA_VISIBLE_DEVICES") in ("", "-1"):
        return f"{unseen}: CUDA_VISIBLE_DEVICES hides it", ""
    reason = f"{unseen}: the CUDA libraries are missing or do not fit the driver"
    return reason, install.format("gpu")


def _multi_worker(machine: Machine) -> Availability:
    """Describes the workers that the environment names; the first source is the one in use."""
    environ, sources = machine.environ, cluster.sources(machine.environ)
    if not sources:
        text = f"{cluster.UNNAMED}; run this on each machine, with N = 0, 1, ..."
        return Availability("missing", text, NAME_WORKERS)
    notes = []
    if "TF_CONFIG" in sources:
        try:
            addresses, _, task = cluster.read_config(environ[cluster.CONFIG])
        except InputError as error:
            text = f"{str(error).rstrip('.')}, or unset it and name the workers"
            return Availability("missing", text, NAME_WORKERS)
        notes.append(f"TF_CONFIG: {task} of {len(addresses)}")
    if "SLURM" in sources:
        count = environ.get("SLURM_NTASKS", "several")
        notes.append(f"SLURM: task {environ['SLURM_PROCID']} of {count}")
    if "Kubernetes" in sources:
        notes.append(f"Kubernetes: the pods of {environ[cluster.POD_SELECTOR]}")
    if sources[0] == "Kubernetes" and not machine.kubernetes:
        text = f"the package kubernetes ({notes[0]})"
        return Availability("missing", text, INSTALL_KUBERNETES)
    local = "the CPU of each machine"
    if machine.tensorflow.gpus:
        local = _on_local_devices("mirrored", machine).text
    return Availability("ready", "; ".join([*notes, f"each worker: {local}"]))


def _tpu(machine: Machine) -> Availability:
    name = devices.tpu_name(machine.environ)
    has_driver = "tensorflow-tpu" in machine.wheels and machine.libtpu
    is_local, files = name == devices.LOCAL_TPU, ", ".join(machine.tpu_files)
    if has_driver and not is_local:
        text = f"TPUStrategy on the TPU {name} of TPU_NAME, not contacted here"
        return Availability("ready", f"{text}; {UNTRIED}")
    if has_driver and files:
        return Availability("ready", f"TPUStrategy on the TPU of {files}; {UNTRIED}")
    lacking = [] if files else ["a TPU (no /dev/accel0 or /dev/vfio/0 here)"]
    if not has_driver:
        reason = f" ({machine.tpu_files[0]} is here)" if files else ""
        lacking.append(f"tensorflow-tpu with libtpu{reason}")
    command = "" if has_driver else INSTALL_IN_NEW_VENV.format("tpu")
    return Availability("missing", " and ".join(lacking), command)
