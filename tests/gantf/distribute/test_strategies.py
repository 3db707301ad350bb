"""A strategy by name, or one clear line."""

import inspect

import pytest

from evaluation import InputError


@pytest.mark.parametrize(("name", "replicas"), [("one-device", 1), ("mirrored", 2), ("auto", 2)])
def test_names_give_strategies_on_two_logical_cpus(tf, monkeypatch, name, replicas):
    from gantf.distribute import devices, strategies

    monkeypatch.setattr(devices, "choose", inspect.unwrap(devices.choose))  # see the fixture `tf`
    assert strategies.make(name).num_replicas_in_sync == replicas


def test_a_missing_tpu_is_said_in_one_line(tf):
    from gantf.distribute import strategies

    with pytest.raises(InputError, match="no TPU is attached"):
        strategies.make("tpu")


def test_an_attached_tpu_that_does_not_start_says_why(tf, monkeypatch):
    from gantf.distribute import strategies

    def resolver(tpu):
        raise RuntimeError("libtpu is in use\nby process 7")

    monkeypatch.setattr(tf.distribute.cluster_resolver, "TPUClusterResolver", resolver)
    monkeypatch.setattr(strategies, "tpu_files", lambda: ("/dev/accel0", "/dev/accel1"))
    result = r"the TPU of /dev/accel0, /dev/accel1 does not start \(libtpu is in use by process 7\)"
    with pytest.raises(InputError, match=result):
        strategies.make("tpu")


def test_a_named_tpu_that_is_not_there_is_said_by_its_name(tf, monkeypatch):
    from gantf.distribute import strategies

    monkeypatch.setenv("TPU_NAME", "none")

    def resolver(tpu):
        assert tpu == "none"
        raise ValueError("no such TPU")

    monkeypatch.setattr(tf.distribute.cluster_resolver, "TPUClusterResolver", resolver)
    with pytest.raises(InputError, match="--tpu none: no such TPU; run on a TPU VM"):
        strategies.make("tpu")


def test_several_machines_must_be_named(tf, monkeypatch):
    from gantf.distribute import strategies

    monkeypatch.delenv("TF_CONFIG", raising=False)
    with pytest.raises(
        InputError, match="no TF_CONFIG, srun or GANTF_POD_SELECTOR names the workers"
    ):
        strategies.make("multi-worker")


def test_devices_cannot_be_split_again(tf):
    from gantf.distribute import strategies

    with pytest.raises(InputError, match="already runs with 2"):
        strategies.make("mirrored", logical_cpus=3)
