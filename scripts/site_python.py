"""The Python reference of the site: the functions of `import ofiml`, from their signatures and docstrings."""

import ast
import inspect
import re
from collections.abc import Iterator

import ofiml

HEAD = """# Python

The functions of `import ofiml`, and all of its public interface. [From Python](../docs/python.md) shows them at work.
Names, types and errors of everything else in the package may change.
"""
LISTS = ("Parameters", "Returns", "Raises")


def split_sections(docstring: str) -> dict[str, str]:
    """Split a numpydoc docstring into its sections; the text before the first one has the key ''."""
    parts = re.split(r"^(\w+)\n-{3,}\n", inspect.cleandoc(docstring), flags=re.MULTILINE)
    return {"": parts[0].strip()} | {
        name: text.strip("\n") for name, text in zip(parts[1::2], parts[2::2], strict=True)
    }


def list_items(section: str) -> Iterator[tuple[str, str]]:
    """Yield the items of a section of parameters, returns or errors: what is at the margin, and the text below it."""
    for item in re.split(r"\n(?=\S)", section):
        name, _, text = item.partition("\n")
        yield name, inspect.cleandoc(text).replace("\n", " ")


def write_signature(name: str) -> str:
    """Write the signature of a function as in its source, one parameter per line if it is long."""
    function = ast.parse(inspect.getsource(getattr(ofiml, name))).body[0]
    assert isinstance(function, ast.FunctionDef)
    text = re.sub(r"(: [^=,]+)=", r"\1 = ", ast.unparse(function.args)).replace("'", '"')
    if len(name) + len(text) <= 90:
        return f"ofiml.{name}({text})"
    # A comma inside brackets does not separate parameters.
    parameters = re.split(r", (?![^\[(]*[\])])", text)
    return "\n".join([f"ofiml.{name}(", *(f"    {p}," for p in parameters), ")"])


def write_page() -> str:
    """Write the whole reference."""
    lines = HEAD.splitlines()
    for name in ofiml.__all__:
        if name == "__version__":
            continue
        sections = split_sections(getattr(ofiml, name).__doc__ or "")
        lines += ["", f"## ofiml.{name}", "", "```python", write_signature(name), "```", "", *sections[""].splitlines()]
        for title, text in list(sections.items())[1:]:
            lines += ["", f"### {title}", ""]
            if title in LISTS:
                lines += [f"- `{item}`: {meaning}" for item, meaning in list_items(text)]
            elif title == "Examples":
                lines += _write_examples(text)
            else:
                lines += text.splitlines()
    return "\n".join(lines) + "\n"


def _write_examples(text: str) -> list[str]:
    """Write the words between examples as text, and the examples as code."""
    lines: list[str] = []
    for block in re.split(r"\n\n+", text.strip()):
        lines += (
            ["```pycon", block.replace("  # doctest: +ELLIPSIS", ""), "```", ""]
            if block.startswith(">>>")
            else [block, ""]
        )
    return lines[:-1]
