"""The params of a run: one per leaf of its config, none of them cut."""

import hashlib
import json
from collections.abc import Mapping

from ofiml.config.renamed import INSTRUMENTS

#: The first param on MLflow's page that compares runs, which sorts them by name: what differs from conf/config.yaml.
OVERRIDES = "_overrides"

_MAX_LENGTH = 6000  # MLflow cuts longer ones


def flatten_params(value: object, path: str = "") -> dict[str, str]:
    """Map the path of each leaf of nested mappings to its value as text.

    Instruments are one JSON text: MLflow refuses keys with the wildcards of their patterns.
    """
    if path == INSTRUMENTS:
        return {path: json.dumps(value, sort_keys=True)}
    if isinstance(value, dict) and value:
        leaves: dict[str, str] = {}
        for key, part in value.items():
            leaves |= flatten_params(part, f"{path}.{key}" if path else str(key))
        return leaves
    return {path: str(value)}


def shorten_params(params: Mapping[str, str]) -> tuple[dict[str, str], dict[str, str]]:
    """Return (all params, the long ones whole). A long one is its beginning and its SHA-256, by which runs compare."""
    long = {name: text for name, text in params.items() if len(text) > _MAX_LENGTH}
    return {name: _name_long(text) if name in long else text for name, text in params.items()}, long


def _name_long(text: str) -> str:
    digest = hashlib.sha256(text.encode()).hexdigest()
    return f"{text[:60]}… ({len(text):,} characters, in long_params.json; sha256 {digest})"
