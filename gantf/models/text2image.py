"""`text2image`: generates images from short texts; the discriminator compares image and text.

Reed et al. 2016, arXiv:1605.05396 (GAN-CLS): the discriminator sees real images with their texts,
real images with wrong texts, and fakes with their texts. The generator has the conditioning
augmentation of Zhang et al. 2016, arXiv:1612.03242.

Default differences from the papers: networks, R1 penalty, optimizer and moving average are those of
`gan`; the texts are made from the class names, and a wrong text is that of another class; generator
and discriminator each have a recurrent text encoder, trained with them from the start; the
discriminator compares image and text by a projection (Miyato & Koyama 2018, arXiv:1802.05637); the
latents are multiplied by the text's code, not concatenated with it (`combine=concatenation`);
outside training the code is the mean of its distribution, so that an image depends on the inputs
alone.
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
from gantf.objectives.ema import with_average
from gantf.objectives.players import adversarial_game
from gantf.settings import Adversarial, Architecture, Optimization, Sampling, penalties_fit

NEEDS = "labels"


class Config(Adversarial, Architecture, Sampling, Optimization):
    """The settings of `text2image`."""

    text_dim: int = Field(
        32, ge=1, description="size of the word vectors and of the state of the text encoders"
    )
    code_dim: int = Field(16, ge=1, description="size of the generator's code of a text")
    combine: conditional.Combine = Field(
        "product",
        description="how the generator reads a text's code: multiplied by the latents, or "
        "concatenated with them",
    )
    conditioning_weight: float = Field(
        0.001,
        ge=0,
        description="weight of the KL divergence between a text's code and N(0, I) in the "
        "generator's loss",
    )
    mismatch_weight: float = Field(
        0.5,
        ge=0,
        lt=1,
        description="weight of real images with wrong texts in the discriminator's loss; fakes "
        "have 1 minus this weight",
    )
    condition: text.Condition = Field(
        "projection",
        description="how the discriminator compares image and text: in a hidden layer, or by an "
        "inner product",
    )

    @model_validator(mode="after")
    def _check_penalties(self):
        penalties_fit(self.discriminator_norm, self)
        return self


def build(config: Config, data: DataSpec, seed: int) -> Game:
    """Builds networks and players for images of one size; call it in the strategy's scope."""
    texts = captions.of_classes(data.class_names)
    vocabulary = captions.vocabulary(texts)
    draw_tokens = caption_drawer(texts, vocabulary)
    generator = with_average(
        lambda name: _generator(config, data, vocabulary, seed, name), config.ema_half_life_images
    )
    conditioned = text.conditioning_of(generator.trained)
    discriminator, matcher = _discriminator(config, data, vocabulary, seed)
    adversarial = AdversarialLoss(config)

    def forward(batch: Batch, noise: Noise) -> Batch:
        labels, classes = batch["label"], len(texts)
        tokens = draw_tokens(labels, noise.uniform("captions"))
        wrong = wrong_labels(labels, classes, noise.uniform("wrong_labels"))
        inputs = {
            "latents": noise.latents(config.latent_dim, config.latent_distribution),
            "tokens": tokens,
        }
        fake, code_distribution = conditioned(inputs, training=True)
        return {
            **batch,
            "fake": fake,
            "code_distribution": code_distribution,
            "tokens": tokens,
            "wrong_tokens": draw_tokens(wrong, noise.uniform("wrong_captions")),
        }

    def discriminator_fn_with(*many_tokens: tf.Tensor):
        """Returns a function: images -> a list of logits, one for each of the texts."""

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
        # The loss is the weighted mean of two losses: real against fake, and right text against
        # wrong text. Both have the same term of the real images.
        wrong_text_loss = adversarial.noisy_label_loss(right, wrong, noise)
        against_wrong = wrong_text_loss - adversarial.noisy_label_loss(right, fake, noise)
        loss = output.loss + config.mismatch_weight * against_wrong
        ranking = tf.cast(right[:, 0] > wrong[:, 0], tf.float32)
        return loss, {**output.observed, "logit/wrong_text": wrong[:, 0], "text/ranking": ranking}

    def generator_loss(batch: Batch, noise: Noise):
        discriminator_fn = discriminator_fn_with(batch["tokens"])
        output = adversarial.generator_loss(discriminator_fn, batch["image"], batch["fake"], noise)
        divergence = text.kl_divergence(batch["code_distribution"])
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
        text=TextInput(vocabulary.tokens_of, texts),
    )


def _generator(config, data: DataSpec, vocabulary: captions.Vocabulary, seed: int, name: str):
    return text.generator(
        config,
        data.image_shape,
        config.latent_dim,
        len(vocabulary.words),
        vocabulary.length,
        config.text_dim,
        config.code_dim,
        seed,
        name,
        config.combine,
    )


def _discriminator(config, data: DataSpec, vocabulary: captions.Vocabulary, seed: int):
    """Returns two networks: images -> features, and features and texts -> logits."""
    image = keras.Input(data.image_shape, name="image")
    features = conditional.discriminator_body(
        config, image, data.image_shape, config.spectral_norm, seed
    )
    matcher = text.matcher(
        features.shape[1],
        config.condition,
        len(vocabulary.words),
        vocabulary.length,
        config.text_dim,
        config.spectral_norm,
        seed,
    )
    return keras.Model({"image": image}, features, name="discriminator"), matcher


def caption_drawer(texts, vocabulary: captions.Vocabulary):
    """Returns (labels (n,), uniform (n,) in [0, 1)) -> tokens (n, length) of random captions.

    Args:
      texts: the captions of each class.
      vocabulary: the words of the captions.
    """
    counts = np.array([len(of_class) for of_class in texts])
    tokens = np.array([vocabulary.tokens_of(text) for of_class in texts for text in of_class])
    first = np.cumsum(counts) - counts

    def draw(labels: tf.Tensor, uniform: tf.Tensor) -> tf.Tensor:
        count = tf.gather(tf.constant(counts, tf.float32), labels)
        row = tf.gather(tf.constant(first, tf.int64), labels)
        row += tf.cast(tf.floor(uniform * count), tf.int64)
        return tf.gather(tf.constant(tokens, tf.int64), row)

    return draw


def wrong_labels(labels: tf.Tensor, classes: int, uniform: tf.Tensor) -> tf.Tensor:
    """Returns another label for each label, with equal probability for all other classes.

    Args:
      labels: int64, shape (n,).
      classes: number of classes, at least 2.
      uniform: U[0, 1), float32, shape (n,).
    """
    offset = 1 + tf.cast(tf.floor(uniform * (classes - 1)), tf.int64)
    return (labels + offset) % classes
