"""An encoder to a normal law over latents, and a discriminator that shows its last hidden layer.

Both are the discriminator's half of an architecture of `pairs`.

Source: Larsen et al. 2015, arXiv:1512.09300, table 1, on this package's networks.
"""

import keras
from keras import layers

from gantf.layers.building import normal
from gantf.layers.spectral import SpectralDense
from gantf.networks import conditional
from gantf.settings import Architecture, Norm


def encoder(
    config: Architecture,
    image_shape: tuple[int, int, int],
    latent_dim: int,
    channels: int,
    norm: Norm,
    seed: int,
    name: str = "encoder",
) -> keras.Model:
    """{"image": (n, H, W, C)} -> [means (n, latent_dim), logarithms of variances (n, latent_dim)].

    Args:
      config: the architecture.
      image_shape: (H, W, C).
      latent_dim: width of the latents.
      channels: at full resolution.
      norm: normalisation layers.
      seed: of the initial weights; other ones than a discriminator's.
      name: of the model.
    """
    own = {"discriminator_channels": channels, "discriminator_norm": norm}
    image = keras.Input(image_shape, name="image")
    hidden = conditional.discriminator_body(
        config.model_copy(update=own), image, image_shape, False, ~seed
    )
    x = last_map(image, hidden)
    outputs = []
    for output in ("mean", "log_variance"):
        told = layers.Dense(latent_dim, kernel_initializer=normal(seed, f"e_{output}"))(x)
        outputs.append(layers.Activation("linear", dtype="float32", name=output)(told))
    return keras.Model({"image": image}, outputs, name=name)


def discriminator(
    config: Architecture,
    image_shape: tuple[int, int, int],
    spectral_norm: bool,
    seed: int,
    name: str = "discriminator",
) -> keras.Model:
    """{"image": (n, H, W, C)} -> [logits (n, 1), features (n, d)].

    Args:
      config: the architecture.
      image_shape: (H, W, C).
      spectral_norm: divide every kernel by its largest singular value.
      seed: of the initial weights.
      name: of the model.
    """
    dense = SpectralDense if spectral_norm else layers.Dense
    image = keras.Input(image_shape, name="image")
    hidden = conditional.discriminator_body(config, image, image_shape, spectral_norm, seed)
    logits = dense(1, kernel_initializer=normal(seed, "d_out"))(hidden)
    logits = layers.Activation("linear", dtype="float32", name="logits")(logits)
    features = last_map(image, hidden)
    features = layers.Activation("linear", dtype="float32", name="features")(features)
    return keras.Model({"image": image}, [logits, features], name=name)


def last_map(image, hidden):
    """What a network knows last of each place, (n, h * w * d), where `hidden` may be its mean.

    Args:
      image: the network's input.
      hidden: its last hidden layer, (n, d); networks of dense layers know no places.
    """
    maps = [
        layer.output
        for layer in keras.Model(image, hidden).layers
        if len(layer.output.shape) == 4 and layer.output is not image
    ]
    return layers.Flatten()(maps[-1]) if maps else hidden
