"""`write_report`: a result as one self-contained HTML file."""

import os
from pathlib import Path
from typing import Any

from evaluation.errors import InputError
from evaluation.report import curves, pictures, scores
from evaluation.results import wording
from evaluation.results.result import Result
from evaluation.runtime import metrics_log
from evaluation.sources.images import Images

_HERE = Path(__file__).resolve().parent


def write_report(
    result: Result,
    path: str | os.PathLike,
    real_images: Images | None = None,
    fake_images: Images | None = None,
    run_dir: str | os.PathLike | None = None,
) -> Path:
    """Writes a result as a self-contained HTML page, without scripts or requests.

    Args:
      result: result of `evaluate` or `measure`.
      path: the file to write; its directory must exist.
      real_images: real images to show, or None.
      fake_images: generated images to show, or None.
      run_dir: a training run; its metrics.jsonl is drawn if it exists.

    Returns:
      The path written.

    Raises:
      InputError: the file cannot be written, or the run's log cannot be read.
    """
    import jinja2

    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(_HERE),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    page = environment.get_template("report.html").render(
        style=(_HERE / "report.css").read_text(encoding="utf-8"),
        **_content(result, real_images, fake_images, run_dir),
    )
    try:
        Path(path).write_text(page, encoding="utf-8")
    except OSError as error:
        raise InputError(
            f"{path} cannot be written ({error.strerror}); give another path."
        ) from None
    return Path(path)


def _content(
    result: Result, real: Images | None, fake: Images | None, run_dir: str | os.PathLike | None
) -> dict[str, Any]:
    """Returns the variables of the template."""
    sheets = [
        pictures.sheet(images, kind)
        for kind, images in (("generated", fake), ("real", real))
        if images
    ]
    log = metrics_log.read(Path(run_dir)) if run_dir else []
    context = result.context
    return {
        "title": wording.title(result),
        "summary": wording.summary(result),
        "plain_fid": wording.plain_fid(result),
        "floor": wording.floor(result),
        "notes": context.get("notes", []),
        "rows": scores.rows(result),
        "sheets": sheets,
        "fractions": scores.class_fractions(result),
        "panels": curves.panels(log),
        "warnings": curves.warnings(log),
        "settings": wording.settings(result),
    }
