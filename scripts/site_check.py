"""Check a built site: each link and anchor inside it leads somewhere, and no page loads anything from the net.

python scripts/site_check.py site
"""

import argparse
import os
import sys
from dataclasses import dataclass, field
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit

LOADING = (
    "script",
    "img",
    "iframe",
    "source",
    "video",
    "audio",
    "object",
    "embed",
    "image",
)  # tags that load their target


@dataclass(slots=True)
class Page:
    """What a page has: the anchors in it, its links, and the addresses that it loads by itself."""

    anchors: set[str] = field(default_factory=set)
    links: list[str] = field(default_factory=list)
    loads: list[str] = field(default_factory=list)


class PageParser(HTMLParser):
    """Collect anchors, links and loaded addresses of a page."""

    def __init__(self) -> None:
        super().__init__()
        self.page = Page()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        values = {name: value for name, value in attrs if value}
        self.page.anchors |= {values[name] for name in ("id", "name") if name in values}
        targets = [values[name] for name in ("href", "src", "data", "poster", "xlink:href") if name in values]
        loading = tag in LOADING or (tag == "link" and values.get("rel") not in ("canonical", "next", "prev"))
        (self.page.loads if loading else self.page.links).extend(targets)


def read_page(path: Path) -> Page:
    """Read what a page has."""
    parser = PageParser()
    parser.feed(path.read_text(encoding="utf-8"))
    return parser.page


def list_faults(site: Path) -> list[str]:
    """List the faults of all pages, each as one line."""
    pages = {path.resolve(): read_page(path) for path in sorted(site.rglob("*.html"))}
    faults = []
    for path, page in pages.items():
        name = path.relative_to(site.resolve()).as_posix()
        foreign = [target for target in page.loads if urlsplit(target).netloc]
        faults += [f"{name} loads {target}" for target in foreign]
        if name == "404.html":  # its links are of the root of a server
            continue
        for target in (*page.links, *page.loads):
            address = urlsplit(target)
            if address.scheme or address.netloc:
                continue
            goal = path if not address.path else Path(os.path.normpath(path.parent / unquote(address.path)))
            goal = goal / "index.html" if goal.is_dir() else goal
            if not goal.exists():
                faults.append(f"{name} links to {target}, which does not exist")
            elif address.fragment and goal in pages and not _has_anchor(pages[goal], address.fragment):
                faults.append(f"{name} links to {target}, which has no such anchor")
    return faults


def _has_anchor(page: Page, fragment: str) -> bool:
    return unquote(fragment) in page.anchors


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("site", type=Path, help="folder of the built site")
    site = parser.parse_args().site
    faults = list_faults(site)
    n_pages = len(list(site.rglob("*.html")))
    if not n_pages:
        faults.append(f"{site} has no page: build it by make docs")
    sys.stdout.write("\n".join([*faults, f"{n_pages} pages, {len(faults)} faults"]) + "\n")
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
