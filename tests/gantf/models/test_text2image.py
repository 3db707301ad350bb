"""Texts are read, drawn and compared with images as the papers say."""

import dataclasses
import json

import numpy as np
import pytest
from click.testing import CliRunner
from scipy import integrate, stats

import evaluation
from gantf.cli import main
from gantf.data import captions
from tests.games import make_data, make_game
from tests.gantf.models.test_cgan import CLASSES, SHAPE, make_step

TEXTS = (("one", "a one"), ("two",), ("three", "a three", "the three"))
MOST = 1.0 - 2.0**-24  # at least as large as any U[0, 1) that is drawn


def make_gru(width=5, seed=3):
    from gantf.networks.text import GRU

    layer = GRU(width, seed=seed)
    layer.build([(None, None, 4), (None, None)])
    layer.bias.assign(np.linspace(-1.0, 1.0, 3 * width))
    return layer


class TestTheEncoder:
    """A gated recurrent unit whose steps of padding do nothing."""

    def test_it_is_kerass_gru_of_the_paper(self, tf):
        import keras

        layer = make_gru()
        other = keras.layers.GRU(5, reset_after=False)
        other.build((None, None, 4))
        other.set_weights(layer.get_weights())
        vectors = tf.random.stateless_normal((6, 7, 4), [0, 0])
        ours = layer([vectors, tf.ones([6, 7], tf.int64)])
        np.testing.assert_allclose(ours, other(vectors), atol=1e-6)

    def test_more_padding_gives_the_same_code(self, tf):
        import keras

        from gantf.networks import text

        networks = []
        for length in (3, 4, 8):
            tokens = keras.Input((length,), dtype="int64")
            networks.append(keras.Model(tokens, text.encode(tokens, 9, 5, 0, "x")))
            networks[-1].set_weights(networks[0].get_weights())
        tokens = np.array([[4, 2, 9], [7, 0, 0], [1, 1, 0]])
        codes = [
            network(np.pad(tokens, ((0, 0), (0, extra))))
            for network, extra in zip(networks, (0, 1, 5), strict=True)
        ]
        np.testing.assert_allclose(codes[1], codes[0], atol=1e-7)
        np.testing.assert_allclose(codes[2], codes[0], atol=1e-7)

    def test_what_stands_in_the_padding_does_not_matter(self, tf):
        layer = make_gru()
        vectors = tf.random.stateless_normal((2, 4, 4), [0, 0])
        tokens = tf.constant([[1, 1, 0, 0], [1, 0, 0, 0]])
        changed = tf.where(tokens[:, :, None] == 0, 100.0 * vectors, vectors)
        np.testing.assert_array_equal(layer([vectors, tokens]), layer([changed, tokens]))
        np.testing.assert_array_equal(layer([vectors, tf.zeros_like(tokens)]), np.zeros((2, 5)))

    def test_the_order_of_words_and_each_word_count(self, tf):
        import keras

        from gantf.networks import text

        tokens = keras.Input((3,), dtype="int64")
        network = keras.Model(tokens, text.encode(tokens, 9, 5, 0, "x"))
        codes = network(np.array([[1, 2, 0], [2, 1, 0], [2, 2, 0], [1, 2, 3], [1, 0, 0]])).numpy()
        distances = np.abs(codes[:, None] - codes[None]).max(axis=2)
        assert np.all(distances[~np.eye(5, dtype=bool)] > 1e-3)

    def test_each_network_has_one_of_its_own(self, tf):
        game, _, _ = make_step(tf, "text2image")
        for player in game.players:
            paths = [variable.path for variable in player.trainable_variables]
            assert sum("recurrent_kernel" in path for path in paths) == 1
            assert sum("embeddings" in path for path in paths) == 1


class TestTheConditioning:
    """Drawn in training, the mean elsewhere."""

    def law(self, tf, rows):
        mean, log_variance = [0.5, -1.0], [-2.0, 1.0]
        return tf.tile(tf.constant([mean + log_variance]), [rows, 1])

    def test_outside_training_it_is_the_mean(self, tf):
        from gantf import noise
        from gantf.networks.text import ConditioningAugmentation

        layer, law = ConditioningAugmentation(), self.law(tf, 3)
        with noise.scope(noise.of_seed(0, 3)):
            codes = layer(law, training=False)
        np.testing.assert_array_equal(codes, [[0.5, -1.0]] * 3)

    def test_in_training_it_has_the_laws_mean_and_variance(self, tf):
        """Within 5 standard errors, of independent columns."""
        from gantf import noise
        from gantf.networks.text import ConditioningAugmentation

        rows, variances = 40_000, np.exp([-2.0, 1.0])
        layer, law = ConditioningAugmentation(), self.law(tf, rows)
        drawn = []
        for seed in (0, 0, 1):
            with noise.scope(noise.of_seed(seed, rows)):
                drawn.append(layer(law, training=True).numpy())
        np.testing.assert_array_equal(drawn[0], drawn[1])
        assert not np.array_equal(drawn[0], drawn[2])
        error = 5 * np.sqrt(variances / rows)
        assert np.all(np.abs(drawn[0].mean(axis=0) - [0.5, -1.0]) < error)
        error = 5 * variances * np.sqrt(2 / rows)
        assert np.all(np.abs(drawn[0].var(axis=0) - variances) < error)
        assert abs(np.corrcoef(drawn[0].T)[0, 1]) < 5 / rows**0.5

    def test_the_divergence_is_the_integral_that_it_stands_for(self, tf):
        from gantf.networks.text import kl_divergence

        law = self.law(tf, 1)
        expected = 0.0
        for mean, log_variance in ((0.5, -2.0), (-1.0, 1.0)):
            own = stats.norm(mean, np.exp(log_variance / 2))

            def density(x, own=own):
                return own.pdf(x) * (own.logpdf(x) - stats.norm.logpdf(x))

            expected += integrate.quad(density, -15, 15, points=[mean])[0]
        np.testing.assert_allclose(kl_divergence(law), [expected], rtol=1e-5)
        np.testing.assert_array_equal(kl_divergence(tf.zeros([2, 6])), [0.0, 0.0])

    def test_exported_images_are_a_function_of_the_inputs(self, tf):
        """And in training they are not: the same latents and text give another image."""
        from gantf import noise

        game, _, _ = make_step(tf, "text2image")
        network = game.generators["generator"]
        tokens = np.array([game.text.tokens_of("a photo of a 1")] * 2)
        inputs = {"latents": np.ones((2, 6), np.float32), "tokens": tokens}
        images = {}
        for training in (False, True):
            for seed in (0, 1):
                with noise.scope(noise.of_seed(seed, 2)):
                    images[training, seed] = network(inputs, training=training).numpy()
        np.testing.assert_array_equal(images[False, 0], images[False, 1])
        np.testing.assert_allclose(images[False, 0][0], images[False, 0][1], atol=1e-6)
        assert np.abs(images[True, 0] - images[True, 1]).max() > 1e-6


class TestTheTexts:
    """Of each image, and the wrong ones."""

    @pytest.mark.parametrize("classes", [2, 3, 10, 1000])
    def test_wrong_labels_are_all_the_others_alike_often(self, tf, classes):
        from gantf.models.text2image import wrong_labels

        centres = (np.arange(3 * (classes - 1)) + 0.5) / (3 * (classes - 1))
        for label in {0, 1, classes - 1}:
            labels = tf.fill([len(centres)], tf.constant(label, tf.int64))
            wrong = wrong_labels(labels, classes, tf.constant(centres, tf.float32))
            counts = np.bincount(wrong, minlength=classes)
            np.testing.assert_array_equal(counts, np.where(np.arange(classes) == label, 0, 3))
            edges = wrong_labels(labels[:2], classes, tf.constant([0.0, MOST], tf.float32))
            assert label not in edges.numpy()

    def test_wrong_labels_of_a_steps_noise_pass_a_chi_square_test(self, tf):
        from gantf import noise
        from gantf.models.text2image import wrong_labels

        rows, classes = 9_000, 10
        labels = tf.range(rows, dtype=tf.int64) % classes
        source = noise.of_step(0, tf.constant(5, tf.int64), rows)
        wrong = wrong_labels(labels, classes, source.uniform("wrong_labels"))
        table = np.histogram2d(labels, wrong, bins=classes, range=[(0, classes)] * 2)[0]
        assert np.trace(table) == 0
        off = table[~np.eye(classes, dtype=bool)]
        chi_square = ((off - rows / 90) ** 2 / (rows / 90)).sum()
        assert stats.chi2.sf(chi_square, 80) > 1e-4  # the label's share is fixed: 90 - 10

    def test_each_caption_of_the_class_is_drawn_alike_often_and_no_other(self, tf):
        from gantf.models.text2image import caption_drawer

        names = captions.vocabulary(TEXTS)
        draw = caption_drawer(TEXTS, names)
        uniform = tf.constant([*((np.arange(60) + 0.5) / 60), 0.0, MOST], tf.float32)
        for label, texts in enumerate(TEXTS):
            labels = tf.fill(uniform.shape, tf.constant(label, tf.int64))
            drawn = [names.text_of(tokens) for tokens in draw(labels, uniform).numpy()]
            assert drawn[-2:] == [texts[0], texts[-1]]
            counts = {text: drawn[:-2].count(text) for text in texts}
            assert counts == dict.fromkeys(texts, 60 // len(texts))

    def test_a_step_draws_right_and_wrong_texts(self, tf):
        from gantf import noise

        game, batch, _ = make_step(tf, "text2image")
        names = captions.vocabulary(game.text.captions)
        seen = set()
        for step in range(20):
            source = noise.of_step(0, tf.constant(step, tf.int64), len(batch["label"]))
            shared = game.forward(batch, source)
            for label, right, wrong in zip(
                batch["label"].numpy(),
                shared["tokens"].numpy(),
                shared["wrong_tokens"].numpy(),
                strict=True,
            ):
                assert names.text_of(right) in game.text.captions[label]
                (other,) = (
                    place
                    for place, texts in enumerate(game.text.captions)
                    if names.text_of(wrong) in texts
                )
                assert other != label
                seen |= {names.text_of(right), (label, other)}
        assert len(seen) > CLASSES * (CLASSES - 1) + 10  # all pairs, and many captions

    def test_scores_and_grids_are_of_captions_of_the_labels_that_are_asked_for(self, tf):
        from gantf.generation import sampling

        game, _, _ = make_step(tf, "text2image")
        names = captions.vocabulary(game.text.captions)
        labels = np.arange(50) % CLASSES
        drawn = sampling.draw_inputs(game, 50, np.random.default_rng(0), labels)["tokens"]
        for label, tokens in zip(labels, drawn, strict=True):
            assert names.text_of(tokens) in game.text.captions[label]


def judgements(game, batch, shared):
    """Logits by hand: (real, right text), (real, wrong text), (fake, right text)."""
    discriminator, matcher = game.networks["discriminator"], game.networks["matcher"]
    return (
        matcher({"features": discriminator({"image": images}), "tokens": tokens})
        .numpy()[:, 0]
        .astype(np.float64)
        for images, tokens in (
            (batch["image"], shared["tokens"]),
            (batch["image"], shared["wrong_tokens"]),
            (shared["fake"], shared["tokens"]),
        )
    )


class TestTheLosses:
    """Of both players, from the networks' outputs."""

    @pytest.mark.parametrize("weight", [0.0, 0.3, 0.5])
    @pytest.mark.parametrize("condition", ["concatenation", "projection"])
    def test_the_discriminator_refuses_fakes_and_wrong_texts(self, tf, weight, condition):
        """-log s_r - (1 - w) log(1 - s_f) - w log(1 - s_w); with w = 1/2 the paper's."""
        settings = {"mismatch_weight": weight, "condition": condition, "r1_weight": 0.0}
        game, batch, source = make_step(tf, "text2image", **settings)
        shared = game.forward(batch, source)
        right, wrong, fake = judgements(game, batch, shared)
        loss, observed = game.players[0].loss(shared, source)
        expected = (
            np.logaddexp(0, -right)
            + (1 - weight) * np.logaddexp(0, fake)
            + weight * np.logaddexp(0, wrong)
        )
        np.testing.assert_allclose(loss, expected, rtol=1e-5)
        np.testing.assert_allclose(observed["logit/wrong_text"], wrong, atol=1e-6)
        np.testing.assert_array_equal(observed["text/ranking"], right > wrong)

    def test_labels_that_the_discriminator_is_told_wrongly_are_so_for_wrong_texts(self, tf):
        """With every label smoothed: least squares, (r - 0.8)^2, f^2 and w^2."""
        settings = {"loss": "least_squares", "label_smoothing": 0.2, "r1_weight": 0.0}
        game, batch, source = make_step(tf, "text2image", **settings)
        shared = game.forward(batch, source)
        right, wrong, fake = judgements(game, batch, shared)
        expected = 0.5 * ((right - 0.8) ** 2 + 0.5 * fake**2 + 0.5 * wrong**2)
        np.testing.assert_allclose(game.players[0].loss(shared, source)[0], expected, rtol=1e-5)

    @pytest.mark.parametrize("weight", [0.0, 0.7])
    def test_the_generator_pays_for_the_divergence(self, tf, weight):
        from gantf.networks.text import kl_divergence

        game, batch, source = make_step(tf, "text2image", conditioning_weight=weight)
        shared = game.forward(batch, source)
        _, _, fake = judgements(game, batch, shared)
        divergence = kl_divergence(shared["code_distribution"])
        assert np.all(divergence > 0)
        loss, observed = game.players[1].loss(shared, source)
        np.testing.assert_allclose(loss, np.logaddexp(0, -fake) + weight * divergence, rtol=1e-5)
        np.testing.assert_array_equal(observed["conditioning/divergence"], divergence)

    def test_the_relativistic_loss_compares_under_the_right_texts(self, tf):
        settings = {"loss": "relativistic", "conditioning_weight": 0.0}
        game, batch, source = make_step(tf, "text2image", **settings)
        shared = game.forward(batch, source)
        real, _, fake = judgements(game, batch, shared)
        expected = np.logaddexp(0, -(fake - real.mean())) + np.logaddexp(0, real - fake.mean())
        np.testing.assert_allclose(game.players[1].loss(shared, source)[0], expected, rtol=1e-5)


class TestTheNetworks:
    """What the settings make of them."""

    def make_matcher(self, condition, spectral_norm=False):
        from gantf.networks import text

        return text.matcher(7, condition, 9, 3, 5, spectral_norm, 0)

    def test_the_projection_is_an_inner_product_with_the_texts_code(self, tf):
        """The logit is w . phi + b + (A code + a) . phi."""
        import keras

        network = self.make_matcher("projection")
        features = np.random.default_rng(0).standard_normal((4, 7)).astype(np.float32)
        tokens = np.array([[1, 2, 0], [3, 0, 0], [9, 8, 7], [1, 1, 1]])
        dense = [layer for layer in network.layers if isinstance(layer, keras.layers.Dense)]
        judge, map_code = sorted(dense, key=lambda layer: layer.units)
        for layer, values in ((judge, [0.4]), (map_code, np.arange(7.0))):
            layer.bias.assign(values)
        code = keras.Model(network.input["tokens"], map_code.output)(tokens).numpy()
        expected = features @ judge.get_weights()[0][:, 0] + 0.4 + (code * features).sum(axis=1)
        logits = network({"features": features, "tokens": tokens})
        np.testing.assert_allclose(logits[:, 0], expected, rtol=1e-5)

    def test_the_concatenation_goes_through_a_hidden_layer(self, tf):
        import keras

        network = self.make_matcher("concatenation")
        features = np.random.default_rng(0).standard_normal((2, 7)).astype(np.float32)
        tokens = np.array([[1, 2, 0], [3, 0, 0]])
        hidden, judge = (x for x in network.layers if isinstance(x, keras.layers.Dense))
        assert hidden.units == 20
        gru = next(layer for layer in network.layers if "gru" in layer.name)
        code = keras.Model(network.input["tokens"], gru.output)(tokens)
        inner = np.concatenate([features, code], axis=1) @ hidden.get_weights()[0]
        inner = np.where(inner > 0, inner, 0.2 * inner)
        logits = network({"features": features, "tokens": tokens})
        np.testing.assert_allclose(logits, inner @ judge.get_weights()[0], rtol=1e-4, atol=1e-7)

    @pytest.mark.parametrize("condition", ["concatenation", "projection"])
    def test_spectral_norm_reaches_the_matcher(self, tf, condition):
        """A kernel 100 times as large makes the same logits."""
        network = self.make_matcher(condition, spectral_norm=True)
        inputs = {"features": np.ones((2, 7), np.float32), "tokens": np.array([[1, 2, 0]] * 2)}
        logits = network(inputs)
        for layer in network.layers:
            if hasattr(layer, "singular_vector"):
                layer.kernel.assign(100.0 * layer.kernel)
        np.testing.assert_allclose(network(inputs), logits, rtol=1e-4)

    def test_another_text_changes_images_and_logits(self, tf):
        game, batch, source = make_step(tf, "text2image")
        shared = game.forward(batch, source)
        right, wrong, _ = judgements(game, batch, shared)
        assert np.all(np.abs(right - wrong) > 1e-9)
        network, latents = game.generators["generator"], np.ones((2, 6), np.float32)
        tokens = np.array(
            [game.text.tokens_of(text) for text in ("a photo of a 0", "a photo of a 1")]
        )
        images = network({"latents": latents, "tokens": tokens}).numpy()
        assert np.abs(images[0] - images[1]).max() > 1e-6

    @pytest.mark.parametrize("combine", ["concatenation", "product"])
    def test_the_generator_reads_the_code_beside_or_times_the_latents(self, tf, combine):
        """What grows into an image, by hand; outside training the code is the mean."""
        import keras

        game, _, source = make_step(tf, "text2image", combine=combine, code_dim=3)
        network = game.generators["generator"]
        inputs = {"latents": source.latents(6, "normal").numpy()}
        inputs["tokens"] = np.array(
            [game.text.tokens_of("a photo of a 1"), game.text.tokens_of("2")] * 2
        )
        code = keras.Model(network.input, network.get_layer("conditioning").output)(inputs)[:, :3]
        dense = [layer for layer in network.layers if isinstance(layer, keras.layers.Dense)]
        if combine == "product":
            expected = inputs["latents"] * (code.numpy() @ dense[-2].get_weights()[0])
        else:
            expected = np.concatenate([inputs["latents"], code], axis=1)
        fed = keras.Model(network.input, dense[-1].input)(inputs)
        np.testing.assert_allclose(fed, expected, rtol=1e-5, atol=1e-7)

    @pytest.mark.parametrize(("setting", "layer"), [("text_dim", "gru"), ("code_dim", "augment")])
    def test_the_widths_are_those_of_the_settings(self, tf, setting, layer):
        for width in (3, 11):
            game, _, _ = make_step(tf, "text2image", **{setting: width})
            network = game.networks["generator"]
            (outcome,) = (x for x in network.layers if layer in x.name)
            assert outcome.output.shape[1] == width
            if setting == "text_dim":
                (outcome,) = (x for x in game.networks["matcher"].layers if layer in x.name)
                assert outcome.output.shape[1] == width


def test_an_export_is_drawn_from_with_the_captions_shares(tf, tmp_path):
    """Each image is the one of its latents and one caption; each comes as often as it should."""
    from gantf import config
    from gantf.distribute import strategies
    from gantf.generation import export

    data, rows = make_data("text2image", SHAPE), 600
    game = make_game(strategies.make("one-device"), "text2image", data)
    network = game.generators["generator"]
    network.layers[-2].kernel.assign(1e5 * network.layers[-2].kernel)  # tells the captions apart
    game = dataclasses.replace(game, label_fractions=(0.3, 0.7))
    (path,) = export.save(game, config.RunConfig(model="text2image"), data.spec, 0, tmp_path)
    texts = [text for of_class in game.text.captions for text in of_class]
    tokens = [list(game.text.tokens_of(text)) for text in texts]
    contract = json.loads((path / "generator.json").read_text())
    shares = [0.3 / 5] * 5 + [0.7 / 5] * 5
    assert contract["tokens"]["texts"] == texts
    assert contract["tokens"]["rows"] == tokens
    np.testing.assert_allclose(contract["tokens"]["law"], shares)
    drawn = evaluation.open_source(path).sample(rows).images
    counts, outcome = np.zeros(len(texts)), np.zeros(rows, bool)
    for place in range(len(texts)):  # the same latents, and this caption alone
        contract["tokens"]["law"] = [float(other == place) for other in range(len(texts))]
        (path / "generator.json").write_text(json.dumps(contract))
        alone = evaluation.open_source(path).sample(rows).images
        same = np.all(alone == drawn, axis=(1, 2, 3))
        counts[place], outcome = same.sum(), outcome | same
    assert np.all(outcome)
    assert counts.sum() < 1.02 * rows  # hardly two captions make the same image
    error = 5 * np.sqrt(rows * np.array(shares))
    assert np.all(np.abs(counts - rows * np.array(shares)) < error + 0.02 * rows)


@pytest.mark.slow
def test_a_prompt_is_drawn_and_a_misspelt_one_is_refused(tf, tmp_path):
    def run(*words):
        return CliRunner().invoke(main, [str(word) for word in words])

    small = ("generator_channels=4", "discriminator_channels=4", "text_dim=4", "max_channels=8")
    settings = [word for setting in small for word in ("--set", setting)]
    settings += ["--set", "generator_learning_rate=0.1"]
    words = ["--model", "text2image", "--steps", 4, "--batch-size", 4, "--eval-every", 0]
    trained = run("train", *words, *settings, "--run-dir", tmp_path / "run")
    assert trained.exit_code == 0, trained.output
    for prompt in ("a seven", "the digit 2"):
        out = tmp_path / f"{prompt}.png"
        words = ["sample", tmp_path / "run", "--n", 4, "--out", out, "--prompt", prompt]
        result = run(*words)
        assert result.exit_code == 0, result.output
    one, other = ((tmp_path / f"{x}.png").read_bytes() for x in ("a seven", "the digit 2"))
    assert one != other
    result = run("sample", tmp_path / "run", "--prompt", "a sevn", "--out", tmp_path / "no.png")
    assert result.exit_code == 2
    assert "--prompt 'a sevn': 'sevn' is unknown; did you mean 'seven'?" in result.output
    assert len(result.output.strip().splitlines()) == 1
    assert not (tmp_path / "no.png").exists()
