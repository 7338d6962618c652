"""The conformance file: it says what it is, its answers agree with one another, mirrored cases are mirrors."""

import json
import re
from itertools import pairwise

import pytest

from ofiml.conformance.books import FILE, read_cases

CASES = {case["id"]: case for case in read_cases()}
MIRRORED = [case["id"] for case in CASES.values() if case["mirror_of"]]
KEYS = ["id", "sentence", "source", "rests_on", "mirror_of", "given", "working", "answer"]
STATE = ["time", "bids", "asks", "ends_message", "boundary"]
each = pytest.mark.parametrize("case", CASES.values(), ids=list(CASES))


def test_the_file_explains_itself():
    text = FILE.read_text(encoding="utf-8")
    file = json.loads(text)
    assert list(file) == ["format", "version", "about", "equation", "units", "fields", "cases"]
    assert (file["format"], file["version"]) == ("ofi-books", 1)
    said = {key.split(".")[-1] for key in file["fields"]}
    assert said == {"levels", "states", *STATE, "edges", "flow", "bar_flow", "bar_events", *KEYS} - {"given", "answer"}
    assert all(file["fields"].values())
    assert not re.search(r"(bid|ask)_(px|sz)|F_LAST|polars|numpy|[^\x00-\x7f]", text)


def test_ids_are_unique():
    assert len(CASES) == len(read_cases()) >= 40


def test_the_nine_cases_are_there():
    moves = ("up", "same", "down")
    assert {f"nine-{bid}-{ask}" for bid in moves for ask in moves} <= set(CASES)


def signs(before, after):
    return tuple((a[0] > b[0]) - (a[0] < b[0]) for b, a in zip(before, after, strict=True))


def test_each_of_the_nine_is_what_its_id_says():
    words = {1: "up", 0: "same", -1: "down"}
    for name in (name for name in CASES if re.fullmatch(r"nine-[a-z]+-[a-z]+", name)):
        a, b = CASES[name]["given"]["states"]
        assert name == "nine-" + "-".join(words[s] for s in signs(a["bids"] + a["asks"], b["bids"] + b["asks"]))


@pytest.mark.parametrize(("name", "level"), [("level-2", 1), ("level-2-mirrored", 1), ("level-3", 2)])
def test_a_deeper_level_goes_through_all_nine_while_the_others_stand(name, level):
    states = CASES[f"nine-at-{name}"]["given"]["states"]
    moves = [
        [signs((b["bids"][m], b["asks"][m]), (a["bids"][m], a["asks"][m])) for b, a in pairwise(states)]
        for m in range(3)
    ]
    assert len(set(moves.pop(level))) == 9
    assert {move for others in moves for move in others} == {(0, 0)}


@each
def test_a_case_is_well_formed(case):
    assert list(case) == KEYS
    assert re.fullmatch(r"[a-z0-9]+(-[a-z0-9]+)*", case["id"])
    assert case["sentence"].endswith(".")
    assert case["source"].startswith("Cont, Kukanov & Stoikov 2014, eq. 2-4")
    assert case["rests_on"] in ("equation", "convention")
    given = case["given"]
    assert list(given) == ["levels", "states", "edges"]
    assert len(given["states"]) == len(case["working"]) > 1
    for state in given["states"]:
        assert list(state) == STATE
        assert type(state["time"]) is int
        assert type(state["ends_message"]) is bool
        assert state["boundary"] in (None, "session", "halt", "clear", "snapshot")
        for side, sign in (("bids", -1), ("asks", 1)):
            assert len(state[side]) == given["levels"]
            quotes = [quote for quote in state[side] if quote is not None]
            assert all(len(quote) == 2 and {type(n) for n in quote} == {int} and quote[1] >= 0 for quote in quotes)
            assert state[side][len(quotes) :] == [None] * (given["levels"] - len(quotes))  # best first, then nothing
            assert all(sign * (b[0] - a[0]) > 0 for a, b in pairwise(quotes))
    for a, b in pairwise(given["states"]):
        assert a["time"] <= b["time"]
    edges = given["edges"]
    assert edges is None or (edges[0] < edges[1] and len({b - a for a, b in pairwise(edges)}) == 1)
    assert edges is None or all(state["boundary"] != "session" for state in given["states"])


@each
def test_an_answer_has_the_shape_of_its_case_and_nulls_where_nothing_is_measured(case):
    given, answer = case["given"], case["answer"]
    assert list(answer) == ["flow", "bar_flow", "bar_events"]
    assert len(answer["flow"]) == len(given["states"])
    fresh = True  # nothing to compare with, or not allowed to
    for i, (state, flow) in enumerate(zip(given["states"], answer["flow"], strict=True)):
        assert len(flow) == given["levels"]
        fresh = fresh or state["boundary"] is not None
        absent = [
            state[side][m] is None and i > 0 and given["states"][i - 1][side][m] is None
            for m in range(given["levels"])
            for side in ("bids", "asks")
        ]
        for m, number in enumerate(flow):
            missing = all(absent[2 * m : 2 * m + 2])
            assert (number is None) == (fresh or not state["ends_message"] or missing)
        fresh = fresh and not state["ends_message"]


@each
def test_bars_add_up(case):
    given, answer = case["given"], case["answer"]
    edges = given["edges"]
    assert (edges is None) == (answer["bar_flow"] is None) == (answer["bar_events"] is None)
    if edges is None:
        return
    pairs = list(zip(given["states"], answer["flow"], strict=True))
    for k, (low, high) in enumerate(pairwise(edges)):
        inside = [f for s, f in pairs if s["ends_message"] and low < s["time"] <= high]
        assert answer["bar_events"][k] == len(inside)
        assert answer["bar_flow"][k] == [sum(f[m] or 0 for f in inside) for m in range(given["levels"])]
    assert len(answer["bar_flow"]) == len(answer["bar_events"]) == len(edges) - 1


def negative(flow):
    return flow and [[n if n is None else -n for n in row] for row in flow]


@pytest.mark.parametrize("name", MIRRORED)
def test_a_mirrored_case_mirrors(name):
    mirror, case = CASES[name], CASES[CASES[name]["mirror_of"]]
    pivot = mirror["given"]["states"][0]["bids"][0][0] + case["given"]["states"][0]["asks"][0][0]

    def reflected(quotes):
        return [quote and [pivot - quote[0], quote[1]] for quote in quotes]

    states = case["given"]["states"]
    swapped = [{**s, "bids": reflected(s["asks"]), "asks": reflected(s["bids"])} for s in states]
    assert mirror["given"] == {**case["given"], "states": swapped}
    assert mirror["answer"]["flow"] == negative(case["answer"]["flow"])
    assert mirror["answer"]["bar_flow"] == negative(case["answer"]["bar_flow"])
    assert mirror["answer"]["bar_events"] == case["answer"]["bar_events"]


def test_there_are_mirrors_of_every_kind():
    kinds = ("nine", "sizes", "ask", "rows", "both")
    assert {kind for name in MIRRORED for kind in kinds if name.startswith(kind)} == set(kinds)
