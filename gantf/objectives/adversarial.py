"""The adversarial losses of both players: augmentation, loss, penalties and logged values.

All adversarial settings of a model take effect here.
"""

import dataclasses
import functools
from collections.abc import Callable, Mapping
from typing import Any

import keras
import tensorflow as tf

from gantf.noise import Noise
from gantf.objectives import gradient_penalties, losses
from gantf.objectives.ada import Ada
from gantf.objectives.diffaugment import diffaugment
from gantf.settings import Adversarial

DiscriminatorFn = Callable[[tf.Tensor], Any]
"""Images -> logits (n, ..., 1), or a list of the logits and further outputs."""


@dataclasses.dataclass(frozen=True)
class LossOutput:
    """The loss of a batch, with the discriminator's outputs.

    Attributes:
      loss: to minimise, per example.
      observed: further values per example, by their names in the log.
      real: all outputs for the real images, logits first; empty if not computed.
      fake: all outputs for the fakes, logits first.
    """

    loss: tf.Tensor
    observed: Mapping[str, tf.Tensor]
    real: list[tf.Tensor]
    fake: list[tf.Tensor]


class AdversarialLoss:
    """The losses of one discriminator and of a generator, by the settings of a model.

    Attributes:
      state: by name, the layers that a checkpoint must contain besides the discriminator.
    """

    def __init__(
        self,
        settings: Adversarial,
        name: str = "discriminator",
        penalty_factor: Callable[[tf.Tensor], tf.Tensor] | None = None,
    ):
        """Makes the losses.

        Args:
          settings: the model's adversarial settings.
          name: prefix of names in the log and of noise, one for each discriminator.
          penalty_factor: step -> factor of all penalties; None for a factor of 1.
        """
        self.settings, self.name, self._penalty_factor = settings, name, penalty_factor
        self.ada = None
        self.state: dict[str, keras.Layer] = {}
        if settings.ada_target:
            self.ada = Ada(settings.ada_target, settings.ada_images, settings.ada_changes)
            self.state = {f"{name}_ada": self.ada}

    def discriminator_loss(
        self,
        discriminator_fn: DiscriminatorFn,
        real: tf.Tensor,
        fake: tf.Tensor,
        noise: Noise,
        fake_discriminator_fn: DiscriminatorFn | None = None,
    ) -> LossOutput:
        """Returns the discriminator's loss, with penalties.

        Args:
          discriminator_fn: the discriminator with its conditions for real images.
          real: images, shape (batch, H, W, C).
          fake: images, shape (batch, H, W, C).
          noise: the step's noise.
          fake_discriminator_fn: the discriminator with its conditions for fakes; None if both have
            the same conditions.
        """
        settings, fake_discriminator_fn = self.settings, fake_discriminator_fn or discriminator_fn
        real = self._seen(real, noise, "d/real")
        fake = self._seen(fake, noise, "d/fake")
        observed: dict[str, tf.Tensor] = {}
        penalty = tf.zeros(real.shape[0])
        shared = settings.r1_weight and settings.penalty_every_steps == 1
        if shared:
            r1_penalty, real_outputs = gradient_penalties.r1_penalty(discriminator_fn, real)
            observed[f"{self.name}/r1_penalty"] = r1_penalty
            penalty += settings.r1_weight * r1_penalty
        else:
            real_outputs = _outputs(discriminator_fn(real))
        fake_outputs = _outputs(fake_discriminator_fn(fake))
        real_logits, fake_logits = real_outputs[0], fake_outputs[0]
        loss = self.noisy_label_loss(real_logits, fake_logits, noise)
        for name, weight, values in self._penalties(
            discriminator_fn, fake_discriminator_fn, real, fake, noise, shared
        ):
            observed[f"{self.name}/{name}"] = values
            penalty += weight * values
        observed |= self._observe(real_logits, fake_logits)
        if self.ada is not None:
            self.ada.observe(real_logits, noise)
            probability = tf.convert_to_tensor(self.ada.probability)
            observed[f"{self.name}/ada_probability"] = tf.fill([real.shape[0]], probability)
        if self._penalty_factor is not None:
            penalty *= self._penalty_factor(noise.step)
        return LossOutput(loss + penalty, observed, real_outputs, fake_outputs)

    def generator_loss(
        self,
        discriminator_fn: DiscriminatorFn,
        real: tf.Tensor,
        fake: tf.Tensor,
        noise: Noise,
        fake_discriminator_fn: DiscriminatorFn | None = None,
    ) -> LossOutput:
        """Returns the generator's loss; arguments as for `discriminator_loss`."""
        fake_outputs = _outputs(
            (fake_discriminator_fn or discriminator_fn)(self._seen(fake, noise, "g/fake"))
        )
        real_outputs: list[tf.Tensor] = []
        if self.settings.loss in losses.COMPARING:
            real_outputs = _outputs(discriminator_fn(self._seen(real, noise, "g/real")))
        real_logits = (real_outputs or fake_outputs)[0]
        loss = losses.generator_loss(self.settings.loss, real_logits, fake_outputs[0])
        return LossOutput(loss, {}, real_outputs, fake_outputs)

    def _seen(self, images: tf.Tensor, noise: Noise, name: str) -> tf.Tensor:
        """Returns the images after augmentation and instance noise."""
        name = f"{self.name}/{name}"
        images = diffaugment(images, self.settings.diffaugment, noise, f"{name}/diffaugment")
        if self.ada is not None:
            images = self.ada.change(images, noise, f"{name}/ada")
        if self.settings.instance_noise:
            drawn = noise.normal(f"{name}/instance", images.shape[1:])
            images += self.settings.instance_noise * drawn
        return images

    def noisy_label_loss(
        self, real_logits: tf.Tensor, fake_logits: tf.Tensor, noise: Noise
    ) -> tf.Tensor:
        """Returns the discriminator's loss with smoothed, noisy and flipped labels.

        Calls with the same `noise` use the same labels.
        """
        settings = self.settings
        if settings.label_flips:
            flipped = noise.uniform(f"{self.name}/flips") < settings.label_flips
            flipped = tf.reshape(flipped, [-1] + [1] * (real_logits.shape.rank - 1))
            real_logits, fake_logits = (
                tf.where(flipped, fake_logits, real_logits),
                tf.where(flipped, real_logits, fake_logits),
            )
        smoothing: float | tf.Tensor = settings.label_smoothing
        if settings.label_noise:
            smoothing += settings.label_noise * noise.uniform(f"{self.name}/labels")
        return losses.discriminator_loss(settings.loss, real_logits, fake_logits, smoothing)

    def _penalties(self, discriminator_fn, fake_discriminator_fn, real, fake, noise, shared):
        """Yields (name, weight, values per example) of all penalties except a shared R1."""
        settings = self.settings
        penalties = {
            "r1_penalty": (0.0 if shared else settings.r1_weight, discriminator_fn, real),
            "r2_penalty": (settings.r2_weight, fake_discriminator_fn, fake),
        }
        for name, (weight, function, images) in penalties.items():
            if weight:
                penalty = functools.partial(_r1, function, images)
                yield name, weight, self._lazily(noise, penalty, real)
        if settings.gradient_penalty_weight:
            mixing = noise.uniform(f"{self.name}/mixing")
            values = self._lazily(
                noise,
                lambda: gradient_penalties.gradient_penalty(discriminator_fn, real, fake, mixing),
                real,
            )
            yield "gradient_penalty", settings.gradient_penalty_weight, values

    def _lazily(self, noise: Noise, penalty: Callable[[], tf.Tensor], images: tf.Tensor):
        every = self.settings.penalty_every_steps
        return gradient_penalties.lazily(penalty, noise.step, every, images.shape[0])

    def _observe(self, real_logits: tf.Tensor, fake_logits: tf.Tensor) -> dict[str, tf.Tensor]:
        """Returns the discriminator's values for the log, per example.

        The mean of "ranking" is the fraction of pairs in which the real image has the higher logit:
        1/2 if the discriminator cannot distinguish real from fake.
        """
        real, fake = losses.per_example(real_logits), losses.per_example(fake_logits)
        prefix = "" if self.name in ("discriminator", "critic") else f"{self.name}/"
        observed = {
            f"{prefix}logit/real": real,
            f"{prefix}logit/fake": fake,
            f"{self.name}/ranking": tf.cast(real > fake, tf.float32),
        }
        if self.settings.loss in losses.PROBABILISTIC:
            observed |= {f"{prefix}D(x)": tf.sigmoid(real), f"{prefix}D(G(z))": tf.sigmoid(fake)}
        return observed


def diversity(real: tf.Tensor, fake: tf.Tensor) -> dict[str, tf.Tensor]:
    """Returns the mean squared distance of neighbours in the batch, fake over real; 0: collapse."""
    if real.shape[0] < 2:
        return {}

    def spread(images: tf.Tensor) -> tf.Tensor:
        return tf.reduce_mean(tf.square(images - tf.roll(images, 1, axis=0)))

    least = (2.0 / 255.0) ** 2  # for equal real images: one step of eight bits
    ratio = spread(fake) / tf.maximum(spread(real), least)
    return {"diversity": tf.fill([real.shape[0]], ratio)}


def _outputs(outputs: Any) -> list[tf.Tensor]:
    return list(outputs) if isinstance(outputs, list | tuple) else [outputs]


def _r1(discriminator_fn: DiscriminatorFn, images: tf.Tensor) -> tf.Tensor:
    return gradient_penalties.r1_penalty(discriminator_fn, images)[0]
