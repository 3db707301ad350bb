"""Layers and networks that keep an image's height and width: norms, padding, patches."""

import numpy as np
import pytest

RNG = np.random.default_rng(0)


class TestInstanceNormalization:
    """Against the definition in NumPy, in float64."""

    @pytest.mark.parametrize("shape", [(2, 5, 7, 3), (1, 1, 1, 2), (3, 1, 9, 4)])
    def test_it_is_the_definition(self, tf, shape):
        from gantf.layers.instance_norm import InstanceNormalization

        layer = InstanceNormalization(epsilon=1e-3)
        x = (RNG.normal(size=shape) * 3 + 5).astype(np.float32)
        layer.build(shape)
        scale, offset = RNG.normal(size=(2, shape[-1]))
        layer.set_weights([scale, offset])
        centred = x.astype(np.float64) - x.mean(axis=(1, 2), keepdims=True, dtype=np.float64)
        variance = np.mean(centred**2, axis=(1, 2), keepdims=True)
        expected = centred / np.sqrt(variance + 1e-3) * scale + offset
        np.testing.assert_allclose(layer(x), expected, atol=2e-5)

    def test_an_image_is_normalised_whatever_lies_beside_it(self, tf):
        from gantf.layers.instance_norm import InstanceNormalization

        layer = InstanceNormalization()
        x = RNG.normal(size=(4, 6, 6, 3)).astype(np.float32)
        whole = layer(x, training=True).numpy()
        np.testing.assert_allclose(layer(x[2:3], training=False)[0], whole[2], atol=1e-6)

    def test_its_moments_are_of_float32_where_layers_are_not(self, tf):
        """The bfloat16 numbers 1024 and 1032 differ by their last bit; their norms are -1 and 1."""
        from gantf.layers.instance_norm import InstanceNormalization

        layer = InstanceNormalization(dtype="mixed_bfloat16")
        x = np.tile(np.array([1024.0, 1032.0], np.float32), 128).reshape(1, 16, 16, 1)
        normed = layer(tf.cast(x, tf.bfloat16))
        assert normed.dtype == tf.bfloat16
        assert layer.scale.dtype == "float32"
        np.testing.assert_allclose(tf.cast(normed, tf.float32), np.sign(x - 1028), atol=1e-3)


class TestPadding:
    """Against numpy.pad."""

    @pytest.mark.parametrize("pad", [0, 1, 3])
    def test_reflection_is_numpys(self, tf, pad):
        from gantf.layers.padding import ReflectionPadding

        x = RNG.normal(size=(2, 4, 6, 3)).astype(np.float32)
        expected = np.pad(x, [(0, 0), (pad, pad), (pad, pad), (0, 0)], mode="reflect")
        np.testing.assert_array_equal(ReflectionPadding(pad)(x), expected)

    @pytest.mark.parametrize("sides", [(8, 8), (5, 11), (1, 1), (2, 3), (1, 13), (16, 20)])
    @pytest.mark.parametrize("fixed", [True, False])
    def test_sides_are_filled_up_and_cut_again(self, tf, sides, fixed):
        """Sides grow to the next multiple of 4, at least 8.

        numpy.pad also reflects several times.
        """
        from gantf.layers.padding import CropLike, PadToMultiple

        x = RNG.normal(size=(2, *sides, 3)).astype(np.float32)
        to = [max(8, -(-side // 4) * 4) for side in sides]
        margins = [(0, to[axis] - sides[axis]) for axis in (0, 1)]
        expected = np.pad(x, [(0, 0), *margins, (0, 0)], mode="reflect")

        def both(images):
            padded = PadToMultiple(4, 8)(images)
            return padded, CropLike()([padded, images])

        shape = x.shape if fixed else (None, None, None, 3)
        function = tf.function(both, input_signature=[tf.TensorSpec(shape, tf.float32)])
        padded, cropped = function(x)
        np.testing.assert_array_equal(padded, expected)
        np.testing.assert_array_equal(cropped, x)

    def test_the_gradient_of_a_mirrored_pixel_counts_each_of_its_places(self, tf):
        from gantf.layers.padding import PadToMultiple

        x = tf.ones((1, 3, 1, 1))  # rows 0 1 2 1; the one column four times
        with tf.GradientTape() as tape:
            tape.watch(x)
            total = tf.reduce_sum(PadToMultiple(4, 4)(x))
        np.testing.assert_array_equal(tape.gradient(total, x)[0, :, 0, 0], [4, 8, 4])


class TestPatchGAN:
    """Tests of the patch that a logit depends on, and of the smallest images."""

    @pytest.mark.parametrize(
        ("side", "layers", "patch"),
        [(128, 0, 70), (96, 3, 70), (48, 0, 34), (32, 0, 34), (20, 0, 16)],
    )
    def test_a_logit_sees_a_patch_of_the_published_side(self, tf, side, layers, patch):
        """The patch is the set of pixels where the gradient of a central logit is not 0."""
        from gantf.networks.patchgan import Patches, patchgan

        settings = Patches(
            discriminator_channels=4, discriminator_layers=layers, discriminator_norm="none"
        )
        network = patchgan(settings, (side, side, 3), seed=0)
        image = tf.constant(RNG.normal(size=(1, side, side, 3)), tf.float32)
        with tf.GradientTape() as tape:
            tape.watch(image)
            logits = network({"image": image})
            middle = logits.shape[1] // 2
            logit = logits[0, middle, middle, 0]
        seen = np.any(tape.gradient(logit, image)[0].numpy() != 0, axis=2)
        rows, columns = np.flatnonzero(seen.any(axis=1)), np.flatnonzero(seen.any(axis=0))
        sides = [places[-1] - places[0] + 1 for places in (rows, columns)]
        assert all(side_px == patch or side_px >= side - 1 for side_px in sides)
        if side > patch + 24:
            assert sides == [patch, patch]

    @pytest.mark.parametrize("side", [8, 9, 16, 31, 32, 63, 64, 100])
    def test_layers_fit_the_image_by_default(self, tf, side):
        from gantf.networks.patchgan import Patches, patchgan

        network = patchgan(Patches(discriminator_channels=2), (side, 2 * side, 1), seed=0)
        assert min(network.output.shape[1:3]) >= 1
        logits = network({"image": RNG.normal(size=(2, side, 2 * side, 1)).astype(np.float32)})
        assert logits.shape[1:] == network.output.shape[1:]

    def test_too_many_layers_are_refused(self, tf):
        from gantf.networks.patchgan import Patches, patchgan

        with pytest.raises(ValueError, match=r"discriminator_layers=3 needs .* at least 24 pixels"):
            patchgan(Patches(discriminator_layers=3), (23, 64, 3), seed=0)

    def test_spectral_norm_bounds_every_kernel(self, tf):
        """After many calls, the largest singular value of each layer is 1 within a thousandth."""
        from gantf.layers.spectral import SpectralConv2D, normalise
        from gantf.networks.patchgan import Patches, patchgan

        network = patchgan(Patches(discriminator_channels=2), (16, 16, 3), 0, spectral_norm=True)
        image = RNG.normal(size=(1, 16, 16, 3)).astype(np.float32)
        for _ in range(200):
            network({"image": image}, training=True)
        convs = [layer for layer in network.layers if isinstance(layer, SpectralConv2D)]
        assert len(convs) == 3
        for layer in convs:
            kernel = normalise(tf.convert_to_tensor(layer.kernel), layer.singular_vector, False)
            matrix = kernel.numpy().reshape(-1, kernel.shape[-1])
            assert np.linalg.svd(matrix, compute_uv=False)[0] == pytest.approx(1, abs=1e-3)


class TestAnySize:
    """Generators without a fixed size."""

    @pytest.mark.parametrize("sides", [(37, 53), (1, 40), (40, 1), (1, 1), (16, 16), (2, 3)])
    @pytest.mark.parametrize("kind", ["translator", "unet"])
    def test_an_image_of_any_size_keeps_it(self, tf, kind, sides):
        network = make(kind)
        x = RNG.uniform(-1, 1, (2, *sides, 1)).astype(np.float32)
        made = network({"image": x}, training=False).numpy()
        assert made.shape == (2, *sides, 3)
        assert np.all(np.isfinite(made))
        assert np.abs(made).max() <= 1

    @pytest.mark.parametrize(("kind", "multiple"), [("translator", 4), ("unet", 8)])
    def test_an_odd_image_is_made_as_its_mirrored_whole(self, tf, kind, multiple):
        """The output equals a crop of the output for the image that numpy.pad enlarges."""
        network = make(kind)
        x = RNG.uniform(-1, 1, (1, 37, 53, 1)).astype(np.float32)
        margins = [(0, -side % multiple) for side in (37, 53)]
        whole = np.pad(x, [(0, 0), *margins, (0, 0)], mode="reflect")
        expected = network({"image": whole}, training=False)[:, :37, :53]
        np.testing.assert_allclose(network({"image": x}, training=False), expected, atol=1e-6)

    @pytest.mark.parametrize("kind", ["translator", "unet"])
    def test_other_weights_for_another_seed_and_name(self, tf, kind):
        first, same, other = make(kind), make(kind), make(kind, seed=1)
        kernels = [network.get_weights()[0] for network in (first, same, other)]
        np.testing.assert_array_equal(kernels[0], kernels[1])
        assert not np.array_equal(kernels[0], kernels[2])
        assert not np.array_equal(kernels[0], make(kind, name="other").get_weights()[0])

    @pytest.mark.parametrize("dead", [1, 2])
    def test_the_unet_skips_across_at_every_stage(self, tf, dead):
        """If a layer of the encoder is dead, a change reaches nearby pixels through the skips.

        It does not reach distant pixels.
        """
        network = make("unet", norm="none")
        convs = [layer for layer in network.layers if type(layer).__name__ == "Conv2D"]
        convs[dead].set_weights([np.zeros_like(weight) for weight in convs[dead].get_weights()])
        x = RNG.uniform(-1, 1, (1, 64, 64, 1)).astype(np.float32)
        y = x.copy()
        y[0, 5, 5, 0] += 0.5
        change = np.abs(network({"image": y}) - network({"image": x}))[0].max(axis=2)
        assert change[5, 5] > 0
        assert change[40:, 40:].max() == 0


def make(kind, seed=0, name="generator", norm="instance"):
    from gantf.networks.translator import translator
    from gantf.networks.unet import unet

    if kind == "translator":
        return translator(1, 3, 4, 1, True, seed, name)
    return unet(1, 3, 8, 3, norm, 0.0, seed, name)
