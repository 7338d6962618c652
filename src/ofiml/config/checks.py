"""Checks shared by the schemas. A failure is one sentence."""

from ofiml.errors import ConfigError


def require(condition: bool, sentence: str) -> None:
    """Raise ConfigError with the sentence unless the condition is true."""
    if not condition:
        raise ConfigError(sentence)


def require_one_of(key: str, value: str, choices: tuple[str, ...]) -> None:
    """Raise ConfigError unless the value is one of the choices."""
    require(value in choices, f"{key}={value} is not one of {', '.join(choices)}.")
