"""`gantf translate`: images of any size and mode, whole or in tiles, interrupted and resumed."""

import inspect

import keras
import numpy as np
import pytest
from click.testing import CliRunner
from PIL import Image

from evaluation import InputError
from gantf.cli import main
from tests import games
from tests.games import make_data, make_game


class Quiet:
    """A terminal that records its messages."""

    def __init__(self):
        self.lines = []

    def say(self, message):
        self.lines.append(message)

    def count(self, what, done, total):
        pass


@pytest.fixture
def folder(tmp_path):
    """A folder of images of different sizes and modes, one of them in a sub-folder."""
    rng = np.random.default_rng(0)
    folder = tmp_path / "images"
    (folder / "inside").mkdir(parents=True)

    def noise(*shape):
        return rng.integers(0, 256, shape, dtype=np.uint8)

    pictures = {
        "odd.png": Image.fromarray(noise(53, 37, 3)),
        "gray.jpg": Image.fromarray(noise(20, 31)),
        "thin.png": Image.fromarray(noise(1, 40, 3)),
        "alpha.png": Image.fromarray(noise(16, 24, 4)),
        "palette.gif": Image.fromarray(noise(18, 17, 3)).quantize(16),
        "inside/deep.bmp": Image.fromarray(noise(16, 16, 3)),
    }
    for name, picture in pictures.items():
        picture.save(folder / name)
    return folder


def opened(path):
    """Reads a picture into memory and closes its file."""
    with Image.open(path) as picture:
        picture.load()
        return picture.copy()


def sizes(folder):
    return {
        str(path.relative_to(folder).with_suffix("")): opened(path).size
        for path in folder.rglob("*.*")
        if path.is_file()
    }


def run(*words):
    return CliRunner().invoke(main, [str(word) for word in words])


@pytest.fixture(scope="module")
def run_dir(tf, tmp_path_factory):
    """A short run of cyclegan on two folders."""
    root = tmp_path_factory.mktemp("cyclegan")
    rng = np.random.default_rng(1)
    for name, count in (("A", 3), ("B", 5)):
        (root / name).mkdir()
        for number in range(count):
            pixels = rng.integers(0, 256, (16, 16, 3), dtype=np.uint8)
            Image.fromarray(pixels).save(root / name / f"{number}.png")
    small = [f"{part}_channels=4" for part in ("generator", "discriminator")]
    words = ["--model", "cyclegan", "--data", f"folder:{root / 'A'},folder:{root / 'B'}"]
    words += ["--steps", 2, "--batch-size", 2, "--eval-every", 0, "--set", "residual_blocks=1"]
    for setting in small:
        words += ["--set", setting]
    with games.eager_steps(tf):
        result = run("train", *words, "--run-dir", root / "run")
    assert result.exit_code == 0, result.output
    return root / "run"


class TestCommand:
    """Tests of the command line, on a short run."""

    def test_a_mixed_folder_is_translated_and_gone_on_with(self, tf, run_dir, folder, tmp_path):
        out = tmp_path / "out"
        result = run("translate", run_dir, folder, out, "--direction", "a2b")
        assert result.exit_code == 0, result.output
        assert result.output.splitlines()[-1] == f"{out} (6 images)"
        assert sizes(out) == sizes(folder)
        assert all(path.suffix == ".png" for path in out.rglob("*.*"))
        kept, gone = out / "odd.png", out / "inside" / "deep.png"
        before = gone.read_bytes()
        kept.write_bytes(b"mine")
        gone.unlink()
        again = run("translate", run_dir, folder, out, "--direction", "a2b")
        assert again.exit_code == 0, again.output
        assert f"5 of 6 are in {out} already" in again.output
        assert kept.read_bytes() == b"mine"
        assert gone.read_bytes() == before

    def test_each_direction_makes_what_its_generator_does(self, tf, run_dir, folder, tmp_path):
        """Pixel for pixel; gray, transparent and palette images are converted to RGB first."""
        from gantf.pixels import to_uint8
        from gantf.runs import restore

        game = restore.load(run_dir, "last").game
        as_seen = {}
        for path in sorted(folder.glob("*.*")):
            picture = opened(path)
            white = Image.new("RGBA", picture.size, "white")
            seen = Image.alpha_composite(white, picture.convert("RGBA")).convert("RGB")
            as_seen[path.stem] = np.asarray(seen, np.float32) / 127.5 - 1
        for direction in ("a2b", "b2a"):
            out = tmp_path / direction
            assert run("translate", run_dir, folder, out, "--direction", direction).exit_code == 0
            for stem, image in as_seen.items():
                made = game.generators[direction]({"image": image[None]}, training=False)[0]
                written = np.asarray(opened(out / f"{stem}.png"))
                np.testing.assert_allclose(written, to_uint8(made), atol=1)

    @pytest.mark.parametrize(
        ("words", "message"),
        [
            ([], "several directions; give --direction, one of a2b, b2a."),
            (["--direction", "a2c"], "--direction a2c: give one of a2b, b2a."),
            (["--direction", "a2b", "--checkpoint", "7"], "7"),
            (["--direction", "a2b", "--tile", "8"], "--tile"),
        ],
    )
    def test_mistakes(self, tf, run_dir, folder, tmp_path, words, message):
        result = run("translate", run_dir, folder, tmp_path / "out", *words)
        assert result.exit_code == 2
        assert message in result.output
        assert len(result.output.strip().splitlines()) == 1
        assert not (tmp_path / "out").exists()

    def test_mistaken_folders(self, tf, run_dir, folder, tmp_path):
        """An error of the file system, too, is one line of the command."""
        from gantf.console import Terminal
        from gantf.generation import translate
        from gantf.runs import restore

        game = restore.load(run_dir, "last").game
        (tmp_path / "empty").mkdir()
        (tmp_path / "file").write_text("")
        corrupt = tmp_path / "corrupt"
        corrupt.mkdir()
        (corrupt / "broken.png").write_bytes(b"\x89PNG\r\n")
        twice = tmp_path / "twice"
        twice.mkdir()
        for suffix in ("png", "jpg"):
            Image.new("RGB", (16, 16)).save(twice / f"same.{suffix}")
        for values, target, message in (
            (tmp_path / "nowhere", "out", "is not a directory"),
            (tmp_path / "empty", "out", "holds no images"),
            (corrupt, "out", "broken.png cannot be decoded"),
            (twice, "out", "would both become"),
            (folder, "images", "lies in"),
            (folder, "images/inside/out", "lies in"),
        ):
            with pytest.raises(InputError) as refused:
                translate.translate(game, values, tmp_path / target, Terminal(), direction="b2a")
            assert message in str(refused.value)
            assert "\n" not in str(refused.value)
        result = run("translate", run_dir, folder, tmp_path / "file", "--direction", "b2a")
        assert result.exit_code == 2
        assert "choose another place" in result.output
        assert len(result.output.strip().splitlines()) == 1
        assert not list(folder.rglob("odd_*"))

    def test_the_commands_tile_is_the_functions(self, tf):
        from gantf.generation import translate

        default = inspect.signature(translate.translate).parameters["tile_px"].default
        (option,) = [one for one in main.commands["translate"].params if one.name == "tile_px"]
        assert option.default == default == translate.TILE_PX == 1024


class TestTiles:
    """Translation in tiles, where it changes the result and where it does not."""

    @pytest.mark.parametrize("sides", [(37, 53), (64, 64), (1, 64)])
    def test_an_image_no_larger_than_a_tile_is_translated_whole(self, tf, sides):
        from gantf.distribute import strategies
        from gantf.generation import translate

        network = make_game(strategies.make("one-device"), "cyclegan").generators["a2b"]
        image = np.random.default_rng(0).uniform(-1, 1, (*sides, 3)).astype(np.float32)
        whole = network({"image": image[None]}, training=False)[0]
        np.testing.assert_array_equal(translate.in_tiles(network, image, 1, 64), whole)

    @pytest.mark.parametrize("upscaling", [1, 3])
    @pytest.mark.parametrize("sides", [(100, 70), (32, 33), (65, 200)])
    def test_tiles_of_a_local_network_are_the_whole(self, tf, sides, upscaling):
        """The network's receptive field is not larger than the overlap."""
        from gantf.generation import translate

        image = np.random.default_rng(0).uniform(-1, 1, (*sides, 2)).astype(np.float32)
        inputs = keras.Input((None, None, 2), name="image")
        x = keras.layers.Conv2D(3, 9, padding="same")(inputs)
        x = keras.layers.UpSampling2D(upscaling)(x)
        network = keras.Model({"image": inputs}, keras.layers.Conv2D(2, 3, padding="same")(x))
        whole = network({"image": image[None]})[0]
        assert whole.shape == (sides[0] * upscaling, sides[1] * upscaling, 2)
        for tile_px in (32, 50):
            tiled = translate.in_tiles(network, image, upscaling, tile_px)
            np.testing.assert_allclose(tiled, whole, atol=1e-5)

    def test_tiles_of_an_instance_normed_network_are_not_quite_the_whole(self, tf):
        """This difference is the reason for the large default tile."""
        from gantf.distribute import strategies
        from gantf.generation import translate

        network = make_game(strategies.make("one-device"), "cyclegan").generators["a2b"]
        ramp = np.linspace(-1, 1, 128, dtype=np.float32)
        image = np.broadcast_to(ramp[:, None, None], (128, 128, 3)).copy()
        whole = network({"image": image[None]}, training=False)[0].numpy()
        tiled = translate.in_tiles(network, image, 1, 64)
        assert tiled.shape == whole.shape
        assert np.abs(tiled - whole).max() > 1e-3


class TestFunction:
    """Tests of the function `translate`, in cases that the command line cannot make."""

    def test_seeds_change_what_pix2pix_makes_but_not_the_company(self, tf, folder, tmp_path):
        """With one seed, an image has the same translation alone and among other images."""
        from gantf.distribute import strategies
        from gantf.generation import translate

        game = make_game(strategies.make("one-device"), "pix2pix", generator_norm="instance")
        made = {}
        alone = tmp_path / "alone"
        alone.mkdir()
        opened(folder / "odd.png").save(alone / "odd.png")
        for name, source, seed in (("0", folder, 0), ("1", folder, 1), ("alone", alone, 0)):
            out = tmp_path / f"out-{name}"
            translate.translate(game, source, out, Quiet(), seed=seed)
            made[name] = np.asarray(opened(out / "odd.png")).astype(int)
        assert np.abs(made["0"] - made["1"]).max() > 0
        np.testing.assert_array_equal(made["0"], made["alone"])

    def test_colour_becomes_gray_for_a_gray_generator(self, tf, folder, tmp_path):
        """Colours have the weights of Rec. 601; a gray image stays unchanged."""
        from gantf.generation import translate

        inputs = keras.Input((None, None, 1), name="image")
        game = self.game({"image": inputs}, keras.layers.Identity()(inputs))
        translate.translate(game, folder, tmp_path / "out", Quiet())
        color = np.asarray(opened(folder / "odd.png")).astype(float)
        gray = np.asarray(opened(tmp_path / "out" / "odd.png"))
        np.testing.assert_allclose(gray, color @ [0.299, 0.587, 0.114], atol=0.51)
        np.testing.assert_array_equal(
            np.asarray(opened(tmp_path / "out" / "gray.png")),
            np.asarray(opened(folder / "gray.jpg")),
        )

    def test_a_model_of_one_size_refuses_others(self, tf, folder, tmp_path):
        from gantf.generation import translate

        inputs = keras.Input((16, 16, 3), name="image")
        game = self.game({"image": inputs}, keras.layers.Identity()(inputs))
        with pytest.raises(InputError, match=r"24 x 16, and the model takes images of 16 x 16"):
            translate.translate(game, folder, tmp_path / "out", Quiet())

    def test_a_direction_of_a_model_of_one_way_and_a_model_of_none(self, tf, folder, tmp_path):
        from gantf.distribute import strategies
        from gantf.generation import translate

        inputs = keras.Input((None, None, 3), name="image")
        game = self.game({"image": inputs}, keras.layers.Identity()(inputs))
        with pytest.raises(InputError, match="the model has one direction"):
            translate.translate(game, folder, tmp_path / "out", Quiet(), direction="a2b")
        gan = make_game(strategies.make("one-device"), "gan", make_data("gan"))
        with pytest.raises(InputError, match="use `gantf sample`"):
            translate.translate(gan, folder, tmp_path / "out", Quiet())

    @staticmethod
    def game(inputs, outputs):
        from gantf.game import Game, Translator

        network = keras.Model(inputs, outputs)
        translator = Translator(validation_pairs=lambda batch: {})
        return Game(
            {}, lambda batch, noise: batch, (), {"generator": network}, translator=translator
        )
