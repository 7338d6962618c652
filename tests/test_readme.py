"""The README's printed verdict is the committed experiment's."""

import json
import re

from ofiml.reporting.names import MEASURES
from tests.conftest import ROOT


def test_the_printed_verdict_is_that_of_the_report():
    text = (ROOT / "README.md").read_text()
    report = json.loads((ROOT / "experiments" / "001-planted-signal" / "report.json").read_text())
    for name, m in report["metrics"]["pooled"].items():
        folds = " ".join(f"{f[name]:6.3f}" for f in report["metrics"]["folds"])
        row = next(line for line in text.splitlines() if line.startswith(f"{MEASURES[name]} "))
        assert (
            row.removeprefix(MEASURES[name]).split()
            == f"{m['value']:.4f} {m['low']:.4f} … {m['high']:.4f} {folds}".split()
        )
    b = report["backtest"]
    assert f"gross {b['gross_pnl']:,.2f} - costs {b['costs']:,.2f} (" in text
    assert f"= net {b['net_pnl']:,.2f}." in text
    assert all(f"{v['name']} {v['net_pnl']:,.2f}" in text for v in b["latency_curve"])
    assert f"{b['traded']:,} lots in {b['fills']:,} fills" in text
    assert report["predictions"]["sha256"][:16] in text


def test_every_package_stands_in_what_a_run_does():
    text = (ROOT / "README.md").read_text().partition("## What a run does")[2].partition("\n- ")[0]
    packages = {path.parent.name for path in (ROOT / "src" / "ofiml").glob("*/__init__.py")}
    assert packages <= set(re.findall(r"\w+", text))


def test_relative_links_lead_somewhere():
    for page in (ROOT / "README.md", *ROOT.glob("experiments/*/README.md"), *ROOT.glob("docs/*.md")):
        for link in re.findall(r"\]\((?!http)([^)#]+)\)", page.read_text()):
            assert (page.parent / link).exists(), f"{page.name}: {link}"
