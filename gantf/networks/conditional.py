"""A generator and a discriminator of one architecture, with or without labels."""

from typing import Literal

import keras
from keras import layers

from gantf.layers.initializers import normal
from gantf.layers.spectral import SpectralDense
from gantf.networks import dcgan, mlp, resnet
from gantf.settings import Architecture

Condition = Literal["none", "concatenation", "projection", "classifier"]
Combine = Literal["concatenation", "product"]
_ARCHITECTURES = {"dcgan": dcgan, "resnet": resnet, "mlp": mlp}


def generator(
    config: Architecture,
    image_shape: tuple[int, int, int],
    latent_dim: int,
    seed: int,
    classes: int = 0,
    name: str = "generator",
    combine: Combine = "concatenation",
) -> keras.Model:
    """{"latents": (n, latent_dim)[, "label": (n,)]} -> images (n, H, W, C) in [-1, 1].

    Args:
      config: the architecture and its sizes.
      image_shape: (H, W, C).
      latent_dim: size of the latent vector.
      seed: seed of the initial weights.
      classes: number of classes; 0: no labels.
      name: name of the model.
      combine: the label's embedding, of size `latent_dim`, is concatenated with the latents
        ("concatenation") or multiplied by them element by element ("product").
    """
    inputs = {"latents": keras.Input((latent_dim,), name="latents")}
    x = inputs["latents"]
    if classes:
        inputs["label"] = keras.Input((), dtype="int64", name="label")
        join = layers.Concatenate() if combine == "concatenation" else layers.Multiply()
        x = join([x, embed(inputs["label"], classes, latent_dim, seed, "g_label")])
    return finish(config, inputs, x, image_shape, seed, name)


def finish(config: Architecture, inputs: dict, x, image_shape, seed: int, name: str) -> keras.Model:
    """Builds a generator's layers from x, (n, d), to images in [-1, 1], and returns the model."""
    body = _ARCHITECTURES[config.network].generator_body
    x = body(x, image_shape, config, max_channels(config, image_shape), seed)
    images = layers.Activation("tanh", dtype="float32", name="images")(x)
    return keras.Model(inputs, images, name=name)


def discriminator(
    config: Architecture,
    image_shape: tuple[int, int, int],
    seed: int,
    spectral_norm: bool = False,
    classes: int = 0,
    condition: Condition = "none",
    name: str = "discriminator",
    output_bias: bool = True,
) -> keras.Model:
    """{"image": (n, H, W, C)[, "label": (n,)]} -> logits (n, 1), or also class logits.

    Args:
      config: the architecture and its sizes.
      image_shape: (H, W, C).
      seed: seed of the initial weights.
      spectral_norm: divide every kernel by its largest singular value.
      classes: number of classes; 0: no labels.
      condition: use of the labels: "concatenation": one more channel of the image; "projection": an
        inner product with the features; "classifier": not an input, and the model has a second
        output, class logits (n, classes); "none": no labels.
      name: name of the model.
      output_bias: whether the logits have a bias; a loss of differences of logits cannot train it.
    """
    dense = SpectralDense if spectral_norm else layers.Dense
    inputs = {"image": keras.Input(image_shape, name="image")}
    x = inputs["image"]
    if condition in ("concatenation", "projection"):
        inputs["label"] = keras.Input((), dtype="int64", name="label")
    if condition == "concatenation":
        height, width = image_shape[:2]
        plane = embed(inputs["label"], classes, height * width, seed, "d_label")
        x = layers.Concatenate()([x, layers.Reshape((height, width, 1))(plane)])
    features = discriminator_body(config, x, image_shape, spectral_norm, seed)
    logits = dense(1, use_bias=output_bias, kernel_initializer=normal(seed, "d_out"))(features)
    if condition == "projection":
        embedded = embed(inputs["label"], classes, features.shape[1], seed, "d_label")
        logits = layers.Add()([logits, layers.Dot(axes=1)([features, embedded])])
    logits = layers.Activation("linear", dtype="float32", name="logits")(logits)
    if condition != "classifier":
        return keras.Model(inputs, logits, name=name)
    class_logits = layers.Dense(classes, kernel_initializer=normal(seed, "d_class"))(features)
    class_logits = layers.Activation("linear", dtype="float32", name="class_logits")(class_logits)
    return keras.Model(inputs, [logits, class_logits], name=name)


def discriminator_body(config: Architecture, images, image_shape, spectral_norm: bool, seed: int):
    """Maps images (n, H, W, C) to features (n, d), by the architecture's discriminator."""
    widest = max_channels(config, image_shape)
    return _ARCHITECTURES[config.network].discriminator_body(
        images, image_shape, config, widest, spectral_norm, seed
    )


def embed(label, classes: int, width: int, seed: int, layer: str):
    """Maps labels (n,) to vectors (n, width), one learned vector per class."""
    return layers.Embedding(classes, width, embeddings_initializer=normal(seed, layer, 1.0))(label)


def max_channels(config: Architecture, image_shape: tuple[int, int, int]) -> int:
    """Returns the largest number of channels at any resolution."""
    return config.max_channels or min(8 * max(image_shape[:2]), 512)
