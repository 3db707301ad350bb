"""`compare_sources`: compares several generators or sets of images pair by pair."""

import os
import time
from collections.abc import Mapping, Sequence
from typing import Any

from evaluation.errors import InputError
from evaluation.features import Features
from evaluation.features.options import FeatureOptions
from evaluation.inference.ranking import compare
from evaluation.results.comparison import SourceComparison
from evaluation.results.source_names import named_sources
from evaluation.runtime.progress import Progress, prefixed, shown
from evaluation.sources import Source
from evaluation.sources.image_options import ImageOptions
from evaluation.sources.options import GeneratorOptions
from evaluation.sources.sampler import Sampler
from evaluation.workflows.evaluate import check_settings
from evaluation.workflows.extraction import Extraction
from evaluation.workflows.image_sets import Comparison, gather
from evaluation.workflows.options import bind_options


def compare_sources(
    sources: Mapping[str, Source] | Sequence[Source],
    reference: Source | None = None,
    metrics: str | Sequence[str] = ("fid",),
    features: str | os.PathLike | FeatureOptions | None = None,
    n: int | None = None,
    seed: int = 0,
    level: float = 0.95,
    *,
    correction: str = "holm",
    paired_latents: bool = False,
    images: ImageOptions | None = None,
    options: GeneratorOptions | None = None,
    progress: Progress | bool | None = None,
    **keywords: Any,
) -> SourceComparison:
    """Computes the features of several sources and of one reference, and compares each pair.

    Args:
      sources: two or more sources that `evaluation.evaluate` accepts; a mapping names them.
      reference: the real images for all sources; None for the data that the generators name.
      metrics: one or more metrics that `evaluation.compare` accepts. The correction for the number
        of pairs is made within each metric.
      features: a name or `FeatureOptions`, as in `evaluation.evaluate`.
      n: images of each source, as in `evaluation.evaluate`.
      seed: seed of the latents, the same for all sources.
      level: confidence level of the intervals, in (0, 1).
      correction: "holm" or "benjamini-hochberg".
      paired_latents: image i of all generators comes from the same latent, so differences are
        computed image by image. Requires generators with the same latents.
      images: size of the images, and treatment of corrupt files.
      options: options of the generators.
      progress: True for a progress bar, or a function of (stage, done, total).
      **keywords: fields of `FeatureOptions` and `ImageOptions`, as in `evaluation.evaluate`.

    Returns:
      By metric: scores, differences with intervals that hold for all pairs at once, adjusted
      p-values, and sentences.

    Raises:
      InputError: an invalid argument or source, in one line.
    """
    feature_options, image_options = bind_options(compare_sources, features, images, keywords)
    named = named_sources(sources)
    if len(named) < 2:
        raise InputError(f"sources has {len(named)}; a comparison needs two or more.")
    extraction = Extraction(feature_options)
    settings = {"protocol": "default", "level": level, "seed": seed}
    names = check_settings(metrics, feature_options, settings, n, options)
    assert names is not None
    started = time.perf_counter()
    rows, described = {}, {}
    real = None
    with shown(progress) as show:
        for name, source in named.items():
            tell = prefixed(show, name)
            sets = gather(source, reference, n, seed, image_options, tell, options, extraction.memo)
            extraction = extraction.with_default_features(sets.real)
            ours = extraction.features_of(sets.real, tell, keep=True)
            if real is not None and ours is not real:
                raise InputError(
                    f"sources: the reference of {name!r} is {_form(sets)}, that of the others is"
                    " another; give --reference, and images of as many channels"
                )
            real = ours
            fake = extraction.features_of(sets.fake, tell)
            rows[name] = fake.features
            described[name] = _describe(sets, fake)
    if paired_latents:
        _check_paired(described)
    assert real is not None
    comparisons = {
        metric: compare(rows, real.features, metric, level, correction, seed, paired_latents)
        for metric in names
    }
    context = {
        "reference": sets.real.name,
        "n_real": len(sets.real),
        "reference_sha256": real.images,
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


def _describe(sets: Comparison, fake: Features) -> dict[str, Any]:
    """Returns the record of one source."""
    sampler = sets.source if isinstance(sets.source, Sampler) else None
    return {
        "name": sets.fake.name,
        "count": len(sets.fake),
        "sha256": fake.images,
        "contract": dict(sampler.contract) if sampler else {},
        "inferred": list(sampler.inferred) if sampler else [],
        "notes": list(sets.notes),
    }


def _check_paired(described: Mapping[str, Mapping[str, Any]]) -> None:
    """Refuses to pair images that do not come from the same latents."""
    latents = {name: record["contract"].get("latents") for name, record in described.items()}
    first = next(iter(latents))
    for name, distribution in latents.items():
        if distribution is None or distribution != latents[first]:
            raise InputError(
                f"paired_latents: {first!r} has latents {latents[first]} and {name!r}"
                f" {distribution}; pairs need generators with the same latents: leave"
                " --paired-latents out"
            )
