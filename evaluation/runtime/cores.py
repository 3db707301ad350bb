"""The number of CPU cores for a program's threads."""

import os


def usable_cores() -> int:
    """Returns the number of CPU cores that this process may use, at least 1."""
    has_affinity = hasattr(os, "sched_getaffinity")  # not on every system
    return len(os.sched_getaffinity(0)) if has_affinity else os.cpu_count() or 1
