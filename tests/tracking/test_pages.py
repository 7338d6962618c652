"""MLflow's page of the runs as a user sees it, in an installed Chromium: views, two runs compared, a run's files."""

import json
import sys
from urllib.parse import quote

import mlflow
import pytest

from ofiml.errors import ConfigError
from ofiml.tracking.server import list_pages
from ofiml.tracking.store import connect
from ofiml.tracking.views import CHARTS, TABLE, link_view, prepare_views
from tests.conftest import ROOT, command_line

sys.path.insert(0, str(ROOT / "scripts"))

from browser import Browser, find_browser
from ui_pictures import close_assistant, serve

BARE = ["debug=tiny"]
STUDIES = (["model=ridge"], ["model=ridge", "split=cpcv"], ["model=ols", "target=impact", "ofi=best_level"])


@pytest.fixture(scope="module")
def page(tmp_path_factory, new_store):
    """(browser, addresses of the views, runs by name): a store of three small studies, served."""
    if find_browser() is None:
        pytest.skip("no Chromium is installed, so that nobody looks at MLflow's page")
    folder = tmp_path_factory.mktemp("pages")
    uri = new_store(folder)
    for overrides in STUDIES:
        done = command_line(folder, *BARE, *overrides, uri=uri)
        assert done.returncode == 0, done.stderr
    client = mlflow.MlflowClient(uri)
    found = client.search_runs([client.get_experiment_by_name("ofiml-debug").experiment_id])
    with serve(folder) as pages, Browser((1600, 900)) as browser:
        close_assistant(browser, pages["ofiml-debug, table"])
        yield browser, pages, {run.info.run_name: run for run in found}


def wait_for_names(browser, names):
    """Waits until the table has the runs of these names, in this order."""
    cells = "[...document.querySelectorAll('.ag-row [col-id=\"attributes.`Run Name`\"]')]"
    # A cell has the color of the run, then its name.
    rows = f"{cells}.map(e => [+e.closest('.ag-row').getAttribute('row-index'), e.innerText.trim().split('\\n').pop()])"
    ordered = f"{rows}.sort((a, b) => a[0] - b[0]).map(row => row[1]).join(' ')"
    browser.wait_for(f"{ordered} === {json.dumps(' '.join(names))}")


@pytest.mark.slow
def test_the_table_shows_the_main_columns_sorted_by_ic(page):
    browser, pages, runs = page
    browser.open(pages["ofiml-debug, table"])
    for column in ("ic_low", "ic_high", "r2", "net_sharpe", "break_even_bps", "finding", "survives"):
        browser.wait_for_text(column)
    by_ic = sorted(runs, key=lambda name: -runs[name].data.metrics["ic"])
    assert by_ic[0] == "impact·ols·best_level·10s"
    wait_for_names(browser, by_ic)
    browser.wait_for_text(runs["ridge·mlofi·10s"].data.tags["finding"])

    heading = "[...document.querySelectorAll('.ag-header-cell')].find(e => e.innerText.trim() === 'ic')"
    browser.click(heading)
    browser.wait_for("location.hash.includes('orderByAsc=true')")
    wait_for_names(browser, by_ic[::-1])


@pytest.mark.slow
def test_the_charts_show_intervals_profit_and_choices(page):
    browser, pages, _ = page
    browser.open(pages["ofiml-debug, charts"])
    for title in ("ic_low vs ic vs ic_high", "ic vs. net", "Parallel Coordinates", "fold/ic"):
        browser.wait_for_text(title)


@pytest.mark.slow
def test_two_runs_are_compared_by_what_was_typed_and_by_ic(page):
    browser, pages, runs = page
    one, other = runs["ridge·mlofi·10s"], runs["cpcv·ridge·mlofi·10s"]
    ids = quote(json.dumps([one.info.run_id, other.info.run_id]))
    base = pages["ofiml-debug, table"].partition("#")[0]
    browser.open(f"{base}#/compare-runs?runs={ids}&experiments={quote(json.dumps([one.info.experiment_id]))}")
    for text in ("Show diff only", "split=cpcv", "Metrics:", "Clear All"):
        browser.wait_for_text(text)
    shown = browser.read_text()
    params = shown[shown.index("Show diff only") :].split("\n")[1:]
    assert next(line for line in params if line.strip()).startswith("_overrides")
    drawn = shown[shown.index("Metrics:") : shown.index("Clear All")].split()
    assert drawn == ["Metrics:", "ic"], "the metric that the plot begins with"


@pytest.mark.slow
def test_a_run_shows_its_verdict_and_files(page):
    browser, pages, runs = page
    run = runs["ridge·mlofi·10s"]
    base = pages["ofiml-debug, table"].partition("#")[0]
    address = f"{base}#/experiments/{run.info.experiment_id}/runs/{run.info.run_id}"
    browser.open(address)
    browser.wait_for_text("forecast: ridge on mlofi, horizon 10s, synthetic")
    browser.wait_for_text("finding")
    browser.open(f"{address}/artifacts")
    for name in ("verdict.md", "report.json", "predictions.parquet", "config.yaml"):
        browser.wait_for_text(name)
    browser.click("[...document.querySelectorAll('div, span')].filter(e => e.innerText === 'verdict.md').pop()")
    browser.wait_for_text("Controls, gain of the model in IC")


def test_an_experiment_gets_its_views_once(tmp_path, new_store):
    uri = new_store(tmp_path)
    client = connect(uri)
    prepare_views(client, client.get_experiment(client.create_experiment("old")))
    old = client.get_experiment_by_name("old")
    views = {name: json.loads(text) for name, text in old.tags.items() if name.startswith("mlflow.sharedViewState.")}
    table, charts = (views[f"mlflow.sharedViewState.{view}"] for view in (TABLE, CHARTS))
    assert table["orderByKey"] == "metrics.`ic`"
    assert not table["orderByAsc"]
    assert [chart["type"] for chart in charts["compareRunCharts"]] == ["BAR", "SCATTER", "PARALLEL", "LINE"]
    pages = list_pages(uri, 5999)
    assert pages == [
        f"old, {view}: {link_view('http://127.0.0.1:5999', old.experiment_id, view)}" for view in (TABLE, CHARTS)
    ]

    class Silent:
        def set_experiment_tag(self, *_):
            raise AssertionError("the views are there already")

    prepare_views(Silent(), old)


def test_a_store_that_cannot_be_served_is_refused(tmp_path, new_store):
    with pytest.raises(ConfigError, match="There is no store at"):
        list_pages(f"sqlite:///{tmp_path}/absent.db", 5999)
    with pytest.raises(ConfigError, match="serves a page of its own"):
        list_pages("http://127.0.0.1:9", 5999)
