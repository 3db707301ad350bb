"""The hint that goes with the error for a missing file or folder: a similar name beside it."""

import difflib
import itertools
import os
from pathlib import Path

from evaluation.errors import InputError

SIMILARITY = 0.75  # least difflib ratio of a suggested name
MAX_ENTRIES = 10_000  # of a folder; further names are not compared


def does_not_exist(path: str, remedy: str, suggestion: str | None = None) -> InputError:
    """Returns the error for a path without a file or folder.

    Args:
      path: the path, as the user wrote it.
      remedy: the end of the line: "give ...".
      suggestion: a name for "did you mean", used where no file or folder has a similar name.
    """
    return InputError(
        f"{path} does not exist as a file or folder{hint(path, suggestion)}; {remedy}."
    )


def hint(path: str, suggestion: str | None = None, prefix: str = "") -> str:
    """Returns " (did you mean 'NAME'?)", or "" if there is no similar name.

    Args:
      path: a path that may be missing.
      suggestion: the name to use where no file or folder has a similar name.
      prefix: is put before a similar path, such as "folder:".
    """
    similar = similar_path(path)
    name = suggestion if similar is None else prefix + similar
    return f" (did you mean {name!r}?)" if name else ""


def similar_path(path: str) -> str | None:
    """Returns the most similar name in the folder of a missing path, as a path; or None.

    A leading ~ is replaced by the home directory, as shells do.
    """
    try:
        place = Path(path)
        if place.exists():
            return None
        place = place.expanduser()
        if place.exists():
            return str(place)
        with os.scandir(place.parent) as entries:
            names = sorted(entry.name for entry in itertools.islice(entries, MAX_ENTRIES))
    except (OSError, RuntimeError, ValueError):  # no such folder, no such user, a null byte
        return None
    matches = difflib.get_close_matches(place.name, names, n=1, cutoff=SIMILARITY)
    return str(place.parent / matches[0]) if matches else None
