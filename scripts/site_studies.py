"""The index of the studies: each folder of experiments/ with its question and the first sentence of its verdict."""

import re
from pathlib import Path

EXPERIMENTS = Path(__file__).parents[1] / "experiments"

ACRONYMS = {"lgbm": "LightGBM", "mlofi": "MLOFI", "ofi": "OFI"}

HEAD = """# Studies

Each study has a question, the command that repeats it, tables and figures, a verdict, and what it does not show.
`make studies` runs those again that are [experiments](../docs/experiments.md). The verdict here is the first sentence
of that of the study.

| study | question | verdict |
|---|---|---|
"""


def list_studies() -> list[Path]:
    """List the pages of the studies."""
    return sorted(EXPERIMENTS.glob("[0-9]*/README.md"))


def name_study(folder: str) -> str:
    """Return the name of a study in the navigation: 008-price-impact is `008 Price impact`."""
    number, *words = folder.split("-")
    title = " ".join(ACRONYMS.get(word, word) for word in words)
    return f"{number} {title[:1].upper()}{title[1:]}"


def list_sentences(page: str, heading: str) -> list[str]:
    """List the sentences of the first paragraph that starts with a bold heading, such as Verdict.

    Raises ValueError for a page without such a paragraph.
    """
    match = re.search(rf"^\*\*{heading}s?(?:: \w+)?\.\*\* (.+?)(?:\n\n|\Z)", page, re.MULTILINE | re.DOTALL)
    if match is None:
        raise ValueError(f"the page has no paragraph **{heading}.**: {page.partition(chr(10))[0]}")
    return re.split(r"(?<=[.?!])(?<!\bal\.)\s+", " ".join(match[1].split()))


def write_page() -> str:
    """Write the index."""
    rows = []
    for path in list_studies():
        text, folder = path.read_text(encoding="utf-8"), path.parent.name
        asked = list_sentences(text, "Question")
        question = next((sentence for sentence in asked if sentence.endswith("?")), asked[0])
        verdict = list_sentences(text, "Verdict")[0]
        cells = (cell.replace("|", "\\|") for cell in (question, verdict))
        rows.append(f"| [{name_study(folder)}]({folder}/README.md) | {' | '.join(cells)} |")
    return HEAD + "\n".join(rows) + "\n"
