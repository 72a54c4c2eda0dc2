"""No pickle: a file or a peer that is unpickled can run code. Read from the syntax, so that no import hides it."""

import ast
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

FOLDERS = ("dcis_node", "storage", "training")
# Modules that pickle, or that read what runs code.
MODULES = frozenset(
    {"_pickle", "cPickle", "cloudpickle", "copyreg", "dill", "joblib", "jsonpickle", "marshal", "pickle", "pickletools"}
    | {"shelve", "torch.package", "yaml"}
)
# Their processes speak in pickles. Training's own are children of one user on one machine, over pipes of their own, and
# nothing of it is on disk; the node, which speaks to peers, has none.
BETWEEN_PROCESSES = frozenset(
    {"multiprocessing", "concurrent.futures.process", "concurrent.futures.ProcessPoolExecutor"}
)
MAY_BETWEEN_PROCESSES = frozenset({"training"})
# Calls that pickle, whatever object they are called on.
CALLS = frozenset(
    {"all_gather_object", "broadcast_object_list", "gather_object", "read_pickle", "recv_object_list"}
    | {"scatter_object_list", "send_object_list", "to_pickle"}
)
TORCH = frozenset({"torch.load", "torch.save", "torch.jit.load", "torch.export.load", "torch.hub.load"})
# They pickle objects unless told not to.
NUMPY = frozenset(
    f"{module}.{name}" for module in ("np", "numpy") for name in ("load", "save", "savez", "savez_compressed")
)
JOB_STORES = "apscheduler.jobstores."
# The store in memory keeps objects, and the base has the errors of all; every other store keeps pickles.
NO_PICKLE_STORES = ("apscheduler.jobstores.memory", "apscheduler.jobstores.base")


@dataclass(frozen=True)
class Finding:
    """One place that pickles."""

    path: str
    line: int
    what: str


def findings(root: Path, folders: tuple[str, ...] = FOLDERS) -> list[Finding]:
    """Look through all modules."""
    return [
        Finding(str(path.relative_to(root)), line, what)
        for folder in folders
        for path in sorted((root / folder).rglob("*.py"))
        for line, what in in_source(path.read_text(encoding="utf-8"), may_between=folder in MAY_BETWEEN_PROCESSES)
    ]


def in_source(text: str, *, may_between: bool = False) -> Iterator[tuple[int, str]]:
    """Give line and name of everything in a module that pickles."""
    forbidden = MODULES if may_between else MODULES | BETWEEN_PROCESSES
    for node in ast.walk(ast.parse(text)):
        for name in _imported(node):
            stores = name.startswith(JOB_STORES) and not name.startswith(NO_PICKLE_STORES)
            if stores or any(name == one or name.startswith(f"{one}.") for one in forbidden | TORCH):
                yield node.lineno, f"import {name}"
        if isinstance(node, ast.FunctionDef) and node.name in {"__reduce__", "__reduce_ex__", "__setstate__"}:
            yield node.lineno, node.name
        if isinstance(node, ast.Call):
            yield from ((node.lineno, what) for what in _calls(node))


def _imported(node: ast.AST) -> list[str]:
    """Name what a node imports, both `import a.b` and `from a import b` as `a.b`; and by a string."""
    if isinstance(node, ast.Import):
        return [alias.name for alias in node.names]
    if isinstance(node, ast.ImportFrom):
        return [node.module or "", *(f"{node.module}.{alias.name}" for alias in node.names)]
    if isinstance(node, ast.Call) and _name(node.func) in {"__import__", "importlib.import_module", "import_module"}:
        return [str(one.value) for one in node.args[:1] if isinstance(one, ast.Constant)]
    return []


def _calls(node: ast.Call) -> Iterator[str]:
    name = _name(node.func)
    if name in TORCH or name.rpartition(".")[2] in CALLS:
        yield name
    if name in NUMPY and not _is_false(node, "allow_pickle"):
        yield f"{name} without allow_pickle=False"
    elif any(keyword.arg == "allow_pickle" for keyword in node.keywords) and not _is_false(node, "allow_pickle"):
        yield f"{name} with allow_pickle"


def _is_false(node: ast.Call, name: str) -> bool:
    return any(
        keyword.arg == name and isinstance(keyword.value, ast.Constant) and keyword.value.value is False
        for keyword in node.keywords
    )


def _name(node: ast.expr) -> str:
    """Give `a.b.c` of an expression that is one; else what comes last."""
    if isinstance(node, ast.Name):
        return node.id
    if isinstance(node, ast.Attribute):
        return f"{_name(node.value)}.{node.attr}"
    return ""
