"""Sessions that lie in several files: their parts are joined in order, overlaps and pauses counted."""

import datetime as dt
import gzip

import pytest

from ofiml.data.sessions import list_sources
from ofiml.errors import DataError
from ofiml.microstructure.survey import survey_dataset
from ofiml.parallel import Workers
from ofiml.provenance import hash_files
from ofiml.samples.prepare import prepare_dataset
from ofiml.samples.settings import SampleSettings
from ofiml.ui.progress import Stages

HEADER = "DT,SYMBOL,BID,OFR,BIDSIZ,OFRSIZ"
NIGHT = dt.datetime(2024, 7, 1, 23, 30, tzinfo=dt.UTC)


def rows(start, count, seconds=1.0, symbol="ES", first=0):
    """Quotes from `start` on, every `seconds`; each has a size of its own."""
    for i in range(first, first + count):
        t = start + dt.timedelta(seconds=seconds * i)
        bid = 5000 + i // 50 % 90
        yield f"{t:%Y-%m-%dT%H:%M:%S.%f}Z,{symbol},{bid}.00,{bid}.25,{i % 1000 + 1},5"


def write(path, lines, *, packed=False):
    text = "\n".join([HEADER, *lines]).encode() + b"\n"
    path.write_bytes(gzip.compress(text) if packed else text)


@pytest.fixture
def read(tmp_path, configure):
    def sessions(*overrides):
        dataset = configure(
            "dataset=quotes", f"dataset.path={tmp_path}", "dataset.tick=0.25", "dataset.sizes=lots", *overrides
        ).dataset
        return [session for source in list_sources(dataset) for session in source()]

    return sessions


@pytest.mark.parametrize("packed", [False, True])
def test_a_session_over_midnight_utc_is_one(tmp_path, read, packed):
    lines = list(rows(NIGHT, 3600))
    midnight = 1800
    write(tmp_path / "0701.csv", lines[:midnight], packed=packed)
    write(tmp_path / "0702.csv", lines[midnight:], packed=packed)
    (session,) = read("dataset.calendar=CMES")
    whole = tmp_path / "whole"
    whole.mkdir()
    write(whole / "all.csv", lines)
    (expected,) = read("dataset.calendar=CMES", f"dataset.path={whole}")
    assert session.events.equals(expected.events)
    assert (session.open, session.close, session.date) == (expected.open, expected.close, "2024-07-02")
    assert (session.quality.rows, session.quality.used) == (3600, 3600)
    assert session.source == "0701.csv and 0702.csv"
    assert session.quality.notes == ["joined from 2 files, with a pause of at most 1.000 s between them"]


@pytest.mark.slow
def test_hourly_files_are_one_day_and_days_stay_apart(tmp_path, read):
    start = dt.datetime(2024, 7, 1, tzinfo=dt.UTC)
    for hour in range(48):
        write(tmp_path / f"{hour:02d}.csv", rows(start, 60, 60.0, first=60 * hour))
    first, second = read("dataset.calendar=24/7")
    assert [(s.date, s.events.height) for s in (first, second)] == [("2024-07-01", 1440), ("2024-07-02", 1440)]
    assert first.source == "00.csv to 23.csv"


def test_files_are_joined_in_order_of_time_whatever_their_names(tmp_path, read):
    write(tmp_path / "b.csv", rows(NIGHT, 300))
    write(tmp_path / "a.csv", rows(NIGHT, 300, first=300))
    (session,) = read("dataset.calendar=CMES")
    assert session.events.height == 600
    assert session.events["ts_recv"].is_sorted()
    assert session.source == "b.csv and a.csv"


def test_rows_in_both_files_count_once(tmp_path, read):
    write(tmp_path / "a.csv", rows(NIGHT, 300))
    write(tmp_path / "b.csv", rows(NIGHT, 300, first=200))
    (session,) = read("dataset.calendar=CMES")
    assert session.events.height == 500
    assert session.quality.dropped["overlap"] == 100
    assert session.quality.rows == session.quality.used + 100


def test_files_that_differ_in_their_overlap_are_refused(tmp_path, read):
    write(tmp_path / "a.csv", rows(NIGHT, 300))
    write(tmp_path / "b.csv", rows(NIGHT + dt.timedelta(seconds=0.5), 300, first=200))
    with pytest.raises(
        DataError, match=r"a\.csv and b\.csv overlap in time and differ there, first at 2024-07-01T23:33:2"
    ):
        read("dataset.calendar=CMES")


def test_a_long_pause_between_files_is_a_gap(tmp_path, read):
    write(tmp_path / "a.csv", rows(NIGHT, 300))
    write(tmp_path / "b.csv", rows(NIGHT, 300, first=3000))
    (session,) = read("dataset.calendar=CMES")
    assert session.quality.kept["gap"] == 1
    assert session.events["flags"].to_list().count(128 | 32) == 1
    assert session.events["flags"][300] == 128 | 32
    with pytest.raises(DataError, match=r"a\.csv ends 2,701 s before b\.csv begins"):
        read("dataset.calendar=CMES", "dataset.policy.gap=raise")


def test_each_symbol_has_its_own_session(tmp_path, read):
    for name, first in (("a.csv", 0), ("b.csv", 300)):
        write(tmp_path / name, [*rows(NIGHT, 300, first=first), *rows(NIGHT, 300, first=first, symbol="NQ")])
    assert {(s.symbol, s.events.height) for s in read("dataset.calendar=CMES")} == {("ES", 600), ("NQ", 600)}


def test_sessions_of_one_day_each_are_inputs_of_their_own(tmp_path, configure):
    for day in (1, 2, 3):
        write(tmp_path / f"{day}.csv", rows(dt.datetime(2024, 7, day, 13, 30, tzinfo=dt.UTC), 600))
    dataset = configure("dataset=quotes", f"dataset.path={tmp_path}", "dataset.tick=0.25", "dataset.sizes=lots").dataset
    sources = list_sources(dataset)
    assert len(sources) == 3
    assert [s.events.height for source in sources for s in source()] == [600, 600, 600]


def test_the_name_of_a_joined_input_is_of_all_its_files(tmp_path, configure):
    write(tmp_path / "a.csv", rows(NIGHT, 300))
    write(tmp_path / "b.csv", rows(NIGHT, 300, first=300))
    dataset = configure(
        "dataset=quotes", f"dataset.path={tmp_path}", "dataset.calendar=CMES", "dataset.tick=0.25"
    ).dataset
    (source,) = list_sources(dataset)
    before = source.name()
    write(tmp_path / "b.csv", rows(NIGHT, 299, first=300))
    (source,) = list_sources(dataset)
    assert source.name() != before


def test_days_of_a_file_without_symbols_are_inputs_of_their_own(tmp_path, configure):
    for day in (1, 2):
        lines = rows(dt.datetime(2024, 7, day, 15, 0, tzinfo=dt.UTC), 300)
        text = "\n".join([HEADER.replace("SYMBOL,", ""), *(line.replace(",ES,", ",") for line in lines)]) + "\n"
        (tmp_path / f"{day}.csv").write_text(text)
    asked = ["dataset=quotes", f"dataset.path={tmp_path}", "dataset.tick=0.25", "dataset.columns.symbol=null",
             "dataset.symbols=[ES]"]  # fmt: skip
    assert len(list_sources(configure(*asked).dataset)) == 2


def test_symbols_in_files_of_their_own_are_joined_apart(tmp_path, configure):
    for symbol in ("ES", "NQ", "CL"):
        for hour in range(3):
            start = NIGHT + dt.timedelta(hours=hour)
            write(tmp_path / f"{symbol}_{hour}.csv", rows(start, 300, symbol=symbol))
    dataset = configure(
        "dataset=quotes", f"dataset.path={tmp_path}", "dataset.calendar=CMES", "dataset.tick=0.25"
    ).dataset
    sources = list_sources(dataset)
    assert len(sources) == 3
    sessions = [session for source in sources for session in source()]
    assert sorted((s.symbol, s.events.height) for s in sessions) == [("CL", 900), ("ES", 900), ("NQ", 900)]


def test_a_chain_without_a_bad_file_is_not_the_whole_chain(tmp_path, configure):
    write(tmp_path / "a.csv", rows(NIGHT, 300))
    write(tmp_path / "b.csv", [*rows(NIGHT, 300, first=300), "damaged"])
    names = []
    for choice in ("raise", "skip"):
        asked = ["dataset=quotes", f"dataset.path={tmp_path}", "dataset.calendar=CMES", "dataset.tick=0.25"]
        (source,) = list_sources(configure(*asked, f"dataset.bad_files={choice}").dataset)
        names.append(source.name())
    assert names[0] != names[1]
    (session,) = source()
    assert session.events.height == 300
    assert [bad.files for bad in session.quality.left_out] == [["b.csv"]]
    assert session.quality.left_out[0].error.startswith("b.csv, line 302")


def test_a_bad_file_between_two_others_is_named_in_the_report_and_leaves_a_gap(tmp_path, configure):
    write(tmp_path / "a.csv", rows(NIGHT, 300))
    write(tmp_path / "b.csv", [*rows(NIGHT, 30, first=300), "damaged"])
    write(tmp_path / "c.csv", rows(NIGHT, 3000, first=330))
    asked = ["dataset=quotes", f"dataset.path={tmp_path}", "dataset.calendar=CMES", "dataset.tick=0.25",
             "dataset.store=null", "dataset.sizes=lots", "dataset.bad_files=skip", "ofi=best_level"]  # fmt: skip
    config = configure(*asked)
    with Stages() as stages:
        prepared = prepare_dataset(SampleSettings.of(config), Workers(1), stages)
        survey = survey_dataset(config.dataset, stages, threads=1)
    (samples,) = prepared.sessions
    (bad,) = prepared.bad_files
    assert (bad.files, bad.digest) == (["b.csv"], hash_files([tmp_path / "b.csv"]))
    assert bad.error.startswith("b.csv, line 32")
    assert samples.quality.kept["gap"] == 1  # a pause of 31 s alone would be none
    assert samples.events == 3300
    assert survey.skipped[0] == "Left out 1 input that cannot be read (dataset.bad_files=skip)."
    (source,) = list_sources(config.dataset)
    (session,) = source()
    assert session.events["flags"].to_list().index(128 | 32) == 300
