"""`plan` for images: how many are needed, from a pilot's images instead of its features."""

from typing import Any

from evaluation.inference.planning import Plan, plan
from evaluation.runtime.progress import Progress, prefixed, shown
from evaluation.sources import Source
from evaluation.sources.options import GeneratorOptions
from evaluation.workflows.evaluate import check_settings
from evaluation.workflows.extraction import Extraction
from evaluation.workflows.image_sets import gather


def plan_from_images(
    pilot: Source,
    reference: Source | None = None,
    *,
    metric: str = "kid",
    effect: float | None = None,
    rows: int | None = None,
    power: float = 0.8,
    question: str = "difference",
    other: Source | None = None,
    n: int | None = None,
    seed: int = 0,
    level: float = 0.95,
    size_px: int | None = None,
    skip_corrupt: bool = False,
    options: GeneratorOptions | None = None,
    progress: Progress | bool | None = None,
    **of_features: Any,
) -> Plan:
    """`evaluation.plan` of the features of some images.

    Args:
      pilot: a generator or a set of images.
      reference: the real images; if None, the data that the generator names.
      metric: as in `evaluation.plan`, as effect, power, level and question.
      effect: the difference to find; give this or `rows`.
      rows: images of each sample, `n` of `evaluation.plan`.
      power: chance to find it.
      question: "difference" or "equality".
      other: a pilot of the second generator.
      n: images of the pilots.
      seed: of the latents.
      level: 1 - level is the chance of a false finding.
      size_px: as in `evaluation.evaluate`, as all that follows.
      skip_corrupt: leave out files that cannot be decoded.
      options: of the generators.
      progress: True for a bar, or called with (stage, done, total).
      **of_features: features, layer, weights, resize, precision, batch_size, cache.

    Raises:
      InputError: as `evaluation.evaluate` and `evaluation.plan`.
    """
    shared: dict[Any, Any] = {}
    how = Extraction(**of_features, known=shared)
    settings = {"protocol": "default", "level": level, "seed": seed}
    check_settings((metric,), how, settings, n, size_px, options)
    tables = []
    with shown(progress) as show:
        for name, source in (("pilot", pilot), ("other", other)):
            if source is None:
                continue
            tell = prefixed(show, name)
            sets = gather(source, reference, n, seed, size_px, skip_corrupt, tell, options, shared)
            how = how.chosen(sets.real)
            real = how.of(sets.real, tell, again=True).features
            tables.append(how.of(sets.fake, tell).features)
    second = tables[1] if len(tables) > 1 else None
    return plan(metric, real, tables[0], effect, rows, power, level, question, second, seed)
