"""Describe the instruments of a backtest: contract, currency and fees."""

from collections.abc import Sequence

from ofiml.backtest.instruments import AssignedInstrument
from ofiml.config import Fees, Instrument

_MAX_SYMBOLS = 6  # more do not fit on a line


def describe_instruments(instruments: Sequence[AssignedInstrument]) -> list[str]:
    """Describe each instrument once, with its symbols, and what was assumed; nothing for the embedded market's own."""
    symbols: dict[tuple[str | None, str], list[str]] = {}
    for one in instruments:
        if one.assumed is None or one.assumed == "us_equities":
            symbols.setdefault((one.assumed, describe_instrument(one.instrument)), []).append(one.symbol)
    lines = []
    for (assumed, text), names in symbols.items():
        listed = ", ".join(names[:_MAX_SYMBOLS]) + (", …" if len(names) > _MAX_SYMBOLS else "")
        if assumed is None:
            lines.append(f"Instrument of {listed}: {text}.")
        else:
            lines.append(
                f"Note: no fees are stated for {listed}, so those of instrument={assumed} are assumed: {text}."
            )
    return lines


def describe_instrument(instrument: Instrument) -> str:
    """Describe contract, money and fees, without a full stop."""
    i = instrument
    contract = f"{i.contract}, multiplier {i.multiplier:.10g}, " if i.contract == "inverse" or i.multiplier != 1 else ""
    makers = "the same" if i.maker == i.taker else describe_fees(i.maker, i.currency)
    return (
        f"{contract}settled in {i.currency}, {i.trading_days} days a year; takers pay "
        f"{describe_fees(i.taker, i.currency)}, makers {makers}"
    )


def describe_fees(fees: Fees, currency: str) -> str:
    """Describe the fees of a trade.

    >>> describe_fees(Fees(per_unit=0.0035, minimum=0.35), "USD")
    '0.0035 USD a unit, at least 0.35 USD an order'
    """
    parts = [
        *([f"{fees.per_unit:.10g} {currency} a unit"] if fees.per_unit else []),
        *([f"{fees.per_contract:.10g} {currency} a contract"] if fees.per_contract else []),
        *([f"{fees.bps:.10g} bps"] if fees.bps else []),
    ]
    least = f", at least {fees.minimum:.10g} {currency} an order" if fees.minimum else ""
    return (" and ".join(parts) or "nothing") + least
