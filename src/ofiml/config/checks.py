"""What the schemas check of a key, each in one sentence."""

from ofiml.errors import ConfigError


def require(condition: bool, sentence: str) -> None:
    """Raises ConfigError with the sentence unless the condition holds."""
    if not condition:
        raise ConfigError(sentence)


def require_one_of(key: str, value: str, choices: tuple[str, ...]) -> None:
    """Raises ConfigError for another value than the choices."""
    require(value in choices, f"{key}={value} is not one of {', '.join(choices)}.")


def require_seed(key: str, value: int) -> None:
    """Raises ConfigError for what no generator of random numbers takes as its seed."""
    require(0 <= value < 2**31, f"{key} must lie in [0, 2^31).")
