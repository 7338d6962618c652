"""Recognise a table of best quotes by the names of its columns, and write the map of its columns."""

import re

from ofiml.data.file_head import FileHead, Recognition

#: Names of each role, in lower case without separators, the most usual first.
_NAMES = {
    "bid": "bid bidprice bestbid bestbidprice bidpx bidpx00 bprice bid1 bidprice1 b",
    "ask": "ask ofr offer askprice bestask bestaskprice askpx askpx00 offerprice ofrprice aprice ask1 askprice1 a",
    "bid_size": "bidsize bidsiz bidqty bidquantity bidvolume bidvol bestbidqty bestbidsize bidamount bidsz bidsz00 "
    "bsize bidsize1 bidqty1 bidvolume1",
    "ask_size": "asksize asksiz ofrsiz ofrsize offersize askqty askquantity askvolume askvol bestaskqty bestasksize "
    "askamount asksz asksz00 asize asksize1 askqty1 askvolume1",
    "time": "dt timestamp time datetime ts tsevent eventtime exchangetime exchangetimestamp transactiontime date",
    "received": "received localtimestamp localtime tsrecv recvtime receivetime receivedtime arrivaltime",
    "symbol": "symbol ticker sym instrument pair symroot ric",
}
_DEFAULT = {"time": "DT", "bid": "BID", "ask": "OFR", "bid_size": "BIDSIZ", "ask_size": "OFRSIZ", "symbol": "SYMBOL"}
_NEEDED = ("time", "bid", "ask", "bid_size", "ask_size")


def recognise_quotes(head: FileHead) -> Recognition | None:
    """Recognise quotes by their columns; `settings` map those columns whose names differ from the defaults."""
    columns = head.header
    found = _find_columns(columns)
    if not {"bid", "ask"} <= found.keys():
        return None
    settings = [f"dataset.columns.{role}={found.get(role, 'COLUMN')}" for role in _NEEDED]
    settings = [setting for setting in settings if setting.partition("=")[2] != _DEFAULT[_role(setting)]]
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


def _role(setting: str) -> str:
    return setting.partition("=")[0].rpartition(".")[2]
