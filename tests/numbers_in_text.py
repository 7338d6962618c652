"""Numbers as a page shows them, beside those of the results that they come from."""

import re

import numpy as np


def list_numbers(text: str) -> list[str]:
    """The numbers of a text without their signs and commas, as they are written."""
    return [number.replace(",", "") for number in re.findall(r"(?<![\w.])(?:\d[\d,]*)?\.?\d+", text)]


def list_values(value: object) -> list[float]:
    """The numbers of a JSON value."""
    if isinstance(value, dict | list):
        return [one for part in (value.values() if isinstance(value, dict) else value) for one in list_values(part)]
    return [float(value)] if isinstance(value, int | float) else []


def is_rounded(shown: str, known: np.ndarray) -> bool:
    """Whether a number that is shown is one of the known ones to its last digit, or to the six that results have."""
    half = max(0.5 * 10.0 ** -len(shown.partition(".")[2]), 5e-6 * float(shown))
    return bool((np.abs(known - float(shown)) <= half * (1 + 1e-9) + 1e-12).any())


def list_tables(text: str) -> list[list[list[str]]]:
    """The tables of a page in Markdown: the cells of their rows, the header first, without the line below it."""
    blocks = re.findall(r"(?:^\|.*\n)+", text, re.M)
    split = re.compile(r"(?<!\\)\|")
    return [
        [
            [cell.strip() for cell in split.split(row.strip().strip("|"))]
            for row in block.splitlines()
            if set(row) - set("|-: ")
        ]
        for block in blocks
    ]
