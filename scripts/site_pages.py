"""Write the source of the documentation site into a folder: `make docs` then builds it.

    python scripts/site_pages.py --out build/site

The folder gets mkdocs.yml (from docs/mkdocs.yml) and pages/. The layout of pages/ is that of the repository, so that
links between pages hold. Links to other files lead to copies: text below source/ as pages, the rest as it is.
"""

import argparse
import os
import re
import shutil
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import site_commands
import site_config
import site_formulas
import site_python
import site_studies
import yaml

ROOT = Path(__file__).parents[1]
GENERATED: dict[str, Callable[[], str]] = {
    "reference/config.md": site_config.write_page,
    "reference/commands.md": site_commands.write_page,
    "reference/python.md": site_python.write_page,
    "experiments/README.md": site_studies.write_page,
}
FORMULAS = ("features", "market", "targets", "inference", "execution", "toxicity")  # pages of docs/ that have some
WIDE = ("README.md", "docs/features.md", "reference/config.md")  # without the list of pages on the left
CODE = {".py": "python", ".yaml": "yaml", ".sh": "bash", ".toml": "toml"}  # shown as pages
LINK = re.compile(r"(\]\()([^)#\s]+)((?:#[^)\s]*)?\))")


def list_pages() -> list[str]:
    """List the committed pages of the site, as paths in the repository."""
    alone = [ROOT / name for name in ("README.md", "CHANGELOG.md", "benchmarks/README.md")]
    pages = [*alone, *ROOT.glob("docs/*.md"), *ROOT.glob("experiments/*/*.md")]
    return sorted(page.relative_to(ROOT).as_posix() for page in pages)


def read_nav(nav: list[Any], pages: list[str]) -> list[Any]:
    """Replace each folder of the navigation by its README.md and those of the folders in it."""
    expanded: list[Any] = []
    for item in nav:
        ((title, target),) = item.items()
        if isinstance(target, list):
            target = read_nav(target, pages)
        elif target.endswith("/"):
            inside = [page for page in pages if re.fullmatch(rf"{target}[^/]+/README\.md", page)]
            studies = [{site_studies.name_study(page.split("/")[-2]): page} for page in inside]
            target = [{"All studies": f"{target}README.md"}, *studies]
        expanded.append({title: target})
    return expanded


def list_targets(nav: list[Any]) -> list[str]:
    """List the pages of an expanded navigation."""
    targets: list[str] = []
    for item in nav:
        target = item if isinstance(item, str) else next(iter(item.values()))
        targets += list_targets(target) if isinstance(target, list) else [target]
    return targets


def rewrite_links(page: str, text: str, pages: list[str]) -> tuple[str, set[str]]:
    """Point the links of a page to what the site has.

    Returns the text and the files, as paths in the repository, that the site has to have beside its pages. Code blocks
    stay as they are. Raises FileNotFoundError for a link to a file that does not exist.
    """
    folder, files = Path(page).parent, set[str]()

    def rewrite(match: re.Match[str]) -> str:
        target = match[2]
        if "://" in target or target.startswith("mailto:"):
            return match[0]
        path = Path(os.path.normpath(folder / target)).as_posix()
        if (ROOT / path).is_dir():
            path = f"{path}/README.md"
        if path not in pages:
            if not (ROOT / path).is_file():
                raise FileNotFoundError(f"{page} links to {target}, which does not exist")
            files.add(path)
            path = f"source/{path}.md" if Path(path).suffix in CODE else path
        return f"{match[1]}{os.path.relpath(path, folder)}{match[3]}"

    blocks = re.split(r"(^ *```.*?^ *```)", text, flags=re.MULTILINE | re.DOTALL)
    blocks[::2] = [LINK.sub(rewrite, block) for block in blocks[::2]]
    return "".join(blocks), files


def copy_file(path: str, pages_folder: Path) -> None:
    """Copy a file that a page shows or links to; code becomes a page."""
    language = CODE.get(Path(path).suffix)
    target = pages_folder / (f"source/{path}.md" if language else path)
    target.parent.mkdir(parents=True, exist_ok=True)
    if language is None:
        shutil.copyfile(ROOT / path, target)
        return
    code = (ROOT / path).read_text(encoding="utf-8")
    target.write_text(
        f"---\nsearch: {{exclude: true}}\n---\n\n# {path}\n\n````{language}\n{code}````\n", encoding="utf-8"
    )


def write_site(out: Path) -> None:
    """Write mkdocs.yml and pages/ into `out`, in place of an older pages/."""
    pages_folder = out / "pages"
    shutil.rmtree(pages_folder, ignore_errors=True)
    pages = sorted([*list_pages(), *GENERATED])
    files = {"docs/site.css"}
    for page in pages:
        text = GENERATED[page]() if page in GENERATED else (ROOT / page).read_text(encoding="utf-8")
        text, linked = rewrite_links(page, text, pages)
        files |= linked
        text = site_formulas.set_formulas(text) if page in [f"docs/{name}.md" for name in FORMULAS] else text
        hidden = ["navigation"] * (page in WIDE) + ["toc"] * ("\n## " not in text)  # columns beside the page
        text = f"---\nhide: [{', '.join(hidden)}]\n---\n\n{text}" if hidden else text
        (pages_folder / page).parent.mkdir(parents=True, exist_ok=True)
        (pages_folder / page).write_text(text, encoding="utf-8")
    for path in sorted(files):
        copy_file(path, pages_folder)
    config = yaml.safe_load((ROOT / "docs" / "mkdocs.yml").read_text(encoding="utf-8"))
    config |= {"docs_dir": "pages", "site_dir": (ROOT / "site").as_posix(), "nav": read_nav(config["nav"], pages)}
    (out / "mkdocs.yml").write_text(yaml.safe_dump(config, sort_keys=False, allow_unicode=True), encoding="utf-8")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, default=ROOT / "build" / "site", help="folder to write")
    out = parser.parse_args().out
    try:
        write_site(out)
    except (FileNotFoundError, ValueError) as error:  # a link to nothing, a study without a verdict
        sys.exit(f"site_pages: {error}")


if __name__ == "__main__":
    main()
