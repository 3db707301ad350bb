"""Loads the data of a training: images, labelled images, pairs of images, or two domains."""

import dataclasses
import hashlib
import re
from collections.abc import Callable, Sequence
from pathlib import PurePath

import numpy as np

import evaluation
from evaluation import Images, InputError, NoSplitError, OnDemand, RetryPolicy
from gantf import config
from gantf.data.pipeline import Rows
from gantf.game import DataSpec, Needs

HELD_OUT = ("test", "validation")
LISTING = "listing:"  # in front of a hash of names and sizes
CYCLE_GAN = "cycle_gan"  # TFDS's data sets of two domains, with splits trainA, trainB, testA, testB


@dataclasses.dataclass(frozen=True)
class TrainingData:
    """The data of a run.

    Attributes:
      sets: for `pipeline.make_dataset`: one set of arrays, or one for each domain.
      spec: the properties that the model is built for.
      name: the user's name of the data.
      sha256: hash of all images; of images that are decoded on demand, "listing:" and the hash of
        their names and sizes.
      skipped: files that could not be read and were skipped on request.
      retried: one entry for each repeated read.
      held_out: data that are not trained on; None without a held-out split.
      content_sha256: returns the hash of all images. It decodes those that are read on demand.
    """

    sets: Sequence[Rows]
    spec: DataSpec
    name: str
    sha256: str
    skipped: tuple[str, ...] = ()
    retried: tuple[str, ...] = ()
    held_out: "TrainingData | None" = None
    content_sha256: Callable[[], str] = str

    @property
    def images(self) -> np.ndarray | OnDemand:
        """The images that a generator should imitate: uint8, shape (n, H, W, C)."""
        return self.sets[-1]["b" if len(self.sets) == 2 else "image"]

    @property
    def all_skipped(self) -> tuple[str, ...]:
        """Files that were skipped, in training and held-out data."""
        return self.skipped + (self.held_out.skipped if self.held_out else ())

    def described(self) -> str:
        """Returns e.g. "digits:train (1437 images of 8 x 8 x 1)"."""
        counts = " and ".join(str(len(next(iter(rows.values())))) for rows in self.sets)
        return f"{self.name} ({counts} images of {' x '.join(map(str, self.spec.image_shape))})"


def load(
    data: str,
    needs: Needs,
    size_px: int | None = None,
    skip_corrupt: bool = False,
    retry: RetryPolicy | None = None,
) -> TrainingData:
    """Loads the data that a model needs, and a held-out split if there is one.

    Args:
      data: the name of a data set, "folder:PATH", or, for pairs and domains, two of these separated
        by a comma.
      needs: the kind of data that the model reads.
      size_px: each image is cropped and resized to a square of this side; None: unchanged.
      skip_corrupt: leave out files that cannot be read.
      retry: how often a read is tried, and for how long.

    Raises:
      InputError: the data are not of the kind that the model needs, or cannot be read.
    """
    retry = retry or RetryPolicy()
    reader = _Reader(size_px, skip_corrupt, retry)
    first, second = [*config.data_names(data), ""][:2]
    if second and needs not in ("pairs", "domains"):
        raise InputError(
            f"--data {data!r} names two data sets, and the model reads one; leave one out, or use "
            "a model of two domains (cyclegan) or of pairs (pix2pix)."
        )
    build = {"domains": _domains, "pairs": _pairs}.get(needs, _images)
    training = build(reader, data, first, second, None, needs)
    held_out = None
    whole, other = _without_split(first), _without_split(second)
    for split in HELD_OUT:
        if whole is None or other is None:
            break
        try:
            held_out = build(reader, data, whole, other, split, needs)
            break
        except NoSplitError:
            continue
    return dataclasses.replace(training, held_out=held_out, retried=tuple(retry.retried))


def _without_split(name: str) -> str | None:
    """Returns the name without "train"; None for folders and other splits: no held-out data."""
    base, colon, split = name.partition(":")
    return base if not colon or re.fullmatch(r"train(\[[^\]]*\])?", split) else None


@dataclasses.dataclass(frozen=True)
class _Reader:
    size_px: int | None
    skip_corrupt: bool
    retry: RetryPolicy

    def read(self, name: str, split: str | None) -> Images:
        return evaluation.load_images(name, split, self.size_px, self.skip_corrupt, self.retry)


def _images(reader: _Reader, data, first, second, split, needs: Needs) -> TrainingData:
    images = reader.read(first, split)
    rows: dict[str, np.ndarray | OnDemand] = {"image": images.images}
    if images.labels is not None:
        rows["label"] = images.labels
    if needs == "labels":
        if images.labels is None:
            raise InputError(
                f"--data {data}: its images have no labels, and the model needs labels; sort "
                "them into one sub-folder for each class, or use an unconditional model, e.g. gan."
            )
        if len(images.class_names) < 2:
            raise InputError(
                f"--data {data} has one class, {images.class_names[0]!r}, and the model needs "
                "two or more; add one, or use an unconditional model, e.g. gan."
            )
    spec = DataSpec(images.images.shape[1:], images.class_names, _class_fractions(images))
    return _data((rows,), spec, images.name, [images], images.skipped)


def _class_fractions(images: Images) -> tuple[float, ...]:
    if images.labels is None:
        return ()
    counts = np.bincount(images.labels, minlength=len(images.class_names))
    return tuple(float(count) for count in counts / counts.sum())


def _domains(reader: _Reader, data, first, second, split, needs: Needs) -> TrainingData:
    """Loads two domains: two data sets, two classes of one, or two splits of TFDS's cycle_gan."""
    if second:
        a, b = reader.read(first, split), reader.read(second, split)
    elif first.partition("/")[0] == CYCLE_GAN:
        a, b = (reader.read(first, (split or "train") + domain) for domain in "AB")
    else:
        both = reader.read(first, split)
        classes = len(both.class_names)
        if both.labels is None or classes != 2:
            raise InputError(
                f"--data {data} has {classes or 'no'} classes, and the model translates between "
                "two domains; give data of two classes, a folder of two sub-folders, or two data "
                "sets separated by a comma: folder:A,folder:B."
            )
        a, b = (
            dataclasses.replace(
                both.rows(np.flatnonzero(both.labels == label)), labels=None, name=f"{name}"
            )
            for label, name in enumerate(both.class_names)
        )
    a, b = _same_shape(a, b, data)
    if not len(a) or not len(b):
        raise InputError(f"--data {data}: a domain has no images; give at least one in each.")
    spec = DataSpec(
        b.images.shape[1:], input_shape=a.images.shape[1:], class_names=(a.name, b.name)
    )
    sets = ({"a": a.images}, {"b": b.images})
    return _data(sets, spec, data, [a, b], (*a.skipped, *b.skipped))


def _pairs(reader: _Reader, data, first, second, split, needs: Needs) -> TrainingData:
    """Loads pairs: two folders with files of equal names, or a data set with an "input"."""
    if second:
        inputs, images = reader.read(first, split), reader.read(second, split)
        skipped = (*inputs.skipped, *images.skipped)
        if skipped:
            raise InputError(
                f"--data {data}: {skipped[0]} cannot be read, so its pair is incomplete; repair or "
                "remove both files."
            )
        images = _reorder(inputs, images, data)
        inputs, images = _same_shape(inputs, images, data, channels=False)
        pixels = inputs.images
    else:
        images = inputs = reader.read(first, split)
        if images.inputs is None:
            raise InputError(
                f"--data {data} has no pairs of images, which the model needs; give two folders "
                "separated by a comma, folder:INPUTS,folder:IMAGES, or photo_edges."
            )
        pixels = images.inputs
    rows = {"input": pixels, "image": images.images}
    spec = DataSpec(images.images.shape[1:], input_shape=pixels.shape[1:])
    return _data((rows,), spec, data, [inputs, images], images.skipped)


def _data(
    sets: Sequence[Rows],
    spec: DataSpec,
    name: str,
    sources: Sequence[Images],
    skipped: tuple[str, ...],
) -> TrainingData:
    """Returns training data with the hash of their sources."""
    fingerprint = _joined([source.fingerprint for source in sources])
    if any(isinstance(source.images, OnDemand) for source in sources):
        fingerprint = LISTING + fingerprint
    return TrainingData(
        sets,
        spec,
        name,
        fingerprint,
        skipped,
        content_sha256=lambda: _joined([source.sha256 for source in sources]),
    )


def _joined(hashes: Sequence[str]) -> str:
    """Returns the only hash, or the hash of several."""
    return hashes[0] if len(hashes) == 1 else hashlib.sha256("".join(hashes).encode()).hexdigest()


def _reorder(inputs: Images, images: Images, data: str) -> Images:
    """Returns the images in the order of their inputs, by file names without suffix."""
    if len(inputs) != len(images):
        raise InputError(
            f"--data {data}: {len(inputs)} inputs and {len(images)} images make no pairs; give "
            "one image for each input, of the same name."
        )
    if not inputs.files or not images.files:
        return images
    rows: list[dict[str, int]] = []
    for folder in (inputs, images):
        stems = [str(PurePath(file).with_suffix("")) for file in folder.files]
        rows.append({stem: row for row, stem in enumerate(stems)})
        if len(rows[-1]) < len(stems):
            duplicate = next(stem for row, stem in enumerate(stems) if rows[-1][stem] != row)
            raise InputError(
                f"--data {data}: {folder.name} has two images named {duplicate}, and a pair "
                "needs one; rename or remove one."
            )
    unpaired = [stem for stem in rows[0] if stem not in rows[1]]
    if unpaired:
        raise InputError(
            f"--data {data}: no image has the name of the input {unpaired[0]}; give one image for "
            "each input, of the same name except for its suffix."
        )
    order = np.array([rows[1][stem] for stem in rows[0]])
    if np.array_equal(order, np.arange(len(order))):
        return images
    return dataclasses.replace(images.rows(order), labels=None)


def _same_shape(a: Images, b: Images, data: str, channels: bool = True) -> tuple[Images, Images]:
    """Checks that both have the same size; makes both RGB if one is RGB."""
    if a.images.shape[1:3] != b.images.shape[1:3]:
        sizes = " and ".join(" x ".join(map(str, x.images.shape[1:3])) for x in (a, b))
        raise InputError(
            f"--data {data} has images of {sizes}; give --size to bring them to one size."
        )
    if channels and a.images.shape[3] != b.images.shape[3]:
        return a.as_rgb(), b.as_rgb()
    return a, b
