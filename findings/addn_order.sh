#!/usr/bin/env bash
# tensorflow-cpu 2.21.0: a sum of three gradients depends on the time that other operations take,
# also after tf.config.experimental.enable_op_determinism().
#
# A tensor that is used three times gets its gradient by AddN. AddN adds into the buffer of the
# first term that nothing else holds at that moment, and adds that term first. Here something slow
# holds the first two terms, or does not. 1 + 1e8 - 1e8 is 0 in float32, and -1e8 + 1e8 + 1 is 1.
#
# Grappler does not help: it turns a chain of additions back into one AddN.
# Output seen:
#   tensorflow 2.21.0
#   the first two terms are free: 0.0
#   something slow holds the first two terms: 1.0
set -euo pipefail
folder="$(mktemp -d)"
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet tensorflow-cpu==2.21.0 numpy==2.3.5
cat > "$folder/sum.py" <<'PYTHON'
import time

import numpy as np
import tensorflow as tf

tf.config.experimental.enable_op_determinism()
print("tensorflow", tf.__version__)
SIZE = 100_000


def wait(rows):
    time.sleep(0.5)
    return np.float32(rows[0])


@tf.function
def total(zero, large, minus, held):
    terms = [tf.exp(zero, "a"), tf.square(large, "b"), tf.negative(minus, "c")]  # 1, 1e8, -1e8
    waiting = [tf.numpy_function(wait, [term], tf.float32) for term in terms[:2]] if held else []
    return tf.raw_ops.AddN(inputs=terms), waiting


answers = {}
for held in (False, True):
    inputs = (tf.fill([SIZE], value) for value in (0.0, 1e4, 1e8))
    answers[held] = float(total(*inputs, held)[0][0])
print("the first two terms are free:", answers[False])
print("something slow holds the first two terms:", answers[True])
assert answers == {False: 0.0, True: 1.0}, answers
PYTHON
TF_CPP_MIN_LOG_LEVEL=3 "$folder/venv/bin/python" "$folder/sum.py" 2>/dev/null
