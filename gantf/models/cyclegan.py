"""`cyclegan`: two translators between two sets of images, without pairs.

Zhu et al. 2017, arXiv:1703.10593: least-squares loss, two pools of earlier fakes, instance norm,
reflection padding, one optimizer for both generators, learning rates that fall to 0.

Default differences, for images of 32 pixels and some minutes on two cores: fewer channels and
residual blocks, patches of 34 pixels, a higher learning rate of the generators. The last layer of a
generator also reads the image (`input_skip`), because instance norm removes the brightness of an
image without structure. The generators' least-squares loss is half of the published one, so a cycle
weight of 5 corresponds to the published 10. The identity weight is two fifths of the published one,
because the latter keeps the generators from changing small images. As published, at 256 pixels:
generator_channels=64, residual_blocks=9, discriminator_channels=64, input_skip=false,
identity_weight=2.5.
"""

import dataclasses
from collections.abc import Mapping
from typing import Literal

import keras
import tensorflow as tf
from pydantic import Field, model_validator

from gantf.config import Defaults
from gantf.game import Batch, DataSpec, Game, Translator
from gantf.networks.patchgan import Patches, patchgan
from gantf.networks.translator import DOWN, translator
from gantf.noise import Noise
from gantf.objectives import losses
from gantf.objectives.adversarial import AdversarialLoss
from gantf.objectives.ema import AveragedNetwork, with_average
from gantf.objectives.image_pool import ImagePool
from gantf.objectives.players import player
from gantf.settings import Adversarial, Loss, Optimization, default, penalties_fit

NEEDS = "domains"
RUN = Defaults(data="photo_patches", steps=2000, batch_size=4)


class Config(Adversarial, Patches, Optimization):
    """The settings of `cyclegan`."""

    loss: Loss = default(Adversarial, "loss", "least_squares")
    r1_weight: float = default(Adversarial, "r1_weight", 0.0)
    generator_channels: int = Field(
        24, ge=1, description="channels of each generator at full resolution"
    )
    residual_blocks: int = Field(3, ge=0, description="number of residual blocks of each generator")
    input_skip: bool = Field(
        True,
        description="the generator's last layer also reads the input image, whose brightness "
        "instance norm removes",
    )
    cycle_weight: float = Field(5.0, ge=0, description="weight of the cycle-consistency loss")
    identity_weight: float = Field(
        1.0,
        ge=0,
        description="weight of the identity loss: how much a generator changes images that are "
        "already in its target domain",
    )
    pool_images: int = Field(
        50, ge=0, description="earlier fakes in the pool of each discriminator; 0: no pool"
    )
    generator_learning_rate: float = default(Optimization, "generator_learning_rate", 1e-3)
    discriminator_learning_rate: float = default(Optimization, "discriminator_learning_rate", 2e-4)
    beta_1: float = default(Optimization, "beta_1", 0.5)
    beta_2: float = default(Optimization, "beta_2", 0.999)
    schedule: Literal["constant", "linear", "cosine"] = default(Optimization, "schedule", "linear")
    schedule_from_step: int = default(Optimization, "schedule_from_step", RUN.steps // 2)
    schedule_until_step: int = default(Optimization, "schedule_until_step", RUN.steps)
    final_learning_rate_fraction: float = default(Optimization, "final_learning_rate_fraction", 0.0)
    ema_half_life_images: int = default(Optimization, "ema_half_life_images", 0)

    @model_validator(mode="after")
    def _check_penalties(self):
        penalties_fit("batch" if self.discriminator_norm == "batch" else "none", self)
        return self


@dataclasses.dataclass(frozen=True)
class _DomainDiscriminator:
    """The discriminator of one domain, with its losses.

    Attributes:
      domain: "a" or "b".
      network: the discriminator.
      adversarial: the adversarial losses of the domain.
      pool: fakes of earlier steps; None without a pool.
    """

    domain: str
    network: keras.Model
    adversarial: AdversarialLoss
    pool: ImagePool | None

    @property
    def networks(self) -> dict[str, keras.Layer]:
        """The networks and layers whose variables belong into a checkpoint."""
        pool = {self.pool.name: self.pool} if self.pool is not None else {}
        return {self.adversarial.name: self.network, **self.adversarial.state, **pool}

    def discriminator_fn(self, images: tf.Tensor) -> tf.Tensor:
        """Returns the logits of each patch."""
        return self.network({"image": images}, training=True)

    def discriminator_loss(self, batch: Batch, noise: Noise):
        """Returns the discriminator's loss and the values to log."""
        real, fake = batch[self.domain], batch[f"fake_{self.domain}"]
        if self.pool is not None:
            fake = self.pool.exchange(fake, noise)
        output = self.adversarial.discriminator_loss(self.discriminator_fn, real, fake, noise)
        return output.loss, output.observed

    def generator_loss(self, batch: Batch, noise: Noise) -> tf.Tensor:
        """Returns the adversarial loss of the generator whose target is this domain."""
        real, fake = batch[self.domain], batch[f"fake_{self.domain}"]
        return self.adversarial.generator_loss(self.discriminator_fn, real, fake, noise).loss


def build(config: Config, data: DataSpec, seed: int) -> Game:
    """Builds the translators between two domains; call it in the strategy's scope.

    Raises:
      ValueError: the images of the domains differ in size, or in channels with an identity loss.
    """
    shapes = {"a": data.input_shape or data.image_shape, "b": data.image_shape}
    _check(config, shapes)
    generators = {name: _generator(config, shapes, name, seed) for name in ("a2b", "b2a")}
    a2b, b2a = (generator.trained for generator in generators.values())
    discriminators = [
        _domain_discriminator(config, domain, shape, seed) for domain, shape in shapes.items()
    ]

    def translate(network: keras.Model, images: tf.Tensor) -> tf.Tensor:
        return network({"image": images}, training=True)

    def forward(batch: Batch, noise: Noise) -> Batch:
        a, b = batch["a"], batch["b"]
        fake_a, fake_b = translate(b2a, b), translate(a2b, a)
        translations = {"fake_a": fake_a, "fake_b": fake_b}
        translations |= {"cycle_a": translate(b2a, fake_b), "cycle_b": translate(a2b, fake_a)}
        if config.identity_weight:
            translations |= {"identity_a": translate(b2a, a), "identity_b": translate(a2b, b)}
        return {**batch, **translations}

    def generator_loss(batch: Batch, noise: Noise):
        loss = tf.add_n([d.generator_loss(batch, noise) for d in discriminators])
        observed = {}
        for kind, weight in (("cycle", config.cycle_weight), ("identity", config.identity_weight)):
            for domain in shapes:
                if f"{kind}_{domain}" in batch:
                    error = distance(batch[domain], batch[f"{kind}_{domain}"])
                    observed[f"{kind}/{domain}"] = error
                    loss += weight * error
        return loss, observed

    return Game(
        networks=_all_networks(generators, discriminators),
        forward=forward,
        players=(
            player(config, "generator", (a2b, b2a), generator_loss, config.generator_learning_rate),
            *(
                player(
                    config,
                    discriminator.adversarial.name,
                    (discriminator.network,),
                    discriminator.discriminator_loss,
                    config.discriminator_learning_rate,
                )
                for discriminator in discriminators
            ),
        ),
        generators={name: generator.sampled for name, generator in generators.items()},
        averages=tuple(
            average for generator in generators.values() for average in generator.averages
        ),
        accumulation=config.accumulation,
        translator=Translator(
            lambda batch: {"a2b": (batch["a"], batch["b"]), "b2a": (batch["b"], batch["a"])},
            paired=False,
            stride_px=2**DOWN,
        ),
    )


def distance(images: tf.Tensor, others: tf.Tensor) -> tf.Tensor:
    """Returns the mean absolute difference of images in [-1, 1], shape (batch,)."""
    return losses.per_example(tf.abs(images - others))


def _check(config: Config, shapes: Mapping[str, tuple[int, int, int]]) -> None:
    a, b = shapes["a"], shapes["b"]
    if a[:2] != b[:2]:
        raise ValueError(
            f"images of {a[0]} x {a[1]} and of {b[0]} x {b[1]} pixels: the two domains must have "
            "the same size; give --size"
        )
    if a[2] != b[2] and config.identity_weight:
        raise ValueError(
            f"identity_weight={config.identity_weight:g} needs domains with the same number of "
            f"channels, but they have {a[2]} and {b[2]}; set identity_weight=0"
        )


def _generator(config: Config, shapes: Mapping[str, tuple[int, int, int]], way: str, seed: int):
    """Returns the generator "a2b" or "b2a", and its moving average if there is one."""
    origin, target = (shapes[domain][2] for domain in way.split("2"))
    sizes = config.generator_channels, config.residual_blocks, config.input_skip
    return with_average(
        lambda name: translator(origin, target, *sizes, seed, name),
        config.ema_half_life_images,
        way,
    )


def _domain_discriminator(
    config: Config, domain: str, shape: tuple[int, int, int], seed: int
) -> _DomainDiscriminator:
    name = f"discriminator_{domain}"
    pool = None
    if config.pool_images:
        pool = ImagePool(config.pool_images, shape, name=f"pool_{domain}")
    network = patchgan(config, shape, seed, config.spectral_norm, name)
    return _DomainDiscriminator(domain, network, AdversarialLoss(config, name), pool)


def _all_networks(
    generators: Mapping[str, AveragedNetwork], discriminators: list[_DomainDiscriminator]
) -> dict[str, keras.Layer]:
    """Returns all networks of the game by name."""
    networks: dict[str, keras.Layer] = {}
    for generator in generators.values():
        networks |= generator.networks
    for discriminator in discriminators:
        networks |= discriminator.networks
    return networks
