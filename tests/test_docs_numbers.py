"""What docs/ says that was measured is what its command wrote: tables cell by cell, and sentences about results."""

import json
import re
import sys

import numpy as np
import pytest

from tests.conftest import ROOT
from tests.numbers_in_text import list_tables

sys.path.append(str(ROOT / "scripts"))
DOCS, RESULTS = ROOT / "docs", ROOT / "scripts" / "results"


def read_page(name):
    return (DOCS / name).read_text(encoding="utf-8")


def read_json(path):
    return json.loads(path.read_text(encoding="utf-8"))


#: The pages and titles of measured tables, with their commands and the files of their numbers.
LISTED = [
    (re.findall(r"\[(.*?)\]", page)[0], title, command, re.findall(r"results/(\w+\.json)", numbers))
    for header, *rows in list_tables(read_page("experiments.md"))
    if header == ["page", "table", "command", "numbers"]
    for page, title, command, numbers in rows
]


def is_measured(table):
    """Whether most cells beyond the first column are numbers, in words such as those of ranges at most."""
    cells = [cell for row in table[1:] for cell in row[1:]]
    plain = [cell for cell in cells if re.search(r"\d", cell) and not re.search(r"[^\W\d]{3,}|[`@$=]", cell)]
    return len(plain) > len(cells) / 2


def find_table(page, title):
    (table,) = [table for table in list_tables(read_page(page)) if table[0][0] == title]
    return table


def list_wrong_cells(table, results):
    """The cells of a table that are not the numbers of the results, {row: {column: numbers}}, as rounded as shown."""
    (_, *columns), *rows = table
    wrong = [] if [row[0] for row in rows] == list(results) else ["rows"]
    for name, *cells in rows:
        numbers = results.get(name, {})
        wrong += [] if columns == list(numbers) else [f"{name}: columns"]
        for column, cell in zip(columns, cells, strict=True):
            shown = re.findall(r"-?\d*\.?\d+", cell.replace(",", ""))
            known = numbers.get(column, [])
            if len(shown) != len(known) or not all(map(shows, shown, known)):
                wrong.append(f"{name}, {column}: {cell} for {known}")
    return wrong


def shows(text, number):
    """Whether the text is the number, rounded to the digits that it has."""
    half = 0.5 * 10.0 ** -len(text.partition(".")[2])
    return abs(float(text) - number) <= half * (1 + 1e-9) + 1e-12


@pytest.mark.parametrize(("page", "title", "results"), [(p, t, r[0]) for p, t, _, r in LISTED if len(r) == 1])
def test_a_table_is_what_its_command_wrote(page, title, results):
    table, numbers = find_table(page, title), read_json(RESULTS / results)
    # Markets that may be left out are results of their own.
    numbers = numbers[title] if title in numbers else {name: numbers[name] for name, *_ in table[1:]}
    assert list_wrong_cells(table, numbers) == []
    row = list(numbers)[-1]
    column = next(iter(numbers[row]))
    numbers[row][column][-1] += 0.011
    (wrong,) = list_wrong_cells(table, numbers)
    assert wrong.startswith(f"{row}, {column}: ")


def test_every_measured_table_is_listed_with_its_command():
    measured = {
        (path.name, table[0][0])
        for path in sorted(DOCS.glob("*.md"))
        for table in list_tables(path.read_text(encoding="utf-8"))
        if is_measured(table)
    }
    assert measured == {(page, title) for page, title, _, _ in LISTED}
    for page, _, command, results in LISTED:
        assert command.strip("`").removesuffix(" …") in read_page(page)
        assert results
        assert all((RESULTS / one).exists() for one in results)
    assert {path.name for path in RESULTS.iterdir()} == {one for *_, results in LISTED for one in results}


def test_the_answers_of_another_package_are_those_of_the_checks():
    checks = {of: read_json(RESULTS / f"orderflow_metrics_{of}.json")["cases"] for of in ("best_level", "all_levels")}
    for name, *counts in find_table("conformance.md", "function")[1:]:
        verdicts = [case["verdict"] for case in checks[re.search(r"\(`(\w+)`\)", name)[1]]]
        assert list(map(int, counts)) == [verdicts.count(one) for one in ("passes", "differs", "not supported")]
    differences = {of: {c["id"]: c["differences"] for c in cases if c["differences"]} for of, cases in checks.items()}
    shown = {}
    for name, where, expected, got in find_table("conformance.md", "case")[1:]:
        states, level = re.fullmatch(r"states? ([\d, ]+), level (\d)", where).groups()
        shown[re.findall(r"`(.*?)`", name)[0]] = [
            {"where": f"state {state}, level {level}", "expected": one, "got": f"{other}.0"}
            for state, one, other in zip(*(part.split(", ") for part in (states, expected, got)), strict=True)
        ]
        assert ("both functions" in name) == (re.findall(r"`(.*?)`", name)[0] in differences["best_level"])
    assert shown == differences["all_levels"]
    assert all(shown[name] == found for name, found in differences["best_level"].items())


def test_sentences_about_queues_are_those_of_the_experiment():
    paragraph = next(
        part for part in read_page("execution.md").split("\n\n") if part.startswith("On the embedded market")
    )
    markets = read_json(ROOT / "experiments" / "007-true-fills" / "results.json")["markets"]
    filled, less_truth, by_power = [], {}, []
    for market, of_market in markets.items():
        for size in of_market["sizes"]:
            queues = {name: model for name, model in size["models"].items() if name not in ("through", "touch")}
            filled.append([one["measures"]["fill_probability"]["value"] for one in queues.values()])
            less_truth.setdefault(market, []).extend(
                one["differences"]["fill_probability"]["value"] for one in queues.values()
            )
            by_power.append(size["to_truth"]["by_power"])
    (low, high), (least, most) = (
        (min(map(abs, found)), max(map(abs, found))) for found in (less_truth["synthetic"], less_truth["large tick"])
    )
    words = " ".join(paragraph.split())
    assert f"within {_round_up(max(map(np.ptp, filled)))} of each other" in words
    assert f"the same share within {_round_up(max(map(np.ptp, by_power)))};" in words
    assert max(less_truth["synthetic"]) < 0 < min(less_truth["large tick"])
    assert f"fill {low:.2f} to {high:.2f} fewer of the orders than the truth" in words
    assert f"fill {least:.2f} to {most:.2f} too many" in words


def _round_up(x):
    return f"{np.ceil(x * 1000) / 1000:.3f}"


def test_sentences_about_the_market_are_those_of_its_table():
    words = " ".join(read_page("market.md").split())
    results = read_json(RESULTS / "market_seeds.json")
    (mean, *_), main = results["seed"]["mean"]["oracle"], results["main job, seed 101"]
    assert f"the oracle's IC is {mean:.2f} at 10 s" in words
    assert f"gives the oracle an IC of {results['null']['oracle']:.1f} at 10 s" in words
    assert "with seed 101, the weakest of the table, its IC is {:.3f} ({:.3f} to {:.3f})".format(*main["ic"]) in words
    assert main["not_above"] == ["permuted", "random_walk", "ofi_sign"]
    assert "it does not beat permuted labels, a random walk or the sign of OFI." in words
    weakest = min(set(results["seed"]) - {"mean"}, key=lambda seed: results["seed"][seed]["ten levels"])
    assert weakest == "101"
    of_ranks = "of their ranks"
    ranks = {seed: row[of_ranks][1] for seed, row in results["seed"].items()}
    average = ranks.pop("mean")
    low, high = min(ranks.values()), max(ranks.values())
    assert f"Over 10 s the ranks have {average:.3f} on average, and {low:.3f} to {high:.3f} by seed." in words
    amzn = results["AMZN"][of_ranks][1]
    assert f"AMZN's ranks have {amzn:.3f} at 10 s, a little less than the seeds' mean" in words
    assert sum(value > amzn for value in ranks.values()) == 4
    assert "above it with four of six seeds." in words
    pairs = results["BTCUSDT spot"]["pairs of returns"]
    errors = [f"{1 / np.sqrt(n):.2f}" for n in pairs]
    assert "{} at 1 s and {} at 10 s of the spot stream".format(*errors) in words
    last, model = (
        read_json(ROOT / "experiments" / "001-planted-signal" / "report.json")[part] for part in ("controls", "metrics")
    )
    last, model = last["last_return"], model["pooled"]["rank_ic"]["value"]
    assert f"an IC of {last['ic']:.3f} ({last['ic_low']:.3f} to {last['ic_high']:.3f})" in words
    assert f"a rank IC of {last['rank_ic']:.3f}, where the model has a rank IC of {model:.3f}" in words
    ratios = {seed: next(iter(row.values())) for seed, row in results["seed"].items() if seed != "mean"}
    longest = {seed: row[-1] for seed, row in ratios.items()}
    assert (min(longest, key=longest.get), max(longest, key=longest.get)) == ("101", "42")
    assert f"between {longest['101']:.2f} (seed 101) and {longest['42']:.2f} (seed 42)" in words
    over_1s = [longest[seed] / ratios[seed][0] for seed in ("42", "101")]
    assert "seed 42 has {:.2f} at 300 s, and seed 101 {:.2f}".format(*over_1s) in words


def test_the_sentence_about_coverage_is_that_of_the_experiment():
    studies = read_json(ROOT / "experiments" / "006-does-it-tell-the-truth" / "interval_coverage.json")
    held = [measure["held"] for study in studies.values() for measure in study.values()]
    sentence = f"between {100 * min(held):.1f} % and {100 * max(held):.1f} % in all {len(held)} cells of {len(studies)}"
    assert sentence in " ".join(read_page("inference.md").split())


@pytest.mark.slow
def test_the_script_of_inference_makes_the_rows_and_columns_of_its_tables(tmp_path, monkeypatch):
    import simulate_inference

    for name, few in {"SWEEPS": 2, "SUPERIOR_SWEEPS": 2, "STUDIES": 2, "TRUE_ROWS": 20_000}.items():
        monkeypatch.setattr(simulate_inference, name, few)
    monkeypatch.setattr(sys, "argv", ["simulate_inference.py", "--out", str(tmp_path)])
    simulate_inference.main()
    made, committed = (read_json(folder / "simulate_inference.json") for folder in (tmp_path, RESULTS))
    assert list_names(made) == list_names(committed)


@pytest.mark.slow
def test_the_script_of_the_market_makes_the_columns_of_its_table(configure):
    import market_seeds

    short = configure("dataset.sessions=2", "dataset.session_length=40m").dataset
    row = market_seeds.measure_seed(short)
    committed = read_json(RESULTS / "market_seeds.json")["seed"]["42"]
    assert {name: len(numbers) for name, numbers in row.items()} == {name: len(n) for name, n in committed.items()}
    assert np.isfinite(np.concatenate(list(row.values()))).all()
    assert row["oracle"][0] > 0.4, "of the move, which the oracle knows best"
    assert row["R² of the same bar: best, ten levels"][0] > 0.4


def list_names(tables):
    return {title: {row: list(cells) for row, cells in table.items()} for title, table in tables.items()}
