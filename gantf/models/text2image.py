"""`text2image`: draws images of what a short text says, by a discriminator that compares the two.

Reed et al. 2016, arXiv:1605.05396 (GAN-CLS): the discriminator is shown real images with their
texts, real images with wrong texts, and fakes with the texts that they were made for. With the
conditioning augmentation of Zhang et al. 2016, arXiv:1612.03242, in the generator. What differs
from the papers by default: networks, R1 penalty, optimizer and moving average are those of `gan`;
the texts are made from the names of the classes, and a wrong one is another class's; generator and
discriminator have a recurrent encoder of words each, trained with them from the start; the
discriminator compares image and text by a projection (Miyato & Koyama 2018, arXiv:1802.05637); the
latents are multiplied with the text's code, not laid beside it (`combine=concatenation`); outside
training that code is its law's mean, so that images are a function of the inputs.
"""

import keras
import numpy as np
import tensorflow as tf
from pydantic import Field, model_validator

from gantf.data import captions
from gantf.game import Batch, DataSpec, Game, Latents, TextInput
from gantf.networks import conditional, text
from gantf.noise import Noise
from gantf.objectives.adversarial import AdversarialLoss, diversity
from gantf.objectives.ema import averaged
from gantf.objectives.players import adversarial_game
from gantf.settings import Adversarial, Architecture, Optimization, Sampling, penalties_fit

NEEDS = "labels"


class Config(Adversarial, Architecture, Sampling, Optimization):
    """What `--set` can change."""

    text_dim: int = Field(32, ge=1, description="numbers in the encoders' word vectors and states")
    code_dim: int = Field(16, ge=1, description="numbers in the code by which G knows a text")
    combine: conditional.Combine = Field(
        "product", description="how G reads a text's code: times, or beside, the latents"
    )
    conditioning_weight: float = Field(
        0.001, ge=0, description="of the KL divergence of a text's code from N(0, I), in G's loss"
    )
    mismatch_weight: float = Field(
        0.5, ge=0, lt=1, description="of real images with wrong texts, among all that D must refuse"
    )
    condition: text.Condition = Field(
        "projection",
        description="how D compares image and text: in a hidden layer, or by an inner product",
    )

    @model_validator(mode="after")
    def _check_penalties(self):
        penalties_fit(self.discriminator_norm, self)
        return self


def build(config: Config, data: DataSpec, seed: int) -> Game:
    """Builds networks and players for images of one size; call it in the strategy's scope."""
    texts = captions.of_classes(data.class_names)
    known = captions.vocabulary(texts)
    draw_tokens = caption_drawer(texts, known)
    generator = averaged(
        lambda name: _generator(config, data, known, seed, name), config.ema_half_life_images
    )
    conditioned = text.conditioning_of(generator.trained)
    discriminator, matcher = _discriminator(config, data, known, seed)
    adversarial = AdversarialLoss(config)

    def forward(batch: Batch, noise: Noise) -> Batch:
        labels, classes = batch["label"], len(texts)
        tokens = draw_tokens(labels, noise.uniform("captions"))
        wrong = wrong_labels(labels, classes, noise.uniform("wrong_labels"))
        inputs = {
            "latents": noise.latents(config.latent_dim, config.latent_distribution),
            "tokens": tokens,
        }
        fake, law = conditioned(inputs, training=True)
        return {
            **batch,
            "fake": fake,
            "law": law,
            "tokens": tokens,
            "wrong_tokens": draw_tokens(wrong, noise.uniform("wrong_captions")),
        }

    def discriminator_fn_with(*many_tokens: tf.Tensor):
        """Images -> logits under each of some texts."""

        def discriminator_fn(images: tf.Tensor) -> list[tf.Tensor]:
            features = discriminator({"image": images}, training=True)
            return [
                matcher({"features": features, "tokens": tokens}, training=True)
                for tokens in many_tokens
            ]

        return discriminator_fn

    def discriminator_loss(batch: Batch, noise: Noise):
        output = adversarial.discriminator_loss(
            discriminator_fn_with(batch["tokens"], batch["wrong_tokens"]),
            batch["image"],
            batch["fake"],
            noise,
            discriminator_fn_with(batch["tokens"]),
        )
        (right, wrong), fake = output.real, output.fake[0]
        # The loss is a mean of two, real against fake and right text against wrong: the real
        # images' term is the same in both, and the other terms share the weight of one.
        wrong_text_loss = adversarial.noisy_label_loss(right, wrong, noise)
        against_wrong = wrong_text_loss - adversarial.noisy_label_loss(right, fake, noise)
        loss = output.loss + config.mismatch_weight * against_wrong
        ranking = tf.cast(right[:, 0] > wrong[:, 0], tf.float32)
        return loss, {**output.observed, "logit/wrong_text": wrong[:, 0], "text/ranking": ranking}

    def generator_loss(batch: Batch, noise: Noise):
        discriminator_fn = discriminator_fn_with(batch["tokens"])
        output = adversarial.generator_loss(discriminator_fn, batch["image"], batch["fake"], noise)
        divergence = text.kl_divergence(batch["law"])
        loss = output.loss + config.conditioning_weight * divergence
        observed = {"conditioning/divergence": divergence}
        return loss, {**observed, **diversity(batch["image"], batch["fake"])}

    return adversarial_game(
        config,
        adversarial,
        discriminator,
        generator,
        forward,
        discriminator_loss=discriminator_loss,
        generator_loss=generator_loss,
        more_networks={"matcher": matcher},
        discriminator_networks=(matcher,),
        latents=Latents(config.latent_dim, config.latent_distribution),
        label_fractions=data.class_fractions,
        text=TextInput(known.tokens_of, texts),
    )


def _generator(config, data: DataSpec, known: captions.Vocabulary, seed: int, name: str):
    return text.generator(
        config,
        data.image_shape,
        config.latent_dim,
        len(known.words),
        known.length,
        config.text_dim,
        config.code_dim,
        seed,
        name,
        config.combine,
    )


def _discriminator(config, data: DataSpec, known: captions.Vocabulary, seed: int):
    """Two networks: images -> features, and features and texts -> logits."""
    image = keras.Input(data.image_shape, name="image")
    features = conditional.discriminator_body(
        config, image, data.image_shape, config.spectral_norm, seed
    )
    matcher = text.matcher(
        features.shape[1],
        config.condition,
        len(known.words),
        known.length,
        config.text_dim,
        config.spectral_norm,
        seed,
    )
    return keras.Model({"image": image}, features, name="discriminator"), matcher


def caption_drawer(texts, known: captions.Vocabulary):
    """A function (labels (n,), uniform (n,) in [0, 1)) -> tokens (n, length) of their captions.

    Args:
      texts: the captions of each class.
      known: their words.
    """
    counts = np.array([len(of_class) for of_class in texts])
    tokens = np.array([known.tokens_of(text) for of_class in texts for text in of_class])
    first = np.cumsum(counts) - counts

    def draw(labels: tf.Tensor, uniform: tf.Tensor) -> tf.Tensor:
        count = tf.gather(tf.constant(counts, tf.float32), labels)
        row = tf.gather(tf.constant(first, tf.int64), labels)
        row += tf.cast(tf.floor(uniform * count), tf.int64)
        return tf.gather(tf.constant(tokens, tf.int64), row)

    return draw


def wrong_labels(labels: tf.Tensor, classes: int, uniform: tf.Tensor) -> tf.Tensor:
    """For each label another one, each of the others alike often.

    Args:
      labels: int64, shape (n,).
      classes: at least 2.
      uniform: U[0, 1), float32, shape (n,).
    """
    away = 1 + tf.cast(tf.floor(uniform * (classes - 1)), tf.int64)
    return (labels + away) % classes
