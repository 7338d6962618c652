"""report.html: whole, alone and accessible; its numbers are those of the report; nothing in it is markup of others."""

import json
import re
from dataclasses import fields, replace
from functools import partial
from io import StringIO
from pathlib import Path

import pytest
from matplotlib.figure import Figure
from rich.console import Console

from ofiml.config import Policy, ReportFiles
from ofiml.data.causes import name_cause
from ofiml.data.quality import BadFile
from ofiml.reporting import files
from ofiml.reporting.captions import CAPTIONS
from ofiml.reporting.figures import choose_figures
from ofiml.reporting.html.study import FIGURES, write_report
from ofiml.reporting.tables import write_tables
from ofiml.reporting.verdict import print_verdict, write_page
from ofiml.ui.figure import style_figure
from ofiml.ui.progress import Stages
from tests.conftest import ROOT
from tests.reporting.pages import check_page, list_raw_keys

EVIL = "<script>alert(1)</script>"


@pytest.fixture(scope="module")
def study(run):
    return run("debug=tiny", "model=ridge", "tuning=off", "dataset.max_events=60000", "evaluation.controls=true")


def draw_two(study) -> dict[str, Figure]:
    """Two figures, with the names of a study's, in the time of a test."""

    def draw(figure: Figure) -> None:
        figure.subplots().set_title(f"of {study.report.dataset.sessions[0].symbol}")

    return {name: style_figure(draw, legend_columns=1) for name in ("equity.png", "splits.png")}


def write(study, run_id=None) -> str:
    return write_report(study, draw_two(study), run_id)


def test_the_document_is_whole_and_its_numbers_are_those_of_the_report(study):
    source = write(study, "0123456789abcdef0123456789abcdef")
    page = check_page(source)
    report = study.report
    ic, backtest = report.metrics.pooled["ic"], report.performance
    large = re.findall(r"<strong>([^<]*)</strong>", source)
    assert large[0] == f"{ic.value:.3f}".replace("-", "−")
    assert large[2] == f"{backtest.net_pnl:,.2f}".replace("-", "−")
    gains = [c.above.ic.value for c in report.controls.values() if c.above.ic.value == c.above.ic.value]
    assert large[1] == f"{min(gains):.3f}".replace("-", "−")
    for text in (report.dataset.digest, report.predictions.sha256, f"{report.dataset.events:,} events"):
        assert text in page.text
    assert "ofiml reproduce 0123456789abcdef0123456789abcdef" in page.text
    for anchor in ("skill", "strata", "costs", "importance", "data", "folds", "config", "provenance", "reproduce"):
        assert {"href": f"#{anchor}"} in page.find("a")
    assert source == write(study, "0123456789abcdef0123456789abcdef"), "the same study has the same document"
    assert "ofiml reproduce" not in write(study)


def test_no_p_value_is_zero(study):
    report = replace(study.report, backtest=replace(study.report.performance, net_p=1e-9))
    text = check_page(write(replace(study, report=report))).text
    assert "p < 0.001" in text
    assert not re.search(r"\bp\W{1,3}0\.000", text)


def test_the_parts_of_costs_add_up_to_the_net_profit(study):
    table = write(study).partition("From gross to net")[2].partition("</table>")[0]
    amounts = [float(n.replace("−", "-").replace(",", "")) for n in re.findall(r'"number">([−\d.,]+)</td><td', table)]
    assert len(amounts) > 3
    assert sum(amounts[:-1]) == pytest.approx(amounts[-1], abs=0.05)


def test_settings_that_differ_stand_first(study):
    page = write(study)
    table = page.partition("Settings that differ")[2].partition("</table>")[0]
    assert re.search(r"model\.name</th><td[^>]*>ridge</td><td[^>]*>lgbm</td>", table)
    assert re.search(r"dataset\.max_events</th><td[^>]*>60000</td><td[^>]*>none</td>", table)
    assert "threads" not in table
    assert "informed_probability" in page.partition("All settings")[2].partition("</details>")[0]


def test_nothing_of_data_or_config_becomes_markup(study):
    dataset = study.report.dataset
    sessions = [replace(one, symbol=EVIL) for one in dataset.sessions]
    bad = [BadFile([EVIL], "0" * 64, f"{EVIL} cannot be read.")]
    evil = replace(
        dataset, sessions=sessions, notes=[EVIL], warnings=[EVIL], bad_files=bad, sources=[EVIL], dropped={EVIL: 3}
    )
    importance = [replace(one, feature=EVIL) for one in study.report.importance]
    study = replace(study, report=replace(study.report, dataset=evil, importance=importance))
    study.config.tracking.experiment, before = EVIL, study.config.tracking.experiment
    try:
        source = write(study)
    finally:
        study.config.tracking.experiment = before
    page = check_page(source)
    assert EVIL not in source
    assert page.text.count("alert(1)") > 8
    assert page.find("svg")[0]["aria-label"] == f"of {EVIL}"


def test_a_run_without_backtest_or_controls_says_so(study):
    report = replace(study.report, backtest=None, controls=None)
    page = check_page(write(replace(study, report=report)))
    assert "The forecasts were not traded" in page.text
    assert "Controls switched off" in page.text
    assert "R², out of sample" in page.text


def test_every_figure_has_a_caption_and_a_place():
    sources = (ROOT / "src" / "ofiml" / "reporting" / "figures").glob("*.py")
    drawn = {name for path in sources for name in re.findall(r'"(\w+)\.png"', path.read_text())}
    placed = [name for names in FIGURES.values() for name in names]
    assert len(placed) == len(set(placed))
    assert drawn == set(placed) == set(CAPTIONS)
    assert all(re.fullmatch(r"[A-Z][^.]*\.", caption) for caption in CAPTIONS.values()), "one sentence each"


@pytest.mark.slow
@pytest.mark.parametrize(
    "overrides",
    [
        ["evaluation.controls=true"],
        ["target=impact", "model=ols", "ofi=pca"],
        ["target=direction", "features=full", "model=logistic"],
        ["split=cpcv", "model=ridge", "strategy=quoting", "dataset=synthetic_basket", "dataset.max_sessions=4"],
        ["backtest=off", "seeds=[1,2]"],
        ["model.objective=quantile", "backtest=off"],
    ],
)
def test_the_documents_of_all_kinds_of_studies_show_all_their_figures(run, overrides):
    study = run("debug=tiny", "dataset.max_events=60000", *overrides)
    figures = {name: draw() for name, draw in choose_figures(study).items()}
    page = check_page(write_report(study, figures, None))
    assert len(page.find("figure")) == len(figures)
    assert len(page.source.encode()) < 1_000_000
    assert not re.search(r"\bnan\b|None\b", page.text.partition("All settings")[0])


# --- what people read ------------------------------------------------------------------------------------------------

CAUSES = {*(f.name for f in fields(Policy)), "outside_hours", "beyond_max_events", "overlap", "no_mid", "no_label"}


def test_every_cause_has_words():
    words = {cause: name_cause(cause) for cause in CAUSES}
    assert len(set(words.values())) == len(CAUSES)
    assert not [name for name in words.values() if "dataset." in name]
    assert not [cause for cause, name in words.items() if f"({cause.replace('_', ' ')})" in name]


def test_no_text_has_a_key_of_code(study):
    quality = dict.fromkeys(sorted(CAUSES), 2)
    dataset = replace(study.report.dataset, dropped=quality, kept=quality)
    study = replace(study, report=replace(study.report, dataset=dataset))
    console = Console(file=StringIO(), width=200)
    print_verdict(study, Path("out"), None, console)
    for text in (console.file.getvalue(), write_page(study), write_tables(study.report)):
        assert not list_raw_keys(text)
    check_page(write(study))
    assert list_raw_keys("12 no_label, best_level, dataset.max_events, ofi_03") == {"no_label"}


# --- files -----------------------------------------------------------------------------------------------------------


def choose_two(study):
    return {name: partial(lambda figure: figure, figure) for name, figure in draw_two(study).items()}


def write_files(study, folder: Path, monkeypatch, wanted: ReportFiles) -> set[str]:
    monkeypatch.setattr(files, "choose_figures", choose_two)
    config = replace(study.config, report=wanted)
    written = files.write_study(replace(study, config=config), folder, Stages())
    assert all(path.is_file() for path in written)
    return {path.relative_to(folder).as_posix() for path in written}


@pytest.mark.slow
def test_the_config_chooses_the_files(study, tmp_path, monkeypatch):
    wanted = ReportFiles(html=True, figures=["png", "svg", "pdf"], dpi=200)
    names = write_files(study, tmp_path, monkeypatch, wanted)
    assert {"report.html", "figures/equity.png", "figures/equity.svg", "figures/splits.pdf"} <= names
    assert (tmp_path / "figures" / "equity.pdf").read_bytes().startswith(b"%PDF")
    assert int.from_bytes((tmp_path / "figures" / "equity.png").read_bytes()[16:20]) == 9 * 200, "pixels across"
    assert "of SYN</text>" in (tmp_path / "figures" / "equity.svg").read_text()
    assert len(check_page((tmp_path / "report.html").read_text()).find("figure")) == 2


def test_the_runtime_has_the_figures_wherever_it_stands(study, tmp_path, monkeypatch):
    runtime = study.report.runtime.seconds
    for wanted in (ReportFiles(html=True, figures=[], dpi=110), ReportFiles(html=False, figures=["png"], dpi=60)):
        runtime.pop("figures", None)
        write_files(study, tmp_path, monkeypatch, wanted)
        assert runtime["figures"] > 0
        written = json.loads((tmp_path / "report.json").read_text())["runtime"]["seconds"]
        assert written == runtime
        if wanted.html:
            table = (tmp_path / "report.html").read_text().partition("Runtime (seconds)")[2].partition("</table>")[0]
            shown = dict(re.findall(r"<th[^>]*>([^<]*)</th><td[^>]*>([\d.,]+)</td>", table))
            assert shown["figures"] == f"{runtime['figures']:.1f}"
            assert shown["all stages"] == f"{sum(runtime.values()):.1f}"


def test_the_sum_of_stages_says_what_it_leaves_out(study):
    runtime = replace(study.report.runtime, seconds={"folds": 1.25, "model": 2.0})
    text = check_page(write(replace(study, report=replace(study.report, runtime=runtime)))).text
    assert re.search(r"all stages before logging\s+3\.2", text)


def test_a_run_may_have_neither_document_nor_figures(study, tmp_path, monkeypatch):
    names = write_files(study, tmp_path, monkeypatch, ReportFiles(html=False, figures=[], dpi=110))
    assert not [name for name in names if "figures" in name or name.endswith(".html")]
    assert not (tmp_path / "figures").exists()
    assert "report.json" in names


def test_files_of_figures_are_the_same_each_time(study, tmp_path):
    for ending in ("png", "svg", "pdf"):
        contents = []
        for name in ("a", "b"):
            path = tmp_path / f"{name}.{ending}"
            files.save_figure(draw_two(study)["equity.png"], path, form=path.suffix[1:], dpi=80)
            contents.append(path.read_bytes())
        assert contents[0] == contents[1], ending


@pytest.mark.parametrize(
    "name", ["config.yaml", "predictions.parquet", "fills.parquet", "tables.md", "report.html", "report.json"]
)
def test_a_write_that_fails_leaves_the_old_file(study, tmp_path, monkeypatch, fill_disk, name):
    (tmp_path / name).write_text("old")
    fill_disk(name)
    with pytest.raises(OSError, match="No space left"):
        write_files(study, tmp_path, monkeypatch, ReportFiles(html=True, figures=[], dpi=110))
    assert (tmp_path / name).read_text() == "old"
    assert not list(tmp_path.glob(".*")), "no part of the new one stays"
