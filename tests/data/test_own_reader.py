"""A reader of one's own: the steps of docs/add-a-source.md, followed to the letter, on a copy of the project."""

import re
import shutil
import sys

import polars as pl
import pytest
import yaml
from hydra import compose, initialize_config_dir

from ofiml.config import DATASETS, FileDataset, Policy, load
from ofiml.data import readers
from ofiml.data.feed import Blob, Feed
from ofiml.data.readers import READERS, Reader, _template
from ofiml.data.schema import make_schema
from ofiml.data.sessions import list_sources
from ofiml.errors import ConfigError, DataError
from ofiml.study import run as experiment
from ofiml.ui.progress import Stages
from tests.conftest import ROOT, slow_but_each

PAGE = (ROOT / "docs" / "add-a-source.md").read_text()
KINDS = {"A": "new", "C": "cancel", "M": "change", "T": "trade"}
SIDES = {"A": "sell", "B": "buy", "N": "none"}


def as_csv(events: pl.DataFrame) -> str:
    """Events of one level in the format of the template."""

    def money(column: str) -> pl.Expr:
        return pl.col(column) / 1e9

    return events.select(
        "symbol",
        pl.col("ts_event").to_physical().alias("sent"),
        pl.col("ts_recv").to_physical().alias("received"),
        pl.col("action").cast(pl.String).replace(KINDS).alias("kind"),
        pl.col("side").cast(pl.String).replace(SIDES).alias("side"),
        money("price").alias("price"),
        "size",
        money("bid_px_00").alias("bid"),
        pl.col("bid_sz_00").alias("bid_size"),
        money("ask_px_00").alias("ask"),
        pl.col("ask_sz_00").alias("ask_size"),
    ).write_csv()


@pytest.fixture
def own(tmp_path, monkeypatch):
    """The project with the reader `acme` and its YAML; composes and loads."""
    for folder in ("readers", "conf"):
        (tmp_path / folder).mkdir()
    source = re.search(r"cp (src/\S*_template\.py) src/ofiml/data/readers/acme\.py", PAGE)
    code = (ROOT / source[1]).read_text()
    assert code.count("# CHANGE") == 4
    (tmp_path / "readers" / "acme.py").write_text(code.replace('name="template"', 'name="acme"'))
    shutil.copytree(ROOT / "conf", tmp_path / "conf", dirs_exist_ok=True)
    yaml = re.search(r"```yaml\n(.*?)```", PAGE, re.DOTALL)[1]
    lines = [line.removeprefix("   ") for line in yaml.splitlines()]
    (tmp_path / "conf" / "dataset" / "acme.yaml").write_text("\n".join(lines) + "\n")
    monkeypatch.setattr(readers, "__path__", [*readers.__path__, str(tmp_path / "readers")])

    def configured(*overrides):
        with initialize_config_dir(str(tmp_path / "conf"), version_base=None):
            stores = ["features.store=null"] + ["dataset.store=null"] * ("dataset=acme" in overrides)
            base = ["tracking=off", f"tuning.storage={tmp_path / 'tuning'}"]
            return load(compose("config", overrides=[*base, *overrides, *stores]))

    yield configured
    sys.modules.pop("ofiml.data.readers.acme", None)
    if hasattr(readers, "acme"):
        del readers.acme


@pytest.mark.slow
def test_one_file_and_one_yaml_make_a_source(own, tmp_path, configure):
    (session, *_) = (
        s for source in list_sources(configure("debug=tiny", "dataset.max_events=30000").dataset) for s in source()
    )
    one_level = session.events.select(list(make_schema(1)))
    path = tmp_path / "acme.csv"
    path.write_text(as_csv(one_level))
    command = re.search(r"python -m ofiml\.run (dataset=acme .*)", PAGE)[1].replace("acme.csv", str(path)).split()
    quick = ["tuning=off", "model.n_estimators=20", "evaluation.controls=false", "evaluation.leak_check=false"]
    config = own(*command, *quick)
    (read,) = (s for source in list_sources(config.dataset) for s in source())
    kept = [c for c in one_level.columns if c not in ("sequence", "flags", "bid_ct_00", "ask_ct_00")]
    assert read.events.select(kept).equals(one_level.select(kept))
    with Stages() as stages:
        study = experiment.run(config, stages)
    assert study.predictions.height > 20
    assert study.config.dataset.name == "acme"


@pytest.mark.slow
def test_its_wrong_settings_end_in_the_usual_sentences(own, tmp_path):
    path = tmp_path / "x.csv"
    path.write_text("nothing\n")
    with pytest.raises(ConfigError, match=r"Did you mean dataset\.levels\?"):
        own("dataset=acme", f"dataset.path={path}", "+dataset.level=1")
    with pytest.raises(ConfigError, match=r"dataset\.path belongs to another choice of dataset \(acme, algoseek"):
        own("+dataset.path=x")
    with pytest.raises(ConfigError, match=r"is not one of synthetic, .*, acme, algoseek"):
        load_name(own, "acme2")


def load_name(own, name):
    from ofiml.config import resolve_config

    raw = resolve_config(own("model=ols"))
    raw["dataset"]["name"] = name
    return load(raw)


@pytest.mark.parametrize(
    "name", slow_but_each(4, ["_template", "__init__", "os", "lobster.days", "feed", "", "ofiml.data.readers.itch"])
)
def test_no_other_name_is_a_reader(own, name):
    assert name not in READERS
    assert name not in DATASETS
    with pytest.raises(KeyError):
        READERS[name]
    with pytest.raises(ConfigError, match=r"dataset\.name=.* is not one of synthetic"):
        load_name(own, name)


def test_a_copy_that_keeps_the_templates_name_is_refused(own, tmp_path):
    (tmp_path / "readers" / "other.py").write_text((ROOT / "src/ofiml/data/readers/_template.py").read_text())
    (tmp_path / "readers" / "empty.py").write_text("")
    with pytest.raises(ConfigError, match=r"the Reader ofiml\.data\.readers\.other:READER has the name template"):
        READERS["other"]
    with pytest.raises(ConfigError, match=r"ofiml\.data\.readers\.empty:READER must be a Reader, not a None"):
        READERS["empty"]
    assert READERS["acme"].name == "acme"
    for name in ("other", "empty"):
        sys.modules.pop(f"ofiml.data.readers.{name}", None)


# --- the template ----------------------------------------------------------------------------------------------------


def template(tmp_path, text: str, **settings) -> list[Feed]:
    from tests.golden.test_aapl import file_dataset

    path = tmp_path / "x.csv"
    path.write_text(text)
    dataset = file_dataset("template", path, **settings)
    return list(_template.READER.read_feeds([Blob("x.csv", text.encode())], dataset))


def test_the_templates_own_example(tmp_path):
    lines = [line.strip() for line in _template.__doc__.splitlines() if line.startswith("    ")]
    (feed,) = template(tmp_path, "\n".join(lines) + "\n")
    assert (feed.symbol, feed.levels, feed.rows) == ("ABC", 1, 2)
    assert feed.events["action"].to_list() == ["A", "T"]
    assert feed.events["side"].to_list() == ["B", "A"]
    assert feed.events["bid_px_00"].to_list() == [10_010_000_000] * 2
    assert feed.events["bid_sz_00"].to_list() == [5, 3]
    assert feed.events.drop("line").schema == {c: t for c, t in make_schema(1).items() if c != "symbol"}


def test_the_template_counts_and_names_bad_cells(tmp_path):
    header, *rows = (line.strip() for line in _template.__doc__.splitlines() if line.startswith("    "))
    text = "\n".join([header, *rows * 3]) + "\n"
    bad = text.replace(",new,", ",neww,", 1)
    with pytest.raises(DataError, match=r"x\.csv, line 2, column kind: 'neww' cannot be read"):
        template(tmp_path, bad)
    (feed,) = template(tmp_path, bad, policy=Policy(unreadable="drop"))
    assert feed.checker.dropped == {"unreadable": 1}
    assert (feed.rows, feed.events.height) == (6, 5)


# --- the record ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"name": "Acme 2"}, "the name 'Acme 2' of a reader must be lower-case"),
        ({"config": dict}, "config of reader acme must be FileDataset or a class below it"),
        ({"read_feeds": None}, "read_feeds and group_files of reader acme must be functions"),
        ({"group_files": 3}, "read_feeds and group_files of reader acme must be functions"),
        ({"description": "two\nlines"}, "description of reader acme must be one line"),
        ({"description": " "}, "description of reader acme must be one line"),
    ],
)
def test_a_record_is_checked_where_it_is_defined(change, sentence):
    good = {"name": "acme", "config": FileDataset, "read_feeds": _template.read_feeds, "description": "Acme's files"}
    Reader(**good)
    with pytest.raises(ValueError, match=sentence):
        Reader(**(good | change))


def test_every_own_reader_has_a_yaml_a_description_and_a_row_in_the_docs():
    pages = {path.stem: yaml.safe_load(path.read_text()) for path in (ROOT / "conf" / "dataset").glob("*.yaml")}
    presets = {stem for stem, page in pages.items() if page["name"] == "quotes"} - {"quotes"}
    assert set(DATASETS) == set(pages) - presets
    table = (ROOT / "docs" / "data.md").read_text()
    for name in READERS.list_own():
        assert f"| `{name}` |" in table, name
        assert READERS[name].description
    assert [name for name in READERS.list_own() if READERS[name].book_from_messages] == [
        "databento_mbo",
        "hftbacktest",
        "itch",
        "tardis",
    ]


def test_the_schemas_of_all_readers_import_nothing_heavy():
    import subprocess

    code = (
        "import sys\n"
        "from ofiml.config import DATASETS\n"
        "assert len([DATASETS[name] for name in DATASETS]) >= 14\n"
        "heavy = set('mlflow lightgbm shap sklearn scipy pandas polars numba pyarrow numpy'.split())\n"
        "assert not heavy & set(sys.modules), heavy & set(sys.modules)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
