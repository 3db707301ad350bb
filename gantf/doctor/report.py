"""`gantf doctor`: versions, devices, and what each strategy would do here or lacks.

Nothing here raises: a check that fails becomes a row that says so.
"""

import dataclasses
import fnmatch
import importlib.metadata
import importlib.util
import json
import os
import platform
import shutil
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from evaluation import cache_directory, tpu_files
from evaluation.runtime.cores import usable_cores
from gantf.doctor import probe
from gantf.doctor.strategies import NAMES, Machine, Row, availability_of, repair_command

WHEELS = ("tensorflow", "tensorflow-cpu", "tensorflow-tpu")
REQUIRED = {
    "Keras": "keras",
    "TF-GAN": "tensorflow-gan",
    "TFDS": "tensorflow-datasets",
    "NumPy": "numpy",
}
EXTRAS = {
    "onnxruntime": ("ONNX generators and features", "python -m pip install onnx onnxruntime"),
    "torch": ("TorchScript and .pt2 generators", "python -m pip install torch"),
    "apache-beam": (
        "features of many images on a cluster",
        'python -m venv .venv-beam && .venv-beam/bin/python -m pip install ".[beam]"',
    ),
}
VARIABLES = (
    "TF_CONFIG",
    "CUDA_VISIBLE_DEVICES",
    "TF_ENABLE_ONEDNN_OPTS",
    "GANTF_CACHE",
    "TFDS_DATA_DIR",
    "GANTF_POD_SELECTOR",
    "JOB_COMPLETION_INDEX",
    "SLURM_*",
    "KUBERNETES_*",
    "TPU_*",
)
LONGEST_VALUE = 100  # characters


Report = Mapping[str, Sequence[Row]]
"""The rows of each section, in the order in which they are shown."""


def collect(environ: Mapping[str, str] | None = None) -> Report:
    """Checks this machine.

    Args:
      environ: environment variables; None for this process's own.
    """
    machine = inspect_machine(dict(os.environ) if environ is None else environ)
    sections = {
        "versions": versions,
        "devices": devices,
        "place": place,
        "environment": environment,
        "strategies": strategies,
    }
    return {name: guarded(name, check, machine) for name, check in sections.items()}


def guarded(name: str, check: Callable[..., list[Row]], *arguments: Any) -> list[Row]:
    """Returns the rows of a check, or one row with its error."""
    try:
        return check(*arguments)
    except Exception as error:
        return [Row(name, f"the check failed ({probe.one_line(error)})", "unknown")]


def inspect_machine(environ: Mapping[str, str], device_folder: Path = Path("/dev")) -> Machine:
    """Inspects this machine. Imports TensorFlow in a child process only.

    Args:
      environ: environment variables.
      device_folder: folder of the device files.
    """
    tpus = tpu_files(device_folder)
    return Machine(
        tensorflow=probe.probe_tensorflow(environ, bool(tpus)),
        wheels={name: installed(name) for name in WHEELS if installed(name)},
        cores=usable_cores(),
        nvidia_files=tuple(sorted(str(path) for path in device_folder.glob("nvidia[0-9]*"))),
        tpu_files=tpus,
        libtpu=importlib.util.find_spec("libtpu") is not None,
        kubernetes=importlib.util.find_spec("kubernetes") is not None,
        environ=environ,
    )


def installed(package: str) -> str:
    """Returns a package's version; "" if it is not installed."""
    try:
        return importlib.metadata.version(package) or "of unknown version"
    except importlib.metadata.PackageNotFoundError:
        return ""


def versions(machine: Machine) -> list[Row]:
    """Lists the versions of gantf, Python, TensorFlow, and the required and optional packages."""
    repair = repair_command(machine)
    rows = [
        Row("gantf", installed("gantf") or "not installed, run from its folder"),
        Row("Python", f"{platform.python_version()} on {platform.platform()}"),
        tensorflow(machine),
    ]
    for name, package in REQUIRED.items():
        version = installed(package)
        rows.append(Row(name, version) if version else Row(name, "not installed", "broken", repair))
    if error := machine.tensorflow.trainer_error:
        rows.append(Row("the trainer", f"cannot be imported: {error}", "broken", repair))
    for package, (purpose, command) in EXTRAS.items():
        if version := installed(package):
            rows.append(Row(package, f"{version}; for {purpose}"))
        else:
            rows.append(Row(package, f"not installed; for {purpose}", "optional", command))
    return rows


def tensorflow(machine: Machine) -> Row:
    """Describes the TensorFlow wheel, or the fault in the installation."""
    wheels = " and ".join(f"{name} {version}" for name, version in machine.wheels.items())
    if len(machine.wheels) > 1:
        text = f"{wheels} are installed together and overwrite each other's files"
        return Row("TensorFlow", text, "broken", repair_command(machine))
    if machine.tensorflow.error:
        text = f"{wheels or 'not installed'}; {machine.tensorflow.error}"
        return Row("TensorFlow", text, "broken", repair_command(machine))
    text = wheels or f"{machine.tensorflow.version}, not from a wheel"
    if "tensorflow-tpu" in machine.wheels and not machine.tpu_files:
        text += "; in your own programs set TPU_SKIP_MDS_QUERY=1, or its import searches the"
        text += " network for a TPU for minutes"
    return Row("TensorFlow", text)


def devices(machine: Machine) -> list[Row]:
    """Lists the CPU, the GPUs and the TPU, and whether TensorFlow was built for CUDA."""
    info = machine.tensorflow
    gpus = [Row(f"GPU {n}", text) for n, text in enumerate(info.gpus)]
    nvidia = ", ".join(machine.nvidia_files) or "no /dev/nvidia0"
    tpus = ", ".join(machine.tpu_files) or "none (no /dev/accel0, no /dev/vfio/0)"
    cuda = "built with CUDA" if info.built_with_cuda else "built without CUDA"
    return [
        Row("CPU", f"{machine.cores} cores usable, {platform.machine()}"),
        *(gpus or [Row("GPU", f"none that TensorFlow sees ({nvidia})")]),
        Row("TPU", f"{tpus}; libtpu {'can' if machine.libtpu else 'cannot'} be imported"),
        Row("CUDA", "unknown: TensorFlow cannot be imported" if info.error else cuda),
    ]


def place(machine: Machine) -> list[Row]:
    """Describes the free memory, the free disk of the working directory, and the cache folder."""
    return [
        *guarded("memory", lambda: [Row("memory", memory())]),
        *guarded("disk", lambda: [Row("disk", disk(Path.cwd()))]),
        *guarded("cache", lambda: [Row("cache", str(cache_directory()))]),
    ]


def memory(file: Path = Path("/proc/meminfo")) -> str:
    """Returns the free memory in GiB.

    Raises:
      OSError, KeyError: the system has no such file, or the file lacks the numbers.
    """
    lines = (line.split() for line in file.read_text().splitlines())
    kibibytes = {words[0].rstrip(":"): int(words[1]) for words in lines if len(words) > 1}
    free, total = kibibytes["MemAvailable"], kibibytes["MemTotal"]
    return f"{free / 2**20:.1f} of {total / 2**20:.1f} GiB free"


def disk(folder: Path) -> str:
    """Returns the free space of the disk that holds a folder, in GiB."""
    usage = shutil.disk_usage(folder)
    return f"{usage.free / 2**30:.1f} of {usage.total / 2**30:.1f} GiB free in {folder}"


def environment(machine: Machine) -> list[Row]:
    """Lists the environment variables that gantf and TensorFlow read; cuts long values."""
    rows = []
    for name, value in sorted(machine.environ.items()):
        if any(fnmatch.fnmatchcase(name, pattern) for pattern in VARIABLES):
            line = " ".join(value.split())
            rows.append(Row(name, line[:LONGEST_VALUE] + "..." * (len(line) > LONGEST_VALUE)))
    return rows or [Row("nothing", f"none of {', '.join(VARIABLES)} is set")]


def strategies(machine: Machine) -> list[Row]:
    """Describes what each strategy would do here, or what it lacks."""
    return [availability_of(name, machine) for name in NAMES]


def exit_code(report: Report) -> int:
    """Returns 1 if something is broken, else 0."""
    return int(any(row.state == "broken" for rows in report.values() for row in rows))


def as_text(report: Report) -> str:
    """Formats the report for people: a heading for each section, a line for each row."""
    width = 1 + max(len(row.name) for rows in report.values() for row in rows)
    sections = []
    for section, rows in report.items():
        lines = [section]
        for row in rows:
            state = "" if row.state == "ok" else f"{row.state}: "
            command = f"; {row.command}" if row.command else ""
            lines.append(f"  {row.name:<{width}} {state}{row.text}{command}")
        sections.append("\n".join(lines))
    return "\n\n".join(sections)


def as_json(report: Report) -> str:
    """Formats the report as a JSON object that holds a list for each section."""
    sections = {name: [dataclasses.asdict(row) for row in rows] for name, rows in report.items()}
    return json.dumps({"can_train": not exit_code(report), **sections}, indent=2)
