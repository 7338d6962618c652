"""Trees walked here: LightGBM's own bits on whatever comes; and a file that is not as it was written is refused."""

import re
import tracemalloc
from dataclasses import replace

import numpy as np
import pytest

from ofiml.errors import DataError
from ofiml.models import trees
from ofiml.models.flat import FlatShareClassifier
from ofiml.models.registry import build_model
from tests.conftest import slow_but_each, slow_except
from tests.effort import bounded
from tests.intervals import apart

WIDTH = 5
SPECIAL = [np.nan, 0.0, -0.0, np.inf, -np.inf, 1e-35, -1e-35, 1.0000000180025095e-35, -1.0000000180025095e-35, 5e-324]


def rows(rng, n):
    """Numbers of several scales: many missing, many 0, some equal to one another, some infinite or next to 0."""
    x = rng.standard_normal((n, WIDTH)) * [1, 1e-35, 100, 1e200, 1]
    x[:, 2] = np.round(x[:, 2] / 50)
    x[rng.random(x.shape) < rng.choice([0, 0.1, 0.6])] = 0.0
    special = rng.random(x.shape) < rng.choice([0, 0.02, 0.3])
    x[special] = rng.choice(SPECIAL, special.sum())
    return x


def fitted(configure, seed, task, **numbers):
    rng = np.random.default_rng(seed)
    x = rows(rng, int(rng.choice([60, 400])))
    known = np.where(np.isfinite(x), np.clip(x, -3, 3), 1.0)
    y = known @ [1, 0, 0.5, 0, -1] + np.isnan(x[:, 0]) * 2 + rng.standard_normal(len(x))
    drawn = {
        "num_leaves": int(rng.choice([2, 3, 8, 31])),
        "min_child_samples": int(rng.choice([1, 5, 20])),
        "n_estimators": int(rng.choice([1, 7, 30])),
        "learning_rate": float(rng.choice([0.05, 1.0])),
    }
    target = "direction" if task == "classification" else "forecast"
    base = configure("model=lgbm", "model.reg_lambda=0", f"target={target}").model  # composed once for all seeds
    model = build_model(replace(base, **drawn | numbers), task=task, seed=seed)
    return model.fit(x, np.sign(y) if task == "classification" else y, apart(len(y))), rows(rng, 500)


def loaded(configure, stem, task, width=WIDTH):
    return loading(configure, stem, task, width)()


def loading(configure, stem, task, width=WIDTH):
    """What loads the model."""
    target = "direction" if task == "classification" else "forecast"
    if task == "classification":  # what stands beside the trees is not what is attacked here
        stem.with_name(stem.name + "_flat.json").write_text('{"flat": 0.0}')
    model = build_model(configure("model=lgbm", f"target={target}").model, task=task, seed=0)
    return lambda: model.load(stem, width)


def assert_same_bits(configure, model, x, stem, task):
    model.save(stem)
    again = loaded(configure, stem, task)
    expected = model.predict(x)
    assert np.isfinite(expected).all()
    np.testing.assert_array_equal(again.predict(x).view(np.int64), expected.view(np.int64))
    one_by_one = np.concatenate([again.predict(x[i : i + 1]) for i in range(len(x))])
    np.testing.assert_array_equal(one_by_one.view(np.int64), expected.view(np.int64))
    return again.model.trees if isinstance(again, FlatShareClassifier) else again.trees


@pytest.mark.parametrize(
    ("task", "seeds"), slow_except([("regression", 6)], [("regression", 6), ("regression", 20), ("classification", 20)])
)
def test_predictions_are_those_of_lightgbm_to_the_bit(configure, tmp_path, task, seeds):
    kinds, most = set(), 0
    for seed in range(seeds):
        model, x = fitted(configure, seed, task)
        read = assert_same_bits(configure, model, x, tmp_path / "m", task)
        kinds |= set(read.nodes["kind"].tolist())
        most = max(most, len(np.unique(model.predict(x))))
    assert kinds >= {2, 8, 10}  # the others are below
    assert most > 100


def with_kinds(text, kind):
    """The same trees, all of whose nodes treat what is missing by `kind`, as lightgbm reads them."""
    lines = [
        "decision_type=" + " ".join([str(kind)] * len(line.split())) if line.startswith("decision_type=") else line
        for line in text.split("\n")
    ]
    return resized("\n".join(lines))


def resized(text):
    """The text, with tree_sizes= of its trees as they are now."""
    head, _, rest = text.partition("\nTree=")
    body, end, tail = ("Tree=" + rest).partition("end of trees")
    sizes = " ".join(str(len(tree) + 5) for tree in body.split("Tree=")[1:])
    head = "\n".join(f"tree_sizes={sizes}" if x.startswith("tree_sizes=") else x for x in head.split("\n"))
    return head + "\n" + body + end + tail


@pytest.mark.parametrize("objective", ["three_class", "quantile"])
@pytest.mark.slow
def test_three_ways_and_quantiles_are_those_of_lightgbm_to_the_bit(configure, tmp_path, objective):
    task = "classification" if objective == "three_class" else "regression"
    asked = [f"model.objective={objective}"]
    for seed in range(12):
        model, x = fitted(configure, seed, task, objective=objective)
        model.save(tmp_path / "m")
        expected = model.booster.predict(x, num_threads=1)
        config = configure(
            "model=lgbm", f"target={'direction' if task == 'classification' else 'forecast'}", *asked
        ).model
        again = build_model(config, task=task, seed=0).load(tmp_path / "m", WIDTH)
        assert np.isfinite(expected).all()
        for rows_ in (x, x[:1]):
            np.testing.assert_array_equal(again.trees.predict(rows_), expected[: len(rows_)])
        np.testing.assert_array_equal(again.predict(x), model.predict(x))
        scores, said = trees.OBJECTIVES[again.trees.objective][1:]
        assert scores == (3 if objective == "three_class" else 1)
        out = np.full((len(x), scores), np.nan)
        trees.predict_py(again.trees.nodes, again.trees.roots, again.trees.leaves, said, x, out)
        np.testing.assert_array_equal(out.reshape(expected.shape), expected)
        for other in ("regression", "binary", "multiclass", "quantile"):
            if other != again.trees.objective:
                with pytest.raises(DataError, match="not a LightGBM model written by a study"):
                    trees.read_trees(tmp_path / "m.txt", WIDTH, other)


def test_trees_that_do_not_fill_the_classes_are_refused(configure, tmp_path):
    model, _ = fitted(configure, 2, "classification", objective="three_class", n_estimators=2)
    model.save(tmp_path / "m")
    path = tmp_path / "m.txt"
    text = path.read_text()
    less = text[: text.index("Tree=5")] + text[text.index("end of trees") :]
    path.write_text(resized(less))
    with pytest.raises(DataError, match="a number of trees that 3 divides"):
        trees.read_trees(path, WIDTH, "multiclass")


@pytest.mark.parametrize("kind", slow_but_each(3, [0, 2, 4, 6, 8, 10]))
def test_every_way_to_treat_what_is_missing_is_lightgbms(configure, tmp_path, kind):
    import lightgbm

    model, x = fitted(configure, 4, "regression", num_leaves=31, min_child_samples=1)
    model.save(tmp_path / "m")
    path = tmp_path / "m.txt"
    text = with_kinds(path.read_text(), kind)
    path.write_text(text)
    expected = lightgbm.Booster(model_str=text).predict(x, num_threads=1)
    read = trees.read_trees(path, WIDTH, "regression")
    np.testing.assert_array_equal(read.predict(x).view(np.int64), expected.view(np.int64))
    assert len(np.unique(expected)) > 20


def test_the_compiled_walk_is_the_plain_one(configure, tmp_path):
    for task in ("regression", "classification"):
        model, x = fitted(configure, 2, task)
        model.save(tmp_path / "m")
        t = trees.read_trees(tmp_path / "m.txt", WIDTH, "binary" if task == "classification" else "regression")
        scores, said = trees.OBJECTIVES[t.objective][1:]
        out = np.full((2, len(x), scores), np.nan)
        trees.predict_py(t.nodes, t.roots, t.leaves, said, x, out[0])
        trees.predict(t.nodes, t.roots, t.leaves, said, x, out[1])
        np.testing.assert_array_equal(out[0].view(np.int64), out[1].view(np.int64))


@pytest.mark.parametrize("leaf", slow_but_each(4, [0.0, 30.0, 709.0, 710.0, 800.0, -30.0, -709.0, -709.9, -800.0]))
def test_the_probability_of_a_large_score_is_lightgbms(configure, tmp_path, leaf):
    import lightgbm

    model, x = fitted(configure, 2, "classification", n_estimators=1, num_leaves=2)
    model.save(tmp_path / "m")
    path = tmp_path / "m.txt"
    lines = path.read_text().split("\n")
    text = resized("\n".join(f"leaf_value={leaf} {-leaf}" if x.startswith("leaf_value=") else x for x in lines))
    path.write_text(text)
    expected = lightgbm.Booster(model_str=text).predict(x, num_threads=1)
    got = trees.read_trees(path, WIDTH, "binary").predict(x)
    np.testing.assert_array_equal(got.view(np.int64), expected.view(np.int64))


def test_labels_that_are_all_the_same_give_one_leaf(configure, tmp_path):
    model = build_model(configure("model=lgbm").model, task="regression", seed=0)
    x = rows(np.random.default_rng(0), 200)
    model.fit(x, np.full(200, 0.25), apart(200))
    read = assert_same_bits(configure, model, x, tmp_path / "m", "regression")
    assert len(read.nodes) == 0
    assert set(model.predict(x)) == {0.25}


def test_a_model_that_is_fitted_after_it_was_loaded_is_the_new_one(configure, tmp_path):
    model, x = fitted(configure, 3, "regression")
    model.save(tmp_path / "m")
    again = loaded(configure, tmp_path / "m", "regression")
    before = again.predict(x)
    finite = np.nan_to_num(x[:, 0], posinf=1, neginf=1)
    assert not np.array_equal(again.fit(x, finite, apart(len(x))).predict(x), before)


@pytest.fixture(scope="module")
def written(configure, tmp_path_factory):
    """The text of a small model of each task, and rows."""
    folder, out = tmp_path_factory.mktemp("written"), {}
    for task in ("regression", "classification"):
        model, x = fitted(configure, 2, task, num_leaves=4, n_estimators=3, min_child_samples=5)
        model.save(folder / task)
        out[task] = (folder / f"{task}.txt").read_text(), x
    assert out["regression"][0].count("num_leaves=4") == 3
    return out


def line_of(text, key):
    return next(line for line in text.split("\n") if line.startswith(f"{key}="))


def replaced(key, value):
    return lambda text: text.replace(line_of(text, key), f"{key}={value}", 1)


def before_the_good(key, *lines):
    """Other lines before the one of `key`, as it stands first."""
    return lambda text: text.replace(line_of(text, key), "\n".join([*lines, line_of(text, key)]), 1)


def without_line(key):
    return lambda text: text.replace(line_of(text, key) + "\n", "", 1)


def last_leaf(value):
    return lambda text: text.replace(line_of(text, "leaf_value"), line_of(text, "leaf_value").rsplit(" ", 1)[0] + value)


ATTACKS = {
    "offsets beyond the file": replaced("tree_sizes", "900000000000 10"),
    "offsets below 0": replaced("tree_sizes", "-1 -1 -1"),
    "offsets into another tree": replaced("tree_sizes", "10 10 10"),
    "fewer trees than there are": replaced("tree_sizes", "10"),
    "no offsets": replaced("tree_sizes", ""),
    "children in a circle, then a blank line": before_the_good("left_child", "left_child=0 0 0", ""),
    "children far away, then a blank line": before_the_good("left_child", "left_child=100000000 0 0", ""),
    "children twice": before_the_good("left_child", "left_child=0 0 0"),
    "children in a circle": replaced("left_child", "0 0 0"),
    "children far away": replaced("right_child", "100000000 -1 -1"),
    "leaves far away": replaced("right_child", "-100000000 -1 -1"),
    "a child with two parents": replaced("right_child", "2 2 -4"),
    "a circle beside the root": lambda text: replaced("right_child", "-2 -3 -4")(
        replaced("left_child", "-1 2 1")(text)
    ),
    "features far away": replaced("split_feature", "100000000 0 0"),
    "features below 0": replaced("split_feature", "-1 0 0"),
    "no class": replaced("num_class", "0"),
    "two classes": replaced("num_class", "2"),
    "no tree a round": replaced("num_tree_per_iteration", "0"),
    "two trees a round": replaced("num_tree_per_iteration", "2"),
    "many classes": replaced("objective", "multiclass num_class:2"),
    "another sigmoid": replaced("objective", "binary sigmoid:2"),
    "the root of it": replaced("objective", "regression sqrt"),
    "an average": before_the_good("feature_names", "average_output"),
    "more features": replaced("max_feature_idx", "100000000"),
    "other names": replaced("feature_names", "a b c d e"),
    "no leaves": replaced("num_leaves", "0"),
    "fewer leaves": replaced("num_leaves", "3"),
    "too many leaves": replaced("num_leaves", "2000000000"),
    "leaves below 0": replaced("num_leaves", "-4"),
    "categories": replaced("num_cat", "1"),
    "linear leaves": replaced("is_linear", "1"),
    "categorical decisions": replaced("decision_type", "1 1 1"),
    "decisions of no kind": replaced("decision_type", "12 12 12"),
    "a threshold that is none": replaced("threshold", "nan nan nan"),
    "a leaf that is none": last_leaf(" nan"),
    "an infinite leaf": last_leaf(" inf"),
    "leaves too large for their sum": lambda text: re.sub(r"leaf_value=\S+", "leaf_value=1.7e308", text),
    "digits of another script": replaced("split_feature", "\u0661 0 0"),
    "digits in groups": replaced("split_feature", "0_1 0 0"),
    "a line of spaces": replaced("threshold", " " * 10**6),
    "long digits": replaced("threshold", "1" * 10**6 + " 0 0"),
    "lines that end otherwise": lambda text: text.replace("\n", "\r\n"),
    "lines in a line": before_the_good("threshold", "split_gain=1 1 1\x0bleft_child=0 0 0"),
    "no end": lambda text: text.partition("end of trees")[0],
    "nothing": lambda text: "",
    "no trees": lambda text: (
        text.partition("tree_sizes=")[0] + "tree_sizes=\n\nend of trees" + text.partition("end of trees")[2]
    ),
    "a line less": without_line("shrinkage"),
    "a leaf less": last_leaf(""),
}


REFUSED = r"m\.txt, line \d+: not a LightGBM model written by a study"


@pytest.mark.parametrize("sized", [True, False], ids=["sized", "as it is"])
@pytest.mark.parametrize("task", ["regression", "classification"])
@pytest.mark.parametrize("attack", slow_but_each(4, ATTACKS))
def test_an_attack_is_refused(configure, written, tmp_path, attack, task, sized):
    text = ATTACKS[attack](written[task][0])
    assert text != written[task][0]
    if sized and "Tree=0" in text and "offsets" not in attack and "fewer trees" not in attack:
        text = resized(text)  # so that it is not the sizes alone that refuse it
    (tmp_path / "m.txt").write_bytes(text.encode())
    model = loading(configure, tmp_path / "m", task)
    tracemalloc.start()
    try:
        with bounded(calls=20_000), pytest.raises(DataError, match=REFUSED):
            model()
        assert tracemalloc.get_traced_memory()[1] < 6 * len(text) + 1_000_000
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize("value", ["nan", "inf"])
def test_a_refusal_names_the_line_that_is_to_blame(written, tmp_path, value):
    text = resized(last_leaf(f" {value}")(written["regression"][0]))
    (tmp_path / "m.txt").write_text(text)
    at = 1 + text.split("\n").index(line_of(text, "leaf_value"))
    with pytest.raises(DataError, match=rf"line {at}: .*{'finite leaves' if value == 'inf' else 'numbers as'}"):
        trees.read_trees(tmp_path / "m.txt", WIDTH, "regression")


def test_a_model_of_another_width_or_form_or_too_large_is_refused(configure, written, tmp_path, monkeypatch):
    for task in ("regression", "classification"):
        (tmp_path / f"{task}.txt").write_text(written[task][0])
    with pytest.raises(DataError, match="max_feature_idx=3"):
        loaded(configure, tmp_path / "regression", "regression", WIDTH - 1)
    with pytest.raises(DataError, match="objective=binary"):
        loaded(configure, tmp_path / "regression", "classification")
    with pytest.raises(DataError, match="objective=regression"):
        loaded(configure, tmp_path / "classification", "regression")
    with pytest.raises(DataError, match="rows of 5 features"):
        loaded(configure, tmp_path / "regression", "regression").predict(np.zeros((2, 4)))
    monkeypatch.setattr(trees, "MAX_BYTES", 1000)
    with pytest.raises(DataError, match="larger than 1000 bytes"):
        loaded(configure, tmp_path / "regression", "regression")


def damaged(rng, text):
    """A text with one to three changes: bytes lost or new, digits changed, lines swapped, doubled, lost or moved."""
    end = text.index("end of trees") + 14
    head, tail = text[:end], text[end:]
    for _ in range(rng.integers(1, 4)):
        lines = head.split("\n")
        i, j = rng.integers(0, len(lines), 2)
        at = int(rng.integers(0, len(head)))
        match rng.integers(0, 7):
            case 0:
                head = head[:at] + head[at + int(rng.integers(1, 9)) :]
            case 1:
                digits = [k for k, c in enumerate(head) if c.isdigit()]
                at = int(rng.choice(digits))
                head = head[:at] + str(rng.integers(0, 10)) + head[at + 1 :]
            case 2:
                lines[i], lines[j] = lines[j], lines[i]
                head = "\n".join(lines)
            case 3:
                head = "\n".join([*lines[:i], lines[i], *lines[i:]])
            case 4:
                head = "\n".join([*lines[:i], *lines[i + 1 :]])
            case 5:
                head = head[:at] + str(rng.choice(list(" -.e\n=0\r\x00\xff"))) + head[at:]
            case _:
                cells = lines[i].split(" ")
                k = rng.integers(0, len(cells))
                cells[k] = str(rng.choice(["-1", "0", "1", "2", "-4", "3", "1e400", "-1e308", "inf", "nan", ""]))
                head = "\n".join([*lines[:i], " ".join(cells), *lines[i + 1 :]])
    return head + tail


@pytest.mark.parametrize("times", [200, pytest.param(6000, marks=pytest.mark.slow)])
@pytest.mark.parametrize("task", ["regression", "classification"])
def test_a_damaged_file_is_refused_or_predicts_finite_numbers(configure, written, tmp_path, task, times):
    rng = np.random.default_rng(1)
    text, x = written[task]
    refused = 0
    for k in range(times):
        changed = damaged(rng, text)
        if k % 2 and "\nTree=" in changed:
            changed = resized(changed)
        (tmp_path / "m.txt").write_text(changed, encoding="latin-1", newline="")
        try:
            read = trees.read_trees(tmp_path / "m.txt", WIDTH, "binary" if task == "classification" else "regression")
        except DataError:
            refused += 1
            continue
        assert np.isfinite(read.predict(x)).all()
    assert times / 3 < refused < times * 0.997  # both happen: the damage reaches what is not checked against anything
