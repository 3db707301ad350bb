"""The worker processes of one training: collective operations between them.

With one process, every method returns its argument.
"""

import json
from collections.abc import Mapping
from typing import Any

import numpy as np
import tensorflow as tf

from evaluation import InputError


class Workers:
    """The worker processes of a strategy. The chief is the one that writes files.

    Attributes:
      size: number of processes.
      index: index of this process; 0 is the chief.
    """

    def __init__(self, strategy: tf.distribute.Strategy, size: int = 1, index: int = 0):
        """Attributes as for the class; `strategy` runs the collective operations."""
        self.size, self.index = size, index
        self._strategy = strategy
        self._sum = tf.function(self._summed, reduce_retracing=False)

    @property
    def is_chief(self) -> bool:
        """Whether this process is the chief."""
        return self.index == 0

    def all_reduce_sum(self, values: np.ndarray) -> np.ndarray:
        """Returns the sum of integers over all processes. All processes must call it.

        Args:
          values: int32 or int64, of the same shape and type on all processes.
        """
        if self.size == 1:
            return values
        sums = self._sum(tf.constant(values))
        return self._strategy.experimental_local_results(sums)[0].numpy()

    def broadcast_array(self, values: np.ndarray) -> np.ndarray:
        """Returns the chief's array, bit for bit. All processes must call it.

        Args:
          values: array of the same shape and type on all processes.
        """
        if self.size == 1:
            return values
        values = np.ascontiguousarray(values)
        whole = values.view(np.int32) if values.dtype.itemsize % 4 == 0 else values.astype(np.int32)
        total = self.all_reduce_sum(whole if self.is_chief else np.zeros_like(whole))
        same = total.view(values.dtype) if values.dtype.itemsize % 4 == 0 else total
        return same.astype(values.dtype).reshape(values.shape)

    def broadcast(self, values: Any) -> Any:
        """Returns the chief's value, of plain JSON types. All processes must call it."""
        if self.size == 1:
            return values
        text = np.frombuffer(json.dumps(values).encode(), np.uint8)
        length = int(self.broadcast_array(np.array([len(text)]))[0])
        text = text if self.is_chief else np.zeros(length, np.uint8)
        return json.loads(self.broadcast_array(text).tobytes())

    def check_same_on_all_workers(self, values: Mapping[str, Any]) -> None:
        """Checks that all processes have the same values. All processes must call it.

        Args:
          values: of plain JSON types.

        Raises:
          InputError: some values differ; raised on all processes. A process that differs from the
            chief names its differences.
        """
        own, chiefs = json.loads(json.dumps(dict(values))), self.broadcast(dict(values))
        differences = [
            f"{name} is {own.get(name)} here, {chiefs.get(name)} on the chief"
            for name in {**chiefs, **own}
            if own.get(name) != chiefs.get(name)
        ]
        total = self.all_reduce_sum(np.array([len(differences)], np.int32))[0]
        remedy = "start all workers with the same options, data and TensorFlow"
        if differences:
            raise InputError(
                f"worker {self.index} of {self.size} differs from the chief "
                f"({'; '.join(differences)}); {remedy}."
            )
        if total:
            raise InputError(f"another worker differs from the chief, see its message; {remedy}.")

    def broadcast_variables(self, variables: Mapping[str, Any]) -> None:
        """Assigns the chief's values to the variables of all processes."""
        if self.size == 1:
            return
        for variable in variables.values():
            variable.assign(
                self.broadcast_array(np.atleast_1d(variable.numpy())).reshape(variable.shape)
            )

    def chief_first(self, work):
        """Calls a function without arguments on the chief, and then on all other processes.

        Raises:
          InputError: the function raised it. If it did so on the chief, all processes raise it.
        """
        if not self.is_chief:
            if message := self.broadcast(None):
                raise InputError(message)
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
