"""An encoder to a normal distribution over latents, and a discriminator that returns features.

Both use the discriminator's layers of an architecture in `conditional`.

Source: Larsen et al. 2015, arXiv:1512.09300, table 1, on this package's networks.
"""

import keras
from keras import layers

from gantf.layers.initializers import normal
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
    """{"image": (n, H, W, C)} -> [means (n, latent_dim), log-variances (n, latent_dim)].

    Args:
      config: the architecture.
      image_shape: (H, W, C).
      latent_dim: size of the latent vector.
      channels: channels at full resolution.
      norm: normalisation layers.
      seed: seed of the initial weights, which differ from those of a discriminator.
      name: name of the model.
    """
    settings = {"discriminator_channels": channels, "discriminator_norm": norm}
    image = keras.Input(image_shape, name="image")
    hidden = conditional.discriminator_body(
        config.model_copy(update=settings), image, image_shape, False, ~seed
    )
    x = last_map(image, hidden)
    outputs = []
    for output in ("mean", "log_variance"):
        values = layers.Dense(latent_dim, kernel_initializer=normal(seed, f"e_{output}"))(x)
        outputs.append(layers.Activation("linear", dtype="float32", name=output)(values))
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
      seed: seed of the initial weights.
      name: name of the model.
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
    """Returns the last feature maps before `hidden`, flattened, shape (n, h * w * d).

    A network without feature maps (dense layers only) returns `hidden`.

    Args:
      image: the network's input.
      hidden: the network's last hidden layer, shape (n, d), e.g. the mean over the feature maps.
    """
    maps = [
        layer.output
        for layer in keras.Model(image, hidden).layers
        if len(layer.output.shape) == 4 and layer.output is not image
    ]
    return layers.Flatten()(maps[-1]) if maps else hidden
