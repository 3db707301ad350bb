"""`Memo`: keeps what several calls with the same reference compute."""

import dataclasses
from collections.abc import Callable, Hashable, MutableMapping
from typing import Any, TypeVar

T = TypeVar("T")


@dataclasses.dataclass(frozen=True, eq=False)
class Memo:
    """Images, features and floors, each computed once; the key holds all that decides a value.

    `kept` may be a dict of the caller, who passes it to several calls.
    """

    kept: MutableMapping[Any, Any] = dataclasses.field(default_factory=dict)

    def once(self, key: Hashable, compute: Callable[[], T]) -> T:
        """Returns the value of `key`; computes and keeps it if there is none."""
        if key not in self.kept:
            self.kept[key] = compute()
        return self.kept[key]
