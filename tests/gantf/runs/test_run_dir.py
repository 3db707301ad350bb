"""A run's directory belongs to one run and one process, and says so."""

import json
import types

import numpy as np
import pytest

from evaluation import InputError
from gantf import config
from gantf.game import DataSpec
from gantf.runs import checkpoints, locks, restore, train_state
from gantf.runs.checkpoints import Checkpoint
from gantf.runs.run_dir import exclusive
from gantf.runs.train_state import TrainState

RUN = config.RunConfig()


class Told:
    """A terminal that keeps what it is told."""

    def __init__(self):
        self.lines = []

    def say(self, line):
        self.lines.append(line)


def save(run_dir, step=1):
    meta = {**TrainState(step).to_dict(), "data": {}}
    return checkpoints.save(run_dir, Checkpoint(step, {"a": np.zeros(3, np.float32)}, meta))


def elsewhere(place):
    return RUN.model_copy(update={"checkpoint_dir": str(place)})


def test_a_new_directory_is_made_and_let_go(tmp_path):
    run_dir = tmp_path / "deep" / "run"
    with exclusive(RUN, run_dir):
        assert json.loads((run_dir / locks.FILE).read_text())["pid"]
    with exclusive(RUN, run_dir):
        pass


def test_a_dead_process_is_told_of(tmp_path):
    dead = locks.Holder(locks._myself().host, 2**22 + 1, "2020-01-01T00:00:00+00:00", "")
    (tmp_path / locks.FILE).write_text(json.dumps(vars(dead)))
    output = Told()
    with exclusive(RUN, tmp_path, output):
        pass
    assert output.lines == [f"{tmp_path} was left by {dead}, which no longer runs: taking over"]


def test_other_things_are_left_alone(tmp_path):
    (tmp_path / "thesis.tex").write_text("")
    with pytest.raises(InputError, match="holds other things"), exclusive(RUN, tmp_path):
        pass
    assert [entry.name for entry in tmp_path.iterdir()] == ["thesis.tex"]


@pytest.mark.parametrize("scheme", ["", "ram://"])
def test_another_runs_checkpoints_are_left_alone(tf, tmp_path, scheme):
    """Two runs may not share a folder; the one that has its configuration goes on in it."""
    mine, other = tmp_path / "mine", tmp_path / "other"
    run = elsewhere(f"{scheme}{tmp_path}/kept")
    with exclusive(run, mine):
        (mine / "config.yaml").write_text(f"checkpoint_dir: {scheme}{tmp_path}/kept\n")
        save(mine)
    with (
        pytest.raises(InputError, match=r"--checkpoint-dir .*/kept holds checkpoints of another"),
        exclusive(run, other),
    ):
        pass
    assert not other.exists()


def test_two_runs_do_not_use_one_folder_at_a_time(tmp_path):
    run = elsewhere(tmp_path / "kept")
    with (
        exclusive(run, tmp_path / "one"),
        pytest.raises(InputError, match=r"--checkpoint-dir .*/kept is in use by process"),
        exclusive(run, tmp_path / "two"),
    ):
        pass
    with exclusive(run, tmp_path / "two"):
        pass


def test_a_run_does_not_go_on_from_anothers_checkpoint(tmp_path, tf):
    """Both may have begun before there was a checkpoint."""

    class Game:
        def variables(self):
            return {"a": tf.Variable(np.ones(3, np.float32))}

    data = DataSpec(image_shape=(8, 8, 1))
    train_state.save(tmp_path, RUN, Game(), data, train_state.TrainState(step=3))
    mine = RUN.model_copy(update={"steps": 9, "keep": 1, "checkpoint_dir": "x"})
    assert restore.resume(tmp_path, mine, Game(), Told()).step == 3
    other = RUN.model_copy(update={"seed": RUN.seed + 1})
    with pytest.raises(InputError, match=r"holds checkpoints of another run \(that of step 3\)"):
        restore.resume(tmp_path, other, Game(), Told())


def test_whoever_restores_is_told_that_all_are_damaged(tmp_path, tf):
    for step in (1, 2):
        save(tmp_path, step).write_bytes(b"no checkpoint")
    line = r"all checkpoints of .* are damaged \(step-00000002.npz: .*\); restore one from a copy"
    for restored in (
        lambda: checkpoints.choose(tmp_path, "last", "auto"),
        lambda: restore.resume(tmp_path, RUN, None, Told()),
        lambda: restore.roll_back(tmp_path, None, None, Told()),
    ):
        with pytest.raises(InputError, match=line):
            restored()


def test_a_rollback_passes_over_what_is_damaged_and_leaves_it(tmp_path, tf):
    variable = tf.Variable(np.ones(3, np.float32))
    game = types.SimpleNamespace(variables=lambda: {"a": variable})
    initial, output = Checkpoint(0, {"a": np.full(3, 7.0)}, TrainState().to_dict()), Told()
    assert restore.roll_back(tmp_path, game, initial, output).step == 0
    np.testing.assert_array_equal(variable, initial.values["a"])
    save(tmp_path, 1)
    path = save(tmp_path, 2)
    path.write_bytes(b"no checkpoint")
    assert restore.roll_back(tmp_path, game, None, output).step == 1
    np.testing.assert_array_equal(variable, np.zeros(3))
    assert len(output.lines) == 1
    assert output.lines[0].startswith(f"{path} is damaged (")
    assert output.lines[0].endswith("; passing it over")
    assert path.exists()


def test_weights_for_a_while_are_given_back_even_after_an_error(tmp_path, tf):
    variable = tf.Variable(np.ones(3, np.float32))
    game = types.SimpleNamespace(variables=lambda: {"a": variable})
    save(tmp_path, 1)
    checkpoint = checkpoints.choose(tmp_path, "1", "auto")
    with pytest.raises(ZeroDivisionError), restore.temporarily(checkpoint, game):
        np.testing.assert_array_equal(variable, np.zeros(3))
        raise ZeroDivisionError
    np.testing.assert_array_equal(variable, np.ones(3))


def test_resume_falls_back_and_sets_the_damaged_aside(tmp_path, tf):
    """By URL as by path."""
    (tmp_path / "config.yaml").write_text(f"checkpoint_dir: ram://{tmp_path}/kept\n")
    save(tmp_path, 1)
    path = save(tmp_path, 2)
    content = path.read_bytes()
    path.unlink()
    path.write_bytes(content[:-50])

    class Game:
        def variables(self):
            return {"a": tf.Variable(np.ones(3, np.float32))}

    output = Told()
    assert restore.resume(tmp_path, RUN, Game(), output).step == 1
    assert f"{path} is damaged" in output.lines[0]
    assert "falling back to the checkpoint before it" in output.lines[0]
    assert output.lines[1] == f"going on from step 1 of {tmp_path}"
    assert sorted(entry.name for entry in path.parent.iterdir()) == [
        "step-00000001.npz",
        "step-00000002.npz.damaged",
    ]
