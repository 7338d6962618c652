"""The programs of experiment 006, run on a few studies: they give the committed numbers of these."""

import json
import runpy

import pytest

from tests.conftest import ROOT, in_process

COMMITTED = ROOT / "experiments" / "006-does-it-tell-the-truth"


def run_program(name, folder, *arguments):
    main = runpy.run_path(str(ROOT / "scripts" / f"{name}.py"))["main"]
    done = in_process(main, "--out", str(folder), *arguments)
    assert done.returncode == 0, done.stderr
    return [json.loads((place / f"{name}.json").read_text()) for place in (folder, COMMITTED)]


@pytest.mark.slow
def test_true_values_are_the_committed_ones(tmp_path):
    now, committed = run_program("interval_coverage", tmp_path, "--studies", "2")
    assert list(now) == list(committed)
    for design, measures in committed.items():
        for name, one in measures.items():
            assert now[design][name]["truth"] == pytest.approx(one["truth"], rel=1e-9)
            assert now[design][name]["width"] == pytest.approx(one["width"], rel=0.4)
            assert now[design][name]["held"] in (0.0, 0.5, 1.0)


@pytest.mark.slow
def test_the_first_null_markets_have_the_committed_skill(tmp_path):
    now, committed = run_program("nested_tuning", tmp_path, "--seeds", "2")
    for tuning in ("nested", "cheated"):
        assert now[tuning] == pytest.approx(committed[tuning][:2], rel=1e-6)
