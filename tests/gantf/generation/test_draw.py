"""What `gantf sample` draws from images: reconstructions and ways between two of them."""

import numpy as np
import pytest
from click.testing import CliRunner
from PIL import Image

import evaluation
from gantf.cli import main
from tests import games

SIDE = 8


def run(*words):
    return CliRunner().invoke(main, [str(word) for word in words])


@pytest.fixture(scope="module")
def images(tmp_path_factory):
    """A folder of five gray images."""
    folder = tmp_path_factory.mktemp("images")
    rng = np.random.default_rng(0)
    for number in range(5):
        pixels = rng.integers(0, 256, (SIDE, SIDE), dtype=np.uint8)
        Image.fromarray(pixels).save(folder / f"{number}.png")
    return folder


@pytest.fixture(scope="module")
def runs(tf, images, tmp_path_factory):
    """By model, a run of two steps."""
    made = {}
    small = ["--set", "network=mlp", "--set", "generator_channels=4"]
    for model, own in (
        ("gan", []),
        ("vaegan", ["--set", "encoder_channels=4", "--set", "discriminator_channels=4"]),
    ):
        made[model] = tmp_path_factory.mktemp("runs") / model
        words = ["--steps", 2, "--batch-size", 4, "--eval-every", 0, *small, *own]
        words = ["--model", model, "--data", f"folder:{images}", *words]
        with games.eager_steps(tf):
            result = run("train", *words, "--run-dir", made[model])
        assert result.exit_code == 0, result.output
    return made


@pytest.fixture(scope="module")
def restored(runs):
    from gantf.runs import restore

    return restore.load(runs["vaegan"], "last")


def read(folder, *numbers):
    """Images of the folder as floats in [-1, 1]."""
    files = [folder / f"{number}.png" for number in numbers]
    pixels = np.stack([np.asarray(Image.open(file)) for file in files])
    return pixels[..., None].astype(np.float32) / 127.5 - 1.0


def decoded_means(restored, inputs):
    """What the networks by themselves make of images."""
    game = restored.game
    encoder, generator = (game.networks[f"{name}_average"] for name in ("encoder", "generator"))
    means = encoder({"image": inputs}, training=False)[0]
    return np.asarray(generator({"latents": means}, training=False))


def test_each_image_stands_beside_its_reconstruction(restored, images):
    from gantf.generation import draw

    drawn, columns = draw.draw(restored, 64, reconstruct=images)
    inputs = read(images, *range(5))
    assert columns == 8
    np.testing.assert_allclose(drawn[::2], inputs, atol=1e-6)
    np.testing.assert_allclose(drawn[1::2], decoded_means(restored, inputs), atol=1e-5)


def test_no_more_images_are_reconstructed_than_wanted(restored, images):
    from gantf.generation import draw

    drawn, columns = draw.draw(restored, 2, reconstruct=images)
    assert (len(drawn), columns) == (4, 4)
    np.testing.assert_allclose(drawn[::2], read(images, 0, 1), atol=1e-6)


@pytest.mark.parametrize("count", [2, 5])
def test_the_ends_of_a_way_are_the_reconstructions_of_its_images(restored, images, count):
    from gantf.generation import draw

    files = images / "1.png", images / "3.png"
    drawn, _ = draw.draw(restored, count, interpolate=files)
    ends = decoded_means(restored, read(images, 1, 3))
    assert len(drawn) == count
    np.testing.assert_allclose(drawn[[0, -1]], ends, atol=1e-5)
    assert np.abs(ends[0] - ends[1]).max() > 1e-4


def test_the_middle_of_a_way_is_the_mean_of_the_latents(restored, images):
    from gantf.generation import draw

    drawn, _ = draw.draw(restored, 3, interpolate=(images / "1.png", images / "3.png"))
    game = restored.game
    middle = np.asarray(game.encoder({"image": read(images, 1, 3)})).mean(axis=0, keepdims=True)
    network = game.generators["generator"]
    expected = network({"latents": middle}, training=False)
    np.testing.assert_allclose(drawn[1:2], expected, atol=1e-5)


def test_sample_writes_both_grids(runs, images, tmp_path):
    words = ["sample", runs["vaegan"], "--out"]
    pair = images / "0.png", images / "1.png"
    result = run(*words, tmp_path / "r.png", "--reconstruct", images)
    assert result.output == f"{tmp_path / 'r.png'}\n"
    result = run(*words, tmp_path / "i.png", "--n", 9, "--interpolate", *pair)
    assert result.exit_code == 0, result.output
    grids = [np.asarray(evaluation.read_image(tmp_path / name)) for name in ("r.png", "i.png")]
    assert grids[0].shape[1] > 3 * grids[0].shape[0]  # two rows of eight
    assert grids[1].shape[1] == grids[1].shape[0]  # three rows of three


def test_mistakes_are_one_line(runs, images, tmp_path):
    big, colour = tmp_path / "big.png", tmp_path / "colour.png"
    Image.fromarray(np.zeros((SIDE, 9), np.uint8)).save(big)
    Image.fromarray(np.zeros((SIDE, SIDE, 3), np.uint8)).save(colour)
    good = images / "0.png"
    for model, words, message in [
        ("gan", ["--reconstruct", images], "--reconstruct: the model has no encoder; train vaegan"),
        ("gan", ["--interpolate", good, good], "--interpolate: the model has no encoder"),
        ("vaegan", ["--interpolate", good, big], f"--interpolate {big}: images of 8 x 9"),
        ("vaegan", ["--interpolate", colour, good], f"--interpolate {colour}: images in colour"),
        ("vaegan", ["--interpolate", good, tmp_path / "none.png"], "none.png"),
        ("vaegan", ["--interpolate", good, good, "--n", 1], "--n 1: --interpolate shows both ends"),
        ("vaegan", ["--reconstruct", tmp_path / "none"], "none is not a directory"),
        ("vaegan", ["--reconstruct", images, "--label", 3], "--label 3: --reconstruct starts from"),
        ("vaegan", ["--reconstruct", images, "--interpolate", good, good], "give one of them"),
    ]:
        out = tmp_path / "out.png"
        result = run("sample", runs[model], "--out", out, *words)
        assert result.exit_code == 2, (words, result.output)
        assert message in result.output, (words, result.output)
        assert len(result.output.strip().splitlines()) == 1, result.output
        assert not out.exists()


def test_gray_images_are_reconstructed_by_a_model_of_colour(tf):
    from types import SimpleNamespace

    from gantf.generation import draw

    gray = np.arange(4, dtype=np.uint8).reshape(1, 2, 2, 1) * 85
    wanted = SimpleNamespace(data=SimpleNamespace(image_shape=(2, 2, 3)))
    made = draw._prepare_images(gray, wanted, "--reconstruct x")
    assert made.shape == (1, 2, 2, 3)
    np.testing.assert_allclose(made[0, 1, 1], [1.0, 1.0, 1.0])
    np.testing.assert_allclose(made[0, 0, 0], [-1.0, -1.0, -1.0])
