"""`acgan`: a conditional GAN whose discriminator also classifies each image.

Odena et al. 2016, arXiv:1610.09585, section 3: only the generator reads the label. The
discriminator has a second output, class logits. Both players minimise a classification loss: the
discriminator for real and fake images, the generator for its fakes.

Default differences from the paper: networks, R1 penalty, optimizer and moving average are those of
`gan`; the latents are multiplied by an embedding of the label, because with concatenation
(`combine=concatenation`, as in the paper) the generator soon ignores the latents and generates one
image per class; the class losses have a tenth of the weight of the adversarial losses; each fake
has the label of the real image in the same row.
"""

import tensorflow as tf
from pydantic import Field, model_validator

from gantf.game import Batch, DataSpec, Game, Latents
from gantf.networks import conditional
from gantf.noise import Noise
from gantf.objectives.adversarial import AdversarialLoss, diversity
from gantf.objectives.ema import with_average
from gantf.objectives.players import adversarial_game, bind_inputs, logits_of_images
from gantf.settings import Adversarial, Architecture, Optimization, Sampling, penalties_fit

NEEDS = "labels"


class Config(Adversarial, Architecture, Sampling, Optimization):
    """The settings of `acgan`."""

    combine: conditional.Combine = Field(
        "product",
        description="how the generator reads the label: its embedding is multiplied by the "
        "latents, or concatenated with them",
    )
    real_class_weight: float = Field(
        0.1,
        ge=0,
        description="weight of the classification loss of real images in the discriminator's loss",
    )
    fake_class_weight: float = Field(
        0.1,
        ge=0,
        description="weight of the classification loss of fakes in the discriminator's loss",
    )
    generator_class_weight: float = Field(
        0.1,
        ge=0,
        description="weight of the classification loss of fakes in the generator's loss",
    )

    @model_validator(mode="after")
    def _check_penalties(self):
        penalties_fit(self.discriminator_norm, self)
        if not self.real_class_weight and not self.fake_class_weight:
            raise ValueError(
                "real_class_weight and fake_class_weight are both 0, which trains no classifier; "
                "set one above 0, or use the model gan"
            )
        return self


def build(config: Config, data: DataSpec, seed: int) -> Game:
    """Builds networks and players for images of one size; call it in the strategy's scope."""
    shape, classes = data.image_shape, len(data.class_names)
    generator = with_average(
        lambda name: conditional.generator(
            config, shape, config.latent_dim, seed, classes, name, config.combine
        ),
        config.ema_half_life_images,
    )
    discriminator = conditional.discriminator(
        config, shape, seed, config.spectral_norm, classes, "classifier"
    )
    adversarial = AdversarialLoss(config)

    def forward(batch: Batch, noise: Noise) -> Batch:
        latents = noise.latents(config.latent_dim, config.latent_distribution)
        inputs = {"latents": latents, "label": batch["label"]}
        return {**batch, "fake": generator.trained(inputs, training=True)}

    def discriminator_loss(batch: Batch, noise: Noise):
        output = adversarial.discriminator_loss(
            bind_inputs(discriminator, batch), batch["image"], batch["fake"], noise
        )
        real_classes, fake_classes, labels = output.real[1], output.fake[1], batch["label"]
        loss = (
            output.loss
            + config.real_class_weight * classification_loss(real_classes, labels)
            + config.fake_class_weight * classification_loss(fake_classes, labels)
        )
        accuracies = {
            "classifier/real_accuracy": accuracy(real_classes, labels),
            "classifier/fake_accuracy": accuracy(fake_classes, labels),
        }
        return loss, {**output.observed, **accuracies}

    def generator_loss(batch: Batch, noise: Noise):
        output = adversarial.generator_loss(
            bind_inputs(discriminator, batch), batch["image"], batch["fake"], noise
        )
        class_loss = classification_loss(output.fake[1], batch["label"])
        loss = output.loss + config.generator_class_weight * class_loss
        return loss, diversity(batch["image"], batch["fake"])

    return adversarial_game(
        config,
        adversarial,
        discriminator,
        generator,
        forward,
        discriminator_loss=discriminator_loss,
        generator_loss=generator_loss,
        latents=Latents(config.latent_dim, config.latent_distribution),
        label_fractions=data.class_fractions,
        discriminator_fn=logits_of_images(discriminator),
    )


def classification_loss(class_logits: tf.Tensor, labels: tf.Tensor) -> tf.Tensor:
    """Returns -log softmax(class_logits)[label], the negative of one term of the paper's L_C.

    Args:
      class_logits: float32, shape (batch, classes); unbounded.
      labels: integers, shape (batch,), from 0 to classes - 1.

    Returns:
      Shape (batch,), >= 0.

    Source: Odena et al. 2016, arXiv:1610.09585, equation 3.
    """
    return tf.nn.sparse_softmax_cross_entropy_with_logits(labels, class_logits)


def accuracy(class_logits: tf.Tensor, labels: tf.Tensor) -> tf.Tensor:
    """Returns 1 if the label has the largest class logit, else 0; shape (batch,)."""
    return tf.cast(tf.equal(tf.argmax(class_logits, axis=1), labels), tf.float32)
