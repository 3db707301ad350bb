"""The networks fit every size, and spectral normalisation is that."""

import numpy as np
import pytest


def architecture(**settings):
    from gantf.settings import Architecture

    small = {"generator_channels": 2, "discriminator_channels": 2, "max_channels": 8}
    return Architecture(**{**small, **settings})


SHAPES = [(8, 8, 1), (9, 13, 3), (28, 28, 1), (37, 64, 3), (1024, 640, 3)]


@pytest.mark.parametrize(
    ("network", "shape"),
    [(n, s) for n in ("dcgan", "resnet") for s in SHAPES] + [("mlp", s) for s in SHAPES[:4]],
)
def test_networks_fit_the_images(tf, network, shape):
    from gantf.networks import conditional

    config = architecture(network=network)
    generator = conditional.generator(config, shape, 5, seed=0)
    discriminator = conditional.discriminator(config, shape, seed=0)
    images = generator({"latents": tf.random.stateless_normal((2, 5), [0, 0])})
    assert images.shape == (2, *shape)
    assert float(tf.reduce_max(tf.abs(images))) <= 1
    assert not np.array_equal(images[0], images[1])
    logits = discriminator({"image": images})
    assert logits.shape == (2, 1)
    assert not np.array_equal(logits[0], logits[1])


def test_dense_networks_are_for_small_images(tf):
    from gantf.networks import conditional

    with pytest.raises(ValueError, match="network=mlp takes images of at most 12288 numbers"):
        conditional.generator(architecture(network="mlp"), (256, 256, 3), 5, seed=0)


def test_resolutions_are_halved_rounding_up_to_four_and_at_least_twice():
    from gantf.layers.resolutions import resolutions

    assert resolutions((37, 37, 1)) == [(37, 37), (19, 19), (10, 10), (5, 5), (3, 3)]
    assert resolutions((32, 16, 1)) == [(32, 16), (16, 8), (8, 4), (4, 2)]
    assert resolutions((8, 8, 1)) == [(8, 8), (4, 4), (2, 2)]
    assert len(resolutions((256, 256, 3))) == 7
    assert resolutions((640, 360, 3))[::2] == [(640, 360), (160, 90), (40, 23), (10, 6), (3, 2)]
    assert len(resolutions((1024, 1024, 3))) == 9


@pytest.mark.parametrize("shape", [(7, 8, 1), (300, 4, 3)])
def test_images_that_are_too_small_are_refused(shape):
    from gantf.layers.resolutions import resolutions

    with pytest.raises(ValueError, match="sides must have 8 pixels or more"):
        resolutions(shape)


@pytest.mark.parametrize("network", ["dcgan", "resnet", "mlp"])
def test_a_seed_fixes_the_weights_and_layers_differ(tf, network):
    from gantf.networks import conditional

    config = architecture(network=network)
    first, again, other = (
        conditional.discriminator(config, (16, 16, 1), seed=s) for s in (0, 0, 1)
    )
    for a, b in zip(first.weights, again.weights, strict=True):
        np.testing.assert_array_equal(a, b)
    assert not np.array_equal(first.weights[0], other.weights[0])
    kernels = [w.numpy().ravel()[:16] for w in first.weights if w.name == "kernel"]
    distinct = {kernel[:2].tobytes() for kernel in kernels}
    assert len(distinct) == len(kernels)


@pytest.mark.parametrize("kind", ["conv", "dense"])
def test_spectral_norm_approaches_the_largest_singular_value(tf, kind):
    from gantf.layers import spectral

    if kind == "conv":
        layer = spectral.SpectralConv2D(6, 3, padding="same")
        inputs = tf.random.stateless_normal((2, 5, 5, 4), [0, 0])
    else:
        layer = spectral.SpectralDense(6)
        inputs = tf.random.stateless_normal((2, 4), [0, 0])
    for _ in range(200):
        layer(inputs, training=True)
    kernel = layer.kernel.numpy()
    expected = np.linalg.svd(kernel.reshape(-1, 6), compute_uv=False)[0]
    got = kernel / spectral.normalise(tf.constant(kernel), layer.singular_vector, False).numpy()
    np.testing.assert_allclose(got, expected, rtol=1e-4)


def test_the_gradient_passes_through_the_spectral_norm(tf):
    """W / sigma(W) does not change when W is scaled, so its gradient along W is 0."""
    from gantf.layers import spectral

    layer = spectral.SpectralDense(3, use_bias=False)
    inputs = tf.random.stateless_normal((4, 5), [0, 0])
    for _ in range(200):
        layer(inputs, training=True)
    with tf.GradientTape() as tape:
        loss = tf.reduce_sum(tf.square(layer(inputs)))
    gradient = tape.gradient(loss, layer.kernel.value)
    along = tf.reduce_sum(gradient * layer.kernel)
    assert abs(float(along)) < 1e-3 * float(tf.norm(gradient) * tf.norm(layer.kernel))
