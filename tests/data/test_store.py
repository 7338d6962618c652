"""The cache: what is read from it is what was made, and nothing else is ever taken for it."""

import json
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, replace

import pytest

from ofiml.data import cache as store
from ofiml.data.schema import Session
from ofiml.data.sessions import list_sources
from ofiml.storage import Folder
from tests.books import random_session
from tests.golden.test_aapl import file_dataset


def made(calls, count=2):
    def make():
        calls.append(1)
        for i in range(count):
            yield replace(random_session(i, 50), date=f"1970-01-0{i + 1}")

    return make


def same(a: Session, b: Session):
    fields = [f for f in Session.__dataclass_fields__ if f != "events"]
    return a.events.equals(b.events) and a.events.schema == b.events.schema and all(
        getattr(a, f) == getattr(b, f) for f in fields
    )  # fmt: skip


def test_what_is_kept_is_what_was_made(tmp_path):
    calls = []
    first = list(store.cache_sessions(Folder(tmp_path), "k", made(calls)))
    second = list(store.cache_sessions(Folder(tmp_path), "k", made(calls)))
    assert len(calls) == 1
    assert all(same(a, b) for a, b in zip(first, second, strict=True))
    assert not list(tmp_path.glob(".*"))


@pytest.mark.parametrize("name", ["k.json", "k-0.arrow", "k-1.arrow"])
@pytest.mark.parametrize("damage", ["cut", "flipped", "gone", "empty"])
def test_whatever_is_not_whole_is_made_again(tmp_path, name, damage):
    calls = []
    first = list(store.cache_sessions(Folder(tmp_path), "k", made(calls)))
    path = tmp_path / name
    content = bytearray(path.read_bytes())
    if damage == "gone":
        path.unlink()
    else:
        content[len(content) // 2] ^= 0x55
        path.write_bytes({"cut": content[:-7], "flipped": content, "empty": b""}[damage])
    again = list(store.cache_sessions(Folder(tmp_path), "k", made(calls)))
    third = list(store.cache_sessions(Folder(tmp_path), "k", made(calls)))
    assert len(calls) == 2
    assert all(same(a, b) and same(a, c) for a, b, c in zip(first, again, third, strict=True))


def test_what_was_not_taken_whole_is_not_kept(tmp_path):
    calls = []
    next(store.cache_sessions(Folder(tmp_path), "k", made(calls)))
    assert not (tmp_path / "k.json").exists()
    assert len(list(store.cache_sessions(Folder(tmp_path), "k", made(calls)))) == 2
    assert len(calls) == 2


def test_an_error_leaves_nothing_behind_that_is_taken_for_data(tmp_path):
    def broken():
        yield random_session(0, 50)
        raise OSError("the disk is full")

    with pytest.raises(OSError, match="full"):
        list(store.cache_sessions(Folder(tmp_path), "k", broken))
    calls = []
    assert len(list(store.cache_sessions(Folder(tmp_path), "k", made(calls)))) == 2
    assert calls


def test_several_at_once_do_not_hurt_each_other(tmp_path):
    with ThreadPoolExecutor(8) as pool:
        results = list(pool.map(lambda _: list(store.cache_sessions(Folder(tmp_path), "k", made([]))), range(24)))
    assert all(same(a, b) for r in results for a, b in zip(results[0], r, strict=True))
    assert sorted(p.name for p in tmp_path.iterdir()) == ["k-0.arrow", "k-1.arrow", "k.json"]


def test_the_name_says_what_a_session_was_made_from(tmp_path, data, monkeypatch):
    path = data("databento/aapl_20241021_mbp10.csv")
    dataset = file_dataset("databento", path, store=str(tmp_path))

    def key(settings, names=("a.csv",), content="0", alone=True):
        return store.make_cache_key(names, content, settings, alone=alone)

    names = {key(dataset)}
    for other in ({"levels": 3}, {"hours": "regular"}, {"tick": 0.02}, {"size_unit": 2.0}, {"symbols": ["X"]}):
        names.add(key(replace(dataset, **other)))
    names.add(key(replace(dataset, policy=replace(dataset.policy, locked="drop"))))
    names |= {key(dataset, content="1"), key(dataset, names=("b.csv",)), key(dataset, alone=False)}
    assert len(names) == 10
    same_sessions = replace(dataset, store="elsewhere", max_events=3, max_sessions=1, first_date="2024-01-01")
    assert key(same_sessions) in names
    monkeypatch.setattr(store, "identify_code", lambda *packages, parts: ["other code", *packages])
    assert key(dataset) not in names


def test_the_first_session_of_a_file_that_holds_no_more_is_kept(tmp_path, data):
    path = data("databento/aapl_20241021_mbp10.csv")
    dataset = file_dataset("databento", path, store=str(tmp_path), max_sessions=1)
    assert len(list(list_sources(dataset)[0]())) == 1
    assert len(list(tmp_path.glob("*.json"))) == 1


def test_a_real_session_from_the_cache(tmp_path, data):
    dataset = file_dataset("databento", data("databento/aapl_20241021_mbp10.csv"), store=str(tmp_path))
    (plain,) = list_sources(replace(dataset, store=None))[0]()
    (first,) = list_sources(dataset)[0]()
    (second,) = list_sources(dataset)[0]()
    assert same(plain, first)
    assert same(plain, second)
    (manifest,) = tmp_path.glob("*.json")
    assert json.loads(manifest.read_text().partition("\n")[2])[0]["quality"] == asdict(plain.quality)
