"""Ways to damage an input: its bytes, its cells and lines, its members, its names, how it is packed."""

import gzip
import io
import random
import re
from collections.abc import Callable
from dataclasses import dataclass

import polars as pl

from tests.fuzzing.samples import Files, Sample, as_is, gzipped, seven_zipped, zipped, zstd

STRANGE = [
    "", " ", "0", "-0", "-1", "-7", "1", "5.5", "5.", ".5", "+5", "1e3", "1E-3", "1e30", "-1e30", "1e-30", "1e308",
    "nan", "NaN", "inf", "-inf", "null", "None", "0x10", "1_000", "1,5", "1;5", "٣", "５", "é", "\U0001f600", "\x00",
    '"', '""', '"5', '"5"', "'5'", "5 ", " 5", "\t5", "5\r", "=1+1", "{size}", "{0}", "%s", "../x", "/etc/x", "a/b",
    str(2**31), str(2**32 - 1), str(2**32), str(2**53 + 1), str(2**62), str(2**63 - 1), str(2**63), str(-(2**63)),
    str(2**64), "9" * 25, "9" * 400, "0." + "3" * 40, "10.0000000001", "0.1234567890123", "4000000.000000001",
    "3999999.999999999", "1000000000000.5", "5.0000001", "true", "True", "A", "B", "N", "T", "R", "bid", "ask",
    "0001-01-01T00:00:00Z", "1600-01-01T00:00:00Z", "1969-12-31T23:59:59Z", "2262-04-11T23:47:16Z",
    "2300-01-01T00:00:00Z", "2608-12-31T00:00:00Z", "9999-12-31T23:59:59Z", "+12024-10-21T14:00:01Z",
    "2024-10-21T14:00:01.1234567891Z", "2024-10-21T23:59:60Z", "2024-10-21 14:00:01", "2024-10-21T14:00:01+25:00",
    "2024-02-30T14:00:01Z", "10:00:60.5", "24:00:00", "9223372036854775807", "1729519203000000001", "17295192030",
]  # fmt: skip
_NUMBERS = [0, 1, 0x7F, 0x80, 0xFF, 2**15, 2**31 - 1, 2**31, 2**32 - 1, 2**62, 2**63 - 1, 2**63, 2**64 - 1]
_NAMES = [
    "ABC_9999-12-31_34200000_57600000_{}_2.csv", "ABC_0001-01-01_34200000_57600000_{}_2.csv",
    "ABC_2012-06-21_0_99999999999999999999_{}_2.csv", "ABC_2012-06-21_57600000_34200000_{}_2.csv",
    "ABC_2012-06-21_34200000_57600000_{}_0.csv", "ABC_2012-06-21_34200000_57600000_{}_999999999.csv",
    "ABC_2012-06-21_34200000_57600000_{}_2000.csv", "ABC_2262-04-11_34200000_86400000_{}_2.csv",
    "ABC_2012-13-41_34200000_57600000_{}_2.csv", "_{}_", "{}_._2012-06-21_1_2_{}_2.csv",
    "ABC_２０１２-06-21_34200000_57600000_{}_2.csv",
    "ABC_2012-06-21_" + "9" * 80 + "_57600000_{}_2.csv",
]  # fmt: skip


@dataclass(frozen=True)
class Damaged:
    """The files as they are given, and how they came to be.

    `harmless`: no value can have changed. `members` are what they hold, where they can still be unpacked.
    """

    files: Files
    given: str
    how: str
    harmless: bool = False
    members: Files | None = None


def damage_sample(sample: Sample, rng: random.Random) -> Damaged:
    """The sample with one kind of damage, or two."""
    turn = rng.random()
    if turn < 0.08:
        return _harmless(sample, rng)
    if turn < 0.30:
        files = sample.files()
        name = rng.choice(sorted(files))
        files[name], how = _bytes(files[name], rng)
        return Damaged(files, sample.given, f"{how} in the file {name}")
    if turn < 0.38:
        return _packing(sample, rng)
    members, hows = dict(sample.members), []
    for _ in range(rng.choice([1, 1, 1, 2, 3])):
        name = rng.choice(sorted(members))
        members[name], how = _inside(sample.kind, members[name], rng)
        hows.append(f"{how} in {name}")
    return Damaged(sample.pack(members), sample.given, ", ".join(hows), members=members)


# --- bytes -----------------------------------------------------------------------------------------------------------


def _bytes(raw: bytes, rng: random.Random) -> tuple[bytes, str]:
    data = bytearray(raw)
    how = rng.choice(["cut", "cut", "flip", "flip", "insert", "delete", "number", "number", "twice", "noise", "swap"])
    at = rng.randrange(len(data)) if data else 0
    if how == "cut":
        return bytes(data[:at]), f"cut at {at}"
    if how == "flip" and data:
        for _ in range(rng.choice([1, 1, 3, 9])):
            data[rng.randrange(len(data))] ^= 1 << rng.randrange(8)
    elif how == "insert":
        data[at:at] = rng.randbytes(rng.choice([1, 2, 8, 100]))
    elif how == "delete":
        del data[at : at + rng.choice([1, 2, 8, 100])]
    elif how == "number":
        if rng.random() < 0.5:  # counts and lengths stand in heads and in footers
            at = rng.choice([rng.randrange(min(len(data), 200) or 1), max(0, len(data) - 1 - rng.randrange(300))])
        width = rng.choice([1, 2, 4, 8])
        number = rng.choice(_NUMBERS) % (1 << 8 * width)
        data[at : at + width] = number.to_bytes(width, rng.choice(["little", "big"]))
    elif how == "twice":
        to = rng.randrange(at, len(data) + 1)
        data[at:to] = data[at:to] * 2
    elif how == "swap":
        width = rng.choice([4, 8, 80, 368])
        other = rng.randrange(len(data) or 1)
        data[at : at + width], data[other : other + width] = data[other : other + width], data[at : at + width]
    else:
        for _ in range(rng.choice([1, 5, 50])):
            if data:
                data[rng.randrange(len(data))] = rng.choice(b"0123456789,.:-+eXT\n\r\"' {}[]\xff\x00")
    return bytes(data), how


# --- what stands inside ----------------------------------------------------------------------------------------------


def _inside(kind: str, content: bytes, rng: random.Random) -> tuple[bytes, str]:
    if rng.random() < 0.04:
        empty = rng.choice([b"", b"\n", b"\n\n\n", b"\x00", b"\xef\xbb\xbf", b" ", b",", content.partition(b"\n")[0]])
        return empty, f"only {empty!r:.20}"
    if not content.strip():
        return _bytes(content, rng)
    if kind in ("csv", "lines") and rng.random() < 0.75:
        return _lines(content, rng, header=kind == "csv")
    if kind == "json" and rng.random() < 0.75:
        return _json(content, rng)
    if kind == "table" and rng.random() < 0.8:
        return _table(content, rng)
    return _bytes(content, rng)


def _lines(content: bytes, rng: random.Random, *, header: bool) -> tuple[bytes, str]:
    lines = content.decode(errors="surrogateescape").split("\n")
    end = lines.pop() if len(lines) > 1 and lines[-1] == "" else None
    cells = [line.split(",") for line in lines]
    how = rng.choice(
        ["cell", "cell", "cell", "cell", "column", "swap", "swap names", "drop", "line twice", "line gone", "order",
         "one more", "one less", "name", "blank", "all of a column"]
    )  # fmt: skip
    first = 1 if header and len(cells) > 1 else 0
    row = rng.randrange(first, len(cells)) if len(cells) > first else 0
    width = len(cells[0])
    column, other = rng.randrange(width), rng.randrange(width)

    def each(change: Callable[[list[str]], None]) -> None:
        for line in cells:
            if len(line) > max(column, other):
                change(line)

    def swap(line: list[str]) -> None:
        line[column], line[other] = line[other], line[column]

    value = rng.choice(STRANGE)
    if how == "cell" and column < len(cells[row]):
        cells[row][column] = value
    elif how in ("column", "all of a column"):
        for line in cells[first:] if how == "column" else cells:
            if column < len(line):
                line[column] = value
    elif how == "swap":
        swap(cells[row]) if len(cells[row]) > max(column, other) else None
    elif how == "swap names":
        swap(cells[0])
    elif how == "drop":
        each(lambda line: line.pop(column))
    elif how == "line twice":
        cells[row:row] = [list(cells[row])] * rng.choice([1, 1, 5])
    elif how == "line gone":
        del cells[row]
    elif how == "order":
        to = rng.randrange(first, len(cells)) if len(cells) > first else 0
        cells[row], cells[to] = cells[to], cells[row]
    elif how == "one more":
        cells[row].insert(column, value)
    elif how == "one less":
        cells[row].pop()
    elif how == "name":
        cells[0][column] = rng.choice([value, cells[0][other], "line", cells[0][column] + " ", f'"{cells[0][column]}"'])
    elif how == "blank":
        cells.insert(row, [""])
    joined = "\n".join(",".join(line) for line in cells) + ("" if end is None else "\n")
    return joined.encode(errors="surrogateescape"), f"{how} {row}:{column} {value!r:.30}"


_TOKEN = re.compile(rb'"[^"]*"|-?\d[\d.eE+-]*|true|false|null|\[\]|\[|\]|\{|\}|,|:')
_STRANGE_JSON = [
    b"null", b"true", b"[]", b"{}", b"[[]]", b'[["1"]]', b'[["1","2","3"]]', b"1e999", b"-1", b"0", b"1.5", b'"-1"',
    b'"nan"', b'"inf"', b'"1e5"', b'"1,5"', b'"0.1234567890123"', b'"99999999999999999999"', b'"0"', b'""', b'" 5"',
    b'"+5"', b'"1."', b'".1"', b"9223372036854775807", b"9223372036854775808", b"18446744073709551616", b'"\\u0000"',
    b'"\\ud800"', b'"../x"', b'"X"', b"[" * 3000, b'{"a":' * 3000, b'"full"', b'"depthUpdate"', b'"bookTicker"',
    b'"trade"', b'"aggTrade"', b"1723161600011000000", b'"\xd9\xa3"',
]  # fmt: skip


def _json(content: bytes, rng: random.Random) -> tuple[bytes, str]:
    if rng.random() < 0.3:
        return _lines(content, rng, header=False) if b"\n" in content else _bytes(content, rng)
    found = list(_TOKEN.finditer(content))
    if not found:
        return _bytes(content, rng)
    token = rng.choice(found)
    value = rng.choice(_STRANGE_JSON) if rng.random() < 0.7 else rng.choice(found)[0]
    return content[: token.start()] + value + content[token.end() :], f"{token[0]!r:.20} -> {value!r:.20}"


def _table(content: bytes, rng: random.Random) -> tuple[bytes, str]:
    try:
        frame = pl.read_parquet(io.BytesIO(content))
    except (pl.exceptions.PolarsError, pl.exceptions.PanicException):  # damaged already
        return _bytes(content, rng)
    if frame.height == 0:
        return content, "nothing"
    name, other = (rng.choice(frame.columns) for _ in range(2))
    row = pl.int_range(pl.len()) == rng.randrange(frame.height)
    dtype = frame.schema[name]
    how = rng.choice(["cell", "cell", "cell", "null", "swap", "drop", "type", "order", "twice", "none", "all", "more"])
    number = rng.choice([0, -1, -7, 1, 2**31, 2**53 + 1, 2**62, 2**63 - 1, -(2**63)])
    value: object = (
        number if dtype.is_integer() or dtype.is_temporal() else rng.choice(["", "A", "B", "N", "é", "../x"])
    )
    if how in ("cell", "all"):
        target = pl.Int64() if dtype.is_temporal() else dtype
        literal = pl.lit(value).cast(target, strict=False).cast(dtype, strict=False)
        frame = frame.with_columns(pl.when(row if how == "cell" else True).then(literal).otherwise(name).alias(name))
    elif how == "null":
        frame = frame.with_columns(pl.when(~row).then(name).alias(name))
    elif how == "swap":
        frame = frame.rename({name: other, other: name}) if name != other else frame
    elif how == "drop":
        frame = frame.drop(name)
    elif how == "type":
        to = rng.choice([pl.String(), pl.Float64(), pl.Float32(), pl.Int8(), pl.UInt64(), pl.Binary(), pl.Boolean(),
                         pl.Null(), pl.Decimal(38, 2), pl.Date(), pl.Datetime("ms"), pl.List(pl.Int64())])  # fmt: skip
        column = pl.lit(None, to) if isinstance(to, pl.Null | pl.List) else pl.col(name).cast(to, strict=False)
        try:
            frame = frame.with_columns(column.alias(name))
        except pl.exceptions.PolarsError:
            frame = frame.with_columns(pl.lit(None, to).alias(name))
    elif how == "order":
        frame = frame.sample(fraction=1, shuffle=True, seed=rng.randrange(99))
    elif how == "twice":
        frame = pl.concat([frame, frame.head(rng.randrange(1, 9))])
    elif how == "none":
        frame = frame.clear()
    else:
        frame = frame.with_columns(pl.lit(1).alias(rng.choice(["line", "extra", "bid_px_99", "order_id"])))
    buffer = io.BytesIO()
    frame.write_parquet(buffer)
    return buffer.getvalue(), f"{how} {name} {value!r}"


# --- packing and names -----------------------------------------------------------------------------------------------


def _packing(sample: Sample, rng: random.Random) -> Damaged:
    files = sample.files()
    members = dict(sample.members)
    name = rng.choice(sorted(members))
    how = rng.choice(["empty file", "empty member", "nested", "bomb", "other packing", "name", "gone", "twice"])
    given = sample.given
    if how == "empty file":
        files[rng.choice(sorted(files))] = b""
    elif how == "empty member":
        files = sample.pack(members | {name: b""})
    elif how == "nested":
        files = sample.pack(sample.pack(members) | ({} if rng.random() < 0.5 else members))
        if len(files) == 1:
            files = {given: next(iter(files.values()))}
    elif how == "bomb":
        filler = rng.choice([b"\n", b"0", b",", b" ", b"\x00", b'"', members[name][-50:] or b"0"])
        bomb = members[name][: rng.choice([0, 200])] + filler * (8_000_000 // len(filler))
        files = sample.pack(members | {name: bomb})
        if sample.unpacks:
            files = {n: gzip.compress(bomb) if n == name else c for n, c in files.items()}
    elif how == "other packing":
        content = rng.choice([as_is, gzipped, zstd, zipped, seven_zipped])(members)
        files = files | ({given: next(iter(content.values()))} if len(content) == 1 else content)
    elif how == "gone" and len(members) > 1:
        del members[name]
        files = sample.pack(members)
        if given not in files:
            files[given] = sample.files()[given]
    elif how == "twice":
        files = sample.pack({f"a/{n}": c for n, c in members.items()} | members) if given not in members else files
    elif any("_message_" in n for n in members):
        form = rng.choice(_NAMES)
        at = {n: form.replace("{}", "message" if "message" in n else "orderbook") for n in members}
        places = ["", "../", "/", "a/../"] if given.endswith(".zip") else [""]  # py7zr writes no such path
        inner = {rng.choice(places) + at[n]: c for n, c in members.items()}
        files = sample.pack(inner)
        given = at.get(given, given)
        how = f"name {form!r}"
    return Damaged(files, given, f"{how} ({name})")


def _harmless(sample: Sample, rng: random.Random) -> Damaged:
    """Changes that no value can have been touched by."""
    members = dict(sample.members)
    how = rng.choice(["same", "gzip", "columns", "one more column", "blank end", "returns", "mark", "spaces"])
    if how == "gzip" and sample.unpacks:
        plain = {name: gzip.compress(content) for name, content in members.items()}
        return Damaged(plain, sample.given, how, harmless=True)
    for name, content in members.items():
        lines = [line.split(b",") for line in content.splitlines()]
        if sample.kind == "csv" and how == "columns":
            order = list(range(len(lines[0])))
            rng.shuffle(order)
            lines = [[line[i] for i in order] for line in lines]
        elif sample.kind == "csv" and how == "one more column":
            at = rng.randrange(len(lines[0]) + 1)
            lines = [[*line[:at], b"extra" if i == 0 else b"7", *line[at:]] for i, line in enumerate(lines)]
        elif sample.kind == "csv" and how == "spaces":
            lines = [[cell + b" " for cell in line] for line in lines]
        if sample.kind in ("csv", "lines", "json"):
            joined = b"\n".join(b",".join(line) for line in lines) + b"\n"
            joined += b"\n" if how == "blank end" else b""
            joined = joined.replace(b"\n", b"\r\n") if how == "returns" else joined
            members[name] = b"\xef\xbb\xbf" + joined if how == "mark" and sample.kind == "csv" else joined
    return Damaged(sample.pack(members), sample.given, how, harmless=True, members=members)
