"""The import of TensorFlow prints nothing, and searches for a TPU only if one is attached."""

import os
import subprocess
import sys

import pytest

STUB = """
import os, sys
print("loud", file=sys.stderr)
skip = os.environ.get("TPU_SKIP_MDS_QUERY")
"""
CODE = (
    "from evaluation.runtime import tensorflow as quiet; {}; print(quiet.import_tensorflow().skip)"
)


@pytest.mark.parametrize(
    ("environment", "line", "skips"),
    [
        ({}, "pass", "1"),
        ({"TPU_SKIP_MDS_QUERY": "0"}, "pass", "0"),
        ({}, "quiet.TPU_FILES = ['null']", "None"),  # a file in /dev that exists
    ],
)
def test_a_tpu_is_looked_for_only_where_one_is(tmp_path, environment, line, skips):
    (tmp_path / "tensorflow.py").write_text(STUB)
    usual = {name: value for name, value in os.environ.items() if not name.startswith("TPU_")}
    path = os.pathsep.join([str(tmp_path), *sys.path])
    done = subprocess.run(
        [sys.executable, "-c", CODE.format(line)],
        capture_output=True,
        text=True,
        env={**usual, "PYTHONPATH": path, **environment},
    )
    assert (done.stdout, done.stderr) == (f"{skips}\n", "")
