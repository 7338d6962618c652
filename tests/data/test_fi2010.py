"""FI-2010: what is read, what is refused, and the classifiers on its labels."""

import json
import runpy
import sys
from functools import cache

import numpy as np
import pytest

from ofiml.data.formats.fi2010 import HORIZONS, Samples, Split, check_train_and_tests, read_samples
from ofiml.errors import DataError
from tests.conftest import ROOT

TREES = "lgbm objective=three_class n_estimators=15 learning_rate=0.3"
TRAIN, TEST = "Train_Dst_NoAuction_ZScore_CF_7.txt", "Test_Dst_NoAuction_ZScore_CF_7.txt"


def draw(samples, *, seed, planted=True):
    """Rows (149, samples) as published. If `planted`, input 3 decides every label; else labels are shuffled."""
    rng = np.random.default_rng(seed)
    inputs = rng.standard_normal((144, samples))
    labels = np.where(inputs[2] > 0.5, 1, np.where(inputs[2] < -0.5, 3, 2))
    rows = [labels if planted else rng.permutation(labels) for _ in HORIZONS]
    return np.vstack([inputs, *rows])


def write(path, values):
    path.write_text("".join("   " + "   ".join(f"{v:.7e}" for v in row) + "\n" for row in values))
    return path


def samples(name, content="a"):
    return Samples(name, content, np.zeros((1, 144)), np.ones((1, 5), np.int64))


@pytest.fixture(scope="module")
def script():
    """The names of the script. It composes the same models once only, which is most of its time here."""
    names = runpy.run_path(str(ROOT / "scripts" / "fi2010.py"))
    compose = cache(names["compose_models"])
    names["run"].__globals__["compose_models"] = names["compose_models"] = lambda texts: compose(tuple(texts))
    return names


@pytest.fixture(scope="module")
def models(script):
    return script["compose_models"](["logistic", TREES])


@pytest.fixture
def call(script, monkeypatch, capsys):
    def call(*arguments):
        monkeypatch.setattr(sys, "argv", ["fi2010.py", *map(str, arguments)])
        code = script["main"]()
        return code, capsys.readouterr()

    return call


def test_rows_become_samples(tmp_path):
    values = draw(70, seed=1)
    values[144:] = np.random.default_rng(2).integers(1, 4, (5, 70))
    read = read_samples(write(tmp_path / TRAIN, values))
    assert len(read) == 70
    assert np.array_equal(read.x, np.array([[float(f"{v:.7e}") for v in row] for row in values[:144]]).T)
    assert np.array_equal(read.labels, values[144:].T)
    assert read.normalisation == "by z-score"
    assert read.split == Split("train", "noauction", "zscore", 7)
    assert np.array_equal(read.directions(30), [{1: 1, 2: 0, 3: -1}[v] for v in values[146]])


def test_the_last_label_known_is_the_one_whose_horizon_has_passed():
    labels = np.random.default_rng(0).integers(1, 4, (25, 5))
    read = Samples("x.txt", "", np.zeros((25, 144)), labels)
    for i, (horizon, lag) in enumerate({10: 1, 20: 2, 30: 3, 50: 5, 100: 10}.items()):
        known = read.last_known_directions(horizon, -1.0)
        assert known[:lag].tolist() == [-1.0] * lag
        assert known[lag:].tolist() == [2 - label for label in labels[:-lag, i]]
    short = Samples("x.txt", "", np.zeros((4, 144)), labels[:4])
    assert short.last_known_directions(100, 0.0).tolist() == [0.0] * 4


@pytest.mark.parametrize("width", [12, 80])  # 61 values and more are recognised by their first bytes
@pytest.mark.parametrize(
    ("row", "column", "value", "sentence"),
    [
        (1, 3, "nan", r"row 1, column 3: 'nan' is not a finite number.*fetch the file"),
        (41, 12, "inf", r"row 41, column 12: 'inf' is not a finite number"),
        (144, 1, "x", r"row 144, column 1: 'x' is not a finite number"),
        (2, 2, "1_0", r"row 2, column 2: '1_0' is not a finite number"),
        (145, 5, "0", r"row 145, column 5: 0 is not a label \(1 up, 2 stationary, 3 down\).*fetch the file"),
        (149, 12, "2.5", r"row 149, column 12: 2\.5 is not a label"),
        (7, 2, "", r"row 7: \d+ values, but row 1 has \d+; the file is cut or damaged: fetch the file"),
    ],
)
def test_a_bad_value_is_named(tmp_path, width, row, column, value, sentence):
    path = write(tmp_path / TRAIN, draw(width, seed=1))
    lines = path.read_text().splitlines()
    cells = lines[row - 1].split()
    cells[column - 1] = value
    lines[row - 1] = " ".join(cells)
    path.write_text("\n".join(lines))
    with pytest.raises(DataError, match=rf"^{TRAIN}, {sentence}"):
        read_samples(path)


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        (lambda v: v[:148], "has 148 rows instead of 149; it is cut"),
        (lambda v: np.vstack([v, v[-1]]), "has more than 149 rows: fetch"),
        (lambda v: v.T, "has 12 rows instead of 149 and 149 columns, so its samples may stand as rows"),
        (lambda v: v[:0], "has 0 rows instead of 149"),
        (lambda v: np.vstack([v[144:], v[:144]]), r"row 145, column 1: .* is not a label"),
    ],
)
def test_another_shape_is_refused(tmp_path, change, sentence):
    with pytest.raises(DataError, match=rf"^{TRAIN}.*{sentence}"):
        read_samples(write(tmp_path / TRAIN, change(draw(12, seed=1))))


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        (b"\x1f\x8b\x08", "is packed: unpack it first"),
        (b"PK\x03\x04", "is packed: unpack it first"),
        (b"<!DOCTYPE html><html>", "is not FI-2010 as published, but a web page"),
        (",".join(["0.5"] * 144 + ["1"] * 5).encode() + b"\n", "is not a finite number"),
        (
            (",".join(["0.5"] * 144 + ["1"] * 5) + "\n").encode() * 3,
            "is a CSV copy of FI-2010 with its samples as rows",
        ),
    ],
)
def test_another_format_is_refused(tmp_path, content, sentence):
    path = tmp_path / TEST
    path.write_bytes(content)
    with pytest.raises(DataError, match=rf"^{TEST}.* ?{sentence}"):
        read_samples(path)


@pytest.mark.parametrize(
    ("train", "test", "sentence"),
    [
        (TRAIN, "Test_Dst_NoAuction_ZScore_CF_6.txt", "is day 7, which is one of the days 1 to 7 of"),
        (TRAIN, "Test_Dst_NoAuction_MinMax_CF_7.txt", "normalised otherwise than"),
        (TRAIN, "Test_Dst_Auction_ZScore_CF_7.txt", "Only one of .* has the auctions"),
        (TRAIN, "Train_Dst_NoAuction_ZScore_CF_8.txt", "is a train file by its name"),
        (TEST, "Test_Dst_NoAuction_ZScore_CF_8.txt", "is a test file by its name"),
        ("mine.txt", TRAIN, "is a train file by its name"),
    ],
)
def test_files_that_do_not_go_together(train, test, sentence):
    with pytest.raises(DataError, match=sentence):
        check_train_and_tests(samples(train), [samples(test, "b")])


def test_files_that_go_together():
    later = [samples(f"Test_Dst_NoAuction_ZScore_CF_{fold}.txt", str(fold)) for fold in (7, 8, 9)]
    check_train_and_tests(samples(TRAIN), later)
    check_train_and_tests(samples("mine.txt"), [samples("yours.txt", "b")])
    with pytest.raises(DataError, match=r"yours\.txt has the same content as mine\.txt: give each file once"):
        check_train_and_tests(samples("mine.txt"), [samples("yours.txt")])
    with pytest.raises(DataError, match="has the same content as"):
        check_train_and_tests(samples(TRAIN), [later[0], later[0]])


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    folder = tmp_path_factory.mktemp("fi2010")
    train, test = write(folder / TRAIN, draw(700, seed=1)), write(folder / TEST, draw(300, seed=2))
    return train, test


@pytest.mark.slow
def test_a_planted_signal_is_recovered(tmp_path, files, call):
    train, test = files
    choices = ("--horizons", 50, 10, "--inputs", "book", "--models", "logistic", TREES)
    code, said = call(train, test, "--out", tmp_path / "out", *choices)
    assert (code, said.err) == (0, "")
    record = json.loads((tmp_path / "out" / "fi2010.json").read_text())
    scores = {(s["horizon"], s["forecast"]): s for s in record["scores"]}
    names = ["majority class of train", "last label known", "logistic", TREES]
    assert list(scores) == [(h, name) for h in (10, 50) for name in names]
    for horizon in (10, 50):
        majority, last, logistic, trees = (scores[horizon, name] for name in names)
        assert majority["kappa"] == 0
        assert majority["macro_recall"] == pytest.approx(1 / 3)
        assert abs(last["kappa"]) < 0.15
        assert trees["kappa"] > 0.9
        assert logistic["kappa"] > 0.4
    page = (tmp_path / "out" / "fi2010.md").read_text()
    for text in (said.out, page):
        assert f"Train: {TRAIN} (700 samples). Test: {TEST} (300)." in text
        for sentence in ("by z-score", "No order flow, bar, spread or cost", "without a mark", "separate days"):
            assert sentence in text
        assert "nothing about what can be traded" in " ".join(text.split())
    assert f"{trees['kappa']:.4f}" in said.out


def test_a_shuffled_label_is_not_found(tmp_path, script, models):
    train = read_samples(write(tmp_path / TRAIN, draw(700, seed=1, planted=False)))
    test = read_samples(write(tmp_path / TEST, draw(300, seed=2, planted=False)))
    scores = list(script["score_all"](train, [test], models, [10], width=40, seed=7))
    assert len(scores) == 4
    for one in scores:
        assert one.kappa == pytest.approx(0, abs=0.15), one.forecast


def test_test_samples_teach_nothing(files, script, models):
    """Predictions of a sample do not change when the other test samples do, and the train file alone decides them."""
    train, test = (read_samples(path) for path in files)
    x = test.x[:, :40]
    other = np.vstack([x[:20], 1000 * x[20:] + 5])
    whole, few, changed = (
        script["predict_directions"](models["logistic"], train, rows, 10, 40, 7) for rows in (x, x[:20], other)
    )
    assert len(set(whole[:20])) > 1
    assert np.array_equal(few, whole[:20])
    assert np.array_equal(changed[:20], whole[:20])


def test_scores_by_hand(script):
    y = np.array([1.0, 1.0, 0.0, -1.0])
    one = script["score_forecast"](10, "x", y, np.array([1.0, 0.0, 0.0, 0.0]))
    assert one.accuracy == 0.5
    assert one.macro_precision == pytest.approx((1 + 1 / 3 + 0) / 3)
    assert one.macro_recall == pytest.approx((1 / 2 + 1 + 0) / 3)
    assert one.macro_f1 == pytest.approx((2 / 3 + 1 / 2 + 0) / 3)
    chance = (2 * 1 + 1 * 3 + 1 * 0) / 16
    assert one.kappa == pytest.approx((0.5 - chance) / (1 - chance))
    assert script["score_forecast"](10, "x", y[:2], y[:2]).kappa is None


@pytest.mark.slow
def test_the_default_models_find_the_signal(tmp_path, files, call):
    code, _ = call(*files, "--horizons", 10, "--out", tmp_path)
    *_, logistic, trees = json.loads((tmp_path / "fi2010.json").read_text())["scores"]
    assert (code, logistic["forecast"], trees["forecast"]) == (0, "logistic", "lgbm objective=three_class")
    assert logistic["kappa"] > 0.4
    assert trees["kappa"] > 0.9


def test_errors_are_sentences(tmp_path, files, call):
    train, test = files
    for arguments, code, sentence in [
        ((train, test, "--models", "ridge"), 2, "ridge"),
        ((train, test, "--models", "logistic", "logistic"), 2, "give each model once"),
        ((train, test, "--models", ""), 2, "--models: a model has no name: write"),
        ((test, train, "--models", "logistic", TREES), 1, "is a test file by its name"),
    ]:
        result, said = call(*arguments, "--out", tmp_path / "out")
        assert result == code
        assert said.err.startswith("ofiml: ")
        assert said.err.count("\n") == 1
        assert sentence in said.err
    values = draw(20, seed=3)
    values[145] = np.where(values[145] == 3, 2, values[145])
    _, said = call(write(tmp_path / TRAIN, values), test, "--horizons", 10, 20, "--models", "logistic", TREES)
    assert f"{TRAIN}, row 146: the labels over 20 events do not contain both 1 (up) and 3 (down)" in said.err
    assert not (tmp_path / "out").exists()


def test_a_damaged_file_is_read_or_refused_in_a_sentence(tmp_path):
    """Bytes are changed, cut out, repeated and inserted at random places."""
    whole = write(tmp_path / "Train_Dst_NoAuction_ZScore_CF_1.txt", draw(12, seed=1)).read_bytes()
    chance, refusals = np.random.default_rng(5), []
    for _ in range(150):
        content = bytearray(whole)
        for _ in range(chance.integers(1, 4)):
            at, size = int(chance.integers(len(content))), int(chance.integers(1, 40))
            change = chance.integers(4)
            piece = bytes(content[at : at + size]) if change == 1 else chance.integers(0, 256, size, np.uint8).tobytes()
            content[at : at + (0 if change in (1, 2) else size)] = b"" if change == 3 else piece
        if chance.random() < 0.5:  # only the first digit of one label, which ends in e+00
            content = bytearray(whole)
            at = whole.rindex(b"e+00", 0, len(whole) - int(chance.integers(300))) - 9
            content[at] = ord("0") + int(chance.integers(10))
        path = tmp_path / "Train_Dst_NoAuction_ZScore_CF_2.txt"
        path.write_bytes(bytes(content))
        try:
            found = read_samples(path)
        except DataError as error:
            refusals.append(str(error))
        else:
            assert np.isfinite(found.x).all()
            assert np.isin(found.labels, (1, 2, 3)).all()
    assert 75 < len(refusals) < 150
    assert all(path.name in refusal for refusal in refusals)
