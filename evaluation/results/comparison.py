"""Results of a comparison of several sources: tables, sentences, a frame and a figure."""

import dataclasses
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from evaluation.core.estimate import plain
from evaluation.results import formatting
from evaluation.results.formatting import interval, number
from evaluation.results.frame import import_pandas
from evaluation.results.model_comparison import POWER, Difference, ModelComparison

if TYPE_CHECKING:
    import pandas

    from evaluation.results.plot_style import Drawing

SCORES = ("source", "metric", "value", "interval", "real / fake")
DIFFERENCES = ("first - second", "metric", "difference", "all intervals at once", "adjusted p")


@dataclasses.dataclass(frozen=True, repr=False, eq=False)
class SourceComparison(Mapping[str, ModelComparison]):
    """Result of `compare_sources`, by metric; prints as two tables and sentences.

    Attributes:
      comparisons: results of `evaluation.compare`, by metric.
      context: sources, reference, features and settings; plain JSON types.
    """

    comparisons: Mapping[str, ModelComparison]
    context: Mapping[str, Any]

    def __getitem__(self, metric: str) -> ModelComparison:
        """Returns the comparison by one metric."""
        return self.comparisons[metric]

    def __iter__(self) -> Iterator[str]:
        """Iterates over the metrics' names, in input order."""
        return iter(self.comparisons)

    def __len__(self) -> int:
        """Number of metrics."""
        return len(self.comparisons)

    def headline(self) -> str:
        """Describes sources, reference and features in one line."""
        context = self.context
        counts = sorted({source["count"] for source in context["sources"].values()})
        span = " to ".join(map(str, counts if len(counts) < 2 else (counts[0], counts[-1])))
        return (
            f"{len(context['sources'])} sources of {span} images against {context['n_real']} of"
            f" {context['reference']}, features {context['features']['name']}, seed"
            f" {context['seed']}, {context['seconds']:.1f} s"
        )

    def sentences(self) -> list[str]:
        """Returns a sentence for each pair and metric, and each metric's ranking."""
        sentences = []
        for comparison in self.comparisons.values():
            sentences += [_sentence(comparison, pair) for pair in comparison.differences]
            sentences.append(f"Ranking by {comparison.metric}: {comparison.ranking}.")
        return sentences

    def to_dict(self) -> dict[str, Any]:
        """Converts to JSON types: {"metrics": {...}, "sentences": [...], "context": {...}}."""
        metrics = {name: dataclasses.asdict(value) for name, value in self.comparisons.items()}
        return plain({"metrics": metrics, "sentences": self.sentences(), "context": self.context})

    def to_frame(self) -> "pandas.DataFrame":
        """Returns one row per pair and metric, as a pandas frame.

        Raises:
          InputError: pandas is not installed.
        """
        return import_pandas().DataFrame(
            {"metric": comparison.metric} | dataclasses.asdict(pair)
            for comparison in self.comparisons.values()
            for pair in comparison.differences
        )

    def plot(self) -> "Drawing":
        """Draws values and differences with their intervals."""
        from evaluation.results import plots

        return plots.comparison(self)

    def __str__(self) -> str:
        """The tables and the sentences as plain text."""
        parts = [
            formatting.text(SCORES, self._scores(), SCORES[:2], SCORES[:1]),
            formatting.text(DIFFERENCES, self._differences(), DIFFERENCES[:2], DIFFERENCES[:1]),
            "\n".join(self.sentences()),
        ]
        return "\n\n".join(parts)

    __repr__ = __str__

    def _repr_html_(self) -> str:
        """The tables for a notebook."""
        scores = formatting.page(SCORES, self._scores(), SCORES[:2])
        return scores + formatting.page(
            DIFFERENCES, self._differences(), DIFFERENCES[:2], "", self.sentences()
        )

    def _scores(self) -> list[list[str]]:
        rows = []
        for comparison in self.comparisons.values():
            arrow = "↓" if comparison.direction == "lower" else "↑"
            for name, score in comparison.models.items():
                ends = interval(score.low, score.high)
                counts = f"{comparison.n_real} / {score.n_fake}"
                metric = f"{comparison.metric} {arrow}"
                rows.append([name, metric, number(score.value), ends, counts])
        return rows

    def _differences(self) -> list[list[str]]:
        rows = []
        for comparison in self.comparisons.values():
            for pair in comparison.differences:
                names, p_value = f"{pair.first} - {pair.second}", pair.adjusted_p_value
                ends = interval(pair.joint_low, pair.joint_high)
                shown_p = "< 1e-6" if p_value < 1e-6 else f"{p_value:.3g}"
                rows.append([names, comparison.metric, number(pair.value), ends, shown_p])
        return rows


def _sentence(comparison: ModelComparison, pair: Difference) -> str:
    """Describes one difference."""
    joint = f"{100 * comparison.level:g} % interval of all pairs together"
    if pair.better:
        ends = sorted((abs(pair.joint_low), abs(pair.joint_high)))
        crosses = pair.joint_low <= 0.0 <= pair.joint_high
        by = f"{number(abs(pair.value))}"
        span = "reaching 0" if crosses else f"{number(ends[0])} to {number(ends[1])}"
        return (
            f"{pair.first} is better than {pair.second} by {comparison.metric}:"
            f" {comparison.direction} by {by} ({joint} {span})."
        )
    return (
        f"{pair.first} and {pair.second} do not differ significantly by {comparison.metric}; a"
        f" difference of {number(pair.detectable)} is detectable with power {POWER:g}."
    )
