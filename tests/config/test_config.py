"""The config: one sentence and exit code 2 for whatever cannot be a study; every experiment file composes."""

import subprocess
import sys
from dataclasses import asdict

import pytest

from ofiml import config as schemas
from ofiml.config import load, resolve_config
from ofiml.errors import ConfigError
from ofiml.storage import strip_credentials
from ofiml.units import parse_duration
from tests.conftest import ROOT, command_line, slow_but_each, slow_except

PAGES = sorted(path.stem for path in (ROOT / "conf" / "model").glob("*.yaml"))

WRONG = [
    ("tuning.storage=s3://bucket/tuning", "tuning.storage=s3://bucket/tuning is an address, but of no database"),
    ("horizon=1s", "horizon.length=1s is shorter than bars.step=10s"),
    ("model=logistic", "classifier, but the target is a return: use target=direction"),
    ("target=direction,model=ridge", "regression, but the target is a direction"),
    ("target=impact,features=core", "use features=ofi_only"),
    ("+model.foo=1", "Unknown key model.foo"),
    ("model.num_leaves=abc", "model.num_leaves: abc is not an integer"),
    ("target=impact,model=ols,ofi.windows=[bar,5m]", "looks back beyond the bar that target=impact explains"),
    ("ofi.windows=[bar,bar]", "names one twice"),
    ("ofi.parts=side", "ofi.parts=side is not one of net, sides, types"),
    ("bars=volume,bars.size=0", "bars.size must be positive"),
    ("bars.step=10", "bars.step='10' is not a duration"),
    ("tuning.trials=0", "tuning.trials must be at least 1"),
    ("split=rolling,split.window=0.9", "split.window must lie in"),
    ("backtest.latency=11s", "backtest.latency=11s is longer than bars.step=10s"),
    ("horizon.delay=30s", "horizon.delay=30s, which backtest.latency follows, is longer than bars.step=10s"),
    ("horizon.delay=30s,backtest.latency=11s", "backtest.latency=11s is longer than bars.step=10s"),
    ("dataset=lobster", "dataset.path is missing"),
    ("dataset=lobster,dataset.path=/absent.zip", "dataset.path=/absent.zip matches no file"),
    ("seed=x", "seed: 'x' is not an integer"),
    ("+model.space.seed={low:1,high:2}", "model.space.seed is not a numeric parameter of model lgbm"),
    ("+model.space.name={low:1,high:2}", "model.space.name is not a numeric parameter"),
    ("model.space.num_leaves.low=99", "model.space.num_leaves: low must not exceed high"),
    ("split.window=0.2", "split.window belongs to split=rolling"),
    ("split.by=days", "split.by=days is not one of rows, session, time"),
    ("split=cpcv,split.n_test_groups=6", "split.n_test_groups must lie between 1 and split.n_groups - 1"),
    ("split=cpcv,split.n_groups=40,split.n_test_groups=20", "makes more than 1000 folds"),
    ("split=session_out,split.embargo=soon", "split.embargo='soon' is not a duration"),
    ("target=direction,target.unit=bps", "a direction has no unit"),
    ("evaluation.bootstrap_samples=1", "evaluation.bootstrap_samples must be at least 50"),
    ("evaluation.block_length=1s", "evaluation.block_length=1s is shorter than a label"),
    ("evaluation.permutation_repeats=-1", "evaluation.permutation_repeats must lie between 0 and 1000; 0"),
    ("evaluation.interactions=1", "evaluation.interactions must lie between 2 and 20 features"),
    ("evaluation.decay=[0]", "evaluation.decay must lie in (0, 1000]: multiples of the horizon."),
    ("evaluation.decay=[2,1]", "evaluation.decay must list at most 20 distinct multiples"),
    ("dataset.name=[a]", "is not one of synthetic"),
    ("seed=-1", "seed must lie in"),
    ("dataset.tick=inf", "dataset.tick must lie between"),
    ("dataset.start_price=1e12", "dataset.start_price must lie between"),
    ("dataset.sessions=99999", "dataset.sessions must lie between 1 and 50000"),
    ("dataset.session_length=25h", "dataset.session_length must be at most 24h"),
    ("dataset.period=1ms", "dataset.period is too short"),
    ("dataset.u_shape=1.5", "dataset.u_shape must lie between 0 and 0.99"),
    ("dataset.volatility=nan", "dataset.volatility must lie between"),
    ("dataset.excitation=0.7", "dataset.excitation times (1 + dataset.state_dependence) must be at most 0.95"),
    ("dataset.clustering=0.9", "dataset.clustering and dataset.stirring must sum to at most 0.98"),
    ("dataset.impact=[]", "dataset.impact must be a square matrix"),
    ("dataset.impact=[[nan]]", "dataset.impact: each slope must lie between"),
    ("model.feature_fraction=nan", "model.feature_fraction must lie in"),
    ("model.reg_lambda=inf", "model.reg_lambda=inf is not a finite number"),
    ("model.space.num_leaves.low=1", "model.num_leaves must lie between 2"),
    ("model.space.num_leaves.low=2.5", "model.space.num_leaves: low and high must be integers"),
    ("horizon.length=9999999h", "is longer than a year"),
    ("tracking.experiment=' '", "tracking.experiment must not be empty"),
    ("model=lasso,model.alpha=0", "model.alpha must be positive: model=ols"),
    ("model=elasticnet,model.l1_ratio=0", "model.l1_ratio must lie in (0, 1]"),
    ("model.objective=huber", "model.objective=huber is not one of auto, l2, quantile, three_class"),
    (
        "model.objective=three_class",
        "the target is a return: use target=direction, or another model.objective.",
    ),
    ("model.calibration=isotonic", "model.calibration=isotonic is of a classifier, but the target is a return"),
    ("target=direction,model.objective=quantile", "model.objective=quantile is a regression, but the target is a dir"),
    ("model.objective=quantile,model.monotone=ofi", "model.monotone=ofi does not support model.objective=quantile"),
    ("model.quantile=1", "model.quantile must lie in (0, 1)"),
    ("model.early_stopping=0", "model.early_stopping must be at least 1"),
    ("model.max_depth=0", "model.max_depth must lie between 1 and 1000, or be null"),
    ("model.validation_fraction=1", "model.validation_fraction must lie in (0, 1)"),
    ("model.objective=quantile,model.quantile=0.9", "0.9-quantile, but the backtest trades on a mean or median"),
    (
        "model.objective=quantile,tuning=off,tuning.best_params=[{quantile:0.9}]",
        "tuning.best_params must not change quantile",
    ),
    ("model=blend,model.members.lgbm.objective=quantile", "model.members mixes a quantile with an expectation"),
    ("+model.space.quantile={low:0.1,high:0.2}", "model.space: quantile cannot be tuned"),
    ("model=logistic,target=direction,model.calibration=platt", "model.calibration=platt is not one of"),
    ("model.name=trees", "model.name=trees is not one of blend, elasticnet"),
    ("model.name=os", "model.name=os is not one of blend, elasticnet"),
    ("model=blend,model.how=best", "model.how=best is not one of mean, stack"),
    ("model=blend,~model.members.ridge", "model.members must be 2 to 20 models"),
    ("model=blend,target=direction", "model.members.ridge: model=ridge is a regression, but the target is a direction"),
    ("model=blend,model.members.ridge.alpha=x", "model.members.ridge.alpha: x is not a number"),
    ("model=blend,model.members.ridge.alpha=-1", "model.members.ridge: model.alpha must not be negative"),
    ("model=blend,model.members.ridge.name=nosuch", "model.members.ridge.name=nosuch is not one of"),
    ("model=blend,+model.members.lgbm.num_leavs=3", "Did you mean model.members.lgbm.num_leaves?"),
    ("model=blend,+model.members.x={name:blend}", "model.members.x: a blend cannot be a member of a blend"),
    ("horizon=events,horizon.length=5s", "horizon.length belongs to a horizon of time, not events"),
    ("horizon.size=5", "horizon.size belongs to horizon=events"),
    ("horizon=events,horizon.size=2.5", "must be a whole number of events"),
    ("horizon=volume,horizon.size=0", "horizon.size must lie in (0, 1e15]"),
    ("bars=volume,bars.size=9000,horizon=volume", "horizon.size=5000 is less than bars.size=9000"),
    ("horizon=events,target=impact", "horizon=events needs target=forecast"),
    ("target=triple_barrier,target.kind=impact", "target=triple_barrier needs target.kind=forecast"),
    ("target=volatility,target.kind=impact", "target.unit=volatility needs target.kind=forecast"),
    ("target.unit=volatility", "use target=volatility"),
    ("target.look_back=5m", "target.look_back belongs to target.unit=volatility"),
    ("target=volatility,target.look_back=1s", "target.look_back=1s is shorter than bars.step=10s"),
    ("target.dead_band=0.5", "use target=dead_band"),
    ("target=dead_band,target.dead_band=1", "target.dead_band must lie in [0, 1)"),
    ("target.stop=2", "target.stop and target.take_profit belong to a triple barrier"),
    ("target=triple_barrier,target.stop=-1", "target.stop must lie in (0, 1e6] ticks"),
    ("target=triple_barrier,target.dead_band=0.2", "target.dead_band must be 0 for a triple barrier"),
    ("target=triple_barrier,model=ols", "regression, but the target is a direction"),
    ("strategy=confirmed", "but the target is a return: use target=direction, or another strategy (quoting, reversion"),
    ("strategy=quoting,strategy.entry=take", "has no strategy.entry=take: use strategy.entry=post"),
    ("strategy=quoting,strategy.sizing=proportional", "use strategy.sizing=fixed or volatility"),
    ("strategy.sizing=proportional", "set it below strategy.max_position=100, or use strategy.sizing=fixed"),
    ("strategy.lots=101", "strategy.lots=101 exceeds strategy.max_position=100"),
    ("strategy.hold=5s", "strategy.hold=5s is shorter than bars.step=10s, and positions end at a bar's close"),
    ("strategy.stop_ticks=0", "strategy.stop_ticks must be at least 1"),
    ("strategy.loss_limit=0", "strategy.loss_limit must be positive"),
    ("strategy.flat_before_close=x", "strategy.flat_before_close='x' is not a duration"),
    ("ofi.normalise=deep", "ofi.normalise=deep is not one of none, depth"),
]


def test_a_market_has_at_most_64_symbols(configure):
    assert len(configure(f"dataset.impact={[[0.0] * 64] * 64}").dataset.symbols) == 64
    with pytest.raises(ConfigError, match="of 1 to 64 symbols"):
        configure(f"dataset.impact={[[0.0] * 65] * 65}")


@pytest.mark.parametrize(("overrides", "sentence"), slow_but_each(4, WRONG), ids=[w[0] for w in WRONG])
def test_impossible_configs(configure, overrides, sentence):
    import re

    with pytest.raises(ConfigError, match=re.escape(sentence)) as error:
        configure(*re.split(r",(?=[a-z+~]+[.=])", overrides))
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("override", "sentence"),
    slow_but_each(
        3,
        [
            ("model.num_leavs=3", "Unknown key model.num_leavs. Did you mean model.num_leaves?"),
            ("modle=lgbm", "Unknown key modle. Did you mean model?"),
            (
                "model=rigde",
                f"model=rigde is not a choice; model is one of {', '.join(PAGES)}. Did you mean model=ridge?",
            ),
            ("horizon=15s", "For any other length write horizon.length=15s."),
            ("horizon=10", "horizon=10 is not a choice"),
            ("horizon=[10s,30s]", "horizon takes one choice per run: write -m horizon=10s,30s"),
            ("model=ols,ridge", "model takes one choice per run"),
            ("dataset.path=x", "tardis): choose one of them with dataset=…"),
            ("features.columns=[nonsense]", "nonsense is not in the catalogue"),
            ("a b", "Cannot read"),
            ("horizon=1s", "is shorter than bars.step"),
        ],
    ),
)
def test_the_command_ends_in_one_sentence(tmp_path, override, sentence):
    done = command_line(tmp_path, override)
    assert done.returncode == 2
    assert sentence in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1
    assert done.stderr.startswith("ofiml: ")
    assert not (tmp_path / "outputs").exists()


def test_the_process_ends_as_the_command_does(tmp_path):
    line = [sys.executable, "-m", "ofiml.run", "model=rigde"]
    done = subprocess.run(line, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith("ofiml: model=rigde is not a choice")
    assert len(done.stderr.strip().splitlines()) == 1
    assert not (tmp_path / "outputs").exists()


def test_help_and_a_wrong_config_import_nothing_heavy(tmp_path):
    """What keeps them under a second and a half: counted, because a timed test would be noise."""
    code = (
        "import sys; sys.argv = ['run', 'horizon=1s']\n"
        "from ofiml.cli.run import main\n"
        "assert main() == 2\n"
        "heavy = set('mlflow lightgbm shap sklearn scipy pandas polars numba optuna matplotlib'.split())\n"
        "assert not heavy & set(sys.modules), heavy & set(sys.modules)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


@pytest.mark.slow
def test_help_names_every_group(tmp_path):
    done = subprocess.run(
        [sys.executable, "-m", "ofiml.run", "--help"], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0
    assert all(f"{group}:" in done.stdout for group in schemas.SCHEMAS)


def choices(group):
    return sorted(p.stem for p in (ROOT / "conf" / group).glob("*.yaml") if not p.stem.startswith("_"))


def test_a_config_takes_nothing_from_the_one_loaded_before(configure):
    """What a schema is parsed by is made once."""
    raw = resolve_config(configure("model=lgbm", "dataset=synthetic"))
    before = load(raw)
    other = load(raw)
    other.ofi.windows.append("5s")
    other.features.columns.clear()
    other.model.space.clear()
    more = raw["model"]["space"] | {"feature_fraction": {"low": 0.5, "high": 0.9, "log": False}}
    assert "feature_fraction" in load(raw | {"model": raw["model"] | {"space": more}}).model.space
    assert load(raw) == before != other


ALL = [(group, choice) for group in schemas.SCHEMAS for choice in choices(group)]


@pytest.mark.parametrize(("group", "choice"), slow_except([(g, choices(g)[0]) for g in schemas.SCHEMAS], ALL))
def test_every_choice_composes(configure, group, choice, tmp_path):
    (tmp_path / "data").touch()
    needs = {
        "dataset": [] if choice.startswith("synthetic") else [f"dataset.path={tmp_path / 'data'}"],
        "model": {"logistic": ["target=direction"], "blend_direction": ["target=direction"]}.get(choice, []),
        "target": {"direction": ["model=lgbm"]}.get(choice, []),
        "strategy": {"confirmed": ["target=direction"]}.get(choice, []),
        "parallel": {"ray": ["parallel.address=auto"]}.get(choice, []),
        "horizon": ["bars.step=1s"],
    }
    configure(f"{group}={choice}", *needs.get(group, []))


@pytest.mark.parametrize("experiment", slow_but_each(2, choices("experiment")))
@pytest.mark.slow
def test_every_experiment_file_runs(run, experiment):
    study = run(f"experiment={experiment}", "debug=tiny")
    assert study.predictions.height > 0


def test_a_resolved_config_loads_to_itself(configure):
    config = configure("ofi=mlofi_ridge", "split=rolling", "features=core")
    again = load(resolve_config(config))
    assert asdict(again) == asdict(config)


def test_a_logged_config_may_not_read_the_environment(configure):
    stranger = resolve_config(configure())
    stranger["tracking"]["experiment"] = "${oc.env:HOME}"
    with pytest.raises(ConfigError, match="interpolation"):
        load(stranger)


def test_credentials_are_cut_out(configure):
    assert strip_credentials("https://me:secret@host:5000/x?token=abc") == "https://host:5000/x"
    assert strip_credentials("sqlite:///mlflow.db") == "sqlite:///mlflow.db"
    config = configure("tracking=mlflow", "tracking.uri='http://me:secret@host'")
    assert "secret" not in repr(config)
    assert "secret" not in str(resolve_config(config))


@pytest.mark.parametrize(("text", "ns"), [("10s", 10**10), ("250ms", 250_000_000), ("1.5m", 90 * 10**9), ("0s", 0)])
def test_durations(text, ns):
    assert parse_duration(text) == ns


@pytest.mark.parametrize("text", ["", "10", "s", "-1s", "1 s x", "1d", "1e3s"])
def test_bad_durations(text):
    with pytest.raises(ConfigError, match="is not a duration"):
        parse_duration(text, "bars.step")
