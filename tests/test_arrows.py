"""Imports go one way: between folders in a fixed order, and never in a circle.

The imports are read from the source text, so that late ones (inside functions) and those under
TYPE_CHECKING count as well. A fresh process shows what an import really loads.
"""

import ast
import graphlib
import subprocess
import sys
from pathlib import Path

import pytest

import evaluation
import gantf

ROOTS = {"evaluation": Path(evaluation.__file__).parent, "gantf": Path(gantf.__file__).parent}

# Each folder or module of a package's root may import those before it.
ORDER = {
    "evaluation": "errors neighbours statistics core runtime distances estimators datasets sources"
    " features results metrics protocols measurement inference report workflows commands cli",
    "gantf": "errors pixels console noise config settings game distribute layers data objectives"
    " networks models runs generation training doctor cli",
}
STATISTICS = ("errors", "neighbours", "statistics", "core", "distances", "estimators", "metrics")
STATISTICS += ("protocols", "measurement", "inference")


def modules_of(root: Path) -> dict[str, Path]:
    """Every module of a package, by its dotted name."""
    names = {}
    for path in sorted(root.rglob("*.py")):
        parts = path.relative_to(root.parent).with_suffix("").parts
        names[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = path
    return names


def imports_of(root: Path) -> dict[str, set[str]]:
    """The modules of the package that each module imports, anywhere in its text."""
    paths = modules_of(root)
    return {name: _imported(name, path, set(paths)) - {name} for name, path in paths.items()}


def _imported(name: str, path: Path, modules: set[str]) -> set[str]:
    package = name if path.name == "__init__.py" else name.rpartition(".")[0]
    imported: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            imported |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            parent = node.module or ""
            if node.level:
                base = package.split(".")[: len(package.split(".")) - node.level + 1]
                parent = ".".join([*base, *([node.module] if node.module else [])])
            for alias in node.names:
                whole = f"{parent}.{alias.name}"
                imported.add(whole if whole in modules else parent)
        elif isinstance(node, ast.Call) and _is_import_module(node.func):
            imported |= {a.value for a in node.args if isinstance(a, ast.Constant)}
    return imported & modules


def _is_import_module(function: ast.expr) -> bool:
    return isinstance(function, ast.Attribute) and function.attr == "import_module"


def wrong_arrows(root: Path, folders: str) -> list[str]:
    """The imports between folders that point against the order, or that the order lacks."""
    wrong, order = [], folders.split()
    for name, imported in imports_of(root).items():
        if name == root.name:  # the package's own __init__ names its public parts
            continue
        here = name.split(".")[1]
        for target in imported:
            there = target.split(".")[1] if "." in target else ""
            allowed = here in order and there in order[: order.index(here) + 1]
            if not allowed:
                wrong.append(f"{name} imports {target}")
    return wrong


def circle_of(root: Path) -> list[str]:
    """The modules of one circle of imports; empty if there is none."""
    graph = {name: imported - {root.name} for name, imported in imports_of(root).items()}
    graph.pop(root.name)  # the package's own __init__ names its public parts
    try:
        graphlib.TopologicalSorter(graph).prepare()
    except graphlib.CycleError as error:
        return error.args[1]
    return []


def loaded_after(statement: str) -> set[str]:
    """The top-level packages in memory after a statement in a fresh process."""
    code = f"{statement}; import sys; print(*{{m.split('.')[0] for m in sys.modules}})"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return set(done.stdout.split())


@pytest.mark.parametrize("package", ROOTS)
def test_arrows_point_down(package):
    assert wrong_arrows(ROOTS[package], ORDER[package]) == []


@pytest.mark.parametrize("package", ROOTS)
def test_there_is_no_circle(package):
    assert circle_of(ROOTS[package]) == []


PLANTED = {
    "plain": "from house.top import thing",
    "late": "def work():\n    from house.top import thing\n    return thing",
    "type-checking": (
        "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    import house.top.thing"
    ),
    "relative": "from ..top import thing",
    "by name": "import importlib\nthing = importlib.import_module('house.top.thing')",
}


@pytest.mark.parametrize("code", PLANTED.values(), ids=PLANTED)
def test_a_planted_arrow_upwards_and_its_circle_are_caught(tmp_path, code):
    root = tmp_path / "house"
    for folder in ("top", "bottom"):
        (root / folder).mkdir(parents=True)
        (root / folder / "__init__.py").touch()
    (root / "__init__.py").touch()
    (root / "bottom" / "base.py").write_text(code)
    (root / "top" / "thing.py").write_text("from house.bottom import base")
    (wrong,) = wrong_arrows(root, "bottom top")
    assert wrong.startswith("house.bottom.base imports house.top")
    if "thing" in wrong:
        assert {"house.bottom.base", "house.top.thing"} <= set(circle_of(root))
    (root / "bottom" / "base.py").write_text("")
    assert wrong_arrows(root, "bottom top") == circle_of(root) == []


def test_a_folder_that_the_order_lacks_is_caught(tmp_path):
    (tmp_path / "house" / "new").mkdir(parents=True)
    (tmp_path / "house" / "__init__.py").touch()
    (tmp_path / "house" / "new" / "thing.py").write_text("import house.new.thing, os")
    (tmp_path / "house" / "new" / "other.py").write_text("from house.new import thing")
    assert wrong_arrows(tmp_path / "house", "old") == ["house.new.other imports house.new.thing"]


def test_the_roots_are_small():
    for package, root in ROOTS.items():
        modules = {path.name for path in root.glob("*.py")}
        assert len(modules) <= 12, (package, modules)


def test_the_statistics_need_no_tensorflow():
    root = ROOTS["evaluation"]
    light = [
        name
        for name in modules_of(root)
        if name != "evaluation" and name.split(".")[1] in STATISTICS
    ]
    assert len(light) > 60
    loaded = loaded_after("import " + ", ".join(light))
    assert not loaded & {"tensorflow", "keras", "gantf", "torch"}


def test_importing_evaluation_is_light():
    loaded = loaded_after("import evaluation, evaluation.cli")
    assert not loaded & {"tensorflow", "keras", "gantf", "sklearn", "scipy", "matplotlib"}


def test_importing_the_trainers_command_is_light():
    loaded = loaded_after("import gantf.cli")
    assert not loaded & {"tensorflow", "keras", "sklearn", "scipy", "matplotlib"}


def test_nothing_of_evaluation_imports_gantf():
    for name, path in modules_of(ROOTS["evaluation"]).items():
        assert not _imported(name, path, set(modules_of(ROOTS["gantf"]))), name
    names = [n for n in modules_of(ROOTS["evaluation"]) if n != "evaluation"]
    assert "gantf" not in loaded_after("import " + ", ".join(names))


def test_gantf_uses_only_the_public_names_of_evaluation():
    """Its public names, its data sets, and its `runtime`."""
    used = set()
    for path in modules_of(ROOTS["gantf"]).values():
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.ImportFrom) and (node.module or "") == "evaluation":
                used |= {alias.name for alias in node.names}
            elif isinstance(node, ast.ImportFrom) and (node.module or "").startswith("evaluation."):
                assert node.module.split(".")[1] == "runtime", (path, node.module)
            elif isinstance(node, ast.Attribute) and getattr(node.value, "id", "") == "evaluation":
                used.add(node.attr)
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
    names = {path.stem for path in ROOTS["evaluation"].iterdir()}
    assert not names & {*evaluation.__all__}
