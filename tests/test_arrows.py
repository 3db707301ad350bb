"""Imports go one way: each module is imported in a fresh process that tells what came with it."""

import pkgutil
import re
import subprocess
import sys
from pathlib import Path

import pytest

import evaluation
import gantf

ROOT = Path(evaluation.__file__).parent
LIGHT = [f"evaluation.{name}" for name in ("errors", "measurement", "protocols", "result", "rows")]
LIGHT += [
    f"evaluation.{package}.{module.name}"
    for package in ("inference", "laws", "metrics", "neighbours", "statistics")
    for module in pkgutil.iter_modules([str(ROOT / package)])
]
EVERYTHING = [m.name for m in pkgutil.walk_packages([str(ROOT)], "evaluation.")]


def loaded_after(statement: str) -> set[str]:
    """The top-level packages in memory after a statement in a fresh process."""
    code = f"{statement}; import sys; print(*{{m.split('.')[0] for m in sys.modules}})"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return set(done.stdout.split())


def test_the_statistics_need_no_tensorflow():
    assert len(LIGHT) > 60
    loaded = loaded_after("import " + ", ".join(LIGHT))
    assert not loaded & {"tensorflow", "keras", "gantf", "torch"}


@pytest.mark.parametrize(
    ("package", "may_import"),
    [
        ("statistics", {"errors", "statistics"}),
        ("neighbours", {"arguments", "errors", "neighbours", "rows", "statistics"}),
        ("laws", {"arguments", "errors", "laws", "neighbours", "rows", "statistics"}),
    ],
)
def test_arrows_inside_evaluation(package, may_import):
    """The mathematics knows nothing of metrics, sources or reports."""
    for path in (ROOT / package).glob("*.py"):
        lines = re.findall(r"^ *from evaluation(\S*) import (.+)$", path.read_text(), re.MULTILINE)
        found = {where.split(".")[1] if where else what for where, what in lines}
        assert found <= may_import, (path.name, found - may_import)


def test_importing_evaluation_is_light():
    loaded = loaded_after("import evaluation, evaluation.cli")
    assert not loaded & {"tensorflow", "keras", "gantf", "sklearn", "scipy", "matplotlib"}


def test_importing_the_trainers_command_is_light():
    loaded = loaded_after("import gantf.cli")
    assert not loaded & {"tensorflow", "keras", "sklearn", "scipy", "matplotlib"}


def test_nothing_of_evaluation_imports_gantf():
    datasets = [name for name in EVERYTHING if name.startswith("evaluation.datasets.")]
    rest = [name for name in EVERYTHING if name not in datasets]
    assert "gantf" not in loaded_after("import " + ", ".join(rest + datasets))


def _names_used_by_gantf() -> set[str]:
    used = set()
    for path in Path(gantf.__file__).parent.rglob("*.py"):
        text = path.read_text()
        for line in re.findall(r"^\s*from evaluation import (.+)$", text, re.MULTILINE):
            used |= {name.strip() for name in line.split(",")}
        used |= set(re.findall(r"\bevaluation\.(\w+)", text))
        assert not re.findall(r"^\s*from evaluation\.", text, re.MULTILINE), path
    return used


def test_gantf_uses_only_the_public_names_of_evaluation():
    used = _names_used_by_gantf()
    assert used <= {*evaluation.__all__, "datasets"}
    assert "measure" in used


@pytest.mark.parametrize("command", ["gantf", "gantf-eval"])
def test_help_loads_no_tensorflow(command):
    module = {"gantf": "gantf.cli", "gantf-eval": "evaluation.cli"}[command]
    code = (
        f"import sys, {module} as cli\n"
        "try: cli.main(['--help'])\n"
        "except SystemExit: pass\n"
        "print('tensorflow' in sys.modules, 'keras' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "False False"


def test_public_names_are_no_modules():
    """A module of a public name's name would replace it as soon as anything imports the module."""
    modules = {module.name for module in pkgutil.iter_modules([str(ROOT)])}
    assert not modules & set(evaluation.__all__)
