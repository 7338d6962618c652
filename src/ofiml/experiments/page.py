"""The page of an experiment: README.md with figures, and results.json with every number that it shows."""

import json
import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from matplotlib.figure import Figure

from ofiml.atomic import write_atomically, write_text_atomically
from ofiml.metrics.estimates import Estimate
from ofiml.study.json_border import Json
from ofiml.ui.figure import save_figure
from ofiml.ui.format import format_estimate, format_markdown_table

RESULTS, README, FIGURES = "results.json", "README.md", "figures"
_DIGITS = 6  # significant ones in results.json; fewer than a sum in another order can change


@dataclass(frozen=True, slots=True)
class Table:
    """A table of formatted cells under a sentence that says what it shows, with units."""

    text: str
    columns: Sequence[str]
    rows: Sequence[Sequence[str]]


@dataclass(frozen=True, slots=True)
class Picture:
    """A figure, the name of its file without ending, and the sentence below it."""

    name: str
    figure: Figure
    caption: str


Block = str | Table | Picture


@dataclass(frozen=True, slots=True)
class Page:
    """What an experiment found.

    `blocks` is the result in order, `verdict` one sentence per line, and `limits` what the result does not show.
    `numbers` are the results behind the tables by market, then by name. `times` are those that differ from run to run,
    as they are measured on a machine.
    """

    blocks: list[Block]
    verdict: list[str]
    limits: list[str]
    numbers: dict[str, Json]
    inputs: dict[str, list[str]] = field(default_factory=dict)
    times: dict[str, Json] = field(default_factory=dict)


def write_page(page: Page, title: str, question: str, command: str, folder: Path) -> None:
    """Write README.md, results.json and figures into `folder`; the same page gives the same bytes."""
    parts = [f"# {title}", f"**Question.** {question}", f"**Command.**\n\n    {command}"]
    shown = "**Result.**"
    for block in page.blocks:
        match block:
            case Table(text, columns, rows):
                parts.append(f"{shown} {text}".lstrip() + f"\n\n{format_markdown_table(columns, rows)}")
            case Picture(name, figure, caption):
                (folder / FIGURES).mkdir(parents=True, exist_ok=True)
                path = folder / FIGURES / f"{name}.png"
                write_atomically(path, partial(save_figure, figure, form="png", dpi=110))
                parts.append(f"{shown} {caption}".lstrip() + f"\n\n![{name.replace('_', ' ')}]({FIGURES}/{name}.png)")
            case str(text):
                parts.append(f"{shown} {text}".lstrip())
        shown = ""
    parts.append("**Verdict.** " + "\n".join(page.verdict))
    parts.append("**What it does not show.** " + "\n".join(page.limits))
    write_text_atomically(folder / README, "\n\n".join(parts) + "\n")
    record = {"inputs": page.inputs, "numbers": round_numbers(page.numbers)}
    if page.times:
        record["times"] = round_numbers(page.times)
    write_text_atomically(folder / RESULTS, json.dumps(record, indent=1, ensure_ascii=False, allow_nan=False) + "\n")


def show_estimate(estimate: Estimate, form: str = ".3f") -> str:
    """Format an estimate with its interval, for a cell."""
    return format_estimate(estimate.value, estimate.low, estimate.high, form)


def list_ends(estimate: Estimate) -> list[Json]:
    """List value, low and high of an estimate, for results.json."""
    return [estimate.value, estimate.low, estimate.high]


def round_numbers(value: Json) -> Json:
    """Round numbers to six significant digits; NaN and infinity become null."""
    if isinstance(value, dict):
        return {key: round_numbers(one) for key, one in value.items()}
    if isinstance(value, list):
        return [round_numbers(one) for one in value]
    if isinstance(value, float):
        return float(f"{value:.{_DIGITS}g}") if math.isfinite(value) else None
    return value
