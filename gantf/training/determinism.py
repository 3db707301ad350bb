"""Makes a compiled step compute the same bits in every process.

`tf.config.experimental.enable_op_determinism` selects deterministic kernels. In TensorFlow 2.21 it
leaves two races on CPUs: the order of a variable's read and write, and the order of a sum.
`tests/gantf/training/test_order.py` checks both in the graphs that run.
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
    """Makes the gradients that are traced in the block add their terms in one order.

    A tensor or variable with several uses gets the sum of as many gradients, by `AddN`. On CPUs,
    TensorFlow 2.21's `AddN` adds into the buffer of the first term that nothing else holds at that
    moment. So the order of three or more terms depends on which operations have already ended, and
    `stylegan2` and `cyclegan` trained to other last bits now and then. Two terms have one order;
    but Grappler may merge a sum of two into a larger one, which matters if a branch holds both.

    TensorFlow offers no public way to choose how gradients are summed. This replaces its function
    while the block runs, so the block must hold no more than the trace of a step.
    """
    add_n = gen_math_ops.add_n

    def add_in_order(inputs: Sequence[tf.Tensor], name: str | None = None) -> tf.Tensor:
        if tf.executing_eagerly() or (len(inputs) < 3 and not any(map(_from_branch, inputs))):
            return add_n(inputs, name)
        total, *terms = sorted(inputs, key=lambda term: term.name)  # Grappler sorts them, too
        for term, following in itertools.pairwise([*terms, None]):
            # Grappler's arithmetic optimizer would turn the chain back into one sum. It leaves
            # operations with a control input alone.
            with tf.control_dependencies([tf.no_op() if following is None else following]):
                total = add_n([total, term])
        return total

    gen_math_ops.add_n = add_in_order
    try:
        yield
    finally:
        gen_math_ops.add_n = add_n


def _from_branch(tensor: tf.Tensor) -> bool:
    """Whether a branch of `tf.cond` computed the tensor, and may hold it for long."""
    return tensor.op.type == "OptionalGetValue"
