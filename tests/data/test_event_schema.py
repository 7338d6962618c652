"""docs/event-schema.md: its table is the schema, and its example runs."""

import re

import polars as pl
import pytest

from ofiml.config import load
from ofiml.data.schema import ACTION, F_LAST, F_SNAPSHOT, ORDER_TIME, SIDE, TIME, make_schema
from ofiml.data.sessions import list_sources
from ofiml.overrides.arguments import compose_config
from ofiml.overrides.composition import compose
from ofiml.study import run as experiment
from ofiml.ui.progress import Stages
from tests.conftest import ROOT

PAGE = (ROOT / "docs" / "event-schema.md").read_text()


@pytest.fixture(scope="module")
def example(tmp_path_factory):
    """The Parquet file that the page's example writes."""
    folder = tmp_path_factory.mktemp("example")
    (code,) = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)
    exec(compile(code.replace("mine.parquet", str(folder / "mine.parquet")), "docs/event-schema.md", "exec"), {})
    return folder / "mine.parquet"


def test_the_table_names_every_column_with_its_type():
    rows = re.findall(r"^\| (`.*?) \| (\w[^|]*) \|", PAGE.partition("## Two clocks")[0], re.MULTILINE)
    stated = {column: kind for cells, kind in rows for column in re.findall(r"`(\w+)`", cells)}
    names = {pl.Datetime: "Datetime(ns, UTC)", pl.Enum: "Enum"}
    schema = make_schema(1) | {ORDER_TIME: TIME}
    for column, dtype in schema.items():
        known = names.get(type(dtype), str(dtype))
        assert stated[column].startswith(known), column
    assert stated["action"] == f"Enum {' '.join(ACTION.categories)}"
    assert set(stated["side"].split()[1:]) == set(SIDE.categories)
    assert set(stated) - {"bid_px_01", "ask_ct_NN"} == set(schema)
    for flag in (F_LAST, F_SNAPSHOT):
        assert f"- **{flag}, " in PAGE


def test_the_examples_file_is_read_as_it_was_written(example):
    assert len(re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)[0].splitlines()) <= 20
    config = compose_config(["dataset=parquet", f"dataset.path={example}", "dataset.store=null"], "")
    (session,) = (s for source in list_sources(config.dataset) for s in source())
    written = pl.read_parquet(example)
    assert session.symbol == "MINE"
    assert session.quality.dropped == {}
    assert session.events.drop("symbol").equals(written.select(list(make_schema(1))).drop("symbol"))


@pytest.mark.slow
def test_the_examples_command_runs(example, tmp_path):
    (line,) = re.findall(r"^    python -m ofiml\.run (.*)$", PAGE, re.MULTILINE)
    own = ["tracking=off", "dataset.store=null", "features.store=null", f"tuning.storage={tmp_path}"]
    config = load(compose([*line.replace("mine.parquet", str(example)).split(), *own, "tuning=off"]))
    with Stages() as stages:
        study = experiment.run(config, stages)
    assert study.predictions.height > 100
