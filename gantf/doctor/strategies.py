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
class Row:
    """One line of the report.

    Attributes:
      name: subject of the line.
      text: result of the check; for a strategy, what it would do or what is missing.
      state: "ok"; "ready" or "missing" for a strategy; "optional" for an absent package that gantf
        does not need; "broken" for a fault to repair; "unknown" if the check failed.
      command: shell command that repairs or installs it; "" if there is none.
    """

    name: str
    text: str
    state: str = "ok"
    command: str = ""


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


def availability_of(name: str, machine: Machine) -> Row:
    """Describes what `gantf train --strategy NAME` would do on a machine."""
    if machine.is_broken:
        text = "a working TensorFlow; see versions above"
        return Row(name, text, "missing", repair_command(machine))
    describe = {"multi-worker": _multi_worker, "tpu": _tpu}.get(name, _on_local_devices)
    return describe(name, machine)


def repair_command(machine: Machine) -> str:
    """Returns the command that leaves one working TensorFlow in the environment."""
    for_tpus = machine.tpu_files or set(machine.wheels) == {"tensorflow-tpu"}
    install = INSTALL.format("tpu" if for_tpus else "gpu" if machine.nvidia_files else "cpu")
    if not machine.wheels:
        return install
    # The wheels share one directory: removing one of two damages the other.
    return f"python -m pip uninstall --yes {' '.join(machine.wheels)} && {install}"


def _on_local_devices(name: str, machine: Machine) -> Row:
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
    return Row(name, "; ".join(notes), "ready", command)


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


def _multi_worker(name: str, machine: Machine) -> Row:
    """Describes the workers that the environment names; the first source is the one in use."""
    environ, sources = machine.environ, cluster.sources(machine.environ)
    if not sources:
        text = f"{cluster.UNNAMED}; run this on each machine, with N = 0, 1, ..."
        return Row(name, text, "missing", NAME_WORKERS)
    notes = []
    if "TF_CONFIG" in sources:
        try:
            addresses, _, task = cluster.read_config(environ[cluster.CONFIG])
        except InputError as error:
            text = f"{str(error).rstrip('.')}, or unset it and name the workers"
            return Row(name, text, "missing", NAME_WORKERS)
        notes.append(f"TF_CONFIG: {task} of {len(addresses)}")
    if "SLURM" in sources:
        count = environ.get("SLURM_NTASKS", "several")
        notes.append(f"SLURM: task {environ['SLURM_PROCID']} of {count}")
    if "Kubernetes" in sources:
        notes.append(f"Kubernetes: the pods of {environ[cluster.POD_SELECTOR]}")
    if sources[0] == "Kubernetes" and not machine.kubernetes:
        text = f"the package kubernetes ({notes[0]})"
        return Row(name, text, "missing", INSTALL_KUBERNETES)
    local = "the CPU of each machine"
    if machine.tensorflow.gpus:
        local = _on_local_devices("mirrored", machine).text
    return Row(name, "; ".join([*notes, f"each worker: {local}"]), "ready")


def _tpu(name: str, machine: Machine) -> Row:
    tpu, files = devices.tpu_name(machine.environ), ", ".join(machine.tpu_files)
    has_driver = "tensorflow-tpu" in machine.wheels and machine.libtpu
    if has_driver and tpu != devices.LOCAL_TPU:
        text = f"TPUStrategy on the TPU {tpu} of TPU_NAME, not contacted here; {UNTRIED}"
        return Row(name, text, "ready")
    if has_driver and files:
        return Row(name, f"TPUStrategy on the TPU of {files}; {UNTRIED}", "ready")
    lacking = [] if files else ["a TPU (no /dev/accel0 or /dev/vfio/0 here)"]
    if not has_driver:
        reason = f" ({machine.tpu_files[0]} is here)" if files else ""
        lacking.append(f"tensorflow-tpu with libtpu{reason}")
    command = "" if has_driver else INSTALL_IN_NEW_VENV.format("tpu")
    return Row(name, " and ".join(lacking), "missing", command)
