"""What tuning chose as a plain config: run again with tuning off it gives the same predictions, and nothing in such a
file is more than a value."""

import json
import re
from dataclasses import asdict

import mlflow
import pytest
import yaml
from hydra import compose, initialize_config_dir

from ofiml.cli import config_file as plain
from ofiml.cli.config_file import list_overrides, translate_config_flag
from ofiml.config import load, resolve_config
from ofiml.errors import ConfigError
from ofiml.overrides.arguments import compose_config
from ofiml.reporting.figures import choose_figures
from ofiml.reporting.files import write_study
from ofiml.reporting.names import name_parameter
from ofiml.ui.progress import Stages
from tests.conftest import ROOT, command_line, light, slow_but_each

TUNED = ["debug=tiny", "tuning.trials=6", "model.n_estimators=20"]


@pytest.fixture(scope="module")
def written(run, tmp_path_factory):
    """(study, its folder)."""
    folder = tmp_path_factory.mktemp("written")
    study = run(*TUNED)
    with light(), Stages() as stages:
        write_study(study, folder, stages)
    return study, folder


def composed(*arguments):
    """The typed config of the same arguments, in this process."""
    with initialize_config_dir(str(ROOT / "conf"), version_base=None):
        _, name, *overrides = translate_config_flag(list(arguments))
        return load(compose(name, overrides=overrides))


def test_the_tag_of_overrides_says_what_a_file_changes(tmp_path):
    file = tmp_path / "config.yaml"
    plain_config = resolve_config(compose_config(["model=ridge", "bars.step=5s", "ofi.windows=[1s,10s]"], "…"))
    file.write_text(yaml.safe_dump(plain_config))
    typed = ["split.n_folds=3", "threads=1"]
    config = composed(f"--config={file}", *typed)
    assert list_overrides(typed, "plain", config) == [
        "bars.step=5s",
        "ofi.windows=[1s,10s]",
        "split.n_folds=3",
        "model=ridge",
        "threads=1",
    ]
    assert list_overrides(typed, "config", config) == typed, "as they were typed"


@pytest.mark.slow
def test_a_run_of_a_file_has_the_tag(tmp_path, new_store):
    uri = new_store(tmp_path)
    file = tmp_path / "config.yaml"
    file.write_text(yaml.safe_dump(resolve_config(compose_config(["debug=tiny", "model=zero", "seed=3"], "…"))))
    for flags in ([], ["-m", "hydra/launcher=basic", "seed=4,5"]):
        done = command_line(tmp_path, *flags, f"--config={file}", "tracking.enabled=true", uri=uri)
        assert done.returncode in (0, 1), done.stderr
    client = mlflow.MlflowClient(uri)
    runs = client.search_runs([e.experiment_id for e in client.search_experiments()])
    tags = [run.data.tags["overrides"] for run in runs if run.data.tags["kind"] == "forecast"]
    assert len(tags) == 3
    assert all("model=zero" in tag for tag in tags), tags
    assert {word for tag in tags for word in tag.split() if word.startswith("seed=")} == {"seed=3", "seed=4", "seed=5"}


def result(folder):
    (path,) = folder.glob("outputs/*/*/report.json")
    return json.loads(path.read_text())


@pytest.mark.slow
def test_a_tuned_study_runs_again_as_a_plain_config(written, tmp_path, new_store):
    study, folder = written
    best = [fold.best for fold in study.report.tuning]
    mapping = yaml.safe_load((folder / "tuned.yaml").read_text())
    assert mapping["tuning"] == resolve_config(study.config)["tuning"] | {"enabled": False, "best_params": best}
    assert len({str(b) for b in best}) == 2, "each fold has its own"
    new_store(tmp_path)
    done = command_line(tmp_path, "--config", str(folder / "tuned.yaml"))
    assert done.returncode == 0, done.stderr
    report = result(tmp_path)
    assert report["predictions"] == asdict(study.report.predictions)
    assert report["tuning"] == []
    assert not list(tmp_path.glob("outputs/*/*/tuned.yaml"))
    assert not list(tmp_path.glob("outputs/*/*/.hydra")), "Hydra writes nothing of its own"
    assert not (tmp_path / ".ofiml" / "tuning").exists()


@pytest.mark.slow
def test_a_parameter_that_the_file_has_for_each_fold_cannot_be_typed_over(written, tmp_path):
    done = command_line(tmp_path, "--config", str(written[1] / "tuned.yaml"), "model.learning_rate=0.5")
    assert done.returncode == 2
    assert (
        "model.learning_rate=0.5 has no effect: tuning.best_params overrides learning_rate in each fold" in done.stderr
    )
    assert len(done.stderr.strip().splitlines()) == 1


@pytest.mark.slow
def test_values_are_typed_over_it_in_a_sweep_too(written, tmp_path, new_store):
    file = f"--config={written[1] / 'tuned.yaml'}"
    new_store(tmp_path)
    line = ["-m", "seed=7,8", file, "split.n_folds=3,2", "dataset.max_events=60000", "hydra/launcher=basic"]
    done = command_line(tmp_path, *line)
    assert done.returncode == 1
    sentence = "tuning.best_params has 2 folds, and the split makes 3"
    assert done.stdout.count(sentence) == 2
    reports = [json.loads(path.read_text()) for path in sorted(tmp_path.glob("outputs/sweeps/*/*/*/report.json"))]
    assert len({report["predictions"]["sha256"] for report in reports}) == 2, "a run for each seed"


def test_every_config_that_a_study_writes_is_one(written, monkeypatch):
    """But for where a run keeps things and whom it tells, which no file says."""
    study, folder = written
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    again, before = (asdict(c) for c in (composed("--config", str(folder / "config.yaml")), study.config))
    before["tuning"]["storage"], before["tracking"]["uri"] = ".ofiml/tuning", "sqlite:///mlflow.db"
    assert again == before
    assert composed("--config", str(folder / "config.yaml"), "seed=8").seed == 8


@pytest.mark.parametrize(
    ("override", "sentence"),
    slow_but_each(
        5,
        [
            ("tracking=off", "tracking=off is a choice of a group"),
            ("tuning.enabled=true", "use it with tuning=off"),
            ("tuning.best_params=[{num_leaves: 3.5},{}]", "tuning.best_params: num_leaves=3.5 is not an integer"),
            ("tuning.best_params=[{num_leaves: x},{}]", "tuning.best_params: num_leaves=x is not an integer"),
            ("tuning.best_params=[{num_leaves: true},{}]", "tuning.best_params: num_leaves=True is not an integer"),
            ("tuning.best_params=[{num_leaves: 1},{}]", "model.num_leaves must lie between 2"),
            ("tuning.best_params=[{reg_lambda: inf},{}]", "tuning.best_params.reg_lambda=inf is not a finite number"),
            ("tuning.best_params=[{reg_lambda: [1]},{}]", "tuning.best_params: reg_lambda=[1] is not a number"),
            ("tuning.best_params=[{name: 1},{}]", "tuning.best_params: name is not a numeric parameter of model lgbm"),
            ("tuning.best_params=[1]", "tuning.best_params must be a list of mappings, one per fold"),
            ("+modle=3", "Unknown key modle. Did you mean model?"),
            ("seeds=[7,7]", "seeds names one twice"),
            ("seeds=[-1]", "seeds must lie in"),
            ("seeds=[x]", "seeds: 'x' is not an integer"),
            ("seeds=7", "seeds is a list: write seeds=[7]"),
            ("tuning.pruning=hard", "tuning.pruning=hard is not one of median, off"),
            ("tuning.generation=0", "tuning.generation must lie between 1"),
        ],
    ),
)
def test_wrong_values_end_in_a_sentence(written, override, sentence):
    with pytest.raises(ConfigError, match=re.escape(sentence)) as error:
        composed("--config", str(written[1] / "tuned.yaml"), override)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("seed: ${oc.env:HOME}", "contains an interpolation"),
        ("seed: 1\nhydra: {launcher: {_target_: os.system}}", "Unknown key hydra"),
        ("defaults: [model: ridge]", "Unknown key defaults"),
        ("!!python/object/apply:os.system ['true']", "cannot be read"),
        ("a: &a [1]\nb: *a", "aliases are not allowed"),
        ("just a sentence", "is not the config of a study"),
        ("\x00", "cannot be read"),
    ],
)
def test_a_strangers_file_runs_nothing(tmp_path, text, sentence):
    (tmp_path / "plain.yaml").write_text(text)
    with pytest.raises(ConfigError, match=sentence) as error:
        translate_config_flag(["--config", str(tmp_path / "plain.yaml")])
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("arguments", [["--config"], ["--config="], ["--config", "-m"], ["--config=a", "--config=b"]])
def test_one_file_is_given(arguments):
    with pytest.raises(ConfigError, match="--config takes one file"):
        translate_config_flag(arguments)


def test_other_arguments_are_hydras():
    assert translate_config_flag(["--config-name", "config", "seed=1"]) == ["--config-name", "config", "seed=1"]


@pytest.mark.slow
def test_the_store_is_the_users_and_so_are_its_credentials(configure, tmp_path, monkeypatch):
    config = configure("tracking=mlflow", "tracking.uri='http://me:secret@host/x'")
    path = tmp_path / "plain.yaml"
    path.write_text(yaml.safe_dump(resolve_config(config)))
    assert "secret" not in path.read_text()
    for store in ("http://me:secret@host/x", "http://other"):
        monkeypatch.setenv("MLFLOW_TRACKING_URI", store)
        assert composed("--config", str(path)).tracking.uri == store
    monkeypatch.delenv("MLFLOW_TRACKING_URI")
    assert composed("--config", str(path)).tracking.uri == "sqlite:///mlflow.db"
    assert composed("--config", str(path), "tracking.uri=http://typed").tracking.uri == "http://typed"


@pytest.mark.slow
def test_a_stranger_chooses_no_folder(configure, tmp_path, monkeypatch):
    """Caches and journals lie where conf/ or the command line says, for files of data too; what is off stays off."""
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    monkeypatch.delenv("OFIML_TUNING_STORAGE", raising=False)
    data = tmp_path / "data.csv"
    data.touch()
    logged = resolve_config(configure("dataset=quotes", f"dataset.path={data}"))
    for group, key in {"features": "store", "dataset": "store", "tuning": "storage"}.items():
        logged[group][key] = str(tmp_path / "evil")
    logged["tracking"] |= {"enabled": True, "uri": "http://evil"}
    path = tmp_path / "plain.yaml"
    path.write_text(yaml.safe_dump(logged))
    config = composed("--config", str(path))
    assert "evil" not in repr(resolve_config(config))
    assert (config.dataset.store, config.features.store) == (".ofiml/sessions", ".ofiml/features")
    assert config.tuning.storage == ".ofiml/tuning"
    assert config.dataset.path == str(data)
    typed = composed("--config", str(path), f"features.store={tmp_path}/mine", "tuning.storage=/shared")
    assert (typed.features.store, typed.tuning.storage) == (f"{tmp_path}/mine", "/shared")
    for evil in ("postgresql://evil/x", "sqlite:////evil.db", "${oc.env:HOME}"):
        logged["tuning"]["storage"] = evil
        path.write_text(yaml.safe_dump(logged))
        if "${" in evil:
            with pytest.raises(ConfigError, match="contains an interpolation"):
                composed("--config", str(path))
        else:
            assert composed("--config", str(path)).tuning.storage == ".ofiml/tuning"
    logged["tuning"]["storage"] = "postgresql://evil/x"
    path.write_text(yaml.safe_dump(logged))
    monkeypatch.setenv("OFIML_TUNING_STORAGE", "postgresql://me:secret@host/x")
    assert composed("--config", str(path)).tuning.storage == "postgresql://me:secret@host/x"
    monkeypatch.delenv("OFIML_TUNING_STORAGE")
    logged["features"]["store"] = logged["dataset"]["store"] = None
    path.write_text(yaml.safe_dump(logged))
    off = composed("--config", str(path))
    assert off.features.store is None
    assert off.dataset.store is None


def test_every_choice_keeps_its_files_where_a_plain_config_does():
    """What `--config` puts in the place of a stranger's folders is what any run has."""
    for group, (key, choice) in plain._LOCAL_KEYS.items():
        pages = [yaml.safe_load(page.read_text()) for page in (ROOT / "conf" / group).glob("*.yaml")]
        said = {str(page[key]) for page in pages if page.get(key)}
        here = yaml.safe_load((ROOT / "conf" / group / f"{choice}.yaml").read_text())[key]
        assert said == ({str(here)} if here else set())


@pytest.mark.slow
def test_the_search_is_drawn(run, written):
    study, _ = written
    drawn = {name: draw() for name, draw in choose_figures(study).items() if name.startswith("tuning")}
    assert set(drawn) == {"tuning_history.png", "tuning_importance.png", "tuning_slices.png"}
    best = {f"fold {fold.fold}": max(t.score or -9 for t in fold.trials) for fold in study.report.tuning}
    lines = {line.get_label(): line.get_ydata()[-1] for line in drawn["tuning_history.png"].axes[0].lines}
    assert {label: lines[label] for label in best} == best
    panels = [axis for axis in drawn["tuning_slices.png"].axes if axis.get_visible()]
    assert [axis.get_xlabel() for axis in panels] == list(map(name_parameter, study.config.model.space))
    shares = [fold.importance for fold in study.report.tuning]
    assert all(sum(share.values()) == pytest.approx(1) for share in shares)
    assert not [name for name in choose_figures(run("debug=tiny", "model=zero")) if name.startswith("tuning")]
    few = choose_figures(run("debug=tiny", "model=ridge", "tuning.trials=2"))
    assert "tuning_importance.png" not in few
    assert "tuning_slices.png" in few
