"""The cache of samples: its key, and how samples are packed and unpacked."""

import hashlib
import json
from collections.abc import Callable, Iterator
from dataclasses import asdict, fields
from pathlib import Path
from typing import Any

import polars as pl

from ofiml.data.cache import TableAndMeta, cache_items
from ofiml.data.quality import Quality
from ofiml.data.truth import Truth
from ofiml.features.installed import SOURCES
from ofiml.provenance import code_identity
from ofiml.samples.session import SessionSamples
from ofiml.samples.settings import SampleSettings


def cached_samples(
    folder: Path, source: str, settings: SampleSettings, make: Callable[[], Iterator[SessionSamples]]
) -> list[SessionSamples]:
    """Return the samples that `make` yields, from the folder as far as they are there and whole.

    `source` names what the sessions are made from, content and all.
    """
    return list(cache_items(folder, _key(source, settings), make, _pack, _unpack))


def _key(source: str, settings: SampleSettings) -> str:
    """A hash of what samples depend on: their sessions, the settings that make them, all code of this package
    and of installed features.
    """
    ofi, features = asdict(settings.ofi), asdict(settings.features)
    parts = [
        asdict(settings.bars),
        {k: ofi[k] for k in ("levels", "parts", "windows")},
        {k: features[k] for k in ("columns", "trade_size", "vpin_bucket")},
        asdict(settings.horizon),
        asdict(settings.target) | {"dead_band": settings.target.dead_band > 0},  # folds learn how wide it is
        settings.latency,
        settings.decay,
    ]
    return hashlib.sha256(
        json.dumps([source, parts, *code_identity("numba", "numpy", "polars"), *SOURCES], sort_keys=True).encode()
    ).hexdigest()[:32]


def _pack(samples: SessionSamples) -> TableAndMeta:
    meta = {f.name: getattr(samples, f.name) for f in fields(samples) if f.name not in ("rows", "origin")}
    planted = None if samples.planted is None else asdict(samples.planted)
    return samples.rows, meta | {"quality": asdict(samples.quality), "planted": planted}


def _unpack(table: pl.DataFrame, meta: dict[str, Any]) -> SessionSamples:
    planted = None if meta["planted"] is None else Truth(**meta["planted"])
    symbol, date = meta["key"]
    typed = {"key": (symbol, date), "quality": Quality(**meta["quality"]), "planted": planted}
    return SessionSamples(rows=table, **meta | typed)
