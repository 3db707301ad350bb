"""`gantf doctor`: its report on described machines and on this one."""

import configparser
import dataclasses
import json
import os
import re
import sys
import time
import types
from pathlib import Path

import numpy
import pytest
from click.testing import CliRunner

import evaluation
from gantf import config
from gantf.cli import main
from gantf.distribute import cluster
from gantf.doctor import probe, report
from gantf.doctor.probe import TensorFlowInfo
from gantf.doctor.strategies import NAME_WORKERS, NAMES, Machine, availability_of

CPU = Machine(
    TensorFlowInfo(version="2.21.0", cpus=1), {"tensorflow": "2.21.0"}, cores=8, environ={}
)
LIMITED = "python -m pip install --no-deps --requirement requirements/"
TPU_COMMAND = f"python -m venv .venv-tpu && .venv-tpu/bin/{LIMITED}tpu.txt ."


def machine(*, gpus=0, error="", trainer_error="", **fields):
    """A machine with one CPU device, some GPUs, and other fields of `Machine`."""
    names = tuple(f"Card {n}, compute capability 9.0" for n in range(gpus))
    info = dataclasses.replace(CPU.tensorflow, gpus=names, error=error, trainer_error=trainer_error)
    if gpus:
        fields.setdefault("nvidia_files", tuple(f"/dev/nvidia{n}" for n in range(gpus)))
    return dataclasses.replace(CPU, tensorflow=info, **fields)


def tpu_vm(**fields):
    wheels = {"tensorflow-tpu": "2.20.0"}
    return machine(**{"wheels": wheels, "tpu_files": ("/dev/vfio/0",), "libtpu": True, **fields})


def named(rows, name):
    """The one row of that name."""
    (row,) = [row for row in rows if row.name == name]
    return row


class TestStrategies:
    @pytest.mark.parametrize(
        ("gpus", "name", "text"),
        [
            (0, "auto", "one-device on the CPU (8 cores)"),
            (0, "one-device", "one-device on the CPU (8 cores)"),
            (0, "mirrored", "mirrored over 1 CPU device, which is one replica"),
            (1, "auto", "one-device on the GPU (Card 0, compute capability 9.0)"),
            (1, "one-device", "one-device on the GPU (Card 0, compute capability 9.0)"),
            (1, "mirrored", "mirrored over 1 GPU, which is one replica"),
            (2, "auto", "mirrored over 2 GPUs"),
            (2, "one-device", "one-device on the GPU (Card 0, compute capability 9.0)"),
            (2, "mirrored", "mirrored over 2 GPUs"),
        ],
    )
    def test_what_they_would_do(self, gpus, name, text):
        availability = availability_of(name, machine(gpus=gpus))
        assert availability.state == "ready"
        assert availability.text.startswith(text)

    @pytest.mark.parametrize("gpus", [0, 1, 2])
    @pytest.mark.parametrize("name", ["auto", "one-device", "mirrored"])
    def test_the_report_agrees_with_the_strategy_that_is_built(self, tf, monkeypatch, gpus, name):
        """The kind and the number of replicas are those of `strategies.make`."""
        from gantf.distribute import strategies

        def listed(kind):
            count = {"GPU": gpus, "CPU": 1}[kind]
            return [types.SimpleNamespace(name=f"{kind}:{n}") for n in range(count)]

        monkeypatch.setattr(tf.config, "list_logical_devices", listed)
        one, several = (lambda device: ("one-device on the", device)), lambda devices, **_: devices
        monkeypatch.setattr(tf.distribute, "OneDeviceStrategy", one)
        monkeypatch.setattr(tf.distribute, "MirroredStrategy", several)
        made = strategies.make(name)
        if made[0] == "one-device on the":
            start = f"one-device on the {made[1][:3]}"
        else:
            start = f"mirrored over {len(made)} {made[0][:3]}"
        assert availability_of(name, machine(gpus=gpus)).text.startswith(start)

    def test_mirrored_without_gpus_says_what_they_need(self):
        availability = availability_of("mirrored", CPU)
        assert "--logical-cpus 2 makes it two" in availability.text
        assert "GPUs need an NVIDIA card" in availability.text
        assert availability.command == f"{LIMITED}gpu.txt"

    @pytest.mark.parametrize(
        ("environ", "why"),
        [
            ({}, "the CUDA libraries are missing"),
            ({"CUDA_VISIBLE_DEVICES": "0"}, "the CUDA libraries are missing"),
            ({"CUDA_VISIBLE_DEVICES": ""}, "CUDA_VISIBLE_DEVICES hides it"),
            ({"CUDA_VISIBLE_DEVICES": "-1"}, "CUDA_VISIBLE_DEVICES hides it"),
        ],
    )
    @pytest.mark.parametrize("name", ["auto", "one-device", "mirrored"])
    def test_a_gpu_that_tensorflow_does_not_see(self, name, environ, why):
        blind = machine(nvidia_files=("/dev/nvidia0",), environ=environ)
        availability = availability_of(name, blind)
        assert availability.state == "ready"
        assert f"TensorFlow does not see the GPU of /dev/nvidia0: {why}" in availability.text
        assert availability.command == ("" if "hides" in why else f"{LIMITED}gpu.txt")

    @pytest.mark.parametrize("files", [(), ("/dev/nvidia0",)])
    def test_no_tensorflow_is_put_beside_tensorflow_tpu(self, files):
        command = availability_of("mirrored", tpu_vm(nvidia_files=files)).command
        assert command == TPU_COMMAND.replace("tpu", "gpu")

    @pytest.mark.parametrize(
        ("where", "state", "text", "file"),
        [
            (CPU, "missing", "a TPU (no /dev/accel0 or /dev/vfio/0 here) and tensorflow-tpu", True),
            (tpu_vm(tpu_files=()), "missing", "a TPU (no /dev/accel0 or /dev/vfio/0 here)", False),
            (tpu_vm(wheels=CPU.wheels), "missing", "tensorflow-tpu with libtpu (/dev/vfio/0", True),
            (tpu_vm(libtpu=False), "missing", "tensorflow-tpu with libtpu (/dev/vfio/0", True),
            (tpu_vm(), "ready", "TPUStrategy on the TPU of /dev/vfio/0; never tried", False),
            (
                tpu_vm(tpu_files=(), environ={"TPU_NAME": "pod"}),
                "ready",
                "TPUStrategy on the TPU pod of TPU_NAME, not contacted here; never tried",
                False,
            ),
            (machine(environ={"TPU_NAME": "pod"}), "missing", "a TPU (no /dev/accel0", True),
            (tpu_vm(tpu_files=(), environ={"TPU_NAME": "local"}), "missing", "a TPU", False),
        ],
    )
    def test_tpu(self, where, state, text, file):
        availability = availability_of("tpu", where)
        assert availability.state == state
        assert availability.text.startswith(text)
        assert availability.command == (TPU_COMMAND if file else "")

    def test_auto_says_that_it_does_not_use_a_tpu(self):
        text = availability_of("auto", tpu_vm()).text
        assert text.endswith("; to use the TPU, give --strategy tpu")
        assert "TPU" not in availability_of("auto", CPU).text

    @pytest.mark.parametrize("name", NAMES)
    @pytest.mark.parametrize(
        "where",
        [
            machine(error="ModuleNotFoundError: no"),
            machine(trainer_error="ImportError: no"),
            machine(wheels={"tensorflow": "2.21.0", "tensorflow-tpu": "2.20.0"}),
        ],
    )
    def test_none_is_ready_where_something_is_broken(self, name, where):
        availability = availability_of(name, where)
        assert availability.state == "missing"
        assert availability.command.endswith(f"{LIMITED}cpu.txt")

    def test_every_strategy_has_a_row(self):
        rows = report.strategies(CPU)
        assert [row.name for row in rows] == list(config.StrategyName.__args__)


TF_CONFIG = json.dumps(
    {"cluster": {"worker": ["a:1", "b:1"]}, "task": {"type": "worker", "index": 1}}
)
SLURM = {"SLURM_PROCID": "3", "SLURM_NTASKS": "4", "SLURM_STEP_NODELIST": "a,b"}
KUBERNETES = {"GANTF_POD_SELECTOR": "job-name=faces"}


class TestSeveralMachines:
    @pytest.mark.parametrize(
        ("environ", "texts"),
        [
            ({"TF_CONFIG": TF_CONFIG}, ["TF_CONFIG: worker 1 of 2"]),
            (SLURM, ["SLURM: task 3 of 4"]),
            (KUBERNETES, ["Kubernetes: the pods of job-name=faces"]),
            (
                {**KUBERNETES, **SLURM, "TF_CONFIG": TF_CONFIG},
                [
                    "TF_CONFIG: worker 1 of 2",
                    "SLURM: task 3 of 4",
                    "Kubernetes: the pods of job-name=faces",
                ],
            ),
            ({"SLURM_JOB_ID": "7", "SLURM_NTASKS": "4"}, []),
            ({"KUBERNETES_SERVICE_HOST": "10.0.0.1"}, []),
            ({"TF_CONFIG": ""}, []),
            ({}, []),
        ],
    )
    def test_the_sources_of_the_environment_in_their_order(self, environ, texts):
        assert cluster.sources(environ) == [text.partition(":")[0] for text in texts]
        where = dataclasses.replace(CPU, environ=environ, kubernetes=True)
        availability = availability_of("multi-worker", where)
        assert availability.state == ("ready" if texts else "missing")
        assert availability.text.startswith("; ".join(texts))

    @pytest.mark.parametrize(
        ("config", "good"),
        [
            (TF_CONFIG, True),
            (TF_CONFIG.replace('"index": 1', '"index": 2'), False),
            (TF_CONFIG.replace('"index": 1', '"index": -1'), False),
            (TF_CONFIG.replace('"type": "worker"', '"type": "ps"'), False),
            (TF_CONFIG.replace('"worker": [', '"chief": ["c:1"], "worker": ['), True),
            ("[1]", False),
            ("3", False),
            ("{", False),
            ('{"cluster": 3, "task": {"type": "worker", "index": 0}}', False),
            ('{"cluster": {}, "task": {"type": "worker", "index": 0}}', False),
        ],
    )
    def test_a_tf_config_is_taken_as_the_trainer_takes_it(self, monkeypatch, config, good):
        monkeypatch.setenv("TF_CONFIG", config)
        try:
            addresses, _ = cluster.find()
        except evaluation.InputError:
            addresses = []
        assert bool(addresses) == good
        where = dataclasses.replace(CPU, environ={"TF_CONFIG": config})
        availability = availability_of("multi-worker", where)
        if good:
            assert availability.text.startswith(f"TF_CONFIG: worker 1 of {len(addresses)}")
        else:
            assert availability.text.startswith("TF_CONFIG is not valid (")
            assert (availability.state, availability.command) == ("missing", NAME_WORKERS)

    def test_kubernetes_without_its_client(self):
        availability = availability_of("multi-worker", dataclasses.replace(CPU, environ=KUBERNETES))
        assert (availability.state, availability.command) == (
            "missing",
            "python -m pip install kubernetes",
        )
        assert (
            "the package kubernetes (Kubernetes: the pods of job-name=faces)" in availability.text
        )

    def test_how_to_start_it_where_it_says_nothing(self):
        availability = availability_of("multi-worker", CPU)
        assert "--workers HOST:PORT,HOST:PORT --worker-index N" in availability.command

    def test_what_each_worker_does(self):
        environ = {"TF_CONFIG": TF_CONFIG}
        rows = [availability_of("multi-worker", machine(gpus=n, environ=environ)) for n in (0, 2)]
        assert rows[0].text.endswith("each worker: the CPU of each machine")
        assert rows[1].text.endswith("each worker: mirrored over 2 GPUs")


class TestVersions:
    def test_of_what_is_installed(self):
        rows = report.versions(CPU)
        assert named(rows, "Python").text.startswith(sys.version.split()[0])
        assert named(rows, "NumPy").text == numpy.__version__
        assert named(rows, "TensorFlow").text == "tensorflow 2.21.0"
        assert {row.state for row in rows} <= {"ok", "optional"}

    def test_two_wheels_are_a_fault_with_its_remedy(self):
        wheels = {"tensorflow": "2.21.0", "tensorflow-tpu": "2.20.0"}
        row = report.tensorflow(machine(wheels=wheels))
        assert row.state == "broken"
        assert "tensorflow 2.21.0 and tensorflow-tpu 2.20.0 are installed together" in row.text
        remove = "python -m pip uninstall --yes tensorflow tensorflow-tpu && "
        assert row.command == f"{remove}{LIMITED}cpu.txt"
        row = report.tensorflow(tpu_vm(wheels=wheels))
        assert row.command == f"{remove}{LIMITED}tpu.txt"

    @pytest.mark.parametrize(
        ("where", "file"),
        [
            (machine(error="no", wheels={}), "cpu"),
            (machine(error="no", wheels={}, nvidia_files=("/dev/nvidia0",)), "gpu"),
            (machine(error="no", wheels={}, tpu_files=("/dev/accel0",)), "tpu"),
        ],
    )
    def test_no_tensorflow(self, where, file):
        row = report.tensorflow(where)
        assert (row.state, row.command) == ("broken", f"{LIMITED}{file}.txt")
        assert row.text == "not installed; no"

    def test_a_tensorflow_tpu_that_aborts(self):
        row = report.tensorflow(machine(error="SIGABRT", wheels={"tensorflow-tpu": "2.20.0"}))
        assert row.text == "tensorflow-tpu 2.20.0; SIGABRT"
        remove = "python -m pip uninstall --yes tensorflow-tpu && "
        assert row.command == f"{remove}{LIMITED}tpu.txt"

    def test_tensorflow_tpu_without_a_tpu(self):
        row = report.tensorflow(tpu_vm(tpu_files=()))
        assert row.text.startswith("tensorflow-tpu 2.20.0; in your own programs set TPU_SKIP")
        assert report.tensorflow(tpu_vm()).text == "tensorflow-tpu 2.20.0"

    def test_one_that_was_built_by_hand(self):
        assert report.tensorflow(machine(wheels={})).text == "2.21.0, not from a wheel"

    @pytest.mark.parametrize(
        ("package", "name"), [("keras", "Keras"), ("tensorflow-gan", "TF-GAN")]
    )
    def test_a_package_that_is_needed(self, monkeypatch, package, name):
        there = report.installed
        monkeypatch.setattr(report, "installed", lambda p: "" if p == package else there(p))
        row = named(report.versions(CPU), name)
        assert (row.state, row.text) == ("broken", "not installed")
        assert row.command.endswith(f"{LIMITED}cpu.txt")

    @pytest.mark.parametrize(
        ("package", "command"),
        [
            ("onnxruntime", "python -m pip install onnx onnxruntime"),
            ("torch", "python -m pip install torch"),
            ("apache-beam", '.venv-beam/bin/python -m pip install ".[beam]"'),
        ],
    )
    def test_a_package_that_is_optional(self, monkeypatch, package, command):
        monkeypatch.setattr(report, "installed", lambda name: "")
        row = named(report.versions(CPU), package)
        assert row.state == "optional"
        assert row.command.endswith(command)
        monkeypatch.setattr(report, "installed", lambda name: "9.9")
        row = named(report.versions(CPU), package)
        assert (row.state, row.command) == ("ok", "")
        assert row.text.startswith("9.9; for ")

    def test_a_trainer_that_cannot_be_imported(self):
        row = named(report.versions(machine(trainer_error="ImportError: tf_keras")), "the trainer")
        assert (row.state, row.text) == ("broken", "cannot be imported: ImportError: tf_keras")

    def test_what_is_not_installed(self):
        assert report.installed("no-such-distribution") == ""
        assert report.installed("numpy") == numpy.__version__


class TestDevices:
    def test_on_a_cpu(self):
        rows = report.devices(CPU)
        assert named(rows, "CPU").text.startswith("8 cores usable")
        assert named(rows, "GPU").text == "none that TensorFlow sees (no /dev/nvidia0)"
        assert named(rows, "TPU").text.startswith("none (no /dev/accel0")
        assert named(rows, "TPU").text.endswith("libtpu cannot be imported")
        assert named(rows, "CUDA").text == "built without CUDA"

    def test_with_accelerators(self):
        rows = report.devices(machine(gpus=2, tpu_files=("/dev/accel0",), libtpu=True))
        assert named(rows, "GPU 1").text == "Card 1, compute capability 9.0"
        assert named(rows, "TPU").text == "/dev/accel0; libtpu can be imported"
        cuda = dataclasses.replace(CPU, tensorflow=TensorFlowInfo(built_with_cuda=True))
        assert named(report.devices(cuda), "CUDA").text == "built with CUDA"

    def test_where_tensorflow_cannot_be_imported(self):
        rows = report.devices(machine(error="no", nvidia_files=("/dev/nvidia0",)))
        assert named(rows, "GPU").text == "none that TensorFlow sees (/dev/nvidia0)"
        assert named(rows, "CUDA").text == "unknown: TensorFlow cannot be imported"

    def test_device_files(self, tmp_path, monkeypatch):
        """/dev/vfio/vfio and /dev/nvidiactl are there without a device."""
        (tmp_path / "vfio").mkdir()
        for name in ("vfio/vfio", "vfio/1", "vfio/0", "accel0", "nvidiactl", "nvidia0", "null"):
            (tmp_path / name).touch()
        calls = []

        def record(*arguments):
            calls.append(arguments)
            return CPU.tensorflow

        monkeypatch.setattr(probe, "probe_tensorflow", record)
        seen = report.inspect_machine({"A": "b"}, tmp_path)
        assert seen.tpu_files == tuple(
            f"{tmp_path}/{name}" for name in ("accel0", "vfio/0", "vfio/1")
        )
        assert seen.nvidia_files == (f"{tmp_path}/nvidia0",)
        assert seen.wheels == {"tensorflow": report.installed("tensorflow")}
        assert (seen.environ, seen.cores) == ({"A": "b"}, len(os.sched_getaffinity(0)))
        assert not report.inspect_machine({}, tmp_path / "nowhere").tpu_files
        assert calls == [({"A": "b"}, True), ({}, False)]


class TestPlace:
    def test_memory(self, tmp_path):
        file = tmp_path / "meminfo"
        file.write_text("MemTotal:  8388608 kB\nMemFree:  1 kB\nMemAvailable:  4194304 kB\nOdd\n")
        assert report.memory(file) == "4.0 of 8.0 GiB free"

    def test_disk_and_cache(self, tmp_path, monkeypatch):
        monkeypatch.chdir(tmp_path)
        monkeypatch.setenv("GANTF_CACHE", str(tmp_path / "kept"))
        usage = types.SimpleNamespace(free=3 * 2**29, total=2**32)
        monkeypatch.setattr(report.shutil, "disk_usage", lambda folder: usage)
        rows = report.place(CPU)
        assert named(rows, "disk").text == f"1.5 of 4.0 GiB free in {tmp_path}"
        assert named(rows, "cache").text == str(tmp_path / "kept")
        assert evaluation.cache_directory() == tmp_path / "kept"

    @pytest.mark.parametrize("check", ["memory", "disk", "cache_directory"])
    def test_each_check_that_fails_is_a_line(self, monkeypatch, check):
        def fail(*_):
            raise PermissionError("not allowed\nat all")

        monkeypatch.setattr(report, check, fail)
        rows = report.place(CPU)
        row = named(rows, check.removesuffix("_directory"))
        assert row.state == "unknown"
        assert row.text == "the check failed (PermissionError: not allowed)"
        assert [row.state for row in rows].count("ok") == 2


def test_environment():
    environ = {
        "SLURM_PROCID": "0",
        "KUBERNETES_SERVICE_HOST": "h",
        "TPU_NAME": "t",
        "TF_CONFIG": '{\n  "a": "' + "x" * 200,
        "CUDA_VISIBLE_DEVICES": "",
        "TF_ENABLE_ONEDNN_OPTS": "0",
        "HOME": "/home",
        "PASSWORD": "secret",
    }
    rows = report.environment(dataclasses.replace(CPU, environ=environ))
    assert [row.name for row in rows] == sorted(set(environ) - {"HOME", "PASSWORD"})
    assert named(rows, "TF_CONFIG").text == '{ "a": "' + "x" * 92 + "..."
    (row,) = report.environment(CPU)
    assert row.text.startswith("none of TF_CONFIG, CUDA_VISIBLE_DEVICES")
    assert "SLURM_*" in row.text


class TestProbe:
    """The import of TensorFlow in a child process, with faulty modules in its place."""

    @pytest.fixture
    def probe_with(self, tmp_path):
        """Probes with a module `tensorflow` of the given text before the real one."""

        def probe_with(text, attached=False, seconds=60, **environ):
            (tmp_path / "tensorflow.py").write_text(text)
            environ = {**os.environ, "PYTHONPATH": str(tmp_path), **environ}
            return probe.probe_tensorflow(environ, attached, seconds)

        return probe_with

    @pytest.mark.slow
    def test_this_machine(self):
        info = probe.probe_tensorflow({**os.environ, "CUDA_VISIBLE_DEVICES": ""}, False)
        version = report.installed("tensorflow")
        assert info == TensorFlowInfo("", version, info.built_with_cuda, 1, (), "")

    def test_one_that_is_not_there(self, probe_with):
        info = probe_with("raise ModuleNotFoundError(\"No module named 'tensorflow'\")")
        assert info.error == "ModuleNotFoundError: No module named 'tensorflow'"

    def test_one_that_aborts(self, probe_with):
        """As tensorflow-tpu 2.20.0 does with libtpu 0.0.52."""
        lines = "2026-11-28 14:16:26.2: I a.cc:9] Fine\\n2026-11-28 14:16:27.0: F b.inc:12] Do not."
        text = (
            f"import os, sys; sys.stderr.write('{lines}\\nmore\\n'); sys.stderr.flush(); os.abort()"
        )
        assert probe_with(text).error == "the import ended the process with SIGABRT: Do not"

    def test_one_that_leaves(self, probe_with):
        info = probe_with("import sys; print('why', file=sys.stderr); sys.exit(3)")
        assert info.error == "the import ended the process with exit code 3: why"
        assert probe_with("import os; os._exit(3)").error.endswith("exit code 3: no message")

    def test_one_that_hangs(self, probe_with):
        begin = time.monotonic()
        info = probe_with("import time; time.sleep(60)", seconds=1)
        assert info.error == "the import did not end within 1 seconds"
        assert time.monotonic() - begin < 30

    @pytest.mark.parametrize(("attached", "skipped"), [(False, "1"), (True, "None")])
    def test_libtpu_looks_for_a_tpu_only_where_one_is(
        self, probe_with, monkeypatch, attached, skipped
    ):
        text = "import os; raise ImportError(os.environ.get('TPU_SKIP_MDS_QUERY'))"
        monkeypatch.delenv("TPU_SKIP_MDS_QUERY", raising=False)
        assert probe_with(text, attached).error == f"ImportError: {skipped}"

    def test_a_python_that_cannot_be_started(self, monkeypatch):
        monkeypatch.setattr(sys, "executable", "/nowhere/python")
        info = probe.probe_tensorflow({}, False)
        assert info.error.startswith("the import cannot be tried (FileNotFoundError: ")

    GPUS = """
import types
__version__ = "2.21.0"
test = types.SimpleNamespace(is_built_with_cuda=lambda: True)
def details(device):
    if device.name.endswith("1"):
        raise RuntimeError("no driver")
    return {"device_name": "Card", "compute_capability": (9, 0), "memory_limit": 2**34}
def listed(kind):
    return [types.SimpleNamespace(name=f"/physical_device:{kind}:{n}") for n in range(2)]
config = types.SimpleNamespace(
    list_physical_devices=listed,
    experimental=types.SimpleNamespace(get_device_details=details),
)
"""

    def test_gpus_and_a_trainer_that_cannot_be_imported(self, probe_with):
        """A TensorFlow that is nothing but its list of devices."""
        info = probe_with(self.GPUS)
        assert info.gpus == ("Card, compute capability 9.0, 16.0 GiB", "GPU:1")
        assert (info.version, info.built_with_cuda, info.cpus) == ("2.21.0", True, 2)
        assert info.trainer_error


class TestCommand:
    @pytest.fixture
    def run(self, monkeypatch):
        """The command on a machine that is described."""

        def run(where, *words):
            monkeypatch.setattr(report, "inspect_machine", lambda environ: where)
            return CliRunner().invoke(main, ["doctor", *words])

        return run

    def test_all_sections_and_strategies_are_there(self, run):
        result = run(CPU)
        assert result.exit_code == 0
        headings = [line for line in result.output.splitlines() if line and line[0] != " "]
        assert headings == ["versions", "devices", "place", "environment", "strategies"]
        last = result.output.splitlines()[-len(NAMES) :]
        assert [line.split()[0] for line in last] == list(NAMES)
        assert [line.split()[1] for line in last] == ["ready:"] * 3 + ["missing:"] * 2
        assert last[-1].endswith(TPU_COMMAND)

    def test_json_holds_the_same(self, run):
        sections = json.loads(run(CPU, "--json").output)
        assert sections.pop("can_train") is True
        text = run(CPU).output
        assert list(sections) == ["versions", "devices", "place", "environment", "strategies"]
        for row in (row for rows in sections.values() for row in rows):
            if row["name"] not in ("memory", "disk"):  # which change
                assert row["text"] in text
                assert row["command"] in text
        assert named([types.SimpleNamespace(**r) for r in sections["strategies"]], "tpu").command

    @pytest.mark.parametrize(
        "where",
        [
            machine(error="ModuleNotFoundError: No module named 'tensorflow'", wheels={}),
            machine(error="the import ended the process with SIGILL: no message"),
            machine(trainer_error="ImportError: no"),
            machine(wheels={"tensorflow": "2.21.0", "tensorflow-tpu": "2.20.0"}),
        ],
    )
    def test_what_is_broken_exits_with_1(self, run, where):
        result = run(where)
        assert result.exit_code == 1
        assert "broken: " in result.output
        assert json.loads(run(where, "--json").output)["can_train"] is False

    def test_a_tpu_that_is_missing_is_not_broken(self, run):
        assert run(tpu_vm(tpu_files=())).exit_code == 0

    @pytest.mark.parametrize("section", ["versions", "devices", "environment", "strategies"])
    def test_a_section_that_fails_is_a_line(self, run, monkeypatch, section):
        def fail(where):
            raise ValueError("odd")

        monkeypatch.setattr(report, section, fail)
        result = run(CPU)
        assert result.exit_code == 0
        line = rf"  {section} "
        (text,) = [text for text in result.output.splitlines() if text.startswith(line)]
        assert text.endswith("unknown: the check failed (ValueError: odd)")

    def test_on_this_machine(self):
        """The usual strategy can train here: the other tests do."""
        result = CliRunner().invoke(main, ["doctor", "--json"])
        sections = json.loads(result.output)
        assert (result.exit_code, sections["can_train"]) == (0, True)
        states = {row["name"]: row["state"] for row in sections["strategies"]}
        assert states["auto"] == states["one-device"] == states["mirrored"] == "ready"
        sections.pop("can_train")
        assert "unknown" not in {row["state"] for rows in sections.values() for row in rows}


REQUIREMENTS = Path(evaluation.__file__).parent.parent / "requirements"


def pins(name):
    lines = (REQUIREMENTS / f"{name}.txt").read_text().splitlines()
    parts = [line.partition("==") for line in lines if not line.startswith("#")]
    assert all(version for _, _, version in parts)
    return {package.lower().replace("_", "-"): version for package, _, version in parts}


class TestRequirements:
    """What the commands install; tools/check_requirements installs it."""

    def test_one_tensorflow_in_each(self):
        wheels = {
            name: {w for w in report.WHEELS if w in pins(name)} for name in ("cpu", "gpu", "tpu")
        }
        assert wheels == {"cpu": {"tensorflow"}, "gpu": {"tensorflow"}, "tpu": {"tensorflow-tpu"}}

    @pytest.mark.parametrize("name", ["cpu", "gpu", "tpu"])
    def test_all_that_gantf_needs_is_pinned(self, name):
        setup = configparser.ConfigParser()
        setup.read(REQUIREMENTS.parent / "setup.cfg")
        lines = setup["options"]["install_requires"].split("\n")
        needed = {re.split(r"[ ;<>=]", line)[0].replace("_", "-") for line in lines if line}
        if name == "tpu":
            needed = needed - {"tensorflow"} | {"tensorflow-tpu", "libtpu"}
        assert needed <= set(pins(name))

    def test_the_cpu_file_is_what_the_tests_run_with(self):
        lines = (REQUIREMENTS.parent / "tools" / "constraints.txt").read_text().splitlines()
        tested = dict(
            line.lower().replace("_", "-").split("==") for line in lines if line[0] != "#"
        )
        beyond = {
            package for package, version in pins("cpu").items() if tested.get(package) != version
        }
        assert beyond <= {"setuptools", "wheel"}

    def test_the_gpu_file_adds_the_cuda_libraries_alone(self):
        cpu, gpu = pins("cpu"), pins("gpu")
        assert cpu.items() <= gpu.items()
        assert {"nvidia-cudnn-cu12", "nvidia-nccl-cu12"} <= set(gpu)
        assert all(package.startswith("nvidia-") for package in set(gpu) - set(cpu))
