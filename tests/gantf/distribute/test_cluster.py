"""Who trains together: by options, TF_CONFIG, SLURM and Kubernetes."""

import json
import socket

import pytest

from evaluation import InputError
from gantf.distribute import cluster

ADDRESSES = ["a:2222", "b:2222", "c:2223"]


@pytest.fixture(autouse=True)
def _clean(monkeypatch):
    for name in ("TF_CONFIG", "SLURM_PROCID", "SLURM_STEP_NODELIST", "GANTF_POD_SELECTOR"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("TF_CONFIG", "")


def config(index, kind="worker", **jobs):
    jobs = jobs or {"worker": ADDRESSES}
    return json.dumps({"cluster": jobs, "task": {"type": kind, "index": index}})


def test_options_become_what_tensorflow_reads():
    cluster.set_tf_config(" a:2222, b:2222,c:2223", 1)
    assert cluster.find() == (ADDRESSES, 1)


@pytest.mark.parametrize(
    ("workers", "index", "line"),
    [
        ("a:2222,b", 0, "'b' is not HOST:PORT"),
        ("a:2222,,b:1", 0, "'' is not HOST:PORT"),
        ("a:2222,a:2222", 0, "a:2222 appears twice; give each worker its own address"),
        ("a:99999,b:1", 0, "'a:99999' is not HOST:PORT with a port from 1 to 65535"),
        ("a:0,b:1", 0, "'a:0' is not HOST:PORT"),
        ("a:2222,b:2222", None, "needs --worker-index"),
        (
            "a:2222,b:2222",
            2,
            "--worker-index 2: --workers has 2 addresses; give a number from 0 to 1",
        ),
        ("a:2222,b:2222", -1, "--worker-index -1"),
    ],
)
def test_options_that_cannot_be(workers, index, line):
    with pytest.raises(InputError, match=line):
        cluster.set_tf_config(workers, index)


@pytest.mark.parametrize(
    ("text", "place"),
    [
        (config(2), 2),
        (config(0, "chief", chief=["a:2222"], worker=["b:2222", "c:2223"]), 0),
        (config(1, "worker", chief=["a:2222"], worker=["b:2222", "c:2223"]), 2),
    ],
)
def test_tf_config(monkeypatch, text, place):
    monkeypatch.setenv("TF_CONFIG", text)
    assert cluster.find() == (ADDRESSES, place)


@pytest.mark.parametrize(
    "text",
    [
        *("{", "3", "{}", config(3), config(-1), config(0, "ps"), config(0, "chief"), config("x")),
        config(0, worker=["a", "b"]),
        config(0, worker=[1, 2]),
        config(0, worker="a:3000"),
        config(0, worker=["a:1", "a:1"]),
        config(0, chief=["a:1"], worker=["a:1"]),
    ],
)
def test_tf_config_that_is_not_complete(monkeypatch, text):
    monkeypatch.setenv("TF_CONFIG", text)
    with pytest.raises(InputError, match=r"TF_CONFIG is not valid .*it must be JSON"):
        cluster.find()


def test_nothing_tells():
    with pytest.raises(InputError, match="give --workers HOST:PORT,HOST:PORT and --worker-index"):
        cluster.find()


def test_slurm(tf, monkeypatch):
    variables = {"PROCID": "2", "STEP_NODELIST": "n[1-2]", "STEP_TASKS_PER_NODE": "2(x2)"}
    for name, value in {**variables, "STEP_NUM_TASKS": "4"}.items():
        monkeypatch.setenv(f"SLURM_{name}", value)
    assert cluster.find() == (["n1:8888", "n1:8889", "n2:8888", "n2:8889"], 2)
    assert json.loads(cluster.os.environ["TF_CONFIG"])["task"]["index"] == 2


def test_a_slurm_task_that_is_none_of_the_steps(tf, monkeypatch):
    variables = {"PROCID": "3", "STEP_NODELIST": "n1", "STEP_TASKS_PER_NODE": "1"}
    for name, value in {**variables, "STEP_NUM_TASKS": "1"}.items():
        monkeypatch.setenv(f"SLURM_{name}", value)
    with pytest.raises(InputError, match="SLURM_PROCID is 3, but the step has 1 tasks"):
        cluster.find()


def test_slurm_without_all_its_variables(tf, monkeypatch):
    monkeypatch.setenv("SLURM_PROCID", "0")
    monkeypatch.setenv("SLURM_STEP_NODELIST", "n[1-2]")
    with pytest.raises(InputError, match="SLURM's variables do not name the workers"):
        cluster.find()


def test_kubernetes_orders_pods_by_their_names(tf, monkeypatch):
    """Names are ordered as texts: train-10 stands before train-2."""

    class Spec:
        def as_dict(self):
            return {"worker": [f"10.0.0.{place}:8470" for place in range(11)]}

    def resolver(mapping):
        assert mapping == {"worker": ["job-name=train"]}
        return type("Resolver", (), {"cluster_spec": lambda self: Spec()})()

    kinds = tf.distribute.cluster_resolver
    monkeypatch.setattr(kinds, "KubernetesClusterResolver", resolver)
    monkeypatch.setenv("GANTF_POD_SELECTOR", "job-name=train")
    monkeypatch.setattr(socket, "gethostname", lambda: "train-2")
    addresses, place = cluster.find()
    assert (len(addresses), place) == (11, 3)
    monkeypatch.setenv("TF_CONFIG", "")
    monkeypatch.setenv("JOB_COMPLETION_INDEX", "10")
    assert cluster.find()[1] == 2
    monkeypatch.setenv("TF_CONFIG", "")
    monkeypatch.setenv("JOB_COMPLETION_INDEX", "11")
    with pytest.raises(InputError, match="selects 11 pods, but this pod has number '11'"):
        cluster.find()


def test_kubernetes_without_its_package(tf, monkeypatch):
    monkeypatch.setenv("GANTF_POD_SELECTOR", "job-name=train")
    with pytest.raises(InputError, match="pip install kubernetes"):
        cluster.find()
