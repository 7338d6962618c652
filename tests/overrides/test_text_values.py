"""Text on the command line is text: paths, symbols and column names that Hydra's grammar would read otherwise."""

import pytest

from ofiml.config import files
from ofiml.errors import ConfigError
from ofiml.overrides.arguments import compose_config
from ofiml.overrides.text_values import parse_override, quote_text_values

NAMES = [
    "year=2024/month=11/a.csv", "My Data (2024)/a.csv", "[2024-11-12]/a.csv", "BTC@USD#1.csv.gz", "007", "1e5", "TRUE",
    "null", "a,b.csv", "{a}.csv", "it's.csv", 'say "x".csv', "x'y\"z.csv", "a\\b.csv", "end\\", "$HOME&c;d.csv",
    "données/été.csv", "文件.csv", "~x.csv", " leading.csv", "50%.csv", "a:b.csv", "<a>|b.csv", "*.csv", "[a", "a]",
    "'q'",
]  # fmt: skip


def value_of(argument):
    """The value that Hydra reads in the argument of a command."""
    return parse_override(quote_text_values([argument])[0]).value()


@pytest.mark.parametrize("name", NAMES)
def test_the_path_of_a_file_that_exists_is_that_path(tmp_path, monkeypatch, name):
    monkeypatch.chdir(tmp_path)
    (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
    (tmp_path / name).touch()
    for given in (name, str(tmp_path / name)):
        assert value_of(f"dataset.path={given}") == given


@pytest.mark.parametrize("name", ["[2024-11-12] (a=1)/x@y#1.csv", "it's {null},1.csv"])
def test_the_config_has_that_path_and_its_file(tmp_path, name):
    (tmp_path / name).parent.mkdir(exist_ok=True)
    (tmp_path / name).touch()
    given = str(tmp_path / name)
    config = compose_config(["dataset=databento", f"dataset.path={given}", "dataset.symbols=[TRUE,0700,null]"], "")
    assert config.dataset.path == given
    assert files(config.dataset.path) == [tmp_path / name]
    assert config.dataset.symbols == ["TRUE", "0700", "null"]


@pytest.mark.parametrize(
    ("value", "path"),
    [
        ("days/*.csv", "days/*.csv"),
        ("year=2024/*.csv", "year=2024/*.csv"),
        ("[2024]/x (1).csv", "[2024]/x (1).csv"),
        ("'quoted by hand.csv'", "quoted by hand.csv"),
        ('"quoted (by) hand.csv"', "quoted (by) hand.csv"),
        ("0700", "0700"),
        ("a,b.csv", "a,b.csv"),
    ],
)
def test_other_paths_are_text_too(value, path):
    assert value_of(f"dataset.path={value}") == path


SYMBOLS = ["TRUE", "NAN", "INF", "ON", "NO", "0700", "600519", "1E5", "NA", "null", "yes", "6E=F", "^GSPC", "BRK.B",
           "BTC/USDT:USDT", "ES.c.0", "BTC-USD", "(X)", "0x10", "1_000", "1:30", "~", "-inf", "O'R", "A B"]  # fmt: skip


@pytest.mark.parametrize("symbol", SYMBOLS)
def test_a_symbol_is_text_whatever_it_looks_like(symbol):
    for value in (f"[{symbol}]", f"[AAPL,{symbol}]", f"[ {symbol} , AAPL ]", f'["{symbol}"]'):
        assert [s for s in value_of(f"dataset.symbols={value}") if s != "AAPL"] == [symbol]
    assert value_of(f"features.cross=[{symbol}]") == [symbol]


def test_null_and_the_empty_list_are_what_they_were():
    assert value_of("dataset.symbols=null") is None
    assert value_of("dataset.symbols=[]") == []
    assert value_of("dataset.store=null") is None


def test_symbols_without_brackets_are_named_as_typed(tmp_path):
    (tmp_path / "x.csv").touch()
    with pytest.raises(ConfigError, match=r"write dataset\.symbols=\[0700,TRUE\]"):
        compose_config(["dataset=databento", f"dataset.path={tmp_path}/x.csv", "dataset.symbols=0700,TRUE"], "")


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("bid", "bid_price_{level}"),
        ("bid", "NO"),
        ("time", "Time (UTC)"),
        ("ask", "1"),
        ("symbol", "#sym"),
        ("bid_size", "bid[0].size"),
    ],
)
def test_names_of_columns_are_text(key, value):
    assert value_of(f"dataset.columns.{key}={value}") == value
    assert value_of(f"+dataset.columns.{key}={value}") == value


def test_keys_of_a_reader_are_text_also_with_a_preset():
    (venue,) = quote_text_values(["dataset.venue=1E5"])
    assert parse_override(venue).value() == "1E5"
    assert quote_text_values(["dataset=algoseek", "dataset.venue=1E5"])[1] == venue
    assert quote_text_values(["dataset=mine", "dataset.nothing=1E5"])[1] == "dataset.nothing=1E5"


def test_a_sweep_remains_a_sweep():
    values = quote_text_values(["-m", "dataset=databento", "dataset.path=year=1/a.csv,year=2/b c.csv", "seed=1,2"])
    sweep = parse_override(values[2])
    assert sweep.is_sweep_override()
    assert [one.text if hasattr(one, "text") else one for one in sweep.value().list] == [
        "year=1/a.csv",
        "year=2/b c.csv",
    ]
    assert values[3] == "seed=1,2"
    (symbols,) = quote_text_values(["-m", "dataset.symbols=[TRUE],[NO]"])[1:]
    assert symbols == "dataset.symbols=['TRUE'],[NO]"  # Hydra reads NO as text
    assert quote_text_values(["-m", "dataset.path=choice(a.csv,b.csv)"])[1] == "dataset.path=choice(a.csv,b.csv)"


def test_numbers_and_other_groups_are_left_alone():
    same = [
        "dataset.tick=0.01",
        "model=ridge",
        "bars.step=10s",
        "dataset.hours=['09:30','16:00']",
        "~x=1",
        "-m",
        "seed=3",
    ]
    assert quote_text_values(same) == same
