"""Writes the shapes of a model's default data, for the environments that cannot read the data.

python tools/tpu/shapes.py MODEL BATCH OUT.json
"""

import dataclasses
import json
import sys
from pathlib import Path

from evaluation import import_tensorflow


def main(name: str, batch_size: int, out: Path) -> None:
    """Writes the model's DataSpec and the shapes and dtypes of a batch."""
    tf = import_tensorflow()
    from gantf import models
    from gantf.data import loading, pipeline

    model = models.load(name)
    read = loading.load(models.defaults(model).data, models.needs(model))
    dataset = pipeline.make_dataset(read.sets, 0, batch_size)(tf.distribute.InputContext())
    report = {
        "data": read.described(),
        "spec": dataclasses.asdict(read.spec),
        "batch": {
            key: (tuple(spec.shape), spec.dtype.name) for key, spec in dataset.element_spec.items()
        },
    }
    out.write_text(json.dumps(report, indent=1) + "\n")


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]), Path(sys.argv[3]))
