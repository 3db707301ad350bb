"""`srgan`: images enlarged 4 times, trained for the pixels first and then against a discriminator.

Ledig et al. 2016, arXiv:1609.04802. The low-resolution images are made of the data, by antialiased
bicubic downsampling. For `pretraining_steps` steps the generator minimises the content loss alone,
which is the paper's SRResNet; from then on the adversarial loss comes in. What differs from the
paper by default: the content loss is the error of the pixels (its SRGAN-MSE), since the features of
VGG need its weights, which do not come with this package - `content=features` compares features
of the discriminator itself instead, as Larsen et al. 2015, arXiv:1512.09300, do; the discriminator
learns from the first step on, so that it knows its task when the adversarial loss sets in, and has
the R1 penalty, now and then, for batch norm; the generator is asked for what bicubic enlargement
lacks, has no batch norm and sees its images mirrored and turned (both as in Lim et al. 2017,
arXiv:1707.02921), and is smaller: 4 blocks of 32 channels.
"""

import math
from typing import Annotated, Any, Literal

import tensorflow as tf
from pydantic import BeforeValidator, Field, model_validator

from gantf.config import Defaults
from gantf.data.flips import turned
from gantf.game import Batch, DataSpec, Game, PerExample, Translator
from gantf.layers import resample
from gantf.networks import srresnet
from gantf.noise import Noise
from gantf.objectives.adversarial import AdversarialLoss
from gantf.objectives.ema import averaged
from gantf.objectives.losses import per_example
from gantf.objectives.players import adversarial_game, bind_inputs
from gantf.settings import Adversarial, Norm, Optimization, Schedule, default, penalties_fit

NEEDS = "images"
RUN = Defaults(data="photo_patches/64", steps=1000, batch_size=16)


def _whole(value: Any) -> Any:
    return int(value) if isinstance(value, str) and value.isdigit() else value


class Config(Adversarial, Optimization):
    """What `--set` can change."""

    upscaling: Annotated[Literal[2, 4], BeforeValidator(_whole)] = Field(
        4, description="side of the result over side of the input"
    )
    content: Literal["mse", "l1", "features"] = Field(
        "mse", description="error of the pixels, squared or absolute, or of D's features, squared"
    )
    adversarial_weight: float = Field(
        1e-3, ge=0, description="of the adversarial loss beside the content loss"
    )
    pretraining_steps: int = Field(
        500, ge=0, description="steps in which the generator minimises the content loss alone"
    )
    generator_channels: int = Field(32, ge=1, description="of all hidden layers")
    residual_blocks: int = Field(4, ge=0, description="of the generator, at the input's resolution")
    generator_norm: Literal["none", "batch"] = Field("none", description="normalisation layers")
    mirror: bool = Field(
        True, description="turn and flip training images at random, which makes 8 of each"
    )
    bicubic_skip: bool = Field(
        True, description="the generator adds to the bicubic enlargement instead of starting anew"
    )
    discriminator_channels: int = Field(16, ge=1, description="at full resolution")
    discriminator_norm: Norm = Field("none", description="normalisation layers")
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
    generator = averaged(
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
        real = turned(batch["image"], noise) if config.mirror else batch["image"]
        small = downsample(real, config.upscaling)
        return {**batch, "image": real, "fake": generator.trained({"image": small}, training=True)}

    def generator_loss(batch: Batch, noise: Noise):
        real, fake = batch["image"], batch["fake"]
        discriminator_fn = bind_inputs(discriminator, batch)
        content = content_loss(config.content, discriminator_fn, real, fake)
        deceived = adversarial.generator_loss(discriminator_fn, real, fake, noise).loss
        weight = config.adversarial_weight * tf.cast(
            noise.step >= config.pretraining_steps, tf.float32
        )
        observed = {"content": content, "adversarial": deceived, "psnr": psnr(real, fake)}
        return content + weight * deceived, observed

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
    """Images 1 / factor as large, bicubic and antialiased, cut to [-1, 1] as files are.

    Args:
      images: shape (n, H, W, C), in [-1, 1]; `factor` divides H and W.
      factor: whole.
    """
    height, width = images.shape[1] // factor, images.shape[2] // factor
    return tf.clip_by_value(resample.resize(images, height, width), -1.0, 1.0)


def content_loss(
    kind: Literal["mse", "l1", "features"], discriminator_fn, real: tf.Tensor, fake: tf.Tensor
) -> PerExample:
    """How far the fakes are from what they should be, >= 0, per example.

    Args:
      kind: "mse" for the mean squared error of the pixels, "l1" for the mean absolute one, or
        "features" for the mean squared error of the features, of all halvings alike.
      discriminator_fn: images -> [logits, features ...].
      real: shape (n, H, W, C).
      fake: likewise.

    Source: Ledig et al. 2016, arXiv:1609.04802, equations 4 (mse) and 5 (features, of VGG there).
    """
    if kind == "l1":
        return per_example(tf.abs(fake - real))
    if kind == "mse":
        return per_example(tf.square(fake - real))
    pairs = zip(discriminator_fn(real)[1:], discriminator_fn(fake)[1:], strict=True)
    errors = [per_example(tf.square(made - tf.stop_gradient(wanted))) for wanted, made in pairs]
    return tf.add_n(errors) / len(errors)


def psnr(real: tf.Tensor, fake: tf.Tensor) -> PerExample:
    """Peak signal-to-noise ratio in dB of images in [-1, 1], cut to that, per example."""
    error = per_example(tf.square(tf.clip_by_value(fake, -1.0, 1.0) - real)) / 4.0
    return -10.0 / math.log(10.0) * tf.math.log(tf.maximum(error, 1e-10))
