"""Reads the log of a training run: `metrics.jsonl`, one JSON object a line."""

import json
from pathlib import Path
from typing import Any

from evaluation.errors import InputError

FILE = "metrics.jsonl"


def read(run_dir: Path) -> list[dict[str, Any]]:
    """Returns the records of a run by step, each with an integer "step"; none without the file.

    Other lines are skipped: a crash may have cut off the last one.

    Raises:
      InputError: the file is there, but cannot be read.
    """
    path = run_dir / FILE
    try:
        text = path.read_text(encoding="utf-8", errors="replace")
    except (FileNotFoundError, NotADirectoryError, IsADirectoryError):
        return []
    except OSError as error:
        raise InputError(f"{path} cannot be read ({error.strerror}); make it readable.") from None
    records = []
    for line in text.splitlines():
        try:
            record = json.loads(line)
        except ValueError:
            continue
        if isinstance(record, dict) and isinstance(record.get("step"), int):
            records.append(record)
    return sorted(records, key=lambda record: record["step"])
