"""Units: time in integer nanoseconds, prices in integer 1e-9 currency units."""

import re

from ofiml.errors import ConfigError

SECOND = 1_000_000_000
PRICE_SCALE = 1_000_000_000

_UNITS = {"ns": 1, "us": 1_000, "ms": 1_000_000, "s": SECOND, "m": 60 * SECOND, "h": 3600 * SECOND}
_MAX_DURATION = 366 * 24 * 3600 * SECOND
_DURATION = re.compile(r"(\d+(?:\.\d+)?)(ns|us|ms|s|m|h)")


def parse_duration(text: str, name: str = "duration") -> int:
    """Parse a duration such as `250ms`, `10s`, `1.5m` or `2h` to nanoseconds.

    Raises ConfigError, which names the config key `name`, for any other text and for more than a year.
    """
    match = _DURATION.fullmatch(text.strip()) if isinstance(text, str) else None
    if match is None:
        raise ConfigError(f"{name}={text!r} is not a duration: write a number and ns, us, ms, s, m or h, as in 10s.")
    length = float(match[1]) * _UNITS[match[2]]
    if length > _MAX_DURATION:
        raise ConfigError(f"{name}={text!r} is longer than a year.")
    return round(length)
