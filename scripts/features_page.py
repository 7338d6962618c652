"""Write docs/features.md, the page of all features, from the catalogue."""

import argparse
from pathlib import Path

from ofiml.features import catalogue
from ofiml.features.catalogue import CATALOGUE
from ofiml.features.entry import EVEN, ODD, Feature
from ofiml.units import SECOND

PAGE = Path(__file__).parents[1] / "docs" / "features.md"
GROUPS = {
    "flow": "Flow",
    "depth": "Depth and imbalance",
    "spread": "Spread and cost",
    "shape": "Shape of the book",
    "trades": "Trades",
    "price": "Price",
    "toxicity": "Toxicity",
    "arrival": "Arrival",
    "clock": "Clock",
}


def looks_back(f: Feature) -> str:
    """How far before t the value looks."""
    parts = [f"{f.bars} bar{'s' * (f.bars > 1)}"] * bool(f.bars) + [f"{f.window // SECOND} s"] * bool(f.window)
    return "the start" if f.session else " and ".join(parts) or "t itself"


HEAD = """# Features

<!-- written by scripts/features_page.py from ofiml.features.catalogue -->

The catalogue has {count} features. The module of a family in `ofiml.features.families` defines and computes each, for a
recorded session and for a live one (`ofiml.live.stream`). You can [add one](add-a-feature.md).
`features=ofi_only | core | full` selects none, ten or all; `'features.columns=[queue_imbalance,vpin]'` selects by name.
Flow over levels, parts and look-backs is the config group `ofi`; the catalogue has flow at the best level and all
other features.

{terms}

The column `mirror` is the effect of swapping bid and ask: the value stays, changes sign, or becomes that of another
feature. The column `sizes ×2` is the effect of doubling all sizes. Features marked ° depend on the level of prices, all
others only on price differences.
"""


def page() -> str:
    terms = (catalogue.__doc__ or "").split("\n\n", 1)[1].strip()
    lines = HEAD.format(count=len(CATALOGUE), terms=terms).splitlines()
    for group, title in GROUPS.items():
        lines += ["", f"## {title}", ""]
        lines += [
            "| name | formula | unit | NaN where | known at | looks back to | mirror | sizes ×2 | source |",
            "|---" * 9 + "|",
        ]
        for f in CATALOGUE.values():
            if f.group == group:
                mirror = {EVEN: "stays", ODD: "sign"}.get(f.mirror, f"`{f.mirror}`")
                cells = [
                    f"`{f.name}`" + "°" * f.relative,
                    f.formula.replace("|", "\\|"),
                    f.unit,
                    f.nan,
                    f.known,
                    looks_back(f),
                    mirror,
                    {0: "stays", 1: "×2", -1: "÷2"}[f.size],
                    f.source,
                ]
                lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines) + "\n"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, default=PAGE, help="file to write (default: docs/features.md)")
    parser.parse_args().out.write_text(page())


if __name__ == "__main__":
    main()
