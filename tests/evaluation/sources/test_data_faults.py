"""Data that stall, are missing or damaged: tried again, named, left out on request, counted."""

import contextlib
import errno
import json
import os
import shutil
import threading

import numpy as np
import pytest
from click.testing import CliRunner
from PIL import Image

from evaluation import InputError, RetryPolicy, load_images, open_source
from evaluation.sources import retries
from gantf.cli import main

SHARDS = 4


def brief(text=None, seconds=60):
    """RetryPolicy of tests: three tries; a read that stalls needs fewer seconds."""
    say = text if callable(text) else (text if text is not None else []).append
    return RetryPolicy(seconds=seconds, pause_seconds=0.01, say=say)


class TestRetryPolicy:
    def test_an_error_of_storage_is_tried_again(self):
        text, errors = [], [OSError(errno.EIO, "Input/output error"), OSError(errno.ESTALE, "old")]

        def work():
            if errors:
                raise errors.pop(0)
            return 7

        retry = brief(text)
        assert retry.call(work, "disk/a.png") == 7
        assert retry.retried == ["disk/a.png"] * 2
        assert text == [
            "disk/a.png: Input/output error; trying again (2 of 3)",
            "disk/a.png: old; trying again (3 of 3)",
        ]

    @pytest.mark.parametrize("error", [ValueError("x"), OSError("image file is truncated")])
    def test_an_error_of_content_is_not(self, error):
        calls = []

        def work():
            calls.append(1)
            raise error

        with pytest.raises(type(error)):
            brief().call(work, "a.png")
        assert calls == [1]

    def test_the_last_error_is_raised(self):
        with pytest.raises(OSError, match="gone"):
            brief().call(lambda: (_ for _ in ()).throw(OSError(errno.ENOENT, "gone")), "a")

    def test_a_read_that_hangs_is_given_up(self):
        hang, retry = threading.Event(), brief(seconds=0.3)
        with pytest.raises(retries.StalledError, match=r"nothing came for 0\.3 s"):
            retry.call(hang.wait, "a")
        assert retry.retried == ["a", "a"]
        assert retry.call(lambda: 3, "b") == 3
        hang.set()

    @pytest.mark.parametrize("kind", ["error", "stall"])
    def test_items_go_on_behind_the_last(self, kind):
        """Each comes once, though the source breaks in another place each time it is read."""
        breaks, hang = [3, 0, 7, 2, 12], threading.Event()

        def source():
            last = breaks.pop(0)
            for number in range(10):
                if number == last:
                    if kind == "error":
                        raise OSError(errno.EIO, "broken")
                    hang.wait()
                yield number

        retry = brief(seconds=0.5 if kind == "stall" else 60)
        assert list(retry.each(source, "shard")) == list(range(10))
        assert retry.retried == ["shard"] * 4
        hang.set()

    def test_its_threads_end_with_it(self):
        before = threading.active_count()
        for _ in range(20):
            brief().call(int, "a")
        for thread in threading.enumerate():
            if thread.daemon:
                thread.join(0.2)
        assert threading.active_count() <= before + 1


@pytest.fixture(scope="module")
def whole(tf, tmp_path_factory):
    """The digits in files of a quarter each."""
    import tensorflow_datasets as tfds

    load_images("digits:train[:1]")  # registers the builder
    builder = tfds.builder("digits", data_dir=tmp_path_factory.mktemp("whole"))
    with contextlib.redirect_stderr(None):
        builder.download_and_prepare(
            download_config=tfds.download.DownloadConfig(num_shards=SHARDS)
        )
    return builder


@pytest.fixture(scope="module")
def whole_images(whole):
    """All images of "train", as `load_images` reads them without a fault."""
    from evaluation.sources import tfds as source

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(source, "prepare", lambda name: whole)
        return load_images("digits")


@pytest.fixture
def digits(whole, tmp_path, monkeypatch):
    """A copy of them that `load_images("digits")` reads; gives the files of "train"."""
    import tensorflow_datasets as tfds

    from evaluation.sources import tfds as source

    shutil.copytree(whole.data_dir, tmp_path / "digits" / "1.0.0")
    builder = tfds.builder_from_directory(tmp_path / "digits" / "1.0.0")
    monkeypatch.setattr(source, "prepare", lambda name: builder)
    files = sorted((tmp_path / "digits" / "1.0.0").glob("*train*"))
    assert len(files) == SHARDS
    return files


def cut(path):
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def stall(path):
    """Whoever opens it waits for ever."""
    path.unlink()
    os.mkfifo(path)


def spoil(path):
    content = bytearray(path.read_bytes())
    content[len(content) // 3] ^= 0xFF
    path.write_bytes(content)


FAULTS = {"missing": os.unlink, "cut": cut, "spoilt": spoil, "stalled": stall}
SECONDS = {fault: 1.5 if fault == "stalled" else 60 for fault in FAULTS}  # limits of one read
SLOW = pytest.mark.slow


def faults(*quick):
    """All faults, of which these are in the short run."""
    return [pytest.param(name, marks=() if name in quick else SLOW) for name in FAULTS]


class TestShards:
    def test_whole_they_hold_all_in_order(self, digits, whole):
        retry = brief()
        images = load_images("digits", retry=retry)
        part = load_images("digits:train[300:1000]")
        both = load_images("digits:test+train[:25%]")
        assert len(images) == 1437
        assert retry.retried == []
        np.testing.assert_array_equal(part.images, images.images[300:1000])
        np.testing.assert_array_equal(both.images[360:], images.images[:359])
        theirs = whole.as_dataset(split="train").take(16).as_numpy_iterator()
        np.testing.assert_array_equal(images.images[:16], [one["image"] for one in theirs])

    @pytest.mark.parametrize("fault", faults("missing"))
    def test_one_with_a_fault_is_named(self, digits, fault):
        FAULTS[fault](digits[2])
        retry = brief(seconds=SECONDS[fault])
        with pytest.raises(InputError) as caught:
            load_images("digits", retry=retry)
        message = str(caught.value)
        assert message.startswith(f"{digits[2]} cannot be read after ")
        assert "of 359 images" in message or "of 360 images" in message
        assert "--skip-corrupt" in message
        assert "\n" not in message
        assert retry.retried == [str(digits[2])] * 2

    @pytest.mark.parametrize("fault", faults("cut"))
    def test_one_with_a_fault_is_left_out_on_request(self, digits, whole_images, fault):
        FAULTS[fault](digits[1])
        retry = brief(seconds=SECONDS[fault])
        outcome = load_images("digits", skip_corrupt=True, retry=retry)
        (skipped,) = outcome.skipped
        lost, _, of = skipped.removeprefix(f"{digits[1]} (").removesuffix(" images)").split()
        lost, of = int(lost), int(of)
        assert 0 < lost <= of
        first = 359 + of - lost  # what is before the fault stays
        kept = np.r_[0:first, 359 + of : 1437]
        np.testing.assert_array_equal(outcome.images, whole_images.images[kept])
        np.testing.assert_array_equal(outcome.labels, whole_images.labels[kept])

    @pytest.mark.parametrize("kind", ["missing", pytest.param("stalled", marks=SLOW)])
    def test_one_that_comes_back_loses_nothing(self, digits, whole_images, kind):
        content = digits[3].read_bytes()
        FAULTS[kind](digits[3])

        def mend(line):
            digits[3].unlink(missing_ok=True)
            digits[3].write_bytes(content)

        retry = brief(mend, seconds=SECONDS[kind])
        assert load_images("digits", retry=retry).sha256 == whole_images.sha256
        assert retry.retried == [str(digits[3])]

    @SLOW
    def test_all_of_them_with_a_fault_are_no_data(self, digits):
        for file in digits:
            file.unlink()
        with pytest.raises(InputError, match="none of its files can be read"):
            load_images("digits", skip_corrupt=True, retry=brief())


def train(run_dir, *words):
    small = ["generator_channels=4", "discriminator_channels=4"]
    sets = [word for setting in small for word in ("--set", setting)]
    how = ["--steps", "2", "--batch-size", "4", "--eval-every", "0", "--data-timeout", "30"]
    words = ["train", "--run-dir", str(run_dir), *how, *sets, *words]
    return CliRunner().invoke(main, words, catch_exceptions=False)


def logged(run_dir, name):
    lines = [json.loads(line) for line in (run_dir / "metrics.jsonl").read_text().splitlines()]
    return [line[name] for line in lines if name in line]


class TestTraining:
    @SLOW
    def test_what_is_left_out_is_told_and_counted_once(self, digits, tmp_path):
        """Also where the run goes on; and the damage ends a run that was not told to go on."""
        cut(digits[0])
        held_out = next(digits[0].parent.glob("*test*"))
        cut(held_out)
        refused = train(tmp_path / "run")
        assert refused.exit_code == 2
        assert refused.output.strip().splitlines()[-1].startswith(f"Error: {digits[0]} cannot")
        for steps in ("2", "4"):
            result = train(tmp_path / "run", "--skip-corrupt", "--steps", steps)
            assert result.exit_code == 0, result.output
            for file in (digits[0], held_out):
                assert f"left out, since it cannot be read: {file} (" in result.output
        assert logged(tmp_path / "run", "data_skipped") == [2]
        assert logged(tmp_path / "run", "data_retried") == [4, 4]

    def test_a_held_out_file_with_a_fault_is_named_too(self, digits, tmp_path):
        held_out = next(digits[0].parent.glob("*test*"))
        held_out.unlink()
        result = train(tmp_path / "run")
        assert result.exit_code == 2
        assert f"{held_out} cannot be read after 0 of " in result.output
        assert not (tmp_path / "run").exists()


def test_a_file_of_a_folder_that_stalls_is_named_or_left_out(tmp_path):
    folder = tmp_path / "photos"
    folder.mkdir()
    os.mkfifo(tmp_path / "pipe")
    (folder / "b.png").symlink_to(tmp_path / "pipe")
    for name in "ac":
        Image.new("L", (4, 4), 9).save(folder / f"{name}.png")
    with pytest.raises(InputError, match=r"b\.png cannot be decoded .* \(nothing came for 0\.5 s"):
        load_images(f"folder:{folder}", retry=brief(seconds=0.5))
    outcome = load_images(f"folder:{folder}", skip_corrupt=True, retry=brief(seconds=0.5))
    assert outcome.skipped == (str(folder / "b.png"),)
    assert outcome.files == ("a.png", "c.png")


def test_a_tfrecord_that_is_cut_off_keeps_what_is_before_on_request(tf, tmp_path):
    for name in ("one", "two"):
        with tf.io.TFRecordWriter(str(tmp_path / f"{name}.tfrecord")) as writer:
            for value in range(5):
                pixels = tf.fill([4, 4, 1], tf.constant(40 * value, tf.uint8))
                encoded = tf.io.encode_png(pixels).numpy()
                feature = tf.train.Feature(bytes_list=tf.train.BytesList(value=[encoded]))
                features = tf.train.Features(feature={"image": feature})
                writer.write(tf.train.Example(features=features).SerializeToString())
    cut(tmp_path / "one.tfrecord")
    with pytest.raises(InputError, match=r"one\.tfrecord is damaged .*--skip-corrupt"):
        open_source(str(tmp_path / "*.tfrecord"))
    outcome = open_source(str(tmp_path / "*.tfrecord"), skip_corrupt=True)
    assert outcome.skipped == (f"{tmp_path / 'one.tfrecord'} from its image 2 on",)
    assert outcome.images[:, 0, 0, 0].tolist() == [0, 40, 0, 40, 80, 120, 160]
