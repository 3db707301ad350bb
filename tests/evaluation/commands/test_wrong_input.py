"""Wrong input on the command line: one line that says what to do, and exit code 2."""

import os
import subprocess
import sys

import numpy as np
import pytest
from click.testing import CliRunner
from PIL import Image

from evaluation.cli import main

pytestmark = pytest.mark.usefixtures("tf")


def run(*words):
    return CliRunner().invoke(main, [str(word) for word in words])


def error_of(*words):
    """The one line that a refused command ends in."""
    result = run(*words)
    assert result.exit_code == 2, result.output
    assert result.stdout == ""
    (line,) = [line for line in result.stderr.splitlines() if line.startswith("Error: ")]
    assert result.stderr.rstrip().endswith(line)
    return line


@pytest.fixture
def folder(tmp_path, noise_images):
    """A folder of 40 gray PNG files of 8 x 8 pixels."""
    place = tmp_path / "photos"
    place.mkdir()
    for index, image in enumerate(noise_images(40)):
        Image.fromarray(image[..., 0]).save(place / f"{index}.png")
    return place


@pytest.fixture
def shaped(tf):
    """Latents (n, 4), repeated over an image of 8 x 8 pixels."""
    return lambda values: tf.reshape(tf.tile(values, [1, 16]), [-1, 8, 8, 1])


class TestImages:
    def test_a_text_file_called_an_image(self, folder):
        (folder / "40.png").write_text("no picture")
        assert "40.png cannot be decoded" in error_of(folder, "--reference", "digits")

    def test_a_text_file_alone(self, tmp_path):
        (tmp_path / "notes.txt").write_text("no picture")
        assert "notes.txt is a file of unknown kind" in error_of(tmp_path / "notes.txt")

    @pytest.mark.parametrize("side", ["judged", "reference"])
    def test_an_empty_folder(self, tmp_path, folder, side):
        empty = tmp_path / "empty"
        empty.mkdir()
        pair = (empty, folder) if side == "judged" else (folder, empty)
        assert "empty" in error_of(pair[0], "--reference", pair[1])

    def test_differing_sizes_in_a_folder(self, folder):
        Image.new("L", (9, 8)).save(folder / "wide.png")
        line = error_of(folder, "--reference", "digits")
        assert "mixes sizes" in line and "--size" in line

    def test_differing_sizes_of_the_two_sides(self, tmp_path, folder, noise_images):
        np.save(tmp_path / "large.npy", noise_images(40, 16, 16))
        line = error_of(tmp_path / "large.npy", "--reference", folder)
        assert "16 x 16" in line and "8 x 8" in line and "--size" in line

    def test_more_than_the_folder_holds(self, folder):
        line = error_of(folder, "--reference", "digits", "--n", 41)
        assert "n = 41" in line and "only 40 images" in line

    def test_sixteen_bit_colours_are_scaled(self, tmp_path):
        from evaluation import load_images

        cv2_like = np.full((4, 5, 3), 0xABCD, np.uint16)
        _write_png_16_bit(tmp_path / "a.png", cv2_like)
        images = load_images(f"folder:{tmp_path}").images
        assert images.shape == (1, 4, 5, 3)
        assert np.unique(images).tolist() == [0xAB]

    def test_gray_against_colour_is_said_or_refused(self, tmp_path, tanh_generator, noise_images):
        np.save(tmp_path / "rgb.npy", noise_images(100, channels=3))
        words = (tanh_generator, "--reference", tmp_path / "rgb.npy", "--metrics", "kid")
        result = run(*words, "--n", 60)
        assert result.exit_code == 0
        assert "is gray; its channel was repeated to compare it with RGB" in result.stderr
        line = error_of(*words, "--n", 60, "--strict")
        assert "is gray" in line and "--strict" in line


class TestGenerators:
    def test_output_that_is_not_finite(self, make_generator, shaped, tmp_path):
        path = make_generator(tmp_path / "g", lambda z: shaped(z * float("nan")))
        assert "not finite (4096 of 4096" in error_of(path, "--n", 30)

    def test_values_outside_the_declared_range_are_counted(self, make_generator, shaped, tmp_path):
        path = make_generator(tmp_path / "g", lambda z: shaped(3 * z))
        line = error_of(path, "--n", 30)
        assert "of 4096 values outside its declared range [-1, 1]" in line
        assert "--range" in line

    def test_a_function_that_raises(self, tmp_path):
        (tmp_path / "mine.py").write_text("def draw(n, rng):\n    raise KeyError('gone')\n")
        line = error_of(f"{tmp_path / 'mine.py'}:draw", "--reference", "digits")
        assert "mine.py:draw(n=64, rng) raised KeyError: 'gone'" in line

    def test_a_saved_model_that_raises(self, tf, make_generator, shaped, tmp_path):
        def checked(z):
            tf.debugging.assert_less(tf.reduce_max(z), -100.0, message="too large a latent")
            return shaped(z)

        path = make_generator(tmp_path / "g", checked)
        assert "too large a latent" in error_of(path, "--trust", "--n", 30)

    def test_labels_that_the_reference_has_not(self, tf, make_generator, shaped, tmp_path, folder):
        path = make_generator(
            tmp_path / "g",
            lambda z, labels: shaped(z * 0) + 0 * tf.cast(labels[0], tf.float32),
            contract=None,
            labels=True,
        )
        line = error_of(path, "--reference", folder)
        assert "label" in line and "--labels" in line
        assert "has no labels" in error_of(path, "--reference", folder, "--labels", "reference")

    def test_a_model_that_writes_a_file(self, tf, make_generator, shaped, tmp_path):
        log = tmp_path / "log.txt"

        def printed(z):
            tf.print(z, output_stream=f"file://{log}")
            return shaped(z)

        path = make_generator(tmp_path / "g", printed)
        line = error_of(path, "--n", 30)
        assert "PrintV2" in line and "--trust" in line
        assert not log.exists()


class TestFiles:
    @pytest.mark.parametrize("name", ["face.onnx", "models/g.h5", "a/b", "~/nothing.npz"])
    @pytest.mark.parametrize("side", ["judged", "reference"])
    def test_a_missing_file(self, folder, name, side):
        words = (name, "--reference", folder) if side == "judged" else (folder, "--reference", name)
        assert f"{name} does not exist as a file or folder; give " in error_of(*words)

    def test_an_encrypted_archive(self, tmp_path, folder):
        subprocess.run([sys.executable, "-c", ENCRYPT, tmp_path / "a.zip"], check=True, cwd=folder)
        assert "0.png is encrypted" in error_of(tmp_path / "a.zip", "--reference", folder)

    @pytest.mark.skipif(os.geteuid() == 0, reason="root reads every file")
    def test_a_file_that_may_not_be_read(self, tmp_path, folder, noise_images):
        path = tmp_path / "a.npy"
        np.save(path, noise_images(40))
        path.chmod(0)
        assert "Permission denied" in error_of(path, "--reference", folder)

    def test_a_function_of_the_working_directory(self, tmp_path, monkeypatch):
        words = self.words_of_a_function(tmp_path)
        monkeypatch.setattr(sys, "path", list(sys.path))
        monkeypatch.delitem(sys.modules, "mine", raising=False)  # another test's
        monkeypatch.chdir(tmp_path)
        result = run(*words)
        sys.modules.pop("mine", None)
        assert result.exit_code == 0, result.output
        assert "60 images of mine:draw" in result.stdout

    def words_of_a_function(self, folder):
        (folder / "mine.py").write_text(
            "def draw(n, rng):\n    return rng.integers(0, 256, (n, 8, 8, 1), 'uint8')\n"
        )
        return ["mine:draw", "--reference", "digits", "--metrics", "kid", "--n", "60"]

    @pytest.mark.slow
    def test_a_function_of_the_working_directory_of_a_fresh_process(self, tmp_path):
        words = self.words_of_a_function(tmp_path)
        program = [sys.executable, "-c", "from evaluation.cli import main; main()"]
        env = os.environ | {"PYTHONPATH": os.getcwd(), "PYTHONSAFEPATH": "1"}
        done = subprocess.run(
            program + words, cwd=tmp_path, env=env, capture_output=True, text=True
        )
        assert done.returncode == 0, done.stderr
        assert "60 images of mine:draw" in done.stdout


ENCRYPT = """
import sys, zipfile
with zipfile.ZipFile(sys.argv[1], "w") as archive:
    archive.write("0.png")
with open(sys.argv[1], "r+b") as file:  # the flag that says that a member is encrypted
    content = file.read()
    for mark, place in ((b"PK\\x03\\x04", 6), (b"PK\\x01\\x02", 8)):
        file.seek(content.index(mark) + place)
        file.write(b"\\x01\\x00")
"""


def _write_png_16_bit(path, image):
    """A colour PNG of 16 bits, which Pillow reads but does not write."""
    import struct
    import zlib

    def chunk(kind, content):
        body = kind + content
        return struct.pack(">I", len(content)) + body + struct.pack(">I", zlib.crc32(body))

    height, width, _ = image.shape
    rows = b"".join(b"\0" + row.astype(">u2").tobytes() for row in image)
    head = struct.pack(">IIBBBBB", width, height, 16, 2, 0, 0, 0)
    parts = ((b"IHDR", head), (b"IDAT", zlib.compress(rows)), (b"IEND", b""))
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + b"".join(chunk(*part) for part in parts))
