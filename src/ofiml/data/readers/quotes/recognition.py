"""Recognise a table of best quotes by the names of its columns, and write the map of its columns."""

import re

from ofiml.data.file_head import FileHead, Recognition, shorten

#: Names of each role, in lower case without separators, the most usual first.
_NAMES = {
    "bid": "bid bidprice bestbid bestbidprice bidpx bidpx00 bprice bid1 bidprice1 bidsprice bp b",
    "ask": "ask ofr offer askprice bestask bestaskprice askpx askpx00 offerprice ofrprice aprice ask1 "
    "askprice1 asksprice ap a",
    "bid_size": "bidsize bidsiz bidqty bidquantity bidvolume bidvol bestbidqty bestbidsize bidamount bidsz bidsz00 "
    "bsize bidsize1 bidqty1 bidvolume1 bidsamount bidssize bidsqty bs bv bq",
    "ask_size": "asksize asksiz ofrsiz ofrsize offersize askqty askquantity askvolume askvol bestaskqty bestasksize "
    "askamount asksz asksz00 asize asksize1 askqty1 askvolume1 asksamount askssize asksqty as av aq",
    "time": "dt timestamp time datetime ts tsevent eventtime exchangetime exchangetimestamp transactiontime "
    "siptimestamp participanttimestamp gmttime utctime datetimeutc date t index indexlevel0",
    "received": "received localtimestamp localtime tsrecv recvtime receivetime receivedtime arrivaltime",
    "symbol": "symbol ticker sym instrument pair symroot ric code secid security securityid s",
}
_DEFAULT = {"time": "DT", "bid": "BID", "ask": "OFR", "bid_size": "BIDSIZ", "ask_size": "OFRSIZ", "symbol": "SYMBOL"}
#: Columns beside quotes that are no sizes of them.
_OTHERS = frozenset(
    ("date", "day", "last", "price", "mid", "spread", "volume", "flags", "open", "high", "low", "close", "type",
     "venue", "exchange", "id")
)  # fmt: skip
_NEEDED = ("time", "bid", "ask", "bid_size", "ask_size")


_VISION = {"update_id", "best_bid_price", "best_bid_qty", "best_ask_price", "best_ask_qty", "transaction_time"}
_VISION_NAME = re.compile(r".+-bookTicker-\d{4}-\d\d(-\d\d)?\.csv", re.IGNORECASE)
_TAQ = {"DATE", "TIME_M", "SYM_ROOT"}
_CRYPTO_SETTINGS = ("dataset.tick=TICK_SIZE", "dataset.size_unit=STEP_SIZE")


def recognise_quotes(head: FileHead) -> Recognition | None:
    """Recognise quotes by their columns; `settings` map those columns whose names differ from the defaults."""
    return _recognise_preset(head) or _recognise_levels(head) or _recognise_best(head)


def _recognise_preset(head: FileHead) -> Recognition | None:
    """Recognise the sources that have a preset of their own."""
    columns = {column.upper() for column in head.header}
    is_vision = {c.upper() for c in _VISION} <= columns
    if is_vision or (not columns and _VISION_NAME.fullmatch(head.name) and len((head.cells or [[]])[0]) == 7):
        symbol = () if "-bookTicker-" in head.name else ("dataset.symbols=[NAME]",)
        what = f"bookTicker of Binance's archive ({head.form})"
        return Recognition(what, (*symbol, *_CRYPTO_SETTINGS), dataset="binance_vision")
    if columns >= {*_TAQ, "BEST_BID", "BEST_ASK"}:
        return Recognition(f"TAQ's national best quotes ({head.form})", dataset="taq_nbbo")
    if columns >= {*_TAQ, "EX", "BID", "ASK"}:
        return Recognition(
            f"TAQ's quotes of each exchange ({head.form})", ("dataset.exchange=EXCHANGE",), dataset="taq"
        )
    return None


def _recognise_levels(head: FileHead) -> Recognition | None:
    """Recognise a wide table of several levels, whose columns are numbered."""
    names: dict[str, set[str]] = {}
    for column in head.header:
        if numbers := re.findall(r"\d+", column):
            at = column.rindex(numbers[-1])
            pattern = f"{column[:at]}{{level}}{column[at + len(numbers[-1]) :]}"
            names.setdefault(pattern, set()).add(numbers[-1])
    plain = {re.sub(r"[^a-z]", "", pattern.replace("{level}", "").lower()): pattern for pattern in names}
    found = {
        role: next((plain[name] for name in _NAMES[role].split() if name in plain), "")
        for role in ("bid", "ask", "bid_size", "ask_size")
    }
    if not all(found.values()) or len(names[found["bid"]]) < 2:
        return None
    other = _find_columns(head.header)
    symbol = (f"dataset.columns.symbol={other['symbol']}",) if "symbol" in other else ("dataset.symbols=[NAME]",)
    settings = (
        f"dataset.columns.time={other.get('time', 'COLUMN')}",
        *(f"dataset.columns.{role}={pattern}" for role, pattern in found.items()),
        *symbol,
        "dataset.sizes=units",
        *_CRYPTO_SETTINGS,
    )
    levels = len(names[found["bid"]])
    return Recognition(f"a wide table of {levels} levels ({head.form})", settings, sure=False, dataset="wide")


def _recognise_best(head: FileHead) -> Recognition | None:
    """Recognise best quotes by the usual names of their columns."""
    columns = head.header
    found = _find_columns(columns)
    if not {"bid", "ask"} <= found.keys():
        return None
    if not {"bid_size", "ask_size"} & found.keys() and _have_known_roles(columns, found):
        remedy = f"it has no sizes of the quotes, which order flow needs (its columns: {shorten(columns)})"
        return Recognition(f"a table of quotes ({head.form})", sure=False, remedy=remedy)
    date = _find_date(head, found)
    settings = [f"dataset.columns.{role}={found.get(role, 'COLUMN')}" for role in _NEEDED]
    settings = [setting for setting in settings if setting.partition("=")[2] != _DEFAULT[_role(setting)]]
    settings += [] if date is None else [f"+dataset.columns.date={date}"]
    if "received" in found and "time" in found:
        settings.append(f"+dataset.columns.received={found['received']}")
    if "symbol" not in found:
        settings += ["~dataset.columns.symbol", "dataset.symbols=[NAME]"]
    elif found["symbol"] != _DEFAULT["symbol"]:
        settings.append(f"dataset.columns.symbol={found['symbol']}")
    if set(_DEFAULT.values()) <= set(columns):
        return Recognition(f"best quotes ({head.form})", tuple(settings))
    settings += ["dataset.sizes=units", "dataset.size_unit=LOT", "dataset.tick=TICK_SIZE"]
    return Recognition(f"a table of quotes ({head.form})", tuple(settings), sure=False)


def _find_columns(columns: tuple[str, ...]) -> dict[str, str]:
    """Map each role to the file's column of the most usual name, if there is one."""
    by_name: dict[str, str] = {}
    for column in columns:
        by_name.setdefault(re.sub(r"[^a-z0-9]", "", column.lower()), column)
    found = {}
    for role, names in _NAMES.items():
        name = next((name for name in names.split() if name in by_name), None)
        if name is not None:
            found[role] = by_name[name]
    return found


def _have_known_roles(columns: tuple[str, ...], found: dict[str, str]) -> bool:
    """Return whether each column has a role or is a usual one beside quotes, so that none can be a size."""
    others = set(columns) - set(found.values())
    return all(re.sub(r"[^a-z]", "", column.lower()) in _OTHERS for column in others)


def _find_date(head: FileHead, found: dict[str, str]) -> str | None:
    """Return the column of the date beside that of a time of day; None if the times have dates."""
    names = [name for name in head.header if re.sub(r"[^a-z]", "", name.lower()) in ("date", "day", "tradedate")]
    if not names or "time" not in found or len(head.cells) < 2:
        return None
    row = dict(zip(head.header, head.cells[1], strict=False))
    return names[0] if re.fullmatch(r"[0-9]{1,2}:[0-9]{2}(:[0-9.,]*)?", row.get(found["time"], "")) else None


def _role(setting: str) -> str:
    return setting.partition("=")[0].rpartition(".")[2]
