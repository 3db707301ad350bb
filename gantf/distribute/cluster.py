"""Finds the processes that train together: from options, TF_CONFIG, SLURM or Kubernetes.

Each source is written into TF_CONFIG, which TensorFlow's own resolver reads. On Kubernetes,
GANTF_POD_SELECTOR is a label selector, for example job-name=faces. It must select the pods of one
StatefulSet or Indexed Job, whose names end in their numbers.
"""

import json
import os
import re
import socket
from collections.abc import Mapping, Sequence

from evaluation import InputError

CONFIG = "TF_CONFIG"
POD_SELECTOR = "GANTF_POD_SELECTOR"
UNNAMED = f"no {CONFIG}, srun or {POD_SELECTOR} names the workers"
MANY = 1 << 16  # without GPUs, the resolver still wants one device for each task


def set_tf_config(workers: str, index: int | None) -> None:
    """Writes the options --workers and --worker-index into this process's TF_CONFIG.

    Args:
      workers: HOST:PORT of every worker, separated by commas; the first one is the chief.
      index: the place of this process in the list, from 0.

    Raises:
      InputError: an address is not valid or appears twice, or the index is not in the list.
    """
    addresses = [part.strip() for part in workers.split(",")]
    try:
        check_addresses(addresses)
    except ValueError as error:
        raise InputError(f"--workers {workers}: {error}.") from None
    if index is None:
        raise InputError(
            "--workers needs --worker-index: the place of this process in the list, from 0."
        )
    if not 0 <= index < len(addresses):
        raise InputError(
            f"--worker-index {index}: --workers has {len(addresses)} addresses; give a number "
            f"from 0 to {len(addresses) - 1}."
        )
    _write(addresses, index)


def check_addresses(addresses: Sequence[str]) -> None:
    """Checks that each worker has a valid address of its own.

    Raises:
      ValueError: names the address that is not valid or appears twice.
    """
    for address in addresses:
        port = re.fullmatch(r"(?:[^:\s]+|\[[0-9a-fA-F:]+\]):(\d{1,5})", str(address))
        if port is None or not 0 < int(port[1]) < 1 << 16:
            raise ValueError(f"{address!r} is not HOST:PORT with a port from 1 to 65535")
        if addresses.count(address) > 1:
            raise ValueError(f"{address} appears twice; give each worker its own address")


def sources(environ: Mapping[str, str]) -> list[str]:
    """Returns the sources that name workers, of "TF_CONFIG", "SLURM" and "Kubernetes".

    `find` reads the first of them.
    """
    present = {
        "TF_CONFIG": environ.get(CONFIG),
        "SLURM": "SLURM_PROCID" in environ and "SLURM_STEP_NODELIST" in environ,
        "Kubernetes": environ.get(POD_SELECTOR),
    }
    return [source for source, is_set in present.items() if is_set]


def find() -> tuple[list[str], int]:
    """Returns the addresses of all workers, the chief first, and the index of this process.

    Raises:
      InputError: no source names the workers, or the source is not valid.
    """
    source = next(iter(sources(os.environ)), None)
    if source is None:
        raise InputError(
            f"--strategy multi-worker: {UNNAMED}; give --workers HOST:PORT,HOST:PORT and "
            "--worker-index, or one of these."
        )
    if source == "TF_CONFIG":
        return read_config(os.environ[CONFIG])[:2]
    addresses, index = (
        _read_slurm() if source == "SLURM" else _read_kubernetes(os.environ[POD_SELECTOR])
    )
    _write(addresses, index)
    return addresses, index


def _write(addresses: Sequence[str], index: int) -> None:
    task = {"type": "worker", "index": index}
    os.environ[CONFIG] = json.dumps({"cluster": {"worker": list(addresses)}, "task": task})


def read_config(text: str) -> tuple[list[str], int, str]:
    """Reads a TF_CONFIG: all addresses, the chief's first, the index of this process, its task.

    The task is for example "worker 1".

    Raises:
      InputError: the text is not valid.
    """
    try:
        config = json.loads(text)
        cluster, task = config["cluster"], config["task"]
        chiefs, workers = cluster.get("chief", []), cluster["worker"]
        if not isinstance(chiefs, list) or not isinstance(workers, list):
            raise ValueError("the addresses are not a list")
        check_addresses([*chiefs, *workers])
        jobs, index = {"chief": chiefs, "worker": workers}, int(task["index"])
        if not 0 <= index < len(jobs.get(task["type"], [])):
            raise ValueError(f"task {task} is not in the cluster")
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise InputError(
            f"TF_CONFIG is not valid ({error}); it must be JSON such as "
            '{"cluster": {"worker": ["a:2222", "b:2222"]}, "task": {"type": "worker", "index": 0}}.'
        ) from None
    place = index + (len(chiefs) if task["type"] == "worker" else 0)
    return [*chiefs, *workers], place, f"{task['type']} {index}"


def _read_slurm() -> tuple[list[str], int]:
    """Asks TensorFlow's resolver, which also divides the GPUs of a node among its tasks."""
    import tensorflow as tf

    gpus = len(tf.config.list_physical_devices("GPU"))
    device_counts = {"gpus_per_node": gpus} if gpus else {"gpus_per_node": MANY, "gpus_per_task": 1}
    try:
        resolver = tf.distribute.cluster_resolver.SlurmClusterResolver(
            **device_counts, auto_set_gpu=gpus > 0
        )
        addresses = list(resolver.cluster_spec().as_dict()["worker"])
        index = int(os.environ["SLURM_PROCID"])
        if not 0 <= index < len(addresses):
            raise ValueError(f"SLURM_PROCID is {index}, but the step has {len(addresses)} tasks")
        return addresses, index
    except (RuntimeError, ValueError, KeyError) as error:
        raise InputError(
            f"SLURM's variables do not name the workers ({error}); start with srun, or give "
            "--workers and --worker-index."
        ) from None


def _read_kubernetes(selector: str) -> tuple[list[str], int]:
    """Asks TensorFlow's resolver, which lists the pods in the order of their names."""
    import tensorflow as tf

    try:
        resolver = tf.distribute.cluster_resolver.KubernetesClusterResolver({"worker": [selector]})
        addresses = list(resolver.cluster_spec().as_dict()["worker"])
    except Exception as error:  # from the client library, the network, or a pod that is not running
        reason = " ".join(str(error).split())[:200]
        raise InputError(
            f"{POD_SELECTOR}={selector}: the pods cannot be listed ({reason}); pip install "
            "kubernetes, give the pods the right to list pods, or set TF_CONFIG."
        ) from None
    number = os.environ.get("JOB_COMPLETION_INDEX") or socket.gethostname().rpartition("-")[2]
    names = sorted(f"{place}-" for place in range(len(addresses)))
    if f"{number}-" not in names:
        raise InputError(
            f"{POD_SELECTOR}={selector} selects {len(addresses)} pods, but this pod has number "
            f"{number!r}; select the pods of one StatefulSet or Indexed Job."
        )
    return addresses, names.index(f"{number}-")
