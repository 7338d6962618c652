"""The end of a session whose data stop before its close: no bar repeats a book that is not known any more."""

from dataclasses import replace

import numpy as np

from ofiml.data.parts import is_long_pause
from ofiml.data.schema import Session, extract_times
from ofiml.units import SECOND

_MIN_EVENTS = 200  # of a session; fewer do not tell how long its source is silent


def end_at_silence(session: Session) -> Session:
    """Return the session, ended at its last event if the source is silent from then to the close for too long.

    Too long is what would be a gap between two files of a recording: over a minute, and over ten times the longest
    silence inside the session. The recording was stopped, or the instrument was, and no order could rely on the last
    book. The bound becomes `scheduled_close`, and a warning states both. A session that ends at its last event stays.
    """
    if session.scheduled_close is not None or session.events.height < _MIN_EVENTS:
        return session
    stamps = extract_times(session.events)
    last, longest = int(stamps[-1]), int(np.diff(stamps).max())
    if not is_long_pause(session.close - last, longest):
        return session
    end, close = (np.datetime64(at // SECOND, "s") for at in (last, session.close))
    sentence = (
        f"the events end at {end} UTC, before the close at {close} UTC, and the longest silence before it is "
        f"{longest / SECOND:,.3g} s: the session ends with them, and no bars repeat the last book; fetch the rest if "
        "the recording was stopped"
    )
    quality = replace(session.quality, warnings=session.quality.warnings | {"end": sentence})
    return replace(session, close=last, scheduled_close=session.close, quality=quality)
