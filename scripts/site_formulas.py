"""Set the formulas of a page: subscripts and superscripts in place of x_i and e^(-t/τ). Code stays as it is.

Pages write formulas as text, which reads well on a code host too; the site needs no program for them.
"""

import re

CODE = re.compile(r"(^ *```.*?^ *```|^(?: {4}|\t).*?$|`[^`\n]+`|<!--.*?-->|\]\([^)]*\))", re.MULTILINE | re.DOTALL)
INNER = r"\((?:[^()\n]|\([^()\n]*\))*\)"  # in brackets, with one more pair in them
FORMULA = re.compile(
    rf"(?<!\w) (?P<base>[dΔ]?[A-Za-zͰ-Ͽ]|Δ?mid|[A-Z]{{2,3}}|\d+)"
    rf" (?:\^(?P<above>{INNER}|[\w*]+?(?=_|\b)))? (?:_(?P<below>{INNER}|(?!hat\b)[A-Za-z0-9Ͱ-Ͽ]+|±))? (?![\w^])",
    re.VERBOSE,
)


def set_formulas(text: str) -> str:
    """Set the formulas of a page outside of its code, comments and addresses."""
    parts = CODE.split(text)
    parts[::2] = [FORMULA.sub(_set_formula, part) for part in parts[::2]]
    return "".join(parts)


def _set_formula(match: re.Match[str]) -> str:
    above, below = match["above"], match["below"]
    if above is None and below is None:
        return match[0]
    sup = f"<sup>{_strip_brackets(above)}</sup>" if above else ""
    return f"{match['base']}{sup}" + (f"<sub>{_strip_brackets(below)}</sub>" if below else "")


def _strip_brackets(text: str) -> str:
    return text[1:-1] if text.startswith("(") else text
