"""Which members a sweep has."""

import pytest
from hydra.core.override_parser.overrides_parser import OverridesParser

from ofiml.cli.expansion import expand_overrides, sample_overrides
from ofiml.cli.sweep_settings import SweepSettings, split_settings
from ofiml.errors import ConfigError


def parse(*overrides):
    return OverridesParser.create().parse_overrides(list(overrides))


def test_every_combination_is_a_member_and_the_last_key_varies_fastest():
    assert expand_overrides(parse("model=lgbm,ridge", "seed=3", "~model.space.x", "horizon.size=range(1,3)")) == [
        ["model=lgbm", "seed=3", "~model.space.x", "horizon.size=1"],
        ["model=lgbm", "seed=3", "~model.space.x", "horizon.size=2"],
        ["model=ridge", "seed=3", "~model.space.x", "horizon.size=1"],
        ["model=ridge", "seed=3", "~model.space.x", "horizon.size=2"],
    ]


def test_a_list_is_one_value():
    assert expand_overrides(parse("seeds=[1,2],[3]")) == [["seeds=[1,2]"], ["seeds=[3]"]]


@pytest.mark.parametrize(
    ("override", "words"),
    [("model.alpha=interval(0.1,1)", "add sweep.trials=50"), ("seed=range(0,20000)", "20,000 combinations")],
)
def test_what_cannot_be_listed_is_to_be_sampled(override, words):
    with pytest.raises(ConfigError, match=words):
        expand_overrides(parse(override))


SPACE = (
    "model.alpha=tag(log,interval(0.001,1000))",
    "model=ridge",
    "ofi=mlofi,pca",
    "split.n_folds=int(interval(2,5))",
)


def test_samples_differ_follow_from_the_seed_and_cover_the_space():
    drawn = sample_overrides(parse(*SPACE), 40, 7)
    assert drawn == sample_overrides(parse(*SPACE), 40, 7)
    assert drawn != sample_overrides(parse(*SPACE), 40, 8)
    assert len({tuple(member) for member in drawn}) == 40
    alphas = [float(member[0].removeprefix("model.alpha=")) for member in drawn]
    assert min(alphas) >= 0.001
    assert max(alphas) <= 1000
    in_decades = [sum(10**i <= a < 10 ** (i + 1) for a in alphas) for i in range(-3, 3)]
    assert min(in_decades) >= 4, "a sixth of 40 each, on the logarithmic scale"
    assert {member[1] for member in drawn} == {"model=ridge"}
    assert {member[2] for member in drawn} == {"ofi=mlofi", "ofi=pca"}
    assert {member[3] for member in drawn} == {f"split.n_folds={n}" for n in (2, 3, 4, 5)}


def test_no_member_is_drawn_twice():
    drawn = sample_overrides(parse("model=ols,ridge", "seed=range(0,3)"), 50, 1)
    assert sorted(map(tuple, drawn)) == [(f"model={m}", f"seed={s}") for m in ("ols", "ridge") for s in (0, 1, 2)]


@pytest.mark.parametrize("override", ["model.alpha=interval(2,1)", "model.alpha=tag(log,interval(0,1))"])
def test_an_impossible_range_is_named(override):
    with pytest.raises(ConfigError, match="low < high"):
        sample_overrides(parse(override), 3, 1)


def test_sampling_needs_something_to_draw_from():
    with pytest.raises(ConfigError, match="at least one"):
        sample_overrides(parse("model=ridge"), 3, 1)


def test_settings_of_the_sweep_are_none_of_the_study():
    settings, rest = split_settings(["-m", "sweep.resume=true", "model=ols,ridge", "sweep.trials=12", "sweep.seed=3"])
    assert settings == SweepSettings(resume=True, trials=12, seed=3)
    assert rest == ["-m", "model=ols,ridge"]


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["sweep.resume=true"], "add -m"),
        (["-m", "sweep.resume=yes"], "write sweep.resume=true"),
        (["-m", "sweep.jobs=3"], "sweep.trials=50"),
        (["-m", "sweep.trials=-1"], "sweep.trials=50"),
        (["-m", "sweep.trials=0"], "draws nothing"),
    ],
)
def test_a_wrong_setting_is_named(arguments, words):
    with pytest.raises(ConfigError, match=words):
        split_settings(arguments)
