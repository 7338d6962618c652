"""The document of a comparison, from typed results made by hand."""

import re
from dataclasses import replace
from functools import partial

import pytest

from ofiml.comparison.document import write_document
from ofiml.comparison.leaderboard import Leaderboard, write_leaderboard
from ofiml.comparison.trials import Trials
from ofiml.comparison.verdicts import ComparedGroup, ComparedRun, GroupTests
from ofiml.metrics.overfitting import Overfitting
from ofiml.sweeps.document import write_sweep_document
from tests.reporting.pages import check_page

EVIL = "<script>alert(1)</script>"
TRIALS = Trials({"finished": 2}, tuned=10, planned=0, odd=[], unknown=[])


def make_run(letter: str, value: float, **more) -> ComparedRun:
    run = ComparedRun(
        run=letter * 32,
        name="a name",
        model="ridge",
        ofi="mlofi",
        features="ofi_only",
        ic=value,
        ic_low=value - 0.02,
        ic_high=value + 0.02,
        r2=0.01,
        net=-12.5,
        sharpe_annual=1.5,
        rows=900,
        choices={},
        repeated=0,
        value=value,
        error=0.02,
        t=3.2,
        p=0.002,
        p_best=0.04,
        set_p=0.5,
        in_set=True,
        blocks=12,
        sharpe_block=0.2,
        luck=0.4,
        dsr=0.33,
    )
    return replace(run, **more)


def make_group(runs: list[ComparedRun], *, spa: float = 0.01, benchmark: str | None = None) -> ComparedGroup:
    tests = GroupTests(
        times=900,
        blocks=12,
        overlap=2,
        block=75,
        samples=1000,
        seed=7,
        level=0.05,
        benchmark=benchmark,
        pairs=[[1.0 if i == j else 0.04 for j in range(len(runs))] for i in range(len(runs))],
        spa=spa,
        reality_check=0.2,
        pbo=Overfitting(0.25, 0.1, 70, 8),
    )
    return ComparedGroup("forecast", "forecast, horizon 10s; bars.step 10s", "d" * 64, "ic", {}, runs, tests, [])


def write(*groups: ComparedGroup) -> str:
    return write_document("Runs of small", "Comparison of runs", groups, TRIALS)


def test_the_leaderboard_has_intervals_tests_and_deflation():
    page = check_page(write(make_group([make_run("a", 0.1), make_run("b", -0.05, in_set=False)])))
    for text in ("aaaaaaaa", "0.080 … 0.120", "−0.070 … −0.030", "0.0800 … 0.1200", "0.330", "−12.50", "ridge"):
        assert text in page.text, text
    assert "Trials: 12" in page.text
    assert "The best of 2 runs by IC is aaaaaaaa, which stands alone in the model confidence set" in page.text
    assert len(page.find("figure")) == 1
    assert "common IC" not in page.text, "the table of the tests has it"
    pairs = page.text.partition("Paired tests")[2]
    assert re.search(r"aaaaaaaa – 0\.040 bbbbbbbb 0\.040 –", pairs)


@pytest.mark.parametrize(
    ("spa", "benchmark", "sentence"),
    [
        (0.0004, None, "at least one of them has skill (SPA, p < 0.001)"),
        (0.2, None, "there is no evidence of skill (SPA, p = 0.200)"),
        (0.01, "b" * 32, "at least one of them beats bbbbbbbb (SPA, p = 0.010)"),
        (float("nan"), "b" * 32, "there is no evidence of a run that beats bbbbbbbb (SPA, p = –)"),
    ],
)
def test_the_verdict_says_what_the_tests_say(spa, benchmark, sentence):
    runs = [make_run("a", 0.1), make_run("b", 0.05)]
    page = check_page(write(make_group(runs, spa=spa, benchmark=benchmark)))
    assert sentence in page.text
    assert "one of 2 that do not differ significantly" in page.text


def test_groups_stand_in_one_document_with_ids_of_their_own():
    group = make_group([make_run("a", 0.1), make_run("b", 0.05)])
    page = check_page(write(group, replace(group, tests=None), group))
    assert len(page.find("figure")) == 2
    assert "No tests of the IC" in page.text


def test_the_headline_names_each_group():
    first = make_group([make_run("a", 0.1), make_run("b", 0.05)])
    second = replace(make_group([make_run("c", 0.2), make_run("d", 0.1)], spa=0.2), heading="forecast, horizon 60s; x")
    page = check_page(write(first, second))
    headline = page.text.partition("Leaderboard")[0]
    assert "Forecast, horizon 10s: The best of 2 runs by IC is aaaaaaaa" in headline
    assert "Forecast, horizon 60s: The best of 2 runs by IC is cccccccc" in headline
    assert "IC of the first run, cccccccc" in headline
    many = check_page(write(*[first] * 6)).text.partition("Leaderboard")[0]
    assert many.count("Forecast, horizon 10s: ") == 4
    assert "2 more groups below." in many


def test_nothing_that_a_stranger_logged_becomes_markup():
    runs = [make_run("a", 0.1, model=EVIL, ofi=EVIL), make_run("b", 0.05, name=EVIL)]
    group = replace(make_group(runs), heading=EVIL, left_out=[EVIL])
    source = write_document(EVIL, EVIL, [group], TRIALS)
    check_page(source)
    assert EVIL not in source


@pytest.mark.parametrize("name", ["compare.json", "compare.md", "compare.html", "compare.png", "sweep.html"])
def test_a_write_that_fails_leaves_the_old_file(tmp_path, fill_disk, name):
    board = Leaderboard("small", [make_group([make_run("a", 0.1), make_run("b", 0.05)])], TRIALS)
    (tmp_path / name).write_text("old")
    fill_disk(name)
    sweep = name == "sweep.html"
    write_files = partial(write_sweep_document, tmp_path, []) if sweep else partial(write_leaderboard, folder=tmp_path)
    with pytest.raises(OSError, match="No space left"):
        write_files(board)
    assert (tmp_path / name).read_text() == "old"
    assert not list(tmp_path.glob(".*")), "no part of the new one stays"
