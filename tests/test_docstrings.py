"""Docstrings: everything public has one, and each names only arguments and errors that exist."""

import ast
import builtins
import re
from pathlib import Path

import pytest

import facetrack
from facetrack.core import errors

SOURCE = Path(facetrack.__file__).parent
BENCHMARKS = Path(__file__).parents[1] / "benchmarks" / "facetrack_bench"
MODULES = sorted([*SOURCE.rglob("*.py"), *BENCHMARKS.rglob("*.py")])
TREES = {path: ast.parse(path.read_text("utf-8")) for path in MODULES}

OF_LIBRARIES = {
    "ArrowException": "pyarrow",
    "FFmpegError": "av.error",
    "OutOfMemoryError": "torch",
}
"""Exceptions of other libraries that may reach the caller, and their modules."""

Node = ast.FunctionDef | ast.ClassDef


def label(path):
    """The path as the tests print it."""
    return path.relative_to((SOURCE if SOURCE in path.parents else BENCHMARKS).parent).as_posix()


def public(body):
    """The functions and classes whose names do not begin with an underscore."""
    return [n for n in body if isinstance(n, Node) and not n.name.startswith("_")]


def exception_names():
    """Names of all exceptions: the built-in ones, the package's, and those of ``OF_LIBRARIES``."""
    bases = {
        n.name: {ast.unparse(base).split(".")[-1] for base in n.bases}
        for tree in TREES.values()
        for n in ast.walk(tree)
        if isinstance(n, ast.ClassDef)
    }
    found = {
        name
        for name, value in vars(builtins).items()
        if isinstance(value, type) and issubclass(value, BaseException)
    }
    while more := {name for name, of in bases.items() if of & found} - found:
        found |= more
    return found | set(OF_LIBRARIES)


def sections(docstring):
    """The names in the sections ``Args:`` and ``Raises:`` of a docstring."""
    found = {"Args": [], "Raises": []}
    current = None
    for line in docstring.splitlines():
        if line in ("Args:", "Raises:", "Returns:"):
            current = line[:-1]
        elif line and not line.startswith(" "):
            current = None
        elif current in found and (entry := re.match(r"    (\w+): ", line)):
            found[current].append(entry[1])
    return found


@pytest.mark.parametrize("path", MODULES, ids=lambda p: label(p))
def test_everything_public_is_described(path):
    tree = TREES[path]
    if tree.body:
        assert ast.get_docstring(tree), "the module"
    silent = [n.name for n in public(tree.body) if not ast.get_docstring(n)]
    assert silent == []


def described():
    """Each function and class with a docstring: where it is, its node, and its sections."""
    for path, tree in TREES.items():
        for node in ast.walk(tree):
            if isinstance(node, Node) and (docstring := ast.get_docstring(node)):
                yield f"{label(path)}: {node.name}", node, sections(docstring)


def test_raises_names_real_exceptions():
    exceptions = exception_names()
    named = [(where, name) for where, _, found in described() for name in found["Raises"]]
    assert [(where, name) for where, name in named if name not in exceptions] == []
    assert len(named) > 50
    for name in errors.__dict__:
        if name.endswith("Error"):
            assert any(name == other for _, other in named) or name == "ClipError", name


def test_args_names_real_arguments():
    wrong = []
    for where, node, found in described():
        arguments = set()
        makers = [node] if isinstance(node, ast.FunctionDef) else node.body
        for maker in makers:
            if isinstance(maker, ast.FunctionDef) and maker.name in (node.name, "__init__"):
                given = maker.args
                every = given.posonlyargs + given.args + given.kwonlyargs
                every += [a for a in (given.vararg, given.kwarg) if a is not None]
                arguments |= {a.arg for a in every}
        wrong += [(where, name) for name in found["Args"] if name not in arguments]
    assert wrong == []


def test_every_part_of_the_result_is_described():
    """What users hold in their hands: methods too, and fields that do not say it by their name."""
    for module in (
        "timeline/result.py",
        "timeline/crops.py",
        "timeline/faces.py",
        "api/analyze.py",
        "api/render.py",
        "core/settings/clips.py",
    ):
        for node in public(TREES[SOURCE / module].body):
            for method in public(node.body) if isinstance(node, ast.ClassDef) else ():
                assert ast.get_docstring(method), f"{module}: {node.name}.{method.name}"
