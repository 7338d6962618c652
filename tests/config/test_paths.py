"""The files of dataset.path, and the sentence if there are none."""

import pytest

from ofiml.config import describe_missing_path, files


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    names = (
        "[2024-11-12]/b.csv [2024-11-12]/a.csv year=2024/month=11/x.csv year=2024/month=12/x.csv 2/a.csv a?.csv ab.csv "
        "days/1.csv days/2.csv days/.hidden days/deeper/3.csv"
    )
    for name in names.split():
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    (tmp_path / "empty").mkdir()
    return tmp_path


@pytest.mark.parametrize(
    ("path", "found"),
    [
        ("[2024-11-12]", ["[2024-11-12]/a.csv", "[2024-11-12]/b.csv"]),
        ("[2024-11-12]/a.csv", ["[2024-11-12]/a.csv"]),
        ("[2024-11-12]/*.csv", ["[2024-11-12]/a.csv", "[2024-11-12]/b.csv"]),
        ("*/[ab].csv", ["2/a.csv", "[2024-11-12]/a.csv", "[2024-11-12]/b.csv"]),
        ("a?.csv", ["a?.csv"]),  # a file of that very name
        ("?b.csv", ["ab.csv"]),
        ("[0-9]/a.csv", ["2/a.csv"]),  # no folder has that name, so it is a pattern
        ("year=2024/*/x.csv", ["year=2024/month=11/x.csv", "year=2024/month=12/x.csv"]),
        ("year=2024/**/*", ["year=2024/month=11/x.csv", "year=2024/month=12/x.csv"]),
        ("days", ["days/1.csv", "days/2.csv"]),
        ("./days/*", ["days/1.csv", "days/2.csv"]),
        ("days/../ab.csv", ["days/../ab.csv"]),
        ("days/.hidden", ["days/.hidden"]),
        ("**/3.csv", ["days/deeper/3.csv"]),
        ("nothing/*.csv", []),
        ("ab.csv/x", []),
    ],
)
def test_what_exists_is_a_name_and_all_else_a_pattern(folder, path, found):
    assert [str(p) for p in files(path)] == found
    assert files(str(folder / path)) == [folder / name for name in found]


def test_the_home_folder(folder, monkeypatch):
    monkeypatch.setenv("HOME", str(folder / "days"))
    assert files("~/1.csv") == [folder / "days/1.csv"]
    (folder / "~").mkdir()
    (folder / "~/1.csv").touch()
    assert [str(p) for p in files("~/1.csv")] == ["~/1.csv"]
    assert files("~nobody/1.csv") == []


@pytest.mark.parametrize(
    ("path", "sentence"),
    [
        ("days/3.csv", "the path is relative, and {0}/days has no file 3.csv; near it: 2.csv, 1.csv."),
        ("dayz/1.csv", "the path is relative, and {0} has no folder dayz; near it: days."),
        ("Days/1.csv", "the path is relative, and {0} has no folder Days; near it: days."),
        ("{0}/days/*.zip", "{0}/days has no file that matches *.zip; it has 1.csv, 2.csv, deeper."),
        ("year=2024", "{0}/year=2024 has only folders (month=11, month=12); write dataset.path='year=2024/**/*'."),
        ("empty", "the folder {0}/empty is empty."),
        ("empty/x.csv", "the path is relative, and {0}/empty has no file x.csv; it is empty."),
        ("ab.csv/x", "the path is relative, and {0}/ab.csv is a file, not a folder."),
        ("zzzzzz", "the path is relative, and {0} has no file zzzzzz; it has 2, [2024-11-12], a?.csv and 4 more."),
    ],
)
def test_the_sentence_says_where_it_looked_and_what_is_near(folder, path, sentence):
    path = path.replace("{0}", str(folder))
    assert files(path) == []
    message = describe_missing_path(path)
    assert message == f"dataset.path={path} matches no file: {sentence.replace('{0}', str(folder))}"
