"""TensorFlow-GAN's own evaluation functions say what the protocol that bears its name says."""

import importlib.util
import sys
import types
import warnings
from pathlib import Path

import numpy as np
import pytest

from evaluation import measure, protocols

RNG = np.random.default_rng(0)
MIXING = RNG.standard_normal((12, 12)) / 3
REAL = np.maximum(RNG.standard_normal((230, 12)) @ MIXING + 0.3, 0)
FAKE = np.maximum(RNG.standard_normal((190, 12)) @ MIXING * 1.1 + 0.4, 0)
LOGITS = 3 * RNG.standard_normal((210, 7))


@pytest.fixture(scope="module")
def tfgan(tf):
    """TF-GAN's classifier metrics alone: its package asks for what TensorFlow dropped."""
    package = Path(importlib.util.find_spec("tensorflow_gan").origin).parent
    stand_ins = {
        name: types.ModuleType(name)
        for name in ("tensorflow_gan", "tensorflow_gan.python", "tensorflow_gan.python.eval")
    }
    stand_ins["tensorflow_gan.python.eval"].eval_utils = None  # for streams alone
    spec = importlib.util.spec_from_file_location(
        "tfgan_classifier_metrics", package / "python" / "eval" / "classifier_metrics.py"
    )
    module = importlib.util.module_from_spec(spec)
    # Only the stand-ins go again: what is imported meanwhile (TensorFlow Probability) must stay.
    with pytest.MonkeyPatch.context() as patch, warnings.catch_warnings():
        for name, stand_in in stand_ins.items():
            patch.setitem(sys.modules, name, stand_in)
        warnings.simplefilter("ignore")  # about distutils, by TensorFlow Probability
        spec.loader.exec_module(module)
        module.tfp.stats.covariance  # noqa: B018  # loads that library now
    return module


@pytest.mark.parametrize("dim", [1, 12])
def test_fid(tfgan, tf, dim):
    """Two singular value decompositions against one Cholesky factor and eigenvalues."""
    real, fake = REAL[:, :dim], FAKE[:, :dim]
    theirs = tfgan.frechet_classifier_distance_from_activations(
        tf.constant(real), tf.constant(fake)
    )
    result = measure(real, fake, "fid", protocol="tf-gan")["fid"]
    assert result.value == pytest.approx(float(theirs), rel=1e-9)
    assert float(theirs) > 0.01


def test_fid_with_fewer_rows_than_dimensions(tfgan, tf):
    """Its singular values below 1e-10, of no direction at all, are left as they are."""
    real, fake = REAL.reshape(-1, 60)[:30], FAKE.reshape(-1, 60)[:25]
    theirs = tfgan.frechet_classifier_distance_from_activations(
        tf.constant(real), tf.constant(fake)
    )
    result = measure(real, fake, "fid", protocol="tf-gan")["fid"]
    assert result.value == pytest.approx(float(theirs), rel=1e-6)


def test_inception_score(tfgan, tf):
    theirs = tfgan.classifier_score_from_logits(tf.constant(LOGITS))
    options = {"metrics": "inception_score", "fake_logits": LOGITS, "protocol": "tf-gan"}
    assert measure(**options)["inception_score"].value == pytest.approx(float(theirs), rel=1e-12)


@pytest.mark.parametrize("size", [1024, 64, 50])
def test_kid(tfgan, tf, size):
    """One block, blocks of about 57 and 47 rows, and of 46 and 38, the last ones larger by one."""
    value, error = tfgan.kernel_classifier_distance_and_std_from_activations(
        tf.constant(REAL), tf.constant(FAKE), max_block_size=size
    )
    options = {} if size == 1024 else {"settings": {"kid": {"block_size": size}}}
    result = measure(REAL, FAKE, "kid", protocol="tf-gan", **options)["kid"]
    assert result.value == pytest.approx(float(value), rel=1e-10)
    assert result.has_interval == (size < 1024)
    if size < 1024:
        assert result.details["standard_error"] == pytest.approx(float(error), rel=1e-9)


def test_the_protocol_defines_what_is_compared_here():
    assert set(protocols.defined("tf-gan")) == {"fid", "kid", "inception_score"}
