"""Images that are decoded when they are read are those that are held in memory."""

import io
import struct
import threading
import zlib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import evaluation
from evaluation import InputError, load_images, open_source
from evaluation.sources import headers, on_demand, pictures
from evaluation.sources.on_demand import OnDemand

COUNT = 120


@pytest.fixture
def folder(tmp_path):
    """Images of two classes, gray and RGB, JPEG and PNG, all of one size."""
    rng = np.random.default_rng(0)
    for number in range(COUNT):
        path = (
            tmp_path / "images" / "ab"[number % 2] / f"{number}.{('png', 'jpg')[number % 3 == 0]}"
        )
        path.parent.mkdir(parents=True, exist_ok=True)
        shape = (12, 17) if number % 5 == 0 else (12, 17, 3)
        Image.fromarray(rng.integers(0, 256, shape, dtype=np.uint8)).save(path)
    return tmp_path / "images"


@pytest.fixture
def nothing_held(monkeypatch):
    monkeypatch.setattr(pictures, "HELD_BYTES", 0)


@pytest.fixture
def decoded(monkeypatch):
    """The names of the files that are decoded, in any order."""
    names, decode = [], pictures.decode

    def counted(file, name):
        names.append(Path(name).name)
        return decode(file, name)

    monkeypatch.setattr(pictures, "decode", counted)
    return names


def both(folder, monkeypatch, **options):
    """The images of a folder, held and on demand."""
    held = load_images(f"folder:{folder}", **options)
    monkeypatch.setattr(pictures, "HELD_BYTES", 0)
    lazy = load_images(f"folder:{folder}", **options)
    assert isinstance(held.images, np.ndarray)
    assert isinstance(lazy.images, OnDemand)
    return held, lazy


@pytest.mark.parametrize("size_px", [None, 8])
def test_they_are_those_that_are_held(folder, monkeypatch, size_px):
    held, lazy = both(folder, monkeypatch, size_px=size_px)
    assert lazy.images.shape == held.images.shape
    assert lazy.images.nbytes == held.images.nbytes
    np.testing.assert_array_equal(np.asarray(lazy.images), held.images)
    for key in (0, -1, slice(3, 9), slice(None, None, 4), np.array([5, 2, 2]), np.array([], int)):
        np.testing.assert_array_equal(lazy.images[key], held.images[key])
    assert lazy.sha256 == held.sha256
    for images in (held, lazy):
        assert images.files == held.files
        np.testing.assert_array_equal(images.labels, held.labels)


@pytest.mark.parametrize("batch_size", [1, 5, COUNT, 100])
def test_batches_are_all_images_in_order(folder, monkeypatch, batch_size):
    held, lazy = both(folder, monkeypatch)
    batches = list(lazy.images.batches(batch_size))
    assert all(len(batch) == min(batch_size, COUNT) for batch in batches[:-1])
    np.testing.assert_array_equal(np.concatenate(batches), held.images)


def test_what_is_taken_and_changed_is_what_arrays_give(folder, monkeypatch):
    held, lazy = both(folder, monkeypatch)
    index = np.array([7, 1, 20])
    for images in (held, lazy):
        part = images.rows(index).resized(6).as_rgb()
        assert part.images.shape == (3, 6, 6, 3)
        assert part.files == tuple(held.files[row] for row in index)
        np.testing.assert_array_equal(part.labels, held.labels[index])
    one, other = (images.rows(index).resized(6) for images in (held, lazy))
    np.testing.assert_array_equal(np.asarray(other.images), one.images)
    assert other.sha256 == one.sha256


def test_identities_tell_images_apart(folder, nothing_held):
    first, again = (load_images(f"folder:{folder}") for _ in range(2))
    assert first.identity != again.identity
    assert first.fingerprint == again.fingerprint
    parts = [first, first.rows(np.arange(3)), first.rows(np.arange(4)), first.resized(6)]
    assert len({part.identity for part in parts}) == len(parts)
    assert len({part.fingerprint for part in parts}) == len(parts)
    assert first.resized(6).identity == first.resized(6).identity


def test_fingerprints_follow_names_and_sizes(folder, nothing_held):
    before = load_images(f"folder:{folder}").fingerprint
    (folder / "a" / "2.png").rename(folder / "a" / "2000.png")
    renamed = load_images(f"folder:{folder}").fingerprint
    with open(folder / "a" / "2000.png", "ab") as file:
        file.write(b"more")
    grown = load_images(f"folder:{folder}").fingerprint
    assert len({before, renamed, grown}) == 3


def test_an_evaluation_decodes_each_image_once(folder, nothing_held, decoded):
    """Also where the floor compares two halves of the reference, and hashes are recorded."""
    expected = sorted(path.name for path in folder.rglob("*.*"))
    result = evaluation.evaluate(
        folder / "a", folder / "b", features="pixels", metrics=("kid",), size_px=2
    )
    assert sorted(decoded) == expected
    assert result.floor is not None
    assert len(result.context["images"]["real"]["sha256"]) == 64


def test_its_scores_are_those_of_held_images(folder, monkeypatch):
    def scores():
        result = evaluation.evaluate(
            folder / "a", folder / "b", features="pixels", metrics=("kid", "coverage"), size_px=4
        )
        return {**result}, {**result.floor}, result.context["images"]

    held = scores()
    monkeypatch.setattr(pictures, "HELD_BYTES", 0)
    assert scores() == held


def test_the_images_judged_may_be_the_reference(folder, nothing_held):
    result = evaluation.evaluate(
        folder / "a", folder / "a", features="pixels", metrics=("kid",), size_px=2
    )
    assert "The images judged are the reference itself." in result.context["notes"]


def test_a_comparison_decodes_each_set_once(folder, tmp_path, nothing_held, decoded):
    """Also the reference, which each source is compared with, and whose hash is recorded."""
    rng = np.random.default_rng(1)
    for number in range(30):
        path = tmp_path / "third" / f"c{number}.png"
        path.parent.mkdir(exist_ok=True)
        Image.fromarray(rng.integers(0, 256, (12, 17, 3), dtype=np.uint8)).save(path)
    sources = {"b": folder / "b", "third": tmp_path / "third"}
    result = evaluation.compare_sources(
        sources, folder / "a", features="pixels", metrics=("kid",), size_px=2
    )
    assert len(decoded) == len(set(decoded)) == COUNT + 30
    expected = load_images(f"folder:{folder / 'a'}", None, 2).sha256
    assert result.context["reference_sha256"] == expected


def test_damage_is_named_when_it_is_met(folder, nothing_held):
    content = (folder / "b" / "9.jpg").read_bytes()
    (folder / "b" / "9.jpg").write_bytes(content[: -len(content) // 10])
    images = load_images(f"folder:{folder}")
    row = images.files.index("b/9.jpg")
    assert images.images[row - 1].shape == (12, 17, 3)
    with pytest.raises(InputError, match=r"9\.jpg cannot be decoded .*--skip-corrupt"):
        images.images[row - 2 : row + 1]
    left = load_images(f"folder:{folder}", skip_corrupt=True)
    assert left.skipped == (str(folder / "b" / "9.jpg"),)
    np.testing.assert_array_equal(left.images[row - 1], images.images[row - 1])
    np.testing.assert_array_equal(left.images[row], images.images[row + 1])


def test_a_file_that_changes_or_vanishes_is_named(folder, nothing_held):
    images = load_images(f"folder:{folder}")
    first, second = (folder / images.files[row] for row in (0, 1))
    Image.new("RGB", (5, 4)).save(first)
    second.unlink()
    with pytest.raises(InputError, match=r"has 5 x 4 x 3 pixels now and had 17 x 12 x 3"):
        images.images[0]
    with pytest.raises(InputError, match=f"{second.name} cannot be decoded .*No such file"):
        images.images[1]


def test_a_zip_is_read_on_demand_too(folder, tmp_path, monkeypatch):
    import shutil

    archive = shutil.make_archive(tmp_path / "images", "zip", folder)
    held = open_source(archive)
    monkeypatch.setattr(pictures, "HELD_BYTES", 0)
    lazy = open_source(archive)
    assert isinstance(lazy.images, OnDemand)
    for _ in range(3):
        np.testing.assert_array_equal(np.asarray(lazy.images), held.images)
    assert lazy.sha256 == held.sha256


def turned(orientation):
    exif = Image.Exif()
    exif[0x0112] = orientation
    return exif.tobytes()


def late_exif(content, orientation):
    """A PNG file with its EXIF data behind the pixels."""
    exif = turned(orientation).removeprefix(b"Exif\x00\x00")
    chunk = b"eXIf" + exif
    chunk = struct.pack(">I", len(exif)) + chunk + struct.pack(">I", zlib.crc32(chunk))
    end = content.rindex(b"IEND") - 4
    return content[:end] + chunk + content[end:]


FORMATS = {
    "PNG": ("1", "L", "LA", "P", "RGB", "RGBA", "I;16"),
    "JPEG": ("L", "RGB", "CMYK"),
    "TIFF": ("1", "L", "LA", "P", "RGB", "RGBA", "CMYK", "I;16", "I"),
    "WEBP": ("RGB", "RGBA"),
    "BMP": ("1", "L", "P", "RGB", "RGBA"),
    "GIF": ("L", "P", "RGB"),
}


@pytest.mark.parametrize("orientation", [None, 1, 3, 6, 8])
@pytest.mark.parametrize(
    ("kind", "mode"), [(k, mode) for k, modes in FORMATS.items() for mode in modes]
)
def test_a_header_says_what_decoding_gives(kind, mode, orientation):
    image = Image.new("L", (6, 4), 90).convert(mode)
    options = {} if orientation is None or kind in ("BMP", "GIF") else {"exif": turned(orientation)}
    file = io.BytesIO()
    image.save(file, kind, **options)
    file.seek(0)
    decoded = pictures.decode(file, "x")
    file.seek(0)
    plain = kind == "JPEG" and mode != "CMYK" and orientation in (None, 1)
    assert headers.read_header(file) == headers.Header(decoded.size, decoded.mode == "L", plain)
    assert (decoded.size == (4, 6)) == (bool(options) and orientation in (6, 8))


@pytest.mark.parametrize("orientation", [1, 6])
def test_a_png_may_say_so_behind_its_pixels(orientation):
    file = io.BytesIO()
    Image.new("RGB", (6, 4)).save(file, "PNG")
    content = late_exif(file.getvalue(), orientation)
    decoded = pictures.decode(io.BytesIO(content), "x")
    assert decoded.size == ((4, 6) if orientation == 6 else (6, 4))
    assert headers.read_header(io.BytesIO(content)).size == decoded.size


def test_results_come_in_order_and_the_first_error_is_raised():
    barrier = threading.Event()

    def work(number):
        if number == 0:
            barrier.wait(5)
        elif number == 1:
            barrier.set()
        if number in (7, 9):
            raise ValueError(str(number))
        return number * number

    done = []
    with pytest.raises(ValueError, match="7"):
        for result in on_demand.in_threads(work, range(20), ahead=4):
            done.append(result)
    assert done == [number * number for number in range(7)]
