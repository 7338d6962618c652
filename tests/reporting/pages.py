"""Read an HTML document as a browser does, and what must hold of every one of ours."""

import itertools
import re
from dataclasses import dataclass, field
from html.parser import HTMLParser

from ofiml.features.catalogue import CATALOGUE
from tests.conftest import ROOT

_VOID = {"meta", "link", "br", "img", "hr", "input"}
_ENDED_BY_PARENT = {"path", "use", "image", "rect", "circle", "stop"}  # may close themselves inside an SVG


@dataclass
class Page(HTMLParser):
    """A parsed document: its elements as (tag, attributes, path of parents), its ids and its visible texts."""

    source: str
    elements: list[tuple[str, dict[str, str | None], tuple[str, ...]]] = field(default_factory=list)
    texts: list[tuple[str, str]] = field(default_factory=list)  # (tag around it, text)

    def __post_init__(self) -> None:
        super().__init__()
        self._open: list[str] = []
        self.feed(self.source)
        self.close()
        assert not self._open, f"never closed: {self._open}"

    def handle_starttag(self, tag, attrs):
        self.elements.append((tag, dict(attrs), tuple(self._open)))
        if tag not in _VOID:
            self._open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.elements.append((tag, dict(attrs), tuple(self._open)))

    def handle_endtag(self, tag):
        assert self._open, f"</{tag}> closes nothing"
        assert self._open[-1] == tag, f"</{tag}> closes <{self._open[-1]}>"
        self._open.pop()

    def handle_data(self, data):
        if data.strip():
            self.texts.append((self._open[-1] if self._open else "", " ".join(data.split())))

    def find(self, tag: str) -> list[dict[str, str | None]]:
        return [attributes for name, attributes, _ in self.elements if name == tag]

    @property
    def text(self) -> str:
        return " ".join(text for tag, text in self.texts if tag != "style")


def list_raw_keys(text: str) -> set[str]:
    """List the keys of code in a text for people: words joined by `_`. Names are none: keys of the config with their
    group (`dataset.max_events`), choices of conf/, and features.
    """
    words = re.findall(r"(?<![\w.=/])[A-Za-z]+(?:_[A-Za-z0-9]+)+(?![\w=./])", text)
    choices = {path.stem for path in (ROOT / "conf").rglob("*.yaml")}
    features = {name.partition("[")[0] for name in CATALOGUE}
    return {word for word in words if not re.fullmatch(r"ofi_(\d\d|pca)", word)} - choices - features


def check_page(source: str) -> Page:
    """Parse a document, and check what holds of each: whole, alone, accessible, with an order of headings, without
    keys of code but in listings.
    """
    page = Page(source)
    shown = "\n".join(text for tag, text in page.texts if tag not in ("style", "pre", "code"))
    raw = list_raw_keys(shown)
    assert not raw, raw
    assert len(source.encode()) < 3_000_000
    assert not page.find("script")
    assert not page.find("link")
    assert not [a for tag, attributes, _ in page.elements for a in attributes if a.startswith("on")]
    for tag, attributes, _ in page.elements:
        for name in ("src", "href", "xlink:href"):
            target = attributes.get(name)
            assert target is None or target.startswith(("#", "data:image/png;base64,")), f"{tag} needs {target}"
    assert "url(" not in source.replace("url(#", "")
    assert "@import" not in source
    ids = [attributes["id"] for _, attributes, _ in page.elements if "id" in attributes]
    assert len(ids) == len(set(ids)), "an id stands twice"
    used = [a[k] for _, a, _ in page.elements for k in ("href", "xlink:href") if (a.get(k) or "").startswith("#")]
    used += [f"#{a['aria-labelledby']}" for _, a, _ in page.elements if "aria-labelledby" in a]
    assert {str(one)[1:] for one in used} <= set(ids)
    levels = [int(tag[1]) for tag, _, _ in page.elements if tag in ("h1", "h2", "h3", "h4", "h5")]
    assert levels[0] == 1
    assert levels.count(1) == 1
    assert all(b <= a + 1 for a, b in itertools.pairwise(levels)), "a level of headings is left out"
    for attributes in page.find("svg"):
        assert attributes["role"] == "img"
        assert attributes["aria-label"]
    assert len(page.find("caption")) == len(page.find("table"))
    assert all(attributes.get("scope") in ("row", "col") for attributes in page.find("th"))
    assert len(page.find("figcaption")) == len(page.find("figure")) == len(page.find("svg"))
    captions = [text for tag, text in page.texts if tag == "figcaption"]
    assert len(captions) == len(page.find("figure"))
    assert all(caption.endswith(".") for caption in captions)
    return page
