"""README and docs show the committed experiment's verdict and the project's tree, and their links lead somewhere."""

import json
import re

import pytest
import yaml

from ofiml.config import resolve_config
from ofiml.overrides.arguments import compose_config
from ofiml.reporting.names import MEASURES
from tests.conftest import ROOT

COMMITTED = ROOT / "experiments" / "001-planted-signal"
REPORT = json.loads((COMMITTED / "report.json").read_text())


@pytest.mark.parametrize("page", ["README.md", "docs/verdict.md"])
def test_the_printed_table_is_that_of_the_report(page):
    text = (ROOT / page).read_text()
    for name, m in REPORT["metrics"]["pooled"].items():
        folds = " ".join(f"{f[name]:6.3f}" for f in REPORT["metrics"]["folds"])
        row = next(line for line in text.splitlines() if line.startswith(f"{MEASURES[name]} "))
        assert (
            row.removeprefix(MEASURES[name]).split()
            == f"{m['value']:.4f} {m['low']:.4f} … {m['high']:.4f} {folds}".split()
        )


def test_the_printed_verdict_is_that_of_the_report():
    text = (ROOT / "docs" / "verdict.md").read_text()
    b = REPORT["backtest"]
    assert f"gross {b['gross_pnl']:,.2f} - costs {b['costs']:,.2f} (" in text
    assert f"= net {b['net_pnl']:,.2f}." in text
    assert all(f"{v['name']} {v['net_pnl']:,.2f}" in text for v in b["latency_curve"])
    assert f"{b['traded']:,} lots in {b['fills']:,} fills" in text
    assert REPORT["predictions"]["sha256"][:16] in text
    shown = (ROOT / "README.md").read_text().partition("```text\n")[2].partition("```")[0]
    assert shown in text


def test_the_verdict_of_the_committed_run_has_its_numbers():
    text = " ".join((COMMITTED / "README.md").read_text().split())
    ic, oracle = REPORT["metrics"]["pooled"]["ic"], REPORT["metrics"]["oracle"]
    assert f"IC out of sample is {ic['value']:.3f} (95 % interval {ic['low']:.3f} to {ic['high']:.3f})" in text
    assert f"folds: {oracle['share_ic']:.0%} of the {oracle['ic']:.3f} of an oracle".replace("%", " %") in text
    assert min(fold["ic"] for fold in REPORT["metrics"]["folds"]) > 0
    last, sign = (REPORT["controls"][name]["above"]["ic"] for name in ("last_return", "ofi_sign"))
    assert f"(gain in IC {last['value']:.3f}, interval {last['low']:.3f} to {last['high']:.3f})" in text
    assert f"({sign['value']:.3f}, {sign['low']:.3f} to {sign['high']:.3f})" in text
    assert f"round trips lost {-REPORT['backtest']['net_pnl']:.2f}." in text


def test_the_committed_config_is_what_its_command_writes():
    assert yaml.safe_load((COMMITTED / "config.yaml").read_text()) == resolve_config(
        compose_config([], "dataset=synthetic")
    )


def test_every_package_stands_in_what_a_run_does():
    text = (ROOT / "docs" / "overview.md").read_text().partition("\n- ")[0]
    packages = {path.parent.name for path in (ROOT / "src" / "ofiml").glob("*/__init__.py")}
    assert packages <= set(re.findall(r"\w+", text))


def test_the_tree_is_that_of_the_project():
    tree = (ROOT / "README.md").read_text().partition("## The project")[2].partition("```text\n")[2].partition("```")[0]
    folders = re.findall(r"(\S+)/(?=\s)", tree)
    assert len(folders) == 7
    assert all((ROOT / folder).is_dir() for folder in folders)
    shown = {word for line in re.findall(r"^    (\w.*?)(?:  |$)", tree, re.MULTILINE) for word in line.split()}
    packages = {path.parent.name for path in (ROOT / "src" / "ofiml").glob("*/__init__.py")}
    assert packages == shown


def test_relative_links_lead_somewhere():
    for page in (ROOT / "README.md", *ROOT.glob("experiments/*/README.md"), *ROOT.glob("docs/*.md")):
        for link in re.findall(r"\]\((?!http)([^)#]+)\)", page.read_text()):
            assert (page.parent / link).exists(), f"{page.name}: {link}"
