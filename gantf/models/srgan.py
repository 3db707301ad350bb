"""`srgan`: super-resolution by a factor of 4, trained on pixels first, then with a discriminator.

Ledig et al. 2016, arXiv:1609.04802. The low-resolution images are made from the data by antialiased
bicubic downsampling. For `pretraining_steps` steps the generator minimises the content loss alone,
like the paper's SRResNet; then the adversarial loss is added.

Default differences from the paper:

- The content loss is the pixel error (the paper's SRGAN-MSE), because the weights of VGG are not in
  this package. `content=features` compares features of the discriminator instead, as in Larsen et
  al. 2015, arXiv:1512.09300.
- The discriminator is trained from the first step, so that it is useful when the adversarial loss
  is added. It has a lazy R1 penalty instead of batch norm.
- The generator's output is added to the bicubic upsampling of its input. The generator has no batch
  norm, and its training images are flipped and rotated at random (both as in Lim et al. 2017,
  arXiv:1707.02921). It is smaller: 4 blocks of 32 channels.
"""

import math
from typing import Annotated, Any, Literal

import tensorflow as tf
from pydantic import BeforeValidator, Field, model_validator

from gantf.config import Defaults
from gantf.data.flips import rotate_and_flip
from gantf.game import Batch, DataSpec, Game, PerExample, Translator
from gantf.layers import resample
from gantf.networks import srresnet
from gantf.noise import Noise
from gantf.objectives.adversarial import AdversarialLoss
from gantf.objectives.ema import with_average
from gantf.objectives.losses import per_example
from gantf.objectives.players import adversarial_game, bind_inputs
from gantf.settings import Adversarial, Norm, Optimization, Schedule, default, penalties_fit

NEEDS = "images"
RUN = Defaults(data="photo_patches/64", steps=1000, batch_size=16)


def _whole(value: Any) -> Any:
    return int(value) if isinstance(value, str) and value.isdigit() else value


class Config(Adversarial, Optimization):
    """The settings of `srgan`."""

    upscaling: Annotated[Literal[2, 4], BeforeValidator(_whole)] = Field(
        4, description="side of the enlarged image, divided by the side of the generator's input"
    )
    content: Literal["mse", "l1", "features"] = Field(
        "mse",
        description="content loss of the generator: squared or absolute pixel error, or squared "
        "error of the discriminator's features",
    )
    adversarial_weight: float = Field(
        1e-3,
        ge=0,
        description="weight of the adversarial loss in the generator's loss; the content loss has "
        "weight 1",
    )
    pretraining_steps: int = Field(
        500, ge=0, description="first steps, in which the generator minimises only the content loss"
    )
    generator_channels: int = Field(
        32, ge=1, description="channels of the generator's hidden layers"
    )
    residual_blocks: int = Field(
        4, ge=0, description="residual blocks of the generator, at the input's resolution"
    )
    generator_norm: Literal["none", "batch"] = Field(
        "none", description="normalisation layers of the generator"
    )
    mirror: bool = Field(
        True, description="flip and rotate training images at random, in 8 ways if they are square"
    )
    bicubic_skip: bool = Field(
        True, description="add the bicubic upsampling of the input to the generator's output"
    )
    discriminator_channels: int = Field(
        16, ge=1, description="channels of the discriminator at full resolution"
    )
    discriminator_norm: Norm = Field(
        "none", description="normalisation layers of the discriminator"
    )
    penalty_every_steps: int = default(Adversarial, "penalty_every_steps", 4)
    generator_learning_rate: float = default(Optimization, "generator_learning_rate", 1e-3)
    discriminator_learning_rate: float = default(Optimization, "discriminator_learning_rate", 1e-3)
    schedule: Schedule = default(Optimization, "schedule", "cosine")
    schedule_until_step: int = default(Optimization, "schedule_until_step", 500)
    final_learning_rate_fraction: float = default(Optimization, "final_learning_rate_fraction", 0.1)
    beta_1: float = default(Optimization, "beta_1", 0.9)
    beta_2: float = default(Optimization, "beta_2", 0.999)
    ema_half_life_images: int = default(Optimization, "ema_half_life_images", 0)

    @model_validator(mode="after")
    def _check_penalties(self):
        penalties_fit(self.discriminator_norm, self)
        return self


def build(config: Config, data: DataSpec, seed: int) -> Game:
    """Builds networks and players for images of one size; call it in the strategy's scope."""
    height, width, channels = data.image_shape
    if height % config.upscaling or width % config.upscaling:
        raise ValueError(
            f"images of {height} x {width} pixels: upscaling={config.upscaling} must divide both "
            "sides; choose another size with --size"
        )
    generator = with_average(
        lambda name: srresnet.generator(
            channels,
            config.generator_channels,
            config.residual_blocks,
            config.generator_norm,
            config.upscaling,
            config.bicubic_skip,
            seed,
            name,
        ),
        config.ema_half_life_images,
    )
    discriminator = srresnet.discriminator(
        data.image_shape,
        config.discriminator_channels,
        config.discriminator_norm,
        config.spectral_norm,
        seed,
    )
    adversarial = AdversarialLoss(config)

    def forward(batch: Batch, noise: Noise) -> Batch:
        real = rotate_and_flip(batch["image"], noise) if config.mirror else batch["image"]
        small = downsample(real, config.upscaling)
        return {**batch, "image": real, "fake": generator.trained({"image": small}, training=True)}

    def generator_loss(batch: Batch, noise: Noise):
        real, fake = batch["image"], batch["fake"]
        discriminator_fn = bind_inputs(discriminator, batch)
        content = content_loss(config.content, discriminator_fn, real, fake)
        adversarial_loss = adversarial.generator_loss(discriminator_fn, real, fake, noise).loss
        weight = config.adversarial_weight * tf.cast(
            noise.step >= config.pretraining_steps, tf.float32
        )
        observed = {"content": content, "adversarial": adversarial_loss, "psnr": psnr(real, fake)}
        return content + weight * adversarial_loss, observed

    return adversarial_game(
        config,
        adversarial,
        discriminator,
        generator,
        forward,
        generator_loss=generator_loss,
        translator=Translator(
            lambda batch: {
                "generator": (downsample(batch["image"], config.upscaling), batch["image"])
            },
            upscaling=config.upscaling,
            receptive_field_px=srresnet.receptive_field_px(
                config.residual_blocks, config.upscaling, config.bicubic_skip
            ),
        ),
    )


def downsample(images: tf.Tensor, factor: int) -> tf.Tensor:
    """Returns images with sides 1 / factor as long: bicubic, antialiased, clipped to [-1, 1].

    Args:
      images: shape (n, H, W, C), in [-1, 1].
      factor: integer; must divide H and W.
    """
    height, width = images.shape[1] // factor, images.shape[2] // factor
    return tf.clip_by_value(resample.resize(images, height, width), -1.0, 1.0)


def content_loss(
    kind: Literal["mse", "l1", "features"], discriminator_fn, real: tf.Tensor, fake: tf.Tensor
) -> PerExample:
    """Returns the error of the fakes, >= 0, per example.

    Args:
      kind: "mse" for the mean squared error of the pixels, "l1" for the mean absolute one, or
        "features" for the mean squared error of the features, averaged over the halvings.
      discriminator_fn: images -> [logits, features ...].
      real: shape (n, H, W, C).
      fake: shape (n, H, W, C).

    Source: Ledig et al. 2016, arXiv:1609.04802, equations 4 (mse) and 5 (features, there VGG's).
    """
    if kind == "l1":
        return per_example(tf.abs(fake - real))
    if kind == "mse":
        return per_example(tf.square(fake - real))
    pairs = zip(discriminator_fn(real)[1:], discriminator_fn(fake)[1:], strict=True)
    errors = [per_example(tf.square(fake - tf.stop_gradient(real))) for real, fake in pairs]
    return tf.add_n(errors) / len(errors)


def psnr(real: tf.Tensor, fake: tf.Tensor) -> PerExample:
    """Returns the peak signal-to-noise ratio in dB, of images clipped to [-1, 1], per example."""
    error = per_example(tf.square(tf.clip_by_value(fake, -1.0, 1.0) - real)) / 4.0
    return -10.0 / math.log(10.0) * tf.math.log(tf.maximum(error, 1e-10))
