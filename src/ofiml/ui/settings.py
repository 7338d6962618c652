"""The format of the values of settings: on a page, in the name of a run, and as an override."""

import json
from typing import Any

import yaml

_MAX_SHORT = 20  # characters, in the name of a run
_MAX_OVERRIDE = 60


def format_setting(value: Any) -> str:
    """Format a value as it is written in a config, with `none` for null.

    >>> format_setting(None), format_setting([1, "a"]), format_setting(True)
    ('none', '[1, a]', 'true')
    """
    if value is None:
        return "none"
    if isinstance(value, str):
        return value
    text = yaml.safe_dump(value, default_flow_style=True, sort_keys=False, allow_unicode=True, width=10**6)
    return text.removesuffix("\n").removesuffix("\n...")


def abbreviate_setting(value: Any, true: str = "true", false: str = "false") -> str:
    """Format a value in a few characters. Commas separate the runs of a command line, so a list has none.

    >>> abbreviate_setting(0.50), abbreviate_setting([7, 8]), abbreviate_setting(None)
    ('0.5', '7+8', 'none')
    """
    if value is None or isinstance(value, bool):
        return "none" if value is None else true if value else false
    if isinstance(value, list):
        value = "+".join(abbreviate_setting(item) for item in value) or "[]"
    return shorten(f"{value:g}" if isinstance(value, float) else str(value), _MAX_SHORT)


def write_override(value: Any) -> str:
    """Write a value as an override has it; the beginning of a long one, which the params of a run have whole.

    >>> write_override(None), write_override(["1s", "10s"]), write_override("ridge"), write_override(0.5)
    ('null', '[1s,10s]', 'ridge', '0.5')
    """
    text = value if isinstance(value, str) else json.dumps(value, separators=(",", ":")).replace('"', "")
    return shorten(text, _MAX_OVERRIDE)


def shorten(text: str, length: int) -> str:
    """Cut a text to a number of characters, of which the last is an ellipsis.

    >>> shorten("abc", 3), shorten("abcd", 3)
    ('abc', 'ab…')
    """
    return text if len(text) <= length else f"{text[: length - 1]}…"
