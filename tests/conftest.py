"""Shared by all tests: TensorFlow with two logical CPUs, and a scratch place for data."""

import functools
import gc
import os
import tempfile
from unittest import mock

if "GANTF_TEST_DATA_DIR" not in os.environ:  # the workers of one run of pytest share it
    os.environ["GANTF_TEST_DATA_DIR"] = tempfile.mkdtemp("-tfds")
os.environ["TFDS_DATA_DIR"] = os.environ["GANTF_TEST_DATA_DIR"]
os.environ["MPLBACKEND"] = "Agg"
os.environ.setdefault("XLA_FLAGS", "--xla_backend_optimization_level=0")  # compiles faster

import pytest

from evaluation import import_tensorflow


@pytest.fixture(scope="session")
def tf():
    """TensorFlow, deterministic, with two logical CPUs for the tests of several replicas.

    `--strategy auto` means one device, as without them: a mirrored step takes three times as long.
    """
    tensorflow = import_tensorflow()
    cpu = tensorflow.config.list_physical_devices("CPU")[0]
    two = [tensorflow.config.LogicalDeviceConfiguration()] * 2
    tensorflow.config.set_logical_device_configuration(cpu, two)
    tensorflow.config.experimental.enable_op_determinism()
    gc.freeze()  # TensorFlow stays: looking through it for garbage takes a fifth of the tests' time
    gc.set_threshold(100_000, 50, 1000)
    from gantf.distribute import devices

    choose = devices.choose

    @functools.wraps(choose)
    def choose_one_cpu(name, gpus, cpus):
        return choose(name, gpus, cpus[:1] if name == "auto" else cpus)

    with mock.patch.object(devices, "choose", choose_one_cpu):
        yield tensorflow


@pytest.fixture
def eager_steps(tf):
    """Trainings in this process run their steps eagerly; see `tests.games.eager_steps`."""
    from tests import games

    with games.eager_steps(tf):
        yield
