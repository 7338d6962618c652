"""What a dropped row leaves behind: neither a flow across a clear, nor a message that is known too late."""

import pytest

from ofiml.bars.time import cut_time_bars, select_states
from ofiml.config import Policy
from ofiml.data.schema import F_LAST, F_SNAPSHOT
from ofiml.errors import DataError
from ofiml.ofi.flow import compute_bar_flow
from tests.data.test_readers import csv, read

BASE = "2024-10-21T14:00:0{t}Z,2024-10-21T14:00:0{t}Z,{action},B,10.00,1,{flags},{n},{book},X"


def rows(*given):
    return [BASE.format(t=t, action=a, flags=f, n=n, book=b) for n, (t, a, f, b) in enumerate(given)]


def flow(session):
    """Best-level flow by second."""
    book = select_states(session, "message")
    return compute_bar_flow(session, "message", cut_time_bars(session, book, 10**9)).to_series().to_list()


def test_no_flow_across_a_clear_whose_row_is_dropped(tmp_path):
    lines = rows(
        (1, "A", F_LAST, "10.00,10.10,50,50"),
        (2, "R", F_LAST, ",,0,0"),
        (3, "A", F_LAST, "12.00,12.10,900,900"),
        (4, "A", F_LAST, "12.00,12.10,901,900"),
    )
    kept = read(csv(tmp_path, *lines))
    dropped = read(csv(tmp_path, *lines), policy=Policy(one_sided="drop"))
    assert dropped[0].quality.dropped == {"one_sided": 1}
    assert dropped[0].events["flags"].to_list() == [F_LAST, F_LAST | F_SNAPSHOT, F_LAST]
    assert sum(flow(dropped[0])) == 1
    # An empty book is a state too: from it, the next one arrives as a whole.
    assert sum(flow(kept[0])) == 900 - 900 + 1


def test_a_message_is_known_when_it_was_though_its_last_row_is_dropped(tmp_path):
    lines = rows(
        (1, "A", F_LAST, "10.00,10.10,50,50"),
        (2, "A", 0, "10.00,10.10,90,50"),
        (2, "A", F_LAST, "10.00,10.10,90,50"),  # changes nothing
        (5, "A", F_LAST, "10.00,10.10,91,50"),
    )
    whole = flow(read(csv(tmp_path, *lines))[0])
    (s,) = read(csv(tmp_path, *lines), policy=Policy(no_effect="drop"))
    assert s.quality.dropped == {"no_effect": 1}
    assert flow(s) == whole
    assert s.events["flags"].to_list() == [F_LAST] * 3


def test_rows_that_are_no_message_stay_none(tmp_path):
    lines = rows(
        (1, "A", F_LAST, "10.00,10.10,50,50"),
        (2, "A", F_LAST, "10.00,10.10,50,50"),  # a message of one row, which is dropped
        (5, "A", F_LAST, "10.00,10.10,91,50"),
    )
    (s,) = read(csv(tmp_path, *lines), policy=Policy(no_effect="drop"))
    assert s.events["flags"].to_list() == [F_LAST] * 2


def test_sequence_numbers_that_run_back_are_counted(tmp_path):
    lines = rows(*((i, "A", F_LAST, f"10.00,10.10,5{i},50") for i in (1, 2, 3)))
    lines[2] = lines[2].replace(f"{F_LAST},2,", f"{F_LAST},0,")
    (s,) = read(csv(tmp_path, *lines))
    assert s.quality.kept == {"sequence": 1}
    with pytest.raises(
        DataError, match=r"line 4, column sequence: the sequence number 0 is lower than in the row before it"
    ):
        read(csv(tmp_path, *lines), policy=Policy(sequence="raise"))


def test_a_row_is_compared_with_the_row_before_it_that_remains(tmp_path):
    lines = rows(*((i, "A", F_LAST, f"10.00,10.10,{size},50") for i, size in enumerate((51, 51, 52, 51))))
    lines[2] = lines[2].replace(f"{F_LAST},2,", f"{F_LAST},0,")
    (whole,) = read(csv(tmp_path, *lines))
    assert whole.quality.kept == {"sequence": 1, "no_effect": 1}
    (s,) = read(csv(tmp_path, *lines), policy=Policy(sequence="drop"))
    assert (s.quality.dropped, s.quality.kept) == ({"sequence": 1}, {"no_effect": 2})


def test_a_last_line_without_its_end_is_noted(tmp_path):
    path = csv(tmp_path, *rows((1, "A", F_LAST, "10.00,10.10,50,50")))
    assert read(path)[0].quality.notes == []
    path.write_text(path.read_text().rstrip("\n"))
    assert read(path)[0].quality.notes == ["book.csv does not end with a newline: its last row may be cut short"]


def test_a_kept_late_stamp_does_not_move_the_rows_after_it(tmp_path):
    given = rows(*((i, "A", F_LAST, f"10.00,10.10,5{i},50") for i in (1, 2, 3, 4)))
    late = [*given[:1], given[1].replace("14:00:02", "19:00:02"), *given[2:]]
    early = [*given[:2], given[2].replace("14:00:03", "09:00:03"), *given[3:]]
    for lines, seconds in ((late, [1, 3, 3, 4]), (early, [1, 2, 2, 4])):
        (s,) = read(csv(tmp_path, *lines), policy=Policy(time_reversal="keep", clock="keep"))
        assert s.events["ts_recv"].dt.second().to_list() == seconds
        assert s.quality.kept["time_reversal"] == 1
