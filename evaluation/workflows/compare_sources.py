"""`compare_sources`: several generators or sets of images against one reference, pair by pair."""

import os
import time
from collections.abc import Mapping, Sequence
from typing import Any

from evaluation.errors import InputError
from evaluation.inference.ranking import compare
from evaluation.results.comparison import SourceComparison
from evaluation.results.source_names import named_sources
from evaluation.runtime.progress import Progress, prefixed, shown
from evaluation.sources import Source
from evaluation.sources.options import GeneratorOptions
from evaluation.sources.sampler import Sampler
from evaluation.workflows.evaluate import check_settings
from evaluation.workflows.extraction import Extraction
from evaluation.workflows.image_sets import Comparison, gather


def compare_sources(
    sources: Mapping[str, Source] | Sequence[Source],
    reference: Source | None = None,
    metrics: str | Sequence[str] = ("fid",),
    features: str | os.PathLike | None = None,
    n: int | None = None,
    seed: int = 0,
    level: float = 0.95,
    size_px: int | None = None,
    skip_corrupt: bool = False,
    batch_size: int | None = None,
    progress: Progress | bool | None = None,
    *,
    correction: str = "holm",
    paired_latents: bool = False,
    layer: str | None = None,
    weights: str | os.PathLike | None = None,
    resize: str | None = None,
    precision: str = "float32",
    options: GeneratorOptions | None = None,
    cache: bool | str | os.PathLike | None = None,
) -> SourceComparison:
    """Draws and extracts several sources, the reference once, and compares them pair by pair.

    Args:
      sources: two or more of what `evaluation.evaluate` judges; a mapping gives them names.
      reference: the real images of all; if None, the data that the generators name.
      metrics: one or more of those that `evaluation.compare` takes; the correction for the number
        of pairs is made within each metric.
      features: as in `evaluation.evaluate`, as n, seed, size_px, skip_corrupt, batch_size,
        progress, layer, weights, resize, precision, options and cache.
      n: images of each source.
      seed: of the latents, the same for all.
      level: of the intervals.
      size_px: side of the square that all images are cropped and resized to.
      skip_corrupt: leave out files that cannot be decoded.
      batch_size: images per pass through the features' network.
      progress: True for a bar, or called with (stage, done, total).
      correction: "holm" or "benjamini-hochberg".
      paired_latents: image i of all generators comes from the same latent; then differences are
        taken image by image. Only of generators that take the same latents.
      layer: which of the network's layers.
      weights: a file of the network's weights.
      resize: how images become the network's size.
      precision: "float32" or "bfloat16".
      options: of the generators.
      cache: keep features on disk.

    Returns:
      Scores, differences with intervals that hold for all pairs at once, adjusted p-values, and
      what they say in words, by metric.

    Raises:
      InputError: a mistake in what was given, in one line.
    """
    named = named_sources(sources)
    if len(named) < 2:
        raise InputError(f"sources has {len(named)}; a comparison needs two or more.")
    shared: dict[Any, Any] = {}
    how = Extraction(features, layer, weights, resize, precision, batch_size, cache, shared)
    settings = {"protocol": "default", "level": level, "seed": seed}
    chosen = check_settings(metrics, how, settings, n, size_px, options)
    assert chosen is not None
    started = time.perf_counter()
    rows, described = {}, {}
    real = None
    with shown(progress) as show:
        for name, source in named.items():
            tell = prefixed(show, name)
            sets = gather(source, reference, n, seed, size_px, skip_corrupt, tell, options, shared)
            how = how.chosen(sets.real)
            ours = how.of(sets.real, tell, again=True)
            if real is not None and ours is not real:
                raise InputError(
                    f"sources: the reference of {name!r} is {_form(sets)}, that of the others is"
                    " another; give --reference, and images of as many channels"
                )
            real = ours
            rows[name] = how.of(sets.fake, tell).features
            described[name] = _described(sets)
    if paired_latents:
        _check_paired(described)
    assert real is not None
    comparisons = {
        metric: compare(rows, real.features, metric, level, correction, seed, paired_latents)
        for metric in chosen
    }
    context = {
        "reference": sets.real.name,
        "n_real": len(sets.real),
        "reference_sha256": sets.real.sha256,
        "features": {"name": real.name, "sha256": real.sha256, "dim": real.features.shape[1]},
        "n": n,
        "seed": seed,
        "level": level,
        "sources": described,
        "seconds": round(time.perf_counter() - started, 3),
    }
    return SourceComparison(comparisons, context)


def _form(sets: Comparison) -> str:
    return f"{sets.real.name} of " + " x ".join(str(side) for side in sets.real.images.shape[1:])


def _described(sets: Comparison) -> dict[str, Any]:
    """What is recorded of one source."""
    sampler = sets.source if isinstance(sets.source, Sampler) else None
    return {
        "name": sets.fake.name,
        "count": len(sets.fake),
        "sha256": sets.fake.sha256,
        "contract": dict(sampler.contract) if sampler else {},
        "inferred": list(sampler.inferred) if sampler else [],
        "notes": list(sets.notes),
    }


def _check_paired(described: Mapping[str, Mapping[str, Any]]) -> None:
    """Refuses pairs of images that do not come from the same latents."""
    latents = {name: found["contract"].get("latents") for name, found in described.items()}
    first = next(iter(latents))
    for name, law in latents.items():
        if law is None or law != latents[first]:
            raise InputError(
                f"paired_latents: {first!r} has latents {latents[first]} and {name!r} {law};"
                " pairs need generators with the same latents: leave --paired-latents out"
            )
