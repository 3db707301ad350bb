"""`pix2pix`: an image translator that learns from pairs of images.

Isola et al. 2017, arXiv:1611.07004: a U-Net, a patch discriminator that reads input and image
together, an L1 loss and an adversarial loss. Dropout is the generator's only noise, and stays on
when the model is used.

Default differences: fewer channels, a U-Net down to 2 pixels, patches of 34 pixels, a higher
learning rate of the generator that falls to 0, less dropout, and batch norm with running moments
outside training. The paper uses the moments of the test batch, mostly one image; that equals
generator_norm=instance, which learns little on images of 32 pixels.
"""

from typing import Literal

import tensorflow as tf
from pydantic import Field, model_validator

from gantf.config import Defaults
from gantf.data.flips import random_flip
from gantf.game import Batch, DataSpec, Game, Translator
from gantf.layers.instance_norm import ImageNorm
from gantf.networks.patchgan import Patches, patchgan
from gantf.networks.unet import MOST_STAGES, WIDEST, fitting_stages, receptive_field_px, unet
from gantf.noise import Noise
from gantf.objectives import losses
from gantf.objectives.adversarial import AdversarialLoss
from gantf.objectives.ema import with_average
from gantf.objectives.players import adversarial_game, bind_inputs
from gantf.settings import Adversarial, Optimization, default, penalties_fit

NEEDS = "pairs"
RUN = Defaults(data="photo_edges", steps=4000, batch_size=16)


class Config(Adversarial, Patches, Optimization):
    """The settings of `pix2pix`."""

    r1_weight: float = default(Adversarial, "r1_weight", 0.0)
    generator_channels: int = Field(
        32,
        ge=1,
        description="channels of the generator's first layer, doubled at each halving up to "
        f"{WIDEST} times",
    )
    stages: int = Field(
        0,
        ge=0,
        le=MOST_STAGES,
        description="number of times the U-Net halves an image; 0: down to 2 pixels",
    )
    generator_norm: ImageNorm = Field("batch", description="normalisation layers of the generator")
    dropout: float = Field(
        0.3,
        ge=0,
        lt=1,
        description="fraction of units dropped in the U-Net's decoder, in training and in use; the "
        "generator's only noise",
    )
    mirror: bool = Field(True, description="flip training pairs from left to right at random")
    l1_weight: float = Field(
        100.0, ge=0, description="weight of the mean absolute error in the generator's loss"
    )
    generator_learning_rate: float = default(Optimization, "generator_learning_rate", 5e-4)
    discriminator_learning_rate: float = default(Optimization, "discriminator_learning_rate", 2e-4)
    beta_1: float = default(Optimization, "beta_1", 0.5)
    beta_2: float = default(Optimization, "beta_2", 0.999)
    schedule: Literal["constant", "linear", "cosine"] = default(Optimization, "schedule", "linear")
    schedule_from_step: int = default(Optimization, "schedule_from_step", RUN.steps // 3)
    schedule_until_step: int = default(Optimization, "schedule_until_step", RUN.steps)
    final_learning_rate_fraction: float = default(Optimization, "final_learning_rate_fraction", 0.0)
    ema_half_life_images: int = default(Optimization, "ema_half_life_images", 0)

    @model_validator(mode="after")
    def _check_penalties(self):
        penalties_fit("batch" if self.discriminator_norm == "batch" else "none", self)
        return self


def build(config: Config, data: DataSpec, seed: int) -> Game:
    """Builds networks and players for pairs of one size; call it in the strategy's scope.

    Raises:
      ValueError: inputs and images differ in height or width.
    """
    input_shape, image_shape = data.input_shape or data.image_shape, data.image_shape
    if input_shape[:2] != image_shape[:2]:
        raise ValueError(
            f"inputs of {input_shape[0]} x {input_shape[1]} and images of {image_shape[0]} x "
            f"{image_shape[1]} pixels: both images of a pair must have the same size; give "
            "--size"
        )
    stages = config.stages or fitting_stages(image_shape)
    generator = with_average(
        lambda name: unet(
            input_shape[2],
            image_shape[2],
            config.generator_channels,
            stages,
            config.generator_norm,
            config.dropout,
            seed,
            name,
        ),
        config.ema_half_life_images,
    )
    pair_shape = (*image_shape[:2], input_shape[2] + image_shape[2])
    discriminator = patchgan(config, pair_shape, seed, config.spectral_norm)
    adversarial = AdversarialLoss(config)

    def forward(batch: Batch, noise: Noise) -> Batch:
        real_pair = tf.concat([batch["input"], batch["image"]], axis=3)
        if config.mirror:
            real_pair = random_flip(real_pair, noise)
        inputs, images = tf.split(real_pair, (input_shape[2], image_shape[2]), axis=3)
        fake = generator.trained({"image": inputs}, training=True)
        fake_pair = tf.concat([inputs, fake], axis=3)
        pairs = {"real_pair": real_pair, "fake_pair": fake_pair}
        return {"input": inputs, "image": images, "fake": fake, **pairs}

    def discriminator_loss(batch: Batch, noise: Noise):
        output = adversarial.discriminator_loss(
            bind_inputs(discriminator, batch), batch["real_pair"], batch["fake_pair"], noise
        )
        return output.loss, output.observed

    def generator_loss(batch: Batch, noise: Noise):
        output = adversarial.generator_loss(
            bind_inputs(discriminator, batch), batch["real_pair"], batch["fake_pair"], noise
        )
        l1 = losses.per_example(tf.abs(batch["image"] - batch["fake"]))
        return output.loss + config.l1_weight * l1, {"l1": l1}

    return adversarial_game(
        config,
        adversarial,
        discriminator,
        generator,
        forward,
        discriminator_loss=discriminator_loss,
        generator_loss=generator_loss,
        translator=Translator(
            lambda batch: {"generator": (batch["input"], batch["image"])},
            receptive_field_px=receptive_field_px(stages),
            stride_px=2**stages,
        ),
        has_test_noise=config.dropout > 0,
    )
