"""The cache finds features by content, and works with several processes and damaged files."""

import errno
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import evaluation
from evaluation import InputError, extract
from evaluation.features import cache, stream

ARRAYS = {"features": np.arange(6, dtype="f4").reshape(2, 3), "labels": np.array([3, 4])}
FACTS = {"images": "ab", "n": 2, "settings": {"layer": None, "size": [1, 2.5]}}


def files(folder):
    return sorted(path.name for path in Path(folder).iterdir())


def test_the_place_follows_the_environment(monkeypatch, tmp_path):
    monkeypatch.setenv("GANTF_CACHE", str(tmp_path / "a"))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "b"))
    assert cache.directory() == tmp_path / "a"
    monkeypatch.delenv("GANTF_CACHE")
    assert cache.directory() == tmp_path / "b" / "gantf"
    monkeypatch.delenv("XDG_CACHE_HOME")
    assert cache.directory() == Path.home() / ".cache" / "gantf"


def test_keys_tell_every_fact_and_no_order():
    name = cache.key(FACTS)
    assert len(name) == 64
    assert name == cache.key(dict(reversed(FACTS.items())))
    others = [FACTS | {"n": 3}, FACTS | {"n": 2.5}, FACTS | {"more": 1}, {"images": "ab"}]
    assert len({name, *map(cache.key, others)}) == 5
    for fact in (np.float32(1), float("nan"), {1, 2}):
        with pytest.raises(InputError, match="facts of a cache key cannot be written as JSON"):
            cache.key({"fact": fact})


def test_what_is_written_is_read_and_listed(tmp_path):
    name = cache.key(FACTS)
    assert cache.read(tmp_path, name) is None
    cache.write(tmp_path, name, ARRAYS, FACTS)
    result = cache.read(tmp_path, name)
    assert list(result) == list(ARRAYS)
    for kind, array in ARRAYS.items():
        assert result[kind].dtype == array.dtype
        assert (result[kind] == array).all()
    (entry,) = cache.entries(tmp_path)
    assert (entry.key, entry.facts) == (name, FACTS)
    assert entry.shapes == {"features": (2, 3), "labels": (2,)}
    assert entry.size_bytes == entry.path.stat().st_size
    assert cache.clear(tmp_path) == entry.size_bytes
    assert cache.entries(tmp_path) == []
    assert cache.clear(tmp_path) == 0


@pytest.mark.parametrize("damage", ["flip", "cut", "longer", "header", "empty"])
def test_damaged_files_are_not_used(damage, tmp_path):
    name = cache.key(FACTS)
    cache.write(tmp_path, name, ARRAYS, FACTS)
    path = tmp_path / f"{name}.features"
    content = path.read_bytes()
    path.write_bytes(
        {
            "flip": content[:-3] + bytes([content[-3] ^ 1]) + content[-2:],
            "cut": content[:-5],
            "longer": content + b"x",
            "header": b"{" + content,
            "empty": b"",
        }[damage]
    )
    assert cache.read(tmp_path, name) is None
    cache.write(tmp_path, name, ARRAYS, FACTS)
    assert cache.read(tmp_path, name) is not None


def test_features_are_found_by_content_whatever_the_images_are_called(tmp_path, noise_images):
    images = noise_images(20)
    first = extract(images, cache=tmp_path)
    assert len(files(tmp_path)) == 1
    np.save(tmp_path.parent / "named.npy", images)
    output = []
    again = extract(
        evaluation.open_source(tmp_path.parent / "named.npy"),
        cache=tmp_path,
        progress=lambda *words: output.append(words),
    )
    assert (again.features == first.features).all()
    assert output == []  # nothing was computed
    assert len(files(tmp_path)) == 1
    assert again.images == evaluation.open_source(images).sha256


def test_what_changes_features_changes_the_entry(tmp_path, noise_images, tf):
    images = noise_images(20, 16, 16)
    extract(images, "random-conv", cache=tmp_path)
    for number, (other, options) in enumerate(
        [
            (images, {"features": "random-conv:1"}),
            (images, {"features": "random-conv", "precision": "bfloat16"}),
            (images, {"features": "pixels"}),
            (images[:19], {"features": "random-conv"}),
            (images[::-1], {"features": "random-conv"}),
        ]
    ):
        result = extract(other, **options, cache=tmp_path)
        assert (extract(other, **options).features == result.features).all()
        assert len(files(tmp_path)) == number + 2
    extract(images, "random-conv", batch_size=3, cache=tmp_path)
    assert len(files(tmp_path)) == 6


def test_logits_are_kept_too(tmp_path, digits):
    computed, kept = (extract(digits["test"], "digits", cache=tmp_path) for _ in range(2))
    assert (computed.logits == kept.logits).all()
    assert (computed.classes, computed.name) == (kept.classes, kept.name)
    assert len(files(tmp_path)) == 1


def test_a_damaged_entry_is_computed_again(tmp_path, noise_images):
    images = noise_images(20)
    first = extract(images, cache=tmp_path)
    (path,) = tmp_path.iterdir()
    path.write_bytes(path.read_bytes()[:-1] + b"\x00")
    again = extract(images, cache=tmp_path)
    assert (again.features == first.features).all()
    assert cache.read(tmp_path, path.name.removesuffix(".features")) is not None


def test_a_generator_is_known_by_its_weights_seed_and_number(tmp_path, tf, monkeypatch):
    def noise(n, rng):
        return rng.integers(0, 256, (n, 4, 4, 1)).astype(np.uint8)

    sampler = evaluation.open_source(noise)
    notes = extract(sampler, n=30, cache=tmp_path).notes
    assert "not cached, since no hash identifies the content" in notes[0]
    assert list(tmp_path.iterdir()) == []
    original = stream.from_sampler

    def weighted(source, n, seed):
        made = original(source, n, seed)
        facts = {"generator": "ab" * 32, "contract": {}, "seed": seed, "n": n}
        return stream.Stream(made.batches, made.count, made.shape, made.name, lambda: facts)

    monkeypatch.setattr("evaluation.features.streams.from_sampler", weighted)
    first = extract(sampler, n=30, cache=tmp_path)
    drawn = []
    again = extract(sampler, n=30, cache=tmp_path, progress=lambda *words: drawn.append(words))
    assert (again.features == first.features).all()
    assert drawn == []
    for n, seed in ((31, 0), (30, 1)):
        extract(sampler, n=n, seed=seed, cache=tmp_path)
    assert len(files(tmp_path)) == 3
    assert again.images == first.images != extract(sampler, n=30, seed=1).images


def test_features_by_a_function_are_not_kept(tmp_path, noise_images):
    (tmp_path / "mine.py").write_text("def f(images): return images.mean((1, 2))")
    result = extract(noise_images(3), f"{tmp_path / 'mine.py'}:f", cache=tmp_path / "cache")
    note = "mine.py:f of array: not cached, since no hash identifies the content."
    assert note in result.notes[0]
    assert not (tmp_path / "cache").exists()


def test_no_cache_is_the_usual_and_true_is_the_usual_place(monkeypatch, tmp_path, noise_images):
    monkeypatch.setenv("GANTF_CACHE", str(tmp_path))
    images = noise_images(4)
    for off in (None, False):
        extract(images, cache=off)
        assert files(tmp_path) == []
    extract(images, cache=True)
    assert [entry.path.parent for entry in cache.entries()] == [tmp_path / "features"]
    (tmp_path / "inception.npz").write_bytes(b"weights")
    assert cache.clear() > 0
    assert files(tmp_path) == ["features", "inception.npz"]
    (tmp_path / "file").touch()
    for wrong, line in (
        (3, r"cache=3; it must be True, False or the path of a folder"),
        (tmp_path / "file", r"cache='.*file' is a file; give the path of a folder"),
    ):
        with pytest.raises(InputError, match=line):
            extract(images, cache=wrong)


def test_a_full_disk_loses_nothing_but_the_cache(monkeypatch, tmp_path, noise_images):
    def full(*words):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr("evaluation.runtime.files.os.replace", full)
    result = extract(noise_images(4), cache=tmp_path)
    assert (result.features == extract(noise_images(4)).features).all()
    (note,) = result.notes
    assert "cannot be written (No space left on device)" in note
    assert "gantf-eval cache clear" in note
    assert "\n" not in note
    assert files(tmp_path) == []
    with pytest.raises(InputError, match=r"No space left on device\); clear it"):
        cache.write(tmp_path, "name", ARRAYS, FACTS)


def test_a_place_that_cannot_be_made_is_named(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(InputError, match=r"file/deep cannot be written \(.*\); make it writable"):
        cache.write(tmp_path / "file" / "deep", "name", ARRAYS, FACTS)


FILL = """
import sys
import numpy as np
from pathlib import Path
from evaluation.features import cache
folder, rows = Path(sys.argv[1]), np.zeros((1000, 500), "f4")
for turn in range(60):
    for name in "ab":
        cache.write(folder, name, {"features": rows + ord(name)}, {"name": name})
        found = cache.read(folder, name)
        assert found is not None and (found["features"] == ord(name)).all()
print("well")
"""


def test_two_processes_fill_one_cache_at_once(tmp_path):
    command = [sys.executable, "-c", FILL, str(tmp_path)]
    running = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True) for _ in range(2)]
    assert [process.communicate(timeout=60)[0] for process in running] == ["well\n"] * 2
    assert files(tmp_path) == ["a.features", "b.features"]
    assert all(cache.read(tmp_path, name) is not None for name in "ab")
