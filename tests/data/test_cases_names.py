"""Paths and symbols with characters and words that Hydra, YAML or a glob read as something else."""

import csv
import gzip
import subprocess
import sys
from collections import Counter

import pytest
import yaml

from ofiml.api import read_sessions
from ofiml.cli.replay import _choose_dataset
from ofiml.config import load, resolve_config
from ofiml.config.plain import parse_plain_yaml, read_plain_config
from ofiml.data.bad_files import read_readable_sessions
from ofiml.data.sessions import list_sources
from ofiml.errors import ConfigError
from ofiml.overrides.arguments import compose_config
from tests.conftest import ROOT, slow_but_each

CASES = ROOT / "tests" / "cases"
TICKERS = CASES / "041-tickers-that-look-like-values" / "quotes.csv"
PATHS = CASES / "060-paths-that-hydra-or-glob-mangles" / "data"

with TICKERS.open() as file:
    ROWS = Counter(row["SYMBOL"] for row in csv.DictReader(file))

QUOTES = ["dataset=quotes", "dataset.store=null", "dataset.hours=all", "dataset.calendar=24/7"]
BTC_COLUMNS = {
    "time": "timestamp",
    "bid": "bid_price",
    "ask": "ask_price",
    "bid_size": "bid_amount",
    "ask_size": "ask_amount",
    "symbol": "symbol",
}
BTC = [
    *QUOTES,
    *(f"dataset.columns.{role}={name}" for role, name in BTC_COLUMNS.items()),
    "+dataset.columns.received=local_timestamp",
    "dataset.sizes=units",
    "dataset.size_unit=0.001",
    "dataset.tick=0.1",
]


@pytest.mark.parametrize("symbol", slow_but_each(4, sorted(ROWS)))
def test_each_ticker_chooses_its_rows(symbol):
    (session,) = read_sessions(*QUOTES, f"dataset.path={TICKERS}", f"dataset.symbols=[{symbol}]")
    assert (session.symbol, session.events.height) == (symbol, ROWS[symbol])


@pytest.mark.slow
def test_all_tickers_at_once():
    found = {s.symbol: s.events.height for s in read_sessions(*QUOTES, f"dataset.path={TICKERS}")}
    assert found == ROWS
    chosen = read_sessions(*QUOTES, f"dataset.path={TICKERS}", f"dataset.symbols=[{','.join(ROWS)}]")
    assert {s.symbol for s in chosen} == set(ROWS)


def test_a_logged_config_has_the_same_tickers(tmp_path):
    config = compose_config([*QUOTES, f"dataset.path={TICKERS}", f"dataset.symbols=[{','.join(ROWS)}]"], "")
    (tmp_path / "config.yaml").write_text(yaml.safe_dump(resolve_config(config), sort_keys=False))
    again = load(read_plain_config(tmp_path / "config.yaml"))
    assert again.dataset.symbols == list(ROWS)
    by_hand = yaml.safe_dump(resolve_config(config)).replace("'", "")
    assert parse_plain_yaml(by_hand)["dataset"]["symbols"] == list(ROWS)


@pytest.mark.slow
def test_a_file_given_to_run_has_the_same_tickers(tmp_path):
    config = compose_config([*QUOTES, f"dataset.path={TICKERS}", f"dataset.symbols=[{','.join(ROWS)}]"], "")
    (tmp_path / "mine.yaml").write_text(yaml.safe_dump(resolve_config(config)).replace("'", ""))
    done = subprocess.run(
        [sys.executable, "-m", "ofiml.run", "--config", "mine.yaml", "--cfg", "job", "--package", "dataset"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=True,
    )
    assert yaml.safe_load(done.stdout)["symbols"] == list(ROWS), done.stdout


def test_other_types_in_a_list_of_text_are_refused(configure):
    raw = resolve_config(compose_config([*QUOTES, f"dataset.path={TICKERS}"], ""))
    for item in (False, 448, 1e5, None):
        with pytest.raises(
            ConfigError, match=rf"dataset\.symbols is a list of text, and YAML reads one item as {item}"
        ):
            load(raw | {"dataset": raw["dataset"] | {"symbols": [item]}})


def test_replay_reads_them_as_text_too(tmp_path):
    logged = {"name": "quotes", "path": "old.csv", "symbols": None, "hours": "all", "policy": {"locked": "keep"}}
    folder = tmp_path / "[2024] (a=1)"
    folder.mkdir()
    changes = [f"dataset.path={folder}", "dataset.symbols=[TRUE,0700]", "dataset.hours=['09:30','16:00']"]
    chosen = _choose_dataset(logged, [*changes, "dataset.policy.locked=drop"])
    assert chosen == {
        "name": "quotes",
        "path": str(folder),
        "symbols": ["TRUE", "0700"],
        "hours": ["09:30", "16:00"],
        "policy": {"locked": "drop"},
    }


FILES = sorted(str(p.relative_to(PATHS)) for p in PATHS.rglob("*.gz"))


@pytest.mark.parametrize(
    "path",
    slow_but_each(
        4,
        [
            *FILES,
            "[2024-11-12]",
            "My Data (2024)",
            "[2024-11-12]/*.gz",
            "year=2024/month=11",
            "year=2024/**/*.gz",
            "BTC@*",
        ],
    ),
)
def test_each_path_is_its_file(monkeypatch, path):
    monkeypatch.chdir(PATHS)
    with gzip.open(PATHS / FILES[0], "rt") as text:
        rows = list(csv.DictReader(text))
    config = compose_config([*BTC, f"dataset.path={path}"], "")
    (session,) = read_readable_sessions(list_sources(config.dataset))
    assert session.symbol == "BTCUSDT"
    bids = [round(float(row["bid_price"]) * 10) * 10**8 for row in rows]
    sizes = [round(float(row["bid_amount"]) * 1000) for row in rows]
    assert (session.events["bid_px_00"].to_list(), session.events["bid_sz_00"].to_list()) == (bids, sizes)


@pytest.mark.slow
def test_the_command_line_takes_them():
    (path,) = PATHS.glob("[[]*/*.gz")
    done = subprocess.run(
        [sys.executable, "-m", "ofiml.data", "check", *BTC, f"dataset.path={path}", "--json"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert '"symbol": "BTCUSDT"' in done.stdout
