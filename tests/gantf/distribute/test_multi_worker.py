"""Several processes on this machine train as one, for real."""

import json
import socket
import subprocess
import time

import numpy as np
import pytest

from gantf.data import pipeline
from gantf.runs import checkpoints
from tests.gantf.training.test_trainer import command, train

PLAIN = ["--set", "optimizer=sgd", "--set", "ema_half_life_images=100", "--batch-size", "12"]


def free_ports(count):
    sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    ports = [one.getsockname()[1] for one in sockets]
    for one in sockets:
        one.close()
    return ports


def start(run_dir, ports, index, *more):
    addresses = ",".join(f"127.0.0.1:{port}" for port in ports)
    words = ["--strategy", "multi-worker", "--workers", addresses, "--worker-index", str(index)]
    return subprocess.Popen(
        command(run_dir, *PLAIN, *words, *more), stderr=subprocess.PIPE, text=True
    )


def ended(processes):
    """Returns the output of the processes; all must exit with 0."""
    output = [process.communicate(timeout=300)[1] for process in processes]
    assert [process.returncode for process in processes] == [0] * len(processes), output
    return output


def assert_close_end(run_dir, other):
    one, two = (checkpoints.newest(path)[0] for path in (run_dir, other))
    assert one.step == two.step
    for name, value in two.values.items():
        np.testing.assert_allclose(one.values[name], value, atol=1e-6, err_msg=name)


@pytest.fixture(scope="module")
def alone(tmp_path_factory):
    """The same run on one device."""
    run_dir = tmp_path_factory.mktemp("runs") / "alone"
    assert train(run_dir, *PLAIN, "--steps", "20").returncode == 0
    return run_dir


@pytest.mark.slow
def test_two_processes_train_as_one_device_and_the_chief_alone_writes(alone, tmp_path):
    run_dir, ports = tmp_path / "run", free_ports(2)
    processes = [start(run_dir, ports, index, "--steps", "20") for index in (1, 0)]
    worker, chief = ended(processes)
    assert_close_end(run_dir, alone)
    assert "6 on each of 2" in chief
    assert worker == ""
    folders = [
        {p.relative_to(d) for d in [root] for p in d.rglob("*") if "events" not in p.name}
        for root in (run_dir, alone)
    ]
    assert folders[0] == folders[1]
    assert len(list((run_dir / "tensorboard").iterdir())) == 1


@pytest.mark.slow
def test_a_worker_killed_and_started_again_goes_on(alone, tmp_path):
    """Only the killed worker is started again; the other workers restart by themselves."""
    run_dir, ports = tmp_path / "run", free_ports(3)
    processes = [start(run_dir, ports, index, "--steps", "20") for index in range(3)]
    while not (run_dir / "checkpoints" / "step-00000010.npz").exists():
        assert all(process.poll() is None for process in processes)
        time.sleep(0.002)
    processes[2].kill()
    processes[2].communicate()
    processes[2] = start(run_dir, ports, 2, "--steps", "20")
    chief, *_ = ended(processes)
    assert "another worker is gone" in chief
    assert "going on from step 10" in chief
    assert_close_end(run_dir, alone)


@pytest.mark.slow
def test_a_worker_that_never_comes_is_named(tmp_path):
    ports = free_ports(2)
    process = start(tmp_path / "run", ports, 0, "--worker-timeout", "3")
    output = process.communicate(timeout=120)[1]
    assert process.returncode == 2
    assert output == (
        f"Error: after 3 s worker 0 of 2 still waits for 127.0.0.1:{ports[1]}; start all workers, "
        "or raise --worker-timeout.\n"
    )


@pytest.mark.slow
def test_what_the_chief_is_refused_ends_all_with_the_same_line(tmp_path):
    run_dir, ports = tmp_path / "run", free_ports(2)
    run_dir.mkdir()
    (run_dir / "thesis.tex").write_text("")
    processes = [start(run_dir, ports, index) for index in (0, 1)]
    output = [process.communicate(timeout=120)[1] for process in processes]
    assert [process.returncode for process in processes] == [2, 2]
    refused = f"Error: --run-dir {run_dir} holds other things; give a new or empty directory.\n"
    assert output == [refused] * 2


@pytest.mark.slow
def test_workers_with_other_options_are_refused(tmp_path):
    """All workers end, and one names the difference."""
    run_dir, ports = tmp_path / "run", free_ports(2)
    others = ["--steps", "20", "--seed", "3", "--set", "r1_weight=7"]
    processes = [start(run_dir, ports, 0, "--steps", "20"), start(run_dir, ports, 1, *others)]
    output = [process.communicate(timeout=120)[1] for process in processes]
    assert [process.returncode for process in processes] == [2, 2]
    assert output == [
        "Error: another worker differs from the chief, see its message; start all workers with the "
        "same options, data and TensorFlow.\n",
        "Error: worker 1 of 2 differs from the chief (seed is 3 here, 0 on the chief; r1_weight is "
        "7.0 here, 0.3 on the chief); start all workers with the same options, data and "
        "TensorFlow.\n",
    ]
    assert not run_dir.exists()


@pytest.mark.parametrize("pipelines", [1, 2, 3])
def test_within_an_epoch_every_image_comes_once(tf, pipelines):
    images = np.arange(24, dtype=np.uint8).reshape(24, 1, 1, 1)
    seen = []
    for index in range(pipelines):
        context = tf.distribute.InputContext(pipelines, index, 6)
        for part in pipeline.make_dataset([{"image": images}], 0, 12)(context).take(
            2 * 6 // pipelines
        ):
            seen += part["image"].numpy().ravel().tolist()
    assert sorted(seen) == list(range(24))


@pytest.mark.slow
def test_the_saved_configuration_names_no_worker(alone):
    text = (alone / "config.yaml").read_text()
    assert "worker_index" not in text and json.dumps("127.0.0.1") not in text
