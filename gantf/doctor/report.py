"""`gantf doctor`: versions, devices, and what each strategy would do here or lacks.

Nothing here raises: a probe that fails becomes a row that says so.
"""

import dataclasses
import functools
import importlib.metadata
import importlib.util
import json
import os
import platform
import shutil
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from evaluation import cache_directory, tpu_files
from gantf.doctor import probe as probing
from gantf.doctor import strategies as prospects
from gantf.doctor.strategies import Machine

WHEELS = ("tensorflow", "tensorflow-cpu", "tensorflow-tpu")
NEEDED = {
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
)
PREFIXES = ("SLURM_", "KUBERNETES_", "TPU_")
LONGEST_VALUE = 100  # characters


@dataclasses.dataclass(frozen=True)
class Row:
    """One line of the report.

    Attributes:
      section: "versions", "devices", "place", "environment" or "strategies".
      name: of what.
      text: what was found.
      state: "ok"; of strategies "ready" or "missing"; "optional", not there and not needed;
        "broken", which must be mended; "unknown", the probe failed.
      command: what mends it or installs it.
    """

    section: str
    name: str
    text: str
    state: str = "ok"
    command: str = ""


def examine(environ: Mapping[str, str] | None = None) -> list[Row]:
    """Every row, in the order in which they are shown.

    Args:
      environ: the environment; None for this process's own.
    """
    machine = look(dict(os.environ) if environ is None else environ)
    rows = []
    for section, probe in {
        "versions": versions,
        "devices": devices,
        "place": place,
        "environment": environment,
        "strategies": strategies,
    }.items():
        rows += guarded(section, section, functools.partial(probe, machine))
    return rows


def guarded(section: str, name: str, probe: Callable[[], list[Row]]) -> list[Row]:
    """A probe's rows; where it fails, one row that says why."""
    try:
        return probe()
    except Exception as error:
        text = f"cannot be told ({probing.one_line(error)})"
        return [Row(section, name, text, "unknown")]


def look(environ: Mapping[str, str], devices: Path = Path("/dev")) -> Machine:
    """What the machine has, by looking; only TensorFlow is asked, in a process of its own.

    Args:
      environ: the environment.
      devices: the folder of device files.
    """
    tpus = tpu_files(devices)
    return Machine(
        found=probing.ask(environ, bool(tpus)),
        wheels={name: installed(name) for name in WHEELS if installed(name)},
        cores=usable_cores(),
        nvidia_files=_nvidia_files(devices),
        tpu_files=tpus,
        libtpu=_can_be_found("libtpu"),
        kubernetes=_can_be_found("kubernetes"),
        environ=environ,
    )


def _nvidia_files(folder: Path) -> tuple[str, ...]:
    """The device files of GPUs; none where the folder cannot be read."""
    try:
        return tuple(sorted(str(path) for path in folder.glob("nvidia[0-9]*")))
    except OSError:
        return ()


def installed(name: str) -> str:
    """A distribution's version; "" where it is not installed."""
    try:
        return importlib.metadata.version(name) or "of unknown version"
    except importlib.metadata.PackageNotFoundError:
        return ""


def usable_cores() -> int:
    """CPU cores that this process may use."""
    try:
        return len(os.sched_getaffinity(0))
    except (AttributeError, OSError):  # not on every system
        return os.cpu_count() or 1


def _can_be_found(module: str) -> bool:
    try:
        return importlib.util.find_spec(module) is not None
    except (ImportError, ValueError):
        return False


def versions(machine: Machine) -> list[Row]:
    """Of gantf, Python, TensorFlow and what goes with it, and of the optional packages."""
    rows = [
        Row("versions", "gantf", installed("gantf") or "not installed, run from its folder"),
        Row("versions", "Python", f"{platform.python_version()} on {platform.platform()}"),
        tensorflow(machine),
    ]
    repair = prospects.repair(machine)
    for name, package in NEEDED.items():
        version = installed(package)
        lacking = Row("versions", name, "not installed", "broken", repair)
        rows.append(Row("versions", name, version) if version else lacking)
    if machine.found.trainer_error:
        text = f"cannot be imported: {machine.found.trainer_error}"
        rows.append(Row("versions", "the trainer", text, "broken", repair))
    for package, (purpose, command) in EXTRAS.items():
        version = installed(package)
        lacking = Row("versions", package, f"not installed; for {purpose}", "optional", command)
        there = Row("versions", package, f"{version}; for {purpose}")
        rows.append(there if version else lacking)
    return rows


def tensorflow(machine: Machine) -> Row:
    """The row of TensorFlow: one wheel that can be imported, or what is wrong."""
    told = " and ".join(f"{name} {version}" for name, version in machine.wheels.items())
    repair = prospects.repair(machine)
    if len(machine.wheels) > 1:
        text = f"{told} are installed together and overwrite each other's files"
        return Row("versions", "TensorFlow", text, "broken", repair)
    if machine.found.error:
        text = f"{told or 'not installed'}; {machine.found.error}"
        return Row("versions", "TensorFlow", text, "broken", repair)
    if "tensorflow-tpu" in machine.wheels and not machine.tpu_files:
        text = f"{told}; in programs of your own set TPU_SKIP_MDS_QUERY=1, or it looks for a TPU"
        text += " for minutes when imported"
        return Row("versions", "TensorFlow", text)
    return Row("versions", "TensorFlow", told or f"{machine.found.version}, not from a wheel")


def devices(machine: Machine) -> list[Row]:
    """CPU, GPUs, TPU, and whether TensorFlow was built for CUDA."""
    found = machine.found
    gpus = [Row("devices", f"GPU {n}", text) for n, text in enumerate(found.gpus)]
    files = ", ".join(machine.nvidia_files) or "no /dev/nvidia0"
    none = Row("devices", "GPU", f"none that TensorFlow sees ({files})")
    library = "can" if machine.libtpu else "cannot"
    tpu = ", ".join(machine.tpu_files) or "none (no /dev/accel0, no /dev/vfio/0)"
    cuda = "built with CUDA" if found.built_with_cuda else "built without CUDA"
    return [
        Row("devices", "CPU", f"{machine.cores} cores usable, {platform.machine()}"),
        *(gpus or [none]),
        Row("devices", "TPU", f"{tpu}; libtpu {library} be imported"),
        Row("devices", "CUDA", "unknown: TensorFlow cannot be asked" if found.error else cuda),
    ]


def place(machine: Machine) -> list[Row]:
    """Free memory, free disk of the working directory, and where the cache is."""
    return [
        *guarded("place", "memory", lambda: [Row("place", "memory", memory())]),
        *guarded("place", "disk", lambda: [Row("place", "disk", disk(Path.cwd()))]),
        *guarded("place", "cache", lambda: [Row("place", "cache", str(cache_directory()))]),
    ]


def memory(file: Path = Path("/proc/meminfo")) -> str:
    """Free memory, in GiB; OSError or KeyError where the system does not tell it so."""
    lines = (line.split() for line in file.read_text().splitlines())
    kibibytes = {words[0].rstrip(":"): int(words[1]) for words in lines if len(words) > 1}
    free, whole = kibibytes["MemAvailable"], kibibytes["MemTotal"]
    return f"{free / 2**20:.1f} of {whole / 2**20:.1f} GiB free"


def disk(folder: Path) -> str:
    """Free space of the disk that a folder is on."""
    usage = shutil.disk_usage(folder)
    return f"{usage.free / 2**30:.1f} of {usage.total / 2**30:.1f} GiB free in {folder}"


def environment(machine: Machine) -> list[Row]:
    """The variables that change what is done; long values are cut."""
    rows = []
    for name, value in sorted(machine.environ.items()):
        if name in VARIABLES or name.startswith(PREFIXES):
            line = " ".join(value.split())
            short = line if len(line) <= LONGEST_VALUE else f"{line[:LONGEST_VALUE]}..."
            rows.append(Row("environment", name, short))
    watched = ", ".join([*VARIABLES, *(f"{prefix}*" for prefix in PREFIXES)])
    return rows or [Row("environment", "nothing", f"none of {watched} is set")]


def strategies(machine: Machine) -> list[Row]:
    """Each strategy: what it would do here, or what it lacks."""
    told = {name: prospects.tell(name, machine) for name in prospects.names()}
    return [Row("strategies", name, p.text, p.state, p.command) for name, p in told.items()]


def exit_code(rows: Sequence[Row]) -> int:
    """0 if the usual strategy can train here, 1 if something is broken."""
    return int(any(row.state == "broken" for row in rows))


def as_text(rows: Sequence[Row]) -> str:
    """The report for people: a heading for each section, a line for each row."""
    width = 1 + max(len(row.name) for row in rows)
    lines = []
    for n, row in enumerate(rows):
        if n == 0 or row.section != rows[n - 1].section:
            lines += [*([""] if n else []), row.section]
        state = "" if row.state == "ok" else f"{row.state}: "
        command = f"; {row.command}" if row.command else ""
        lines.append(f"  {row.name:<{width}} {state}{row.text}{command}")
    return "\n".join(lines)


def as_json(rows: Sequence[Row]) -> str:
    """The same, as an object of lists by section."""
    report: dict = {"can_train": not exit_code(rows)}
    for row in rows:
        fields = dataclasses.asdict(row)
        report.setdefault(fields.pop("section"), []).append(fields)
    return json.dumps(report, indent=2)
