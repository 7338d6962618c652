"""A session whose data stop before its close ends with them; a thin market is silent, and its session goes on."""

from dataclasses import replace

import numpy as np
import pytest

from ofiml.bars.time import build_bar_table, cut_time_bars, select_states
from ofiml.data.sessions import list_sources
from ofiml.data.silence import end_at_silence
from ofiml.units import SECOND
from tests.books import session
from tests.data.test_carry import write

OPEN, CLOSE = 1_731_421_800, 1_731_445_200  # 2024-11-12, 09:30 and 16:00 in New York
HEADER = "DT,SYMBOL,BID,OFR,BIDSIZ,OFRSIZ"


def quotes(times):
    return [
        f"{1000 * t},X,{10 + i % 7 / 200:.3f},{10.05 + i % 5 / 200:.3f},{1 + i % 9},{1 + i % 7}"
        for i, t in enumerate(times)
    ]


def read(configure, path, *overrides):
    dataset = configure("dataset=quotes", f"dataset.path={path}", *overrides).dataset
    return [s for source in list_sources(dataset) for s in source()]


def test_a_recording_that_stops_at_noon_has_no_bars_after_it(tmp_path, configure):
    noon = OPEN + 9000
    write(tmp_path / "q.csv", HEADER, quotes(range(OPEN, noon, 5)))
    (s,) = read(configure, tmp_path / "q.csv")
    assert (s.open, s.close, s.scheduled_close) == (OPEN * SECOND, (noon - 5) * SECOND, CLOSE * SECOND)
    assert s.quality.warnings["end"].startswith(
        "the events end at 2024-11-12T16:59:55 UTC, before the close at 2024-11-12T21:00:00 UTC, and the longest "
        "silence before it is 5 s"
    )
    book = select_states(s, "message")
    table = build_bar_table(s, book, cut_time_bars(s, book, 60 * SECOND))
    assert table.height == 149
    assert (table["n_events"] > 0).all()


@pytest.mark.parametrize(
    ("count", "step", "pause", "ends"),
    [(300, 2, 61, True), (300, 2, 60, False), (300, 30, 301, True), (300, 30, 300, False), (199, 2, 3600, False)],
)
def test_how_long_a_silence_is_too_long(count, step, pause, ends):
    rows = session([{"t": step * i, "book": [(99, 1, 101, 1)]} for i in range(count)])
    last = int(rows.events["ts_recv"].to_physical()[-1])
    assert int(np.diff(rows.events["ts_recv"].to_physical().to_numpy()).max()) == step * SECOND
    rows = replace(rows, close=last + pause * SECOND, scheduled_close=None)
    after = end_at_silence(rows)
    if ends:
        assert (after.close, after.scheduled_close, set(after.quality.warnings)) == (last, rows.close, {"end"})
    else:
        assert after == rows
    already = replace(rows, scheduled_close=rows.close)
    assert end_at_silence(already) == already


def test_the_parts_of_a_session_are_joined_before_its_end_is_judged(tmp_path, configure):
    noon = OPEN + 9000
    write(tmp_path / "0.csv", HEADER, quotes(range(OPEN, noon, 5)))
    write(tmp_path / "1.csv", HEADER, quotes(range(noon, CLOSE, 5)))
    (s,) = read(configure, tmp_path)
    assert (s.close, s.scheduled_close) == (CLOSE * SECOND, None)
    assert "end" not in s.quality.warnings
