"""`python -m ofiml.data`: a dataset without a study."""

import json
import sys

import pytest

from ofiml.bars.time import select_states
from ofiml.cli import data as command
from ofiml.data.readers import READERS
from ofiml.data.sessions import list_sources
from ofiml.microstructure.facts.book import measure_spread
from ofiml.overrides.conf import list_choices
from tests.data.test_readers import GOOD, csv, read


@pytest.fixture
def call(monkeypatch, capsys, workdir):
    """(exit code, what was printed, what went to stderr) of a call."""

    def run(*arguments):
        monkeypatch.setattr(sys, "argv", ["ofiml.data", *map(str, arguments)])
        code = command.main()
        out = capsys.readouterr()
        return code, out.out, out.err

    return run


def test_one_bad_file_does_not_hide_the_others(call, tmp_path):
    csv(tmp_path, GOOD.format(1), GOOD.format(2)).rename(tmp_path / "a.csv")
    csv(tmp_path, GOOD.format(1), GOOD.format(2).replace("10.03", "x")).rename(tmp_path / "b.csv")
    csv(tmp_path, *(GOOD.format(i).replace("X", "Y") for i in (1, 2))).rename(tmp_path / "c.csv")
    code, out, _ = call("check", "dataset=databento", f"dataset.path={tmp_path}/*.csv", "dataset.hours=all")
    assert code == 1
    assert [line.split()[0] for line in out.splitlines() if line[:2] in ("X ", "Y ")] == ["X", "Y", "X", "Y"]
    assert "refused: b.csv, line 3, column ask_px_00: 'x' cannot be read" in out
    assert "X 2024-10-21: irregular but kept 1 row without effect on the shown book" in out


def test_copies_of_a_file_count_once(call, tmp_path):
    for name in ("a", "b", "c"):
        csv(tmp_path, GOOD.format(1), GOOD.format(2)).rename(tmp_path / f"{name}.csv")
    code, out, _ = call("check", "dataset=databento", f"dataset.path={tmp_path}/*.csv", "dataset.hours=all")
    assert code == 0
    assert (
        "X 2024-10-21: dropped 4 rows that two files hold; irregular but kept 3 rows without effect on the shown book; "
        "joined from 3 files"
    ) in out


@pytest.mark.parametrize("command", ["check", "describe", "convert"])
def test_datasets_are_listed_below_the_help(call, capsys, command):
    with pytest.raises(SystemExit):
        call(command, "--help")
    listed = capsys.readouterr().out.partition("datasets:\n")[2]
    assert f"{'lobster':<20}{READERS['lobster'].description}" in listed
    rows = {line.split()[0]: line for line in listed.splitlines()}
    simulated = {name for name in list_choices("dataset") if name.startswith("synthetic")}
    assert set(rows) == {*list_choices("dataset"), "synthetic…"} - simulated
    assert "WRDS daily TAQ quotes (cqm) (read as quotes)" in rows["taq"]
    assert all(len(line) < 120 for line in rows.values())


def test_json_holds_the_same(call, tmp_path):
    path = csv(tmp_path, GOOD.format(1), GOOD.format(2))
    code, out, _ = call("describe", "--json", "dataset=databento", f"dataset.path={path}", "dataset.hours=all")
    (session,) = json.loads(out)["sessions"]
    assert code == 0
    assert session["quality"] == {
        "rows": 2,
        "used": 2,
        "dropped": {},
        "kept": {"no_effect": 1},
        "notes": [],
        "warnings": {},
        "left_out": [],
    }
    assert session["instrument"].startswith("tick 0.01, lot 1, ")
    assert session["facts"]["spread_ticks"]["mean"] == 2.0


def test_what_is_described_is_what_is_measured(call, data, configure):
    path = data("lobster/LOBSTER_SampleFile_AMZN_2012-06-21_1.zip")
    code, out, _ = call("describe", "dataset=lobster", f"dataset.path={path}")
    (session,) = list_sources(configure("dataset=lobster", f"dataset.path={path}").dataset)[0]()
    assert code == 0
    assert f"spread {measure_spread(session, select_states(session, 'message'))['mean']:.2f} ticks on average" in out


@pytest.mark.slow
def test_converted_to_lobster_it_is_the_same_market(call, tmp_path, configure):
    dataset = "dataset=synthetic", "dataset.sessions=2", "dataset.session_length=2m"
    code, out, _ = call("convert", "--to", "lobster", "--out", tmp_path / "out", *dataset)
    assert (code, out.count("wrote")) == (0, 6)  # with the truth beside each
    simulated = [s for source in list_sources(configure(*dataset).dataset) for s in source()]
    found = read(tmp_path / "out" / "*_message_*.csv", "lobster")
    book = [c for c in simulated[0].events.columns if c[4:6] in ("px", "sz")]
    for there, back in zip(simulated, found, strict=True):
        columns = ["ts_recv", "action", "side", "price", "size", *book]
        assert there.events.select(columns).equals(back.events.select(columns))


def test_a_symbol_names_no_folder(call, tmp_path):
    lines = [GOOD.format(i)[:-1] + "../../x" for i in (1, 2)]
    path = csv(tmp_path, *lines)
    code, _, _ = call(
        "convert", "--out", tmp_path / "out", "dataset=databento", f"dataset.path={path}", "dataset.hours=all"
    )
    assert code == 0
    assert [p.name for p in (tmp_path / "out").iterdir()] == ["______x_2024-10-21.parquet"]


def test_wrong_arguments_are_a_sentence(call):
    code, _, err = call("check", "lobster")
    assert (code, "'lobster' is not an override" in err) == (2, True)
    code, _, err = call("check", "dataset.sessions=1", "model=ridge")
    assert (code, "model=ridge has no effect: ofiml data check uses only dataset, instrument, threads" in err) == (
        2,
        True,
    )
    code, _, err = call("check", "dataset.sessions=1", "bars.per=row")
    assert (code, "bars.per=row has no effect" in err) == (2, True)
    code, _, err = call("check", "dataset=lobster")
    assert (code, "dataset.path is missing" in err) == (2, True)


@pytest.mark.slow
def test_converted_to_parquet_it_reads_back_from_its_folder(call, tmp_path, configure):
    dataset = "dataset=synthetic", "dataset.sessions=2", "dataset.session_length=2m"
    assert call("convert", "--out", tmp_path / "out", *dataset)[0] == 0
    simulated = [s for source in list_sources(configure(*dataset).dataset) for s in source()]
    again = configure("dataset=parquet", f"dataset.path={tmp_path / 'out'}").dataset
    found = [s for source in list_sources(again) for s in source()]
    assert len(found) == 2
    assert all(a.events.equals(b.events) for a, b in zip(simulated, found, strict=True))
    code, _, _ = call("convert", "--out", tmp_path / "out", *dataset)
    assert code == 1  # nothing is overwritten
