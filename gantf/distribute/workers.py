"""The worker processes of one training: which of them writes, and what they send each other.

With one process, every method returns its argument.
"""

import json
from collections.abc import Mapping
from typing import Any

import numpy as np
import tensorflow as tf

from evaluation import InputError


class Workers:
    """The processes of a strategy.

    Attributes:
      size: how many there are.
      index: which of them this is; 0 is the chief.
    """

    def __init__(self, strategy: tf.distribute.Strategy, size: int = 1, index: int = 0):
        """The workers of a strategy with `size` processes."""
        self.size, self.index = size, index
        self._strategy = strategy
        self._sum = tf.function(self._summed, reduce_retracing=False)

    @property
    def is_chief(self) -> bool:
        """Whether this process is the one that writes."""
        return self.index == 0

    def all_reduce_sum(self, values: np.ndarray) -> np.ndarray:
        """The sum over all processes of whole numbers; all must call it, with one shape and type.

        Args:
          values: int32 or int64.
        """
        if self.size == 1:
            return values
        sums = self._sum(tf.constant(values))
        return self._strategy.experimental_local_results(sums)[0].numpy()

    def broadcast_array(self, values: np.ndarray) -> np.ndarray:
        """The chief's array, bit for bit; all must call it, with arrays of one shape and type."""
        if self.size == 1:
            return values
        values = np.ascontiguousarray(values)
        whole = values.view(np.int32) if values.dtype.itemsize % 4 == 0 else values.astype(np.int32)
        found = self.all_reduce_sum(whole if self.is_chief else np.zeros_like(whole))
        same = found.view(values.dtype) if values.dtype.itemsize % 4 == 0 else found
        return same.astype(values.dtype).reshape(values.shape)

    def broadcast(self, values: Any) -> Any:
        """What the chief says, in plain JSON types; all must call it."""
        if self.size == 1:
            return values
        text = np.frombuffer(json.dumps(values).encode(), np.uint8)
        length = int(self.broadcast_array(np.array([len(text)]))[0])
        text = text if self.is_chief else np.zeros(length, np.uint8)
        return json.loads(self.broadcast_array(text).tobytes())

    def check_same_on_all_workers(self, given: Mapping[str, Any]) -> None:
        """Sees that all processes were given the same, in plain JSON types; all must call it.

        Raises:
          InputError: on all processes; where something differs it says what.
        """
        mine, chiefs = json.loads(json.dumps(dict(given))), self.broadcast(dict(given))
        differing = [
            f"{name} is {mine.get(name)}, the chief's {chiefs.get(name)}"
            for name in {**chiefs, **mine}
            if mine.get(name) != chiefs.get(name)
        ]
        found = self.all_reduce_sum(np.array([len(differing)], np.int32))[0]
        if differing:
            raise InputError(
                f"worker {self.index} of {self.size} was given something else than the chief "
                f"({'; '.join(differing)}); give all workers the same."
            )
        if found:
            raise InputError(
                "another worker was given something else than the chief, and says what; give all "
                "workers the same."
            )

    def broadcast_variables(self, variables: Mapping[str, Any]) -> None:
        """Gives all processes the chief's values of the variables."""
        if self.size == 1:
            return
        for variable in variables.values():
            variable.assign(
                self.broadcast_array(np.atleast_1d(variable.numpy())).reshape(variable.shape)
            )

    def chief_first(self, work):
        """Runs a function of no arguments on the chief, and then on all others.

        Raises:
          InputError: the function raised it, on all processes alike where it did on the chief.
        """
        if not self.is_chief:
            if refused := self.broadcast(None):
                raise InputError(refused)
            return work()
        try:
            result = work()
        except InputError as error:
            self.broadcast(str(error))
            raise
        self.broadcast(None)
        return result

    def _summed(self, values):
        def on_replica(values):
            replica = tf.distribute.get_replica_context()
            local = replica.replica_id_in_sync_group % self._local
            counted = tf.where(tf.equal(local, 0), values, tf.zeros_like(values))
            return replica.all_reduce(tf.distribute.ReduceOp.SUM, counted)

        return self._strategy.run(on_replica, args=(values,))

    @property
    def _local(self) -> int:
        return self._strategy.num_replicas_in_sync // self.size
