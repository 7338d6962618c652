"""The documentation: every page has its place, the reference is whole, commands parse, the site is checked."""

import importlib
import itertools
import re
import sys

import pytest
import yaml
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.errors import OverrideParseException

from ofiml.cli.main import COMMANDS
from ofiml.cli.sweep_settings import split_settings
from ofiml.config import SCHEMAS, Config
from ofiml.errors import ConfigError
from ofiml.overrides import arguments
from ofiml.overrides.conf import is_group
from ofiml.overrides.signs import check_removals
from ofiml.overrides.text_values import quote_text_values
from tests.conftest import ROOT
from tests.documents import PAGES, list_blocks, list_commands, match_output, split_command

sys.path.append(str(ROOT / "scripts"))

import site_check
import site_commands
import site_config
import site_formulas
import site_pages
import site_python
import site_studies

FAULTS = (AssertionError, ConfigError, OverrideParseException, ModuleNotFoundError, OSError, SystemExit)
FLAGS_WITH_VALUE = ("--cfg", "--package", "--config", "--config-dir")
FREE = ("dataset.columns", "dataset.instruments", "dataset.impact", "model.space", "model.members", "hydra", "sweep")


def test_every_page_is_in_the_navigation():
    nav = yaml.safe_load((ROOT / "docs" / "mkdocs.yml").read_text())["nav"]
    pages = [*site_pages.list_pages(), *site_pages.GENERATED]
    targets = site_pages.list_targets(site_pages.read_nav(nav, pages))
    assert len(targets) == len(set(targets))
    assert {page for page in pages if page.endswith("README.md") or page.startswith("docs/")} <= set(targets)
    assert set(targets) <= set(pages)


def test_the_config_reference_has_every_key_with_its_meaning():
    page = site_config.write_page()
    rows = [re.split(r"(?<!\\)\|", line)[1:-1] for line in page.splitlines() if line.startswith("| `")]
    keys = {cells[0].strip(" `"): cells for cells in rows if len(cells) == 5}
    assert not set(site_config.list_schema_keys()) - set(keys)
    assert not [key for key, cells in keys.items() if not cells[1].strip() or not cells[4].strip()]
    assert "| `dataset.informed_probability` | number | `0.8` | between 0 and 1 |" in page
    assert "| `split.embargo` | duration | `60s` |  |" in page
    assert "| `model.num_leaves` | whole number | `8` | between 2 and 131072 |" in page
    assert "| `dataset.policy.crossed` | `raise` \\| `drop` \\| `keep` | `raise` |" in page


def test_the_command_reference_has_every_command():
    page = site_commands.write_page()
    for name in COMMANDS:
        assert f"\n## ofiml {name}\n" in page
        assert f"ofiml {name} " in page.partition(f"\n## ofiml {name}\n")[2].partition("\n## ")[0]
    assert "| `make docs` |" in page
    assert "| `scripts/studies.py` |" in page


def test_the_python_reference_has_every_function_with_its_sections():
    page = site_python.write_page()
    for name in importlib.import_module("ofiml").__all__[1:]:
        section = page.partition(f"\n## ofiml.{name}\n")[2].partition("\n## ")[0]
        assert f"ofiml.{name}(" in section
        assert all(f"\n### {title}\n" in section for title in ("Parameters", "Returns", "Raises", "Examples"))
    assert "- `levels`: Number of levels, best first." in page


def test_the_index_of_studies_has_every_folder():
    page = site_studies.write_page()
    folders = sorted(path.parent.name for path in ROOT.glob("experiments/*/README.md"))
    rows = [line for line in page.splitlines() if line.startswith("| [")]
    assert [f"({folder}/README.md)" in row for folder, row in zip(folders, rows, strict=True)] == [True] * len(folders)
    assert "| The model finds the signal. |" in page
    with pytest.raises(ValueError, match=r"no paragraph \*\*Verdict"):
        site_studies.list_sentences("# A page\n\ntext\n", "Verdict")


def known_key(key):
    """Whether a dotted key of the config exists, wherever a mapping is not the user's own."""
    key = key.partition("@")[0]
    if key.startswith(FREE):
        return True
    return key in SCHEMAS or is_group(key) or key.endswith(".name") or key in known_key.keys


known_key.keys = {*site_config.list_schema_keys(), *Config.__dataclass_fields__}


def check_run(words):
    """Check a command line of `ofiml run` as the command does before it composes, and its keys."""
    if words[:1] in (["--help"], ["-h"]):
        return
    _, words = split_settings(words)
    words = [word for word in words if not re.search(r"=(NAME|acme|huber|mine)$", word)]
    pairs = [word for word in words if word.startswith("~") or ("=" in word and not word.startswith("-"))]
    values = [word for before, word in itertools.pairwise(words) if before in FLAGS_WITH_VALUE]
    stray = [word for word in words if word not in (*pairs, *values) and not word.startswith("-")]
    assert not stray, f"no overrides: {stray}"
    arguments.check_arguments([*pairs, *(word for word in words if word == "-m")])
    check_removals(pairs)
    OverridesParser.create().parse_overrides(quote_text_values(pairs))
    unknown = [key for key in (word.lstrip("+~").partition("=")[0] for word in pairs) if not known_key(key)]
    assert not unknown, f"unknown keys {unknown}"


def check_command(line, monkeypatch):
    """Check that a command is one, with arguments that its parser takes."""
    program, *words = split_command(line)
    if program == "make":
        targets = dict(site_commands.read_targets())
        assert next((word for word in words if "=" not in word), "run") in targets
        return
    if program == "python" and words[0] != "-m":
        source = (ROOT / words[0]).read_text()
        assert all(flag in source for flag in words if re.fullmatch(r"--[a-z-]+", flag))
        return
    name, *words = words if program == "ofiml" else (words[1].removeprefix("ofiml").lstrip("."), *words[2:])
    if name in ("", "--help", "COMMAND", "NAME"):
        return
    if name == "run":
        check_run(words)
        return
    module = importlib.import_module(f"ofiml.cli.{name}")
    monkeypatch.setattr(module, "run_command", lambda work, **more: 0)
    numbers = {"--port": "5000", "--days": "7"}
    words = [
        numbers.get(before, word) if word.isupper() else word for before, word in zip(["", *words], words, strict=False)
    ]
    if all(word.startswith("-") for word in words):  # a command that is mentioned, with flags or without
        assert all(word in site_commands.read_help(name) for word in words)
        return
    assert module.main(words) == 0
    if name in ("data", "splits"):
        check_run([word for word in words if re.match(r"[+~]?[\w.@]+=", word)])


@pytest.mark.parametrize("page", PAGES)
def test_commands_parse(page, monkeypatch, capsys):
    for line in list_commands(page):
        try:
            check_command(line, monkeypatch)
        except FAULTS as error:
            pytest.fail(f"{page}: {line}: {error} {capsys.readouterr().err}")


@pytest.mark.parametrize(
    "line",
    [
        "ofiml run model=rigde",
        "ofiml run bars.stepp=1s",
        "ofiml run debug=tiny seconds",
        "ofiml compare --nothing",
        "make nothing",
        "ofiml data check --nothing x",
        "ofiml nothing",
        "python scripts/x.py",
    ],
)
def test_a_wrong_command_is_found(line, monkeypatch):
    with pytest.raises(FAULTS):
        check_command(line, monkeypatch)


def test_commands_are_read_from_blocks_and_sentences():
    assert "ofiml run debug=tiny" in list_commands("docs/tutorial.md")
    assert "ofiml ui" in list_commands("docs/questions.md")
    assert sum(len(list_commands(page)) for page in PAGES) > 150
    assert split_command("ofiml compare E [--uri STORE] --out F  # all") == ["ofiml", "compare", "E", "--out", "F"]


def test_shown_output_is_a_pattern():
    pattern = match_output("a 1\n…\nrun … done\n")
    assert pattern.fullmatch("a 1\nx\ny\nrun 7 done\n")
    assert pattern.fullmatch("a 1\nrun 7 done\n")
    assert not pattern.fullmatch("a 2\nrun 7 done\n")
    assert match_output("…     x  1\n").fullmatch("12ab x  1\n")
    assert not match_output("…     x  1\n").fullmatch("12ab x  2\n")
    assert not pattern.fullmatch("a 1\nrun 7 done\nmore\n")
    assert all(output for _, output in list_blocks("docs/tutorial.md"))


def test_links_lead_to_what_the_site_has():
    pages = [*site_pages.list_pages(), *site_pages.GENERATED]
    text, files = site_pages.rewrite_links(
        "docs/market.md",
        "[a](targets.md#price-impact) [b](../src/ofiml/units.py) [c](../experiments) ![d](figures/ui_table.png)\n"
        "```python\nx[0](../src/ofiml/units.py)\n```\n",
        pages,
    )
    assert "[a](targets.md#price-impact) [b](../source/src/ofiml/units.py.md) [c](../experiments/README.md)" in text
    assert "x[0](../src/ofiml/units.py)" in text
    assert files == {"src/ofiml/units.py", "docs/figures/ui_table.png"}
    with pytest.raises(FileNotFoundError, match=r"market.md links to nothing.md"):
        site_pages.rewrite_links("docs/market.md", "[a](nothing.md)", pages)


def test_faults_of_a_site_are_found(tmp_path):
    page = '<h1 id="top"></h1><a href="{}">x</a><script src="{}"></script>'
    (tmp_path / "a.js").touch()
    (tmp_path / "b.html").write_text(page.format("index.html#top", "a.js"))
    (tmp_path / "index.html").write_text(page.format("b.html", "a.js"))
    assert site_check.list_faults(tmp_path) == []
    (tmp_path / "index.html").write_text(page.format("b.html#end", "https://example.org/a.js"))
    (tmp_path / "b.html").write_text(page.format("c.html", "a.js"))
    assert site_check.list_faults(tmp_path) == [
        "b.html links to c.html, which does not exist",
        "index.html loads https://example.org/a.js",
        "index.html links to b.html#end, which has no such anchor",
    ]


@pytest.mark.parametrize(
    ("text", "typeset"),
    [
        ("dV_i = Σ_j Λ_ij·dN_j", "dV<sub>i</sub> = Σ<sub>j</sub> Λ<sub>ij</sub>·dN<sub>j</sub>"),
        ("e^(-(d+h)/κ) + u^(-1/2)", "e<sup>-(d+h)/κ</sup> + u<sup>-1/2</sup>"),
        ("P^b_(n-1) >= P^b_n", "P<sup>b</sup><sub>n-1</sub> >= P<sup>b</sup><sub>n</sub>"),
        ("λ_± and ΔP_k, OFI_k", "λ<sub>±</sub> and ΔP<sub>k</sub>, OFI<sub>k</sub>"),
        ("`e_n` [text](c_d.md) bid_slope y_hat", "`e_n` [text](c_d.md) bid_slope y_hat"),
        ("    L_t = x_i\n\n```\nx_i\n```\n", "    L_t = x_i\n\n```\nx_i\n```\n"),
    ],
)
def test_formulas_are_set_outside_of_code(text, typeset):
    assert site_formulas.set_formulas(text) == typeset
