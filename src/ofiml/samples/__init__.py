"""Samples: the table with one row per bar that models read, made from a session of events."""

from ofiml.samples.prepare import prepare_session, prepare_sessions, read_sessions
from ofiml.samples.session import SessionKey, SessionSamples
from ofiml.samples.settings import SampleSettings
from ofiml.samples.table import list_feature_columns, pool_samples

__all__ = [
    "SampleSettings",
    "SessionKey",
    "SessionSamples",
    "list_feature_columns",
    "pool_samples",
    "prepare_session",
    "prepare_sessions",
    "read_sessions",
]
