"""One row a bar: a session becomes the table that models see."""

from ofiml.samples.prepare import prepare_session, prepare_sessions, read_session
from ofiml.samples.session import SessionKey, SessionSamples
from ofiml.samples.settings import SampleSettings
from ofiml.samples.table import feature_columns, pool_samples

__all__ = [
    "SampleSettings",
    "SessionKey",
    "SessionSamples",
    "feature_columns",
    "pool_samples",
    "prepare_session",
    "prepare_sessions",
    "read_session",
]
