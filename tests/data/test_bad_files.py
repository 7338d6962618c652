"""A folder of days of which some cannot be read, or that holds a day twice."""

import json

import pytest

from ofiml.api import read_sessions
from ofiml.cli.data import main
from ofiml.data import quality as quality_room
from ofiml.data import sessions as sessions_room
from ofiml.data.bad_files import UnreadableInputError, describe_bad_files
from ofiml.data.quality import BadFile
from ofiml.data.sessions import UniqueSessions
from ofiml.errors import DataError
from ofiml.parallel import Workers
from ofiml.provenance import hash_files
from ofiml.reporting.sentences import write_sentences
from ofiml.samples.prepare import prepare_dataset
from ofiml.samples.settings import SampleSettings
from ofiml.study import run as experiment
from ofiml.study.report import read_report
from ofiml.ui.progress import Stages

HEADER = "DT,SYMBOL,BID,OFR,BIDSIZ,OFRSIZ"
SMALL = ["dataset=quotes", "dataset.calendar=24/7", "dataset.store=null", "dataset.size_unit=1", "bars.step=1s"]


def write_day(folder, day, *, rows=600, damage=""):
    """A day of quotes, one per second, whose mid walks by half a tick; the last row may be damaged."""
    lines = [HEADER]
    for i in range(rows):
        bid = 100 + (i * i // 7 % 5) / 100
        lines.append(
            f"2024-11-{day:02d} 15:{i // 60:02d}:{i % 60:02d},X,{bid:.2f},{bid + 0.01:.2f},{1 + i % 9},{1 + i % 4}"
        )
    if damage:
        lines[-1] = lines[-1].replace(",X,", f",X,{damage}")
    (folder / f"day{day:02d}.csv").write_text("\n".join(lines) + "\n")


@pytest.fixture
def days(tmp_path):
    for day in (4, 5, 6):
        write_day(tmp_path, day, damage="x" if day == 5 else "")
    return tmp_path


def prepare(config):
    with Stages() as stages:
        return prepare_dataset(SampleSettings.of(config), Workers(config.threads), stages)


def test_a_bad_file_stops_the_run_unless_it_is_skipped(days, configure):
    choices = [*SMALL, f"dataset.path={days}"]
    with pytest.raises(DataError, match=r"day05\.csv, line 601, column BID: 'x100"):
        prepare(configure(*choices))
    prepared = prepare(configure(*choices, "dataset.bad_files=skip"))
    assert [s.key for s in prepared.sessions] == [("X", "2024-11-04"), ("X", "2024-11-06")]
    (bad,) = prepared.bad_files
    assert (bad.files, bad.digest) == (["day05.csv"], hash_files([days / "day05.csv"]))
    assert bad.error.startswith("day05.csv, line 601, column BID")
    alone = prepare(configure(*SMALL, f"dataset.path='{days}/day0[46].csv'"))
    for with_bad, without in zip(prepared.sessions, alone.sessions, strict=True):
        assert with_bad.rows.equals(without.rows)


def test_a_file_that_becomes_bad_after_a_good_session_is_left_out_whole(tmp_path, configure):
    write_day(tmp_path, 4)
    write_day(tmp_path, 5)
    first, second = ((tmp_path / f"day{d:02d}.csv").read_text() for d in (4, 5))
    crossed = second.replace(f"{HEADER}\n", "").replace(",100.00,100.01,", ",100.00,99.01,", 1)
    (tmp_path / "both.csv").write_text(first + crossed)
    for day in (4, 5):
        (tmp_path / f"day{day:02d}.csv").unlink()
    write_day(tmp_path, 7)
    prepared = prepare(configure(*SMALL, f"dataset.path={tmp_path}", "dataset.bad_files=skip"))
    assert [s.key[1] for s in prepared.sessions] == ["2024-11-07"]
    assert "crossed" in prepared.bad_files[0].error
    sessions = read_sessions(*SMALL[:-1], f"dataset.path={tmp_path}", "dataset.bad_files=skip")
    assert [s.date for s in sessions] == ["2024-11-07"]


def test_settings_that_do_not_fit_are_no_bad_file(days, configure):
    with pytest.raises(DataError, match=r"ofi\.levels=3, but the data have 1"):
        prepare(configure(*SMALL, f"dataset.path={days}", "dataset.bad_files=skip", "ofi.levels=3"))


def test_if_every_file_is_bad_the_run_stops(tmp_path, configure):
    for day in (4, 5):
        write_day(tmp_path, day, damage="x")
    with pytest.raises(DataError, match=r"None of the 2 inputs can be read .*day04\.csv, line 601"):
        prepare(configure(*SMALL, f"dataset.path={tmp_path}", "dataset.bad_files=skip"))


def test_a_file_without_permission_is_bad(days, configure, monkeypatch):
    def refuse(paths):
        if paths[0].name == "day04.csv":
            raise PermissionError(13, "Permission denied", str(paths[0]))
        return hash_files(paths)

    for module in (sessions_room, quality_room):
        monkeypatch.setattr(module, "hash_files", refuse)
    prepared = prepare(configure(*SMALL, f"dataset.path={days}", "dataset.bad_files=skip"))
    assert [bad.files for bad in prepared.bad_files] == [["day04.csv"], ["day05.csv"]]
    assert prepared.bad_files[0].error == f"{days}/day04.csv: Permission denied."


def test_the_report_and_the_terminal_count_and_name_them(days, configure):
    split = ["split.n_folds=2", "split.embargo=0s", "evaluation.bootstrap_samples=50", "tuning=off", "model=ols"]
    more = ["ofi=best_level", "horizon=1s", "evaluation.block_length=30s", "evaluation.leak_check=false"]
    config = configure(*SMALL, f"dataset.path={days}", "dataset.bad_files=skip", "backtest=off", *split, *more)
    with Stages() as stages:
        study = experiment.run(config, stages)
    report = json.loads(study.report.to_json())
    (bad,) = report["dataset"]["bad_files"]
    assert (bad["files"], bad["digest"]) == (["day05.csv"], hash_files([days / "day05.csv"]))
    assert read_report(study.report.to_json()).dataset.bad_files == study.report.dataset.bad_files
    lines = write_sentences(study)
    assert "Left out 1 input that cannot be read (dataset.bad_files=skip)." in lines
    assert any(line.startswith("Left out: day05.csv, line 601, column BID: 'x100") for line in lines)
    del report["dataset"]["bad_files"]  # as a report of an earlier version
    assert read_report(json.dumps(report)).dataset.bad_files == []


@pytest.mark.slow
def test_check_names_them_and_succeeds_if_they_are_skipped(days, capsys):
    assert main(["check", *SMALL[:-1], f"dataset.path={days}"]) == 1
    assert "refused: day05.csv, line 601" in capsys.readouterr().out
    assert main(["check", *SMALL[:-1], f"dataset.path={days}", "dataset.bad_files=skip"]) == 0
    out = capsys.readouterr().out
    assert "Left out 1 input that cannot be read" in out
    assert "Left out: day05.csv, line 601" in out
    for day in (4, 6):
        (days / f"day{day:02d}.csv").unlink()
    assert main(["check", *SMALL[:-1], f"dataset.path={days}", "dataset.bad_files=skip"]) == 1


def test_another_word_is_refused(days, configure):
    with pytest.raises(ValueError, match=r"dataset\.bad_files=drop is not one of raise, skip"):
        configure(*SMALL, f"dataset.path={days}", "dataset.bad_files=drop")


def test_many_bad_files_are_counted_and_all_named():
    bad = [BadFile([f"d{i}.csv"], "", f"d{i}.csv is empty.") for i in range(12)]
    lines = describe_bad_files(bad)
    assert lines[0] == "Left out 12 inputs that cannot be read (dataset.bad_files=skip)."
    assert lines[-1] == "Left out too: d10.csv, d11.csv."
    assert describe_bad_files([BadFile(["a", "b"], "", "out of memory.")])[1] == "Left out: a, b: out of memory."
    assert str(UnreadableInputError(bad[0])) == "d0.csv is empty."
    assert describe_bad_files([]) == []


@pytest.mark.parametrize(
    ("first", "second", "choice"),
    [
        ("AMZN_2012-06-21_1.zip/m_1.csv", "AMZN_2012-06-21_5.zip/m_5.csv", "*_5.zip"),
        ("T_2012-06-21_34200000_57600000_message_1.csv", "T_2012-06-21_34200000_57600000_message_5.csv", "*_5.csv"),
        ("glbx-20240701.mbp-1.csv", "glbx-20240701.mbp-10.csv", "*-10.csv"),
        ("a.csv", "b.csv", ""),
        ("x_old_1.csv", "x_new_1.csv", "*_new_1.csv"),
    ],
)
def test_a_day_that_is_there_twice_names_both_files_and_the_choice(first, second, choice):
    unique = UniqueSessions()
    unique.add("X", "2012-06-21", first)
    with pytest.raises(DataError) as error:
        unique.add("X", "2012-06-21", second)
    remedy = f"choose one, as with the glob dataset.path='FOLDER/{choice}'." if choice else "join them, or choose one."
    assert str(error.value) == f"{first} and {second} contain the same session, X on 2012-06-21: {remedy}"
