"""The page of the docs is what the catalogue says."""

import importlib.util

import pytest
import yaml

from ofiml.errors import ConfigError
from ofiml.features.catalogue import CATALOGUE, select_features
from tests.conftest import ROOT


def test_the_page_is_written_from_the_catalogue():
    spec = importlib.util.spec_from_file_location("features_page", ROOT / "scripts" / "features_page.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    assert module.PAGE.read_text() == module.page(), "run python scripts/features_page.py"


def test_the_full_choice_is_the_whole_catalogue():
    assert yaml.safe_load((ROOT / "conf" / "features" / "full.yaml").read_text())["columns"] == list(CATALOGUE)


def test_every_entry_says_what_it_is():
    assert len(CATALOGUE) >= 50
    for entry in CATALOGUE.values():
        assert entry.formula
        assert entry.unit
        assert entry.nan
        assert entry.mirror in ("even", "odd") or CATALOGUE[entry.mirror].mirror == entry.name


@pytest.mark.parametrize(
    ("columns", "sentence"),
    [(["queue_imbalanc"], "did you mean queue_imbalance"), (["vpin", "vpin"], "names a feature twice")],
)
def test_a_wrong_name_is_one_sentence(columns, sentence):
    with pytest.raises(ConfigError, match=sentence):
        select_features(columns)
