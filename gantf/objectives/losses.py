"""Adversarial losses, one value per example. Only this module imports TF-GAN."""

import sys
import types
import warnings
from collections.abc import Callable
from typing import get_args

import tensorflow as tf

from gantf.settings import SMOOTHABLE, Loss

NAMES = get_args(Loss)
PROBABILISTIC = ("minimax", "non_saturating")  # D(x) is a probability
COMPARING = ("relativistic", "relativistic_pairing")  # the generator's loss also needs D(x)
_TFGAN_NAMES = {"non_saturating": "modified", "hinge": "wasserstein_hinge"}


def _import_tfgan():
    """Imports TF-GAN's losses, with a stand-in for estimators, which TensorFlow no longer has."""
    stand_in = types.ModuleType("tensorflow_gan.python.estimator")
    stand_in.__all__ = []  # type: ignore[attr-defined]
    sys.modules.setdefault(stand_in.__name__, stand_in)
    tf.estimator = types.SimpleNamespace(SessionRunHook=object)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # about distutils, in libraries that TF-GAN imports
            import tensorflow_gan
    finally:
        del tf.estimator
    return tensorflow_gan.losses.wargs


_tfgan = _import_tfgan()


def discriminator_loss(
    name: str,
    real_logits: tf.Tensor,
    fake_logits: tf.Tensor,
    label_smoothing: float | tf.Tensor = 0.0,
) -> tf.Tensor:
    """Returns the loss of the discriminator (the critic, for "wasserstein").

    | name | per example, with r = D(x), f = D(G(z)) |
    |---|---|
    | minimax, non_saturating | -log sigmoid(r) - log(1 - sigmoid(f)) |
    | least_squares | (r - 1)^2 / 2 + f^2 / 2 |
    | hinge | max(0, 1 - r) + max(0, 1 + f) |
    | wasserstein | f - r |
    | relativistic | -log sigmoid(r - mean f) - log(1 - sigmoid(f - mean r)) |
    | relativistic_pairing | -log sigmoid(r - f) |

    Args:
      name: one of `NAMES`.
      real_logits: D(x), float, shape (batch,) or (batch, ..., 1); unbounded.
      fake_logits: D(G(z)), same shape and dtype as `real_logits`.
      label_smoothing: in [0, 1), one number or one per example; amount subtracted from the label 1
        of real images, for the losses of `SMOOTHABLE`.

    Returns:
      Tensor of shape (batch,), averaged over patches but not over the batch.

    Raises:
      ValueError: the static shapes differ, or the loss has no label to smooth.

    Source:
      Goodfellow et al. 2014, arXiv:1406.2661; Mao et al. 2017, arXiv:1611.04076; Lim & Ye 2017,
      arXiv:1705.02894; Arjovsky et al. 2017, arXiv:1701.07875; Jolicoeur-Martineau 2018,
      arXiv:1807.00734, equation 7 for "relativistic", 3 and 4 for "relativistic_pairing".
    """
    _check(name, real_logits, fake_logits)
    smooth = tf.is_tensor(label_smoothing) or label_smoothing > 0
    if smooth and name not in SMOOTHABLE:
        raise ValueError(f"label_smoothing has no meaning for the loss {name!r}")
    if name == "relativistic":
        real_against, fake_against = _relative(real_logits, fake_logits)
        return per_example(tf.nn.softplus(-real_against) + tf.nn.softplus(fake_against))
    if name == "relativistic_pairing":
        return per_example(tf.nn.softplus(fake_logits - real_logits))
    options = {}
    if name in SMOOTHABLE:  # TF-GAN takes one number; smoothing is added per example below
        options = {"real_label": 1.0} if name == "least_squares" else {"label_smoothing": 0.0}
    loss = per_example(_from_tfgan(name, "discriminator")(real_logits, fake_logits, **options))
    return loss + _smoothing(name, real_logits, label_smoothing) if smooth else loss


def _smoothing(name: str, real_logits: tf.Tensor, amount: float | tf.Tensor) -> tf.Tensor:
    """Returns the change of the loss by a label 1 - amount (cross-entropies: 1 - amount / 2)."""
    mean = per_example(real_logits)
    if name == "least_squares":  # ((r - 1 + s)^2 - (r - 1)^2) / 2
        return amount * (mean - 1.0) + 0.5 * tf.square(amount)
    return 0.5 * amount * mean  # softplus(r) - softplus(-r) is r


def generator_loss(name: str, real_logits: tf.Tensor, fake_logits: tf.Tensor) -> tf.Tensor:
    """Returns the generator's loss.

    | name | per example, with r = D(x), f = D(G(z)) |
    |---|---|
    | minimax | log(1 - sigmoid(f)) |
    | non_saturating | -log sigmoid(f) |
    | least_squares | (f - 1)^2 / 2 |
    | hinge, wasserstein | -f |
    | relativistic | -log sigmoid(f - mean r) - log(1 - sigmoid(r - mean f)) |
    | relativistic_pairing | -log sigmoid(f - r) |

    Args:
      name: one of `NAMES`.
      real_logits: D(x), float, shape (batch,) or (batch, ..., 1); only the losses of
        `COMPARING` use it.
      fake_logits: D(G(z)), same shape and dtype as `real_logits`.

    Returns:
      Tensor of shape (batch,), averaged over patches but not over the batch.

    Raises:
      ValueError: the static shapes differ.

    Source: as for `discriminator_loss`.
    """
    _check(name, real_logits, fake_logits)
    if name == "relativistic":
        real_against, fake_against = _relative(real_logits, fake_logits)
        return per_example(tf.nn.softplus(-fake_against) + tf.nn.softplus(real_against))
    if name == "relativistic_pairing":
        return per_example(tf.nn.softplus(real_logits - fake_logits))
    if name == "minimax":  # TF-GAN adds a constant to the paper's log(1 - D)
        return per_example(-tf.nn.softplus(fake_logits))
    # The hinge and the Wasserstein loss of the generator are equal; TF-GAN has both.
    return per_example(_from_tfgan(name, "generator")(fake_logits))


def _from_tfgan(name: str, side: str) -> Callable[..., tf.Tensor]:
    function = getattr(_tfgan, f"{_TFGAN_NAMES.get(name, name)}_{side}_loss")

    def loss(*logits: tf.Tensor, **options: float) -> tf.Tensor:
        none = tf.compat.v1.losses.Reduction.NONE
        return function(*logits, reduction=none, loss_collection=None, **options)

    return loss


def _relative(real_logits: tf.Tensor, fake_logits: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
    """Returns real - mean fake and fake - mean real; the means are over the global batch."""
    means = [tf.reduce_mean(fake_logits), tf.reduce_mean(real_logits)]
    context = tf.distribute.get_replica_context()
    if context and context.num_replicas_in_sync > 1:
        means = context.all_reduce(tf.distribute.ReduceOp.MEAN, means)
    return real_logits - means[0], fake_logits - means[1]


def _check(name: str, real_logits: tf.Tensor, fake_logits: tf.Tensor) -> None:
    if name not in NAMES:
        raise ValueError(f"loss must be one of {', '.join(NAMES)}; got {name!r}")
    if not real_logits.shape.is_compatible_with(fake_logits.shape):
        raise ValueError(
            f"real_logits {real_logits.shape} and fake_logits {fake_logits.shape} differ in shape"
        )


def per_example(values: tf.Tensor) -> tf.Tensor:
    """Returns the mean over all axes except the first, shape (batch,)."""
    return tf.reduce_mean(values, axis=list(range(1, values.shape.rank)))
