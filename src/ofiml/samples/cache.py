"""The cache of samples: its key, and the conversion of samples to and from tables."""

import hashlib
import json
from collections.abc import Callable, Iterator
from dataclasses import asdict, fields
from typing import Any

import polars as pl

from ofiml.data.cache import TableAndMeta, cache_items
from ofiml.data.quality import restore_quality
from ofiml.data.truth import Truth
from ofiml.features.installed import SOURCES
from ofiml.provenance import identify_code
from ofiml.samples.session import SessionSamples
from ofiml.samples.settings import SampleSettings
from ofiml.storage import Storage


def cache_samples(
    storage: Storage, source: str, settings: SampleSettings, make: Callable[[], Iterator[SessionSamples]]
) -> Iterator[SessionSamples]:
    """Yield the samples of `make` from the storage; make and store those that are missing or damaged.

    `source` identifies the sessions by their content.
    """
    return cache_items(storage, make_samples_key(source, settings), make, _pack, _unpack)


def make_samples_key(source: str, settings: SampleSettings) -> str:
    """Return the cache name of a source's samples, by everything that they depend on: their sessions, their settings,
    the code of this package and of installed features.
    """
    ofi, features = asdict(settings.ofi), asdict(settings.features)
    parts = [
        asdict(settings.bars),
        {k: ofi[k] for k in ("levels", "parts", "windows")},
        {k: features[k] for k in ("columns", "trade_size", "vpin_bucket")},
        asdict(settings.horizon),
        asdict(settings.target) | {"dead_band": settings.target.dead_band > 0},  # each fold fits its width
        settings.latency,
        settings.decay,
    ]
    return hashlib.sha256(
        json.dumps([source, parts, *identify_code("numba", "numpy", "polars"), *SOURCES], sort_keys=True).encode()
    ).hexdigest()[:32]


def _pack(samples: SessionSamples) -> TableAndMeta:
    meta = {f.name: getattr(samples, f.name) for f in fields(samples) if f.name not in ("rows", "origin", "input_name")}
    planted = None if samples.planted is None else asdict(samples.planted)
    return samples.rows, meta | {"quality": asdict(samples.quality), "planted": planted}


def _unpack(table: pl.DataFrame, meta: dict[str, Any]) -> SessionSamples:
    planted = None if meta["planted"] is None else Truth(**meta["planted"])
    symbol, date = meta["key"]
    typed = {"key": (symbol, date), "quality": restore_quality(meta["quality"]), "planted": planted}
    return SessionSamples(rows=table, **meta | typed)
