"""What passes between the rooms: documented functions, which take the part of the config that they need."""

import ast
from collections.abc import Iterator
from functools import cache
from pathlib import Path

from tests.conftest import ROOT

SOURCE = ROOT / "src"
#: The subject of these functions is the whole config: they run, log or divide it.
OF_THE_WHOLE_CONFIG = {
    "ofiml.live.predictor:of",
    "ofiml.samples.settings:of",
    "ofiml.study.run:_fit",
    "ofiml.study.run:run",
    "ofiml.sweeps.manifest:digest_config",
    "ofiml.tracking.record:_record_tracked",
    "ofiml.tracking.record:_run_and_write",
    "ofiml.tracking.reproduction:_print_changes",
    "ofiml.tracking.record:record_study",
    "ofiml.tracking.names:_list_differences",
    "ofiml.tracking.names:describe_run",
    "ofiml.tracking.names:name_run",
    "ofiml.tracking.names:name_span",
    "ofiml.tracking.store:describe_opening",
    "ofiml.training.settings:of",
}


#: A module may name one of another room, to be imported at run time, in these places only.
NAMED_AT_RUN_TIME = {
    "ofiml": {"ofiml.api"},  # the face, which is loaded with the first use of a name
    **{f"ofiml.{room}.__main__": {"ofiml.cli.main"} for room in ("conformance", "data", "splits", "ui")},  # doors
    "ofiml.cli.conformance": {"ofiml.conformance.ours"},  # the function that is checked by default
    "ofiml.config.folders": {"ofiml.models", "ofiml.data.readers", "ofiml.strategy.rules"},  # the table of folders
    "ofiml.study.run": {"ofiml.features.kernel"},  # asks whether it is compiled, and imports nothing
}
#: What these modules import at run time is not a name that they state.
IMPORT_BY_VALUE = {
    "ofiml.cli.conformance",  # the user's own function, from the command line
    "ofiml.config.registry",  # a record of a folder of the table
    "ofiml.data.readers",  # a function of a reader's own package
    "ofiml.parallel.limits",  # a library, whose threads are limited
}


def name_module(path: Path) -> str:
    return ".".join(path.relative_to(SOURCE).with_suffix("").parts).removesuffix(".__init__")


@cache  # not when pytest collects, which each worker does
def parse_modules() -> dict[str, ast.Module]:
    return {name_module(path): ast.parse(path.read_text()) for path in sorted(SOURCE.rglob("*.py"))}


@cache
def walk_modules() -> dict[str, dict[type, list[ast.AST]]]:
    """List the nodes of each module by their types."""
    out: dict[str, dict[type, list[ast.AST]]] = {}
    for module, tree in parse_modules().items():
        nodes = out.setdefault(module, {})
        for node in ast.walk(tree):
            nodes.setdefault(type(node), []).append(node)
    return out


def list_nodes(kind: type) -> dict[str, list]:
    """List the nodes of one type in each module."""
    return {module: nodes.get(kind, []) for module, nodes in walk_modules().items()}


def find_room(module: str) -> str:
    return module.split(".")[1] if "." in module else ""


def list_crossing_imports() -> set[tuple[str, str]]:
    """List the (module, name) that another room imports."""
    return {
        (node.module, alias.name)
        for module, nodes in list_nodes(ast.ImportFrom).items()
        for node in nodes
        if node.module in parse_modules() and find_room(node.module) != find_room(module)
        for alias in node.names
    }


def find_definition(module: str, name: str) -> ast.FunctionDef | ast.ClassDef | None:
    """Find a function or class in a module, or where the module imports it from."""
    for node in parse_modules()[module].body:
        if isinstance(node, ast.FunctionDef | ast.ClassDef) and node.name == name:
            return node
        if isinstance(node, ast.ImportFrom) and node.module in parse_modules() and name in {a.name for a in node.names}:
            return find_definition(node.module, name)
    return None


def list_aliases(node: ast.ImportFrom | ast.If) -> list[ast.alias]:
    """List what an import statement, or those of `if TYPE_CHECKING`, bind."""
    return [alias for alias in ast.walk(node) if isinstance(alias, ast.alias)]


def list_stated_names(tree: ast.Module) -> set[str] | None:
    """List what `__all__` of a package has; None without it."""
    for node in tree.body:
        if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "__all__":
            return set(ast.literal_eval(node.value))
    return None


def list_defined_names(tree: ast.Module) -> set[str]:
    """List the public names that a package's `__init__` defines itself."""
    names = {node.name for node in tree.body if isinstance(node, ast.FunctionDef | ast.ClassDef)}
    assigned = [node for node in tree.body if isinstance(node, ast.Assign | ast.AnnAssign)]
    parts = [part for node in assigned for part in ast.walk(node) if isinstance(part, ast.Name)]
    names |= {part.id for part in parts if isinstance(part.ctx, ast.Store)}
    return {name for name in names if not name.startswith("_")}


def list_package_imports() -> dict[str, set[str]]:
    """Map each package to the names that modules and scripts import from it."""
    scripts = [ast.parse(path.read_text()) for name in ("scripts", "benchmarks") for path in (ROOT / name).glob("*.py")]
    lines = [(module, node) for module, nodes in list_nodes(ast.ImportFrom).items() for node in nodes]
    lines += [("", node) for tree in scripts for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)]
    imported: dict[str, set[str]] = {}
    for module, node in lines:
        if node.module in parse_modules() and node.module != module:
            imported.setdefault(node.module, set()).update(alias.name for alias in node.names)
    return imported


def test_a_package_states_its_face():
    """docs/packages.md: `__all__` has the names of an `__init__` with code; a docstring alone is no face."""
    packages = {name_module(path) for path in SOURCE.rglob("__init__.py")}
    imported, faces = list_package_imports(), 0
    for package in sorted(packages):
        tree = parse_modules()[package]
        assert ast.get_docstring(tree), f"{package}: its docstring says what is in it"
        stated = list_stated_names(tree)
        if len(tree.body) == 1:
            continue
        assert stated, f"{package} has code and no __all__"
        faces += 1
        modules = {module.rpartition(".")[2] for module in parse_modules() if module.rpartition(".")[0] == package}
        assert list_defined_names(tree) <= stated, package
        assert imported.get(package, set()) - modules - {"__all__"} <= stated, package
        imports = [node for node in tree.body if isinstance(node, ast.ImportFrom | ast.If)]
        bound = {alias.asname or alias.name for node in imports for alias in list_aliases(node)}
        assert stated - {"__version__"} <= bound | list_defined_names(tree), package
    assert faces > 15


def list_face(definition: ast.FunctionDef | ast.ClassDef) -> Iterator[ast.FunctionDef | ast.ClassDef]:
    """List what a definition offers; a method that may override one of a base class has its docstring there."""
    yield definition
    if isinstance(definition, ast.ClassDef) and not definition.bases:
        setters = {
            node.name
            for node in definition.body
            if isinstance(node, ast.FunctionDef)
            and any(isinstance(call, ast.Attribute) and call.attr == "setter" for call in node.decorator_list)
        }
        yield from (
            node
            for node in definition.body
            if isinstance(node, ast.FunctionDef) and not node.name.startswith("_") and node.name not in setters
        )


def test_what_other_rooms_import_has_a_docstring():
    faces = [find_definition(*crossing) for crossing in sorted(list_crossing_imports())]
    documented = [node for face in faces if face is not None for node in list_face(face)]
    assert len(documented) > 300
    assert [node.name for node in documented if ast.get_docstring(node) is None] == []


def test_functions_take_the_part_of_the_config_that_they_need():
    found = {
        f"{module}:{node.name}"
        for module, nodes in list_nodes(ast.FunctionDef).items()
        if find_room(module) not in ("config", "overrides", "cli")
        for node in nodes
        if any(
            argument.annotation is not None and ast.unparse(argument.annotation).strip("'") == "Config"
            for argument in (*node.args.args, *node.args.kwonlyargs)
        )
    }
    assert found == OF_THE_WHOLE_CONFIG


def list_named_modules(nodes: dict[type, list]) -> set[str]:
    """List the modules that texts of a module name, docstrings left out; an f-string by its beginning."""
    prose = {id(node.value) for node in nodes.get(ast.Expr, [])}
    texts = [
        node.value for node in nodes.get(ast.Constant, []) if isinstance(node.value, str) and id(node) not in prose
    ]
    return {text.partition(":")[0].removesuffix(".") for text in texts} & set(parse_modules())


def imports_by_value(call: ast.Call) -> bool:
    """Return whether a call imports a module whose name is not in the call."""
    function = call.func.attr if isinstance(call.func, ast.Attribute) else getattr(call.func, "id", "")
    importers = ("import_module", "__import__", "run_module", "run_path", "exec_module", "load_module")
    return function in importers and "'ofiml." not in ast.unparse(call.args[0])


def test_rooms_are_named_at_run_time_in_one_table_and_by_doors():
    """No tool sees an import by name: each of them is listed here, with its reason."""
    named = {}
    for module, nodes in walk_modules().items():
        others = {name for name in list_named_modules(nodes) if find_room(name) not in ("", find_room(module))}
        if others:
            named[module] = others
    assert named == NAMED_AT_RUN_TIME
    by_value = {module for module, calls in list_nodes(ast.Call).items() if any(map(imports_by_value, calls))}
    assert by_value == IMPORT_BY_VALUE


def test_results_are_written_whole_or_not_at_all():
    """What people keep goes through `storage.write_atomically`: a full disk must not leave half of it."""
    direct = {
        f"{module}:{node.func.attr}"
        for module, nodes in list_nodes(ast.Call).items()
        if find_room(module) in ("reporting", "comparison", "sweeps", "tracking")
        for node in nodes
        if isinstance(node.func, ast.Attribute)
        and node.func.attr in ("write_text", "write_bytes", "write_parquet", "savefig")
    }
    assert direct == {"ofiml.tracking.bundle:write_bytes"}, "a zip file is unpacked into a folder of its own"
