"""Makes a compiled step compute the same bits in every process.

`tf.config.experimental.enable_op_determinism` selects deterministic kernels. In TensorFlow 2.21 it
leaves two races on CPUs: the order of a variable's read and write, and the order of a sum.
"""

import contextlib
import itertools
from collections.abc import Iterator, Sequence

import tensorflow as tf
from tensorflow.python.ops import gen_math_ops  # tf.GradientTape sums by this module's `add_n`


def keep_reads_before_writes() -> None:
    """Turns off the one Grappler pass that lets a variable be written before it is read.

    TensorFlow 2.21's dependency optimizer drops the edge from a read to a later write if a longer
    path connects them; the next pass may then fold that path to a constant. The last kernel of
    `wgan`'s critic was sometimes read too late because of this. Turning the pass off costs no time.
    """
    tf.config.optimizer.set_experimental_options({"dependency_optimization": False})


@contextlib.contextmanager
def fixed_order_sums() -> Iterator[None]:
    """Makes gradients that are traced in the block add their terms from the first to the last.

    A variable or tensor with several uses gets the sum of as many gradients, by `AddN`. On CPUs,
    TensorFlow 2.21's `AddN` adds into the buffer of the first term that nothing else holds at that
    moment, so the order of three or more terms depends on which operations have already ended.
    `stylegan2`, whose layers share one style, trained to other last bits now and then. A chain of
    `Add` has no such choice.
    """
    add_n = gen_math_ops.add_n
    gen_math_ops.add_n = _add_in_order
    try:
        yield
    finally:
        gen_math_ops.add_n = add_n


_add_n = gen_math_ops.add_n


def _add_in_order(inputs: Sequence[tf.Tensor], name: str | None = None) -> tf.Tensor:
    """Returns the sum of the inputs, which does not depend on when they were computed.

    Grappler's arithmetic optimizer would turn a chain of `Add` back into one `AddN`. It leaves
    operations with a control input alone, so each addition waits for one thing more than its terms.
    """
    if tf.executing_eagerly() or (len(inputs) < 3 and not any(map(_from_a_branch, inputs))):
        return _add_n(inputs, name)
    total = inputs[0]
    for term, following in itertools.pairwise(inputs[1:]):
        with tf.control_dependencies([following]):
            total = tf.add(total, term)
    with tf.control_dependencies([tf.no_op()]):
        return tf.add(total, inputs[-1], name)


def _from_a_branch(tensor: tf.Tensor) -> bool:
    """Whether a branch of a `tf.cond` computed the tensor, and may hold it still."""
    return tensor.op.type == "OptionalGetValue"
