"""Which processes train together: told by options, TF_CONFIG, SLURM or Kubernetes.

All of them end in TF_CONFIG, which TensorFlow's own resolver reads; a process that stands in none
of them is told so. On Kubernetes the pods are those of GANTF_POD_SELECTOR (a label selector, such
as job-name=faces), all of one StatefulSet or Indexed Job, whose names end in their numbers.
"""

import json
import os
import re
import socket
from collections.abc import Sequence

from evaluation import InputError

CONFIG = "TF_CONFIG"
POD_SELECTOR = "GANTF_POD_SELECTOR"
MANY = 1 << 16  # devices, where there are none: the resolver asks for one for each task


def set_tf_config(workers: str, index: int | None) -> None:
    """Takes the options --workers and --worker-index: they become this process's TF_CONFIG.

    Args:
      workers: HOST:PORT of every worker, with commas between.
      index: which of them this process is, from 0; the first one is the chief.

    Raises:
      InputError: an address that is none, or an index that is not of one of them.
    """
    addresses = [part.strip() for part in workers.split(",")]
    try:
        check(addresses)
    except ValueError as error:
        raise InputError(f"--workers {workers}: {error}.") from None
    if index is None:
        raise InputError("--workers needs --worker-index: which of them this process is, from 0.")
    if not 0 <= index < len(addresses):
        raise InputError(f"--worker-index {index}: --workers names {len(addresses)}, from 0.")
    _write(addresses, index)


def check(addresses: Sequence[str]) -> None:
    """Sees that each worker has an address of its own.

    Raises:
      ValueError: with the one that is none, or is there twice.
    """
    for address in addresses:
        port = re.fullmatch(r"(?:[^:\s]+|\[[0-9a-fA-F:]+\]):(\d{1,5})", str(address))
        if port is None or not 0 < int(port[1]) < 1 << 16:
            raise ValueError(f"{address!r} is no HOST:PORT with a port from 1 to 65535")
        if addresses.count(address) > 1:
            raise ValueError(f"{address} is named twice; give each worker its own")


def find() -> tuple[list[str], int]:
    """The addresses of all workers, the chief first, and which of them this process is.

    Raises:
      InputError: nothing tells, or what tells is not complete.
    """
    if os.environ.get(CONFIG):
        return _of_config(os.environ[CONFIG])
    if "SLURM_PROCID" in os.environ and "SLURM_STEP_NODELIST" in os.environ:
        addresses, index = _of_slurm()
    elif os.environ.get(POD_SELECTOR):
        addresses, index = _of_kubernetes(os.environ[POD_SELECTOR])
    else:
        raise InputError(
            "--strategy multi-worker: nothing says who the workers are; give --workers "
            "HOST:PORT,HOST:PORT and --worker-index, or TF_CONFIG, or start it by srun, or on "
            f"Kubernetes with {POD_SELECTOR}."
        )
    _write(addresses, index)
    return addresses, index


def _write(addresses: Sequence[str], index: int) -> None:
    task = {"type": "worker", "index": index}
    os.environ[CONFIG] = json.dumps({"cluster": {"worker": list(addresses)}, "task": task})


def _of_config(text: str) -> tuple[list[str], int]:
    try:
        return read_config(text)
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise InputError(
            f"TF_CONFIG is not complete ({error}); it must be JSON such as "
            '{"cluster": {"worker": ["a:2222", "b:2222"]}, "task": {"type": "worker", "index": 0}}.'
        ) from None


def read_config(text: str) -> tuple[list[str], int]:
    """What a TF_CONFIG says: all addresses, the chief's first, and which of them is this one.

    Raises:
      ValueError, KeyError, TypeError, AttributeError: it is not complete.
    """
    told = json.loads(text)
    cluster, task = told["cluster"], told["task"]
    chiefs, workers = cluster.get("chief", []), cluster["worker"]
    if not isinstance(chiefs, list) or not isinstance(workers, list):
        raise ValueError("the addresses are no list")
    check([*chiefs, *workers])
    kinds, place = {"chief": chiefs, "worker": workers}, int(task["index"])
    if not 0 <= place < len(kinds.get(task["type"], [])):
        raise ValueError(f"task {task} is none of the cluster's")
    return [*chiefs, *workers], place + (len(chiefs) if task["type"] == "worker" else 0)


def _of_slurm() -> tuple[list[str], int]:
    """By TensorFlow's resolver, which also shares out the GPUs of a node among its tasks."""
    import tensorflow as tf

    gpus = len(tf.config.list_physical_devices("GPU"))
    counted = {"gpus_per_node": gpus} if gpus else {"gpus_per_node": MANY, "gpus_per_task": 1}
    try:
        resolver = tf.distribute.cluster_resolver.SlurmClusterResolver(
            **counted, auto_set_gpu=gpus > 0
        )
        addresses = list(resolver.cluster_spec().as_dict()["worker"])
        place = int(os.environ["SLURM_PROCID"])
        if not 0 <= place < len(addresses):
            raise ValueError(f"SLURM_PROCID is {place}, of {len(addresses)} tasks")
        return addresses, place
    except (RuntimeError, ValueError, KeyError) as error:
        raise InputError(
            f"SLURM's variables do not tell the workers ({error}); start with srun, or give "
            "--workers and --worker-index."
        ) from None


def _of_kubernetes(selector: str) -> tuple[list[str], int]:
    """By TensorFlow's resolver, which lists the pods by their names."""
    import tensorflow as tf

    try:
        resolver = tf.distribute.cluster_resolver.KubernetesClusterResolver({"worker": [selector]})
        addresses = list(resolver.cluster_spec().as_dict()["worker"])
    except Exception as error:  # of the client library, of the network, or a pod that waits
        reason = " ".join(str(error).split())[:200]
        raise InputError(
            f"{POD_SELECTOR}={selector}: the pods cannot be listed ({reason}); pip install "
            "kubernetes, let the pods list pods, or give TF_CONFIG."
        ) from None
    number = os.environ.get("JOB_COMPLETION_INDEX") or socket.gethostname().rpartition("-")[2]
    names = sorted(f"{place}-" for place in range(len(addresses)))
    if f"{number}-" not in names:
        raise InputError(
            f"{POD_SELECTOR}={selector} selects {len(addresses)} pods, of which this is number "
            f"{number!r}; select those of one StatefulSet or Indexed Job."
        )
    return addresses, names.index(f"{number}-")
