"""The translator that learns from pairs: its losses by hand, its noise, its data."""

import numpy as np
import pytest
from PIL import Image

from evaluation import InputError
from gantf import config, models
from tests.games import BATCH, SIDE, make_data, make_game, run_steps


def first_step(tf, data):
    """A batch, and the noise of the step that sees it."""
    from gantf import noise
    from gantf.data import pipeline

    dataset = pipeline.make_dataset(data.sets, 0, BATCH)(tf.distribute.InputContext())
    batch = pipeline.as_floats(next(iter(dataset)))
    return batch, noise.of_step(0, tf.constant(0, tf.int64), BATCH)


def losses_of(tf, game, data):
    """The batch with what `forward` added, and each player's loss with what it observes."""
    from gantf import noise

    batch, source = first_step(tf, data)
    with noise.scope(source):
        shared = game.forward(batch, source)
    result = {}
    for player in game.players:
        with noise.scope(source):
            result[player.name] = player.loss(shared, source)
    return shared, result


@pytest.mark.parametrize("l1_weight", [100.0, 3.0, 0.0])
def test_the_losses_are_the_published_sums(tf, l1_weight):
    """-log D(x, G(x)) + weight * L1; the discriminator sees input and image side by side."""
    from gantf.distribute import strategies

    data = make_data("pix2pix")
    game = make_game(strategies.make("one-device"), "pix2pix", data, l1_weight=l1_weight)
    shared, result = losses_of(tf, game, data)
    options, wanted, made = (shared[name].numpy() for name in ("input", "image", "fake"))
    logits = {
        name: game.networks["discriminator"]({"image": np.concatenate([options, images], axis=3)})
        for name, images in (("real", wanted), ("fake", made))
    }

    def softplus(values):
        return np.log1p(np.exp(values)).mean(axis=(1, 2, 3))

    l1 = np.abs(wanted - made).mean(axis=(1, 2, 3))
    loss, observed = result["generator"]
    np.testing.assert_allclose(observed["l1"], l1, rtol=1e-5)
    np.testing.assert_allclose(loss, softplus(-logits["fake"].numpy()) + l1_weight * l1, rtol=1e-5)
    output = softplus(-logits["real"].numpy()) + softplus(logits["fake"].numpy())
    np.testing.assert_allclose(result["discriminator"][0], output, rtol=1e-4)


def test_the_discriminator_judges_an_image_by_its_input(tf):
    """With another input beside the same image, its logits are others."""
    from gantf.distribute import strategies

    game = make_game(strategies.make("one-device"), "pix2pix")
    pair = np.random.default_rng(0).uniform(-1, 1, (2, SIDE, SIDE, 4)).astype(np.float32)
    swapped = np.concatenate([pair[::-1, ..., :1], pair[..., 1:]], axis=3)
    judge = game.networks["discriminator"]
    assert np.abs(judge({"image": pair}) - judge({"image": swapped})).max() > 1e-4


@pytest.mark.parametrize(
    ("setting", "value"),
    [
        ("loss", "hinge"),
        ("r1_weight", 1.0),
        ("instance_noise", 0.5),
        ("spectral_norm", True),
        ("generator_channels", 3),
        ("discriminator_channels", 3),
        ("discriminator_norm", "none"),
        ("discriminator_layers", 2),
        ("generator_norm", "instance"),
        ("generator_norm", "none"),
        ("stages", 2),
        ("dropout", 0.2),
        ("mirror", False),
    ],
)
def test_every_setting_of_networks_and_losses_changes_a_loss(tf, setting, value, usual_losses):
    from gantf.distribute import strategies

    data = make_data("pix2pix")
    game = make_game(strategies.make("one-device"), "pix2pix", data, **{setting: value})
    _, changed = losses_of(tf, game, data)
    assert any(not np.array_equal(loss, usual_losses[name]) for name, (loss, _) in changed.items())


@pytest.fixture(scope="module")
def usual_losses(tf):
    """Each player's first loss by default."""
    from gantf.distribute import strategies

    data = make_data("pix2pix")
    game = make_game(strategies.make("one-device"), "pix2pix", data)
    return {name: loss.numpy() for name, (loss, _) in losses_of(tf, game, data)[1].items()}


class TestNoise:
    """Dropout stays on: it is what the generator draws its variety from.

    With instance norm, which scales what an untrained network makes up to where it can be seen.
    """

    def test_seeds_change_what_is_made_and_repeat_it(self, tf):
        from gantf.distribute import strategies
        from gantf.generation import sampling

        game = make_game(strategies.make("one-device"), "pix2pix", generator_norm="instance")
        assert game.has_test_noise
        network = game.generators["generator"]
        options = {"image": make_data("pix2pix").sets[0]["input"][:3] / np.float32(127.5) - 1}
        first, again, other = (sampling.sample(network, options, seed=seed) for seed in (0, 0, 1))
        np.testing.assert_array_equal(first, again)
        assert np.abs(first - other).max() > 1e-3

    def test_an_export_takes_a_seed(self, tf, tmp_path):
        from gantf.distribute import strategies
        from gantf.generation import export, sampling

        data = make_data("pix2pix")
        strategy = strategies.make("one-device")
        game = make_game(strategy, "pix2pix", data, generator_norm="instance")
        run = config.RunConfig(model="pix2pix")
        (target,) = export.save(game, run, data.spec, 0, tmp_path)
        signature = tf.saved_model.load(str(target)).signatures["serving_default"]
        options = np.random.default_rng(0).uniform(-1, 1, (1, 11, 21, 1)).astype(np.float32)
        made = [
            signature(image=options, seed=tf.constant(seed, tf.int64))["images"].numpy()
            for seed in (0, 0, 1)
        ]
        np.testing.assert_array_equal(made[0], made[1])
        assert np.abs(made[0] - made[2]).max() > 1e-3
        expected = sampling.sample(game.generators["generator"], {"image": options}, seed=0)
        np.testing.assert_allclose(made[0], expected, atol=1e-5)

    def test_without_dropout_there_is_none(self, tf):
        from gantf.distribute import strategies
        from gantf.generation import sampling

        game = make_game(strategies.make("one-device"), "pix2pix", dropout=0.0)
        assert not game.has_test_noise
        options = {"image": np.zeros((1, SIDE, SIDE, 1), np.float32)}
        network = game.generators["generator"]
        first, other = (sampling.sample(network, options, seed=seed) for seed in (0, 1))
        np.testing.assert_array_equal(first, other)


def test_inputs_and_images_of_two_sizes_are_refused(tf):
    from gantf.data.loading import TrainingData
    from gantf.distribute import strategies
    from gantf.game import DataSpec

    data = TrainingData((), DataSpec((32, 32, 3), input_shape=(16, 16, 3)), "two", "")
    with pytest.raises(InputError, match=r"16 x 16 and images of 32 x 32 pixels.*--size"):
        make_game(strategies.make("one-device"), "pix2pix", data)


def test_the_published_unet_at_the_published_size(tf):
    """Eight halvings, and eight steps back; dropout in the three innermost of these."""
    from gantf.layers.dropout import Dropout
    from gantf.networks.unet import unet

    network = unet(3, 3, 64, 8, "batch", 0.5, 0)
    kinds = [type(layer).__name__ for layer in network.layers]
    assert kinds.count("Conv2D") == kinds.count("Conv2DTranspose") == 8
    assert sum(isinstance(layer, Dropout) and layer.always for layer in network.layers) == 3
    assert kinds.count("BatchNormalization") == 13
    widths = [layer.filters for layer in network.layers if type(layer).__name__ == "Conv2D"]
    assert widths == [64, 128, 256, 512, 512, 512, 512, 512]


class TestPairs:
    """Two folders make pairs by the names of their files."""

    @staticmethod
    def write(folder, names, value=0):
        for number, name in enumerate(names):
            path = folder / name
            path.parent.mkdir(parents=True, exist_ok=True)
            Image.fromarray(np.full((SIDE, SIDE, 3), value + number, np.uint8)).save(path)

    def load(self, tmp_path):
        from gantf.data import loading

        return loading.load(f"folder:{tmp_path / 'A'},folder:{tmp_path / 'B'}", "pairs")

    def test_equal_names_are_pairs_whatever_their_suffixes(self, tf, tmp_path):
        """Also where the suffix changes the order: a.bmp comes before a.k.bmp, a.png behind it."""
        from gantf.distribute import strategies

        self.write(tmp_path / "A", ["a.k.png", "a.png", "x2.png", "x10.png"])
        self.write(tmp_path / "B", ["a.k.bmp", "a.bmp", "x2.bmp", "x10.bmp"], 100)
        read = self.load(tmp_path)
        rows = read.sets[0]
        np.testing.assert_array_equal(rows["image"][:, 0, 0, 0], rows["input"][:, 0, 0, 0] + 100)
        strategy = strategies.make("one-device")
        game = make_game(strategy, "pix2pix", read)
        _, fault = run_steps(tf, strategy, game, read, 2)
        assert fault == -1

    @pytest.mark.parametrize(
        ("inputs", "images", "message"),
        [
            (["1.png", "2.png"], ["1.png", "3.png"], "no image has the name of the input 2"),
            (["1.png", "2.png"], ["1.png"], "2 inputs and 1 images make no pairs"),
            (["1.png", "1.bmp"], ["1.png", "2.png"], "A has two images named 1"),
            (["1.png", "2.png"], ["1.png", "1.bmp"], "B has two images named 1"),
            (
                ["x/1.png", "x/2.png"],
                ["y/1.png", "y/2.png"],
                "no image has the name of the input x",
            ),
        ],
    )
    def test_torn_pairs_are_refused(self, tf, tmp_path, inputs, images, message):
        self.write(tmp_path / "A", inputs)
        self.write(tmp_path / "B", images)
        with pytest.raises(InputError, match=message):
            self.load(tmp_path)

    def test_a_set_of_pairs(self, tf):
        from gantf.data import loading

        read = loading.load("photo_edges", "pairs")
        assert read.spec.input_shape == (32, 32, 1)
        assert read.spec.image_shape == (32, 32, 3)
        assert len(read.held_out.sets[0]["input"]) == 1700


def test_batch_norm_in_the_discriminator_has_no_gradient_penalty(tf):
    wanted = {"discriminator_norm": "batch", "r1_weight": "1"}
    with pytest.raises(InputError, match="r1_weight"):
        config.make_model_config(models.load("pix2pix").Config, wanted, "pix2pix")


@pytest.mark.parametrize("stages", [2, 3])
def test_the_reach_is_how_far_an_input_pixel_is_felt(tf, stages):
    from gantf.networks import unet

    network = stirred(unet.unet(1, 1, 2, stages, "batch", 0.0, 0))
    reach, side, felt = unet.receptive_field_px(stages), 8 * 2**stages, 0
    image = tf.random.stateless_normal((1, side, side, 1), [0, 0])
    for place in range(side // 2, side // 2 + 2**stages):
        with tf.GradientTape() as tape:
            tape.watch(image)
            pixel = tf.reduce_sum(network({"image": image}, training=False)[:, place, place])
        touched = np.argwhere(np.abs(tape.gradient(pixel, image)[0, ..., 0]) > 0)
        felt = max(felt, np.abs(touched - place).max())
    assert felt == reach


@pytest.mark.parametrize("tile_px", [32, 45])
def test_tiles_of_a_batch_normed_unet_are_the_whole_image(tf, tile_px):
    """Tiles start where the network's strides do."""
    from gantf.distribute import strategies
    from gantf.generation import translate

    settings = {"generator_norm": "batch", "dropout": 0.0, "stages": 3}
    game = make_game(strategies.make("one-device"), "pix2pix", **settings)
    network = stirred(game.generators["generator"])
    image = np.random.default_rng(0).uniform(-1, 1, (100, 83, 1)).astype(np.float32)
    whole = network({"image": image[None]}, training=False)[0]
    reach = {
        "receptive_field_px": game.translator.receptive_field_px,
        "stride_px": game.translator.stride_px,
    }
    tiled = translate.in_tiles(network, image, 1, tile_px, **reach)
    np.testing.assert_allclose(tiled, whole, atol=1e-5)


def stirred(network):
    """A network of small positive weights, so that nothing saturates and every pixel is felt."""
    rng = np.random.default_rng(0)
    for variable in network.trainable_variables:
        variable.assign(rng.uniform(0.01, 0.05, variable.shape))
    return network


@pytest.mark.parametrize("slope", [0.5, 2.0, 9.0])
def test_edges_are_on_one_scale_whatever_else_is_in_the_picture(slope):
    """A ramp of so many levels per pixel; WHITE of them are white."""
    from evaluation.datasets import photo_edges

    ramp = np.broadcast_to(slope * np.arange(30.0)[None, :, None], (30, 30, 3))
    drawn = photo_edges.edges(ramp)
    assert drawn.shape == (30, 30, 1)
    expected = round(255 * (slope / photo_edges.WHITE) ** 0.5)
    np.testing.assert_array_equal(drawn[8:-8, 8:-8], expected)
    step = np.zeros((30, 30, 3))
    step[:, 15:] = 255
    assert photo_edges.edges(step).max() == 255
