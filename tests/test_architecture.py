"""Imports follow the layers without circles, each library is used by few packages, and names and
spelling are those of the conventions."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

from fashion_exp.paths import PACKAGE

LAYERS = (
    {"errors", "process", "signals", "seeding"},
    {"atomic_io"},
    {"paths"},
    {"extensions"},
    {"configuration"},
    {"cache"},
    {"data", "models", "training", "stats", "tracking", "reporting"},
    {"evaluation", "inspection"},
    {"comparison"},
    {"experiment"},
    {"judging"},
    {"sweeps"},
    {"racing", "recipes"},
    {"study"},
    {"inference"},
    {"active", "retrieval"},
    {"tools"},
    {"api"},
    {"commands"},
    {"__main__"},
)
"""Packages and root modules, lowest first: each imports lower layers, and its own package."""

OWNERS = {
    "fastapi": {"inference", "retrieval"},
    "lancedb": {"retrieval"},
    "hydra": {"configuration"},
    "omegaconf": {"configuration"},
    "mlflow": {"experiment", "tracking"},
    "onnx": {"inference"},
    "onnxruntime": {"inference", "models"},
    "timm": {"models"},
    "albumentations": {"data"},
    "cleanlab": {"tools"},
    "cv2": {"data", "retrieval"},
    "imagehash": {"inspection"},
    "jinja2": {"reporting"},
    "matplotlib": {"reporting"},
    "prometheus_client": {"inference"},
    "open_clip": {"retrieval"},
    "optuna": {"experiment", "sweeps"},
    "protego": {"tools"},
    "ray": {"inference", "sweeps"},
    "sklearn": {"tools", "data", "inspection"},
    "submitit": {"sweeps"},
    "urllib3": {"tools"},
    "sentence_transformers": {"retrieval"},
    "uvicorn": {"inference", "retrieval"},
}
"""The packages that may import a library."""

MAX_ROOT_FILES = 8
MAX_IMPORT_LEVELS = 11
MAX_LINES = {"a file": 400, "a function": 60}
PRIVATE_PHRASES = re.compile(
    r"\b(anybody|in so far|decides? over|goes on|of theirs|came by|is no matter|a word on"
    r"|whatever it is|has seen enough)\b",
    re.IGNORECASE,
)
"""Phrases that had to be read twice."""
VAGUE_NAMES = {"asked", "found", "kept", "one", "place", "said", "these", "told"}

BRITISH = re.compile(
    r"""(?ix) (label|model|travel|signal|channel|cancel) l (ed|ing)
    | (col|fav|behavi|neighb|hon)our | grey | licence | catalogue | artefact | whilst | learnt
    | (normal|standard|optim|initial|organ|recogn|summar|general|minim|maxim|random|regular|visual
      |categor|serial|synchron|token|vector|parallel|quant|penal|util|emphas|special|equal|memor
      |priorit|custom|final|material|character|stabil) is (e|ing|ation)
    | analys (ed?|ing) $ | centre"""
)
PUBLIC_BRITISH = {
    "initialisation", "mislabelled",  # options; the first is also a fact of stored runs
    "Licence", "_licences", "licence", "licence_url", "licences",  # of plans and attributions
    "colour", "colours", "mean_colour",  # of collected photos and reports
    "relabelled",  # in stored versions of labels
}  # fmt: skip
"""Names that users' files and commands have, and a refusal would break."""
BRITISH_DATA = {"retrieval/words.py", "tools/collect/plan_lint.py"}
"""Files that accept both spellings of what users write."""


def name_of(file: Path) -> str:
    parts = file.relative_to(PACKAGE).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


MODULES = {name_of(file): file for file in sorted(PACKAGE.rglob("*.py"))}


def layer_of(module: str) -> int:
    top = module.split(".")[0]
    return next(i for i, layer in enumerate(LAYERS) if top in layer)


def statements(tree: ast.Module) -> Iterator[ast.AST]:
    """The nodes that are executed when the module is imported."""
    pending: list[ast.stmt] = list(tree.body)
    while pending:
        node = pending.pop()
        yield node
        if isinstance(node, ast.If | ast.Try) and "TYPE_CHECKING" not in ast.unparse(node):
            pending += node.body


@cache
def syntax_tree(module: str) -> ast.Module:
    return ast.parse(MODULES[module].read_text())


@cache
def nodes(module: str) -> list[ast.AST]:
    return list(ast.walk(syntax_tree(module)))


@cache
def imported_names(module: str, at_import: bool = False) -> set[str]:
    """Dotted names of everything that a module imports."""
    names = set()
    for node in statements(syntax_tree(module)) if at_import else nodes(module):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{module}: relative import"
            names |= {f"{node.module}.{alias.name}" for alias in node.names}
    return names


def imported_modules(module: str, at_import: bool = False) -> set[str]:
    """The modules of this package that a module imports."""
    modules = set()
    for name in imported_names(module, at_import):
        if name.startswith("fashion_exp."):
            inner = name.removeprefix("fashion_exp.")
            modules.add(inner if inner in MODULES else inner.rpartition(".")[0])
    return modules - {module, ""}


def test_every_package_and_root_module_has_a_layer() -> None:
    tops = {name.split(".")[0] for name in MODULES} - {""}
    assert len(MODULES) > 200
    assert tops == set().union(*LAYERS)


def test_few_files_at_the_root() -> None:
    assert len(list(PACKAGE.glob("*.py"))) <= MAX_ROOT_FILES


def test_modules_import_lower_layers_only() -> None:
    upward = {
        f"{module} imports {other}"
        for module in MODULES
        if module
        for other in imported_modules(module)
        if other.split(".")[0] != module.split(".")[0] and layer_of(other) >= layer_of(module)
    }
    assert not upward


def test_no_module_imports_itself_through_others() -> None:
    graph = {module: imported_modules(module) for module in MODULES}
    finished: set[str] = set()

    def visit(module: str, path: tuple[str, ...]) -> None:
        assert module not in path, " > ".join([*path[path.index(module) :], module])
        if module not in finished:
            for other in graph.get(module, set()):
                visit(other, (*path, module))
            finished.add(module)

    for module in graph:
        visit(module, ())


def test_import_chains_are_short() -> None:
    graph = {module: imported_modules(module, at_import=True) for module in MODULES}
    chains: dict[str, list[str]] = {}

    def longest(module: str) -> list[str]:
        if module not in chains:
            below = [longest(other) for other in graph.get(module, set())]
            chains[module] = [module, *max(below, key=len, default=[])]
        return chains[module]

    chain = max((longest(module) for module in graph), key=len)
    assert len(chain) <= MAX_IMPORT_LEVELS, " > ".join(chain)


@pytest.mark.parametrize("library", OWNERS)
def test_library_is_used_by_its_owners_only(library: str) -> None:
    users = {
        module.split(".")[0]
        for module in MODULES
        if any(name.split(".")[0] == library for name in imported_names(module))
    }
    assert users and users <= OWNERS[library]


@pytest.mark.parametrize("package", ["training", "stats"])
def test_computation_knows_no_config_files_or_tracker(package: str) -> None:
    modules = [name for name in MODULES if name.split(".")[0] == package]
    names = {name for module in modules for name in imported_names(module)}
    tops = {name.split(".")[0] for name in names}
    assert modules and not tops & {"pandas", "pathlib", "mlflow", "omegaconf"}
    assert not any(name.startswith("fashion_exp.configuration") for name in names)


def test_variables_say_what_they_hold() -> None:
    names = {
        f"{module}: {name}"
        for module in MODULES
        for node in nodes(module)
        if (name := assigned_name(node)) in VAGUE_NAMES
    }
    assert not names


def assigned_name(node: ast.AST) -> str | None:
    """Of a variable or an argument."""
    if isinstance(node, ast.arg):
        return node.arg
    return node.id if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store) else None


def test_files_and_functions_are_short() -> None:
    exempt = {"configuration.schema"}  # every option in one place
    for module, file in MODULES.items():
        if module not in exempt:
            assert len(file.read_text().splitlines()) <= MAX_LINES["a file"], module
        for node in nodes(module):
            if isinstance(node, ast.FunctionDef):
                lines = (node.end_lineno or node.lineno) - node.lineno + 1
                assert lines <= MAX_LINES["a function"], f"{module}.{node.name}"


def test_spelling_is_american() -> None:
    root = PACKAGE.parent
    files = [
        *(file for end in ("py", "j2", "js", "css") for file in PACKAGE.rglob(f"*.{end}")),
        *(root / "conf").rglob("*.yaml"), *(root / "docs").rglob("*.md"), *root.glob("*.md"),
    ]  # fmt: skip
    data = {PACKAGE / name for name in BRITISH_DATA}
    assert len(files) > 600 and data < set(files)
    # A quoted word is data: a column, a key, a part's folder.
    words = {
        word: file.relative_to(root)
        for file in set(files) - data
        for word in re.findall(r"\w+", re.sub(r'"\w+"', "", file.read_text(encoding="utf-8")))
    }
    british = {word: file for word, file in words.items() if BRITISH.search(word)}
    assert british.keys() <= PUBLIC_BRITISH, british


def test_prose_avoids_private_phrases() -> None:
    phrases = {
        f"{module}: {match[0]}"
        for module, file in MODULES.items()
        for match in PRIVATE_PHRASES.finditer(" ".join(file.read_text().split()))
    }
    assert not phrases
