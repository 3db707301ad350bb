"""A generator and a discriminator of one architecture, with or without conditions."""

from typing import Literal

import keras
from keras import layers

from gantf.layers.building import normal
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
      latent_dim: width of the latents.
      seed: of the initial weights.
      classes: of labels; 0 for none.
      name: of the model.
      combine: an embedding of the label, as wide as the latents, goes beside them
        ("concatenation") or is multiplied with them, number by number ("product").
    """
    inputs = {"latents": keras.Input((latent_dim,), name="latents")}
    x = inputs["latents"]
    if classes:
        inputs["label"] = keras.Input((), dtype="int64", name="label")
        join = layers.Concatenate() if combine == "concatenation" else layers.Multiply()
        x = join([x, embed(inputs["label"], classes, latent_dim, seed, "g_label")])
    return finish(config, inputs, x, image_shape, seed, name)


def finish(config: Architecture, inputs: dict, x, image_shape, seed: int, name: str) -> keras.Model:
    """The rest of a generator, from what it is fed, (n, d), to images in [-1, 1]."""
    grow = _ARCHITECTURES[config.network].grow
    x = grow(x, image_shape, config, max_channels(config, image_shape), seed)
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
      seed: of the initial weights.
      spectral_norm: divide every kernel by its largest singular value.
      classes: of labels; 0 for none.
      condition: what is made of the labels: one more channel of the image ("concatenation"), an
        inner product with the features ("projection"), or nothing, but a second output (n,
        classes) tells the class ("classifier").
      name: of the model.
      output_bias: whether the logits have one; a loss of their differences cannot move it.
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
    told = layers.Dense(classes, kernel_initializer=normal(seed, "d_class"))(features)
    told = layers.Activation("linear", dtype="float32", name="class_logits")(told)
    return keras.Model(inputs, [logits, told], name=name)


def discriminator_body(config: Architecture, images, image_shape, spectral_norm: bool, seed: int):
    """Images (n, H, W, C) -> features (n, d), by the architecture's discriminator."""
    widest = max_channels(config, image_shape)
    return _ARCHITECTURES[config.network].shrink(
        images, image_shape, config, widest, spectral_norm, seed
    )


def embed(label, classes: int, width: int, seed: int, layer: str):
    """Labels (n,) -> (n, width), a learned row for each class."""
    return layers.Embedding(classes, width, embeddings_initializer=normal(seed, layer, 1.0))(label)


def max_channels(config: Architecture, image_shape: tuple[int, int, int]) -> int:
    """The most channels at any resolution."""
    return config.max_channels or min(8 * max(image_shape[:2]), 512)
