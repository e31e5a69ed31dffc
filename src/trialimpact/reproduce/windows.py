"""A printed number -> every value that prints so."""

from __future__ import annotations

import datetime as dt
import re
from decimal import Decimal
from typing import Literal

from trialimpact.errors import RecordError, worded

PrintRule = Literal["decimals", "whole_from_10", "exact"]
"""Rounded to the decimals printed; whole numbers from 10 up and one decimal below; a count."""

Window = tuple[float, float]
EPOCH = dt.date(1970, 1, 1)


def printed_window(printed: str, rule: PrintRule = "decimals") -> Window:
    """The values that print as `printed`: both ends, which may themselves round either way.

    Numbers may carry %, thousands separators and either minus sign; of a count ("exact") it is that
    number alone. Dates ("16 March 2015") are days
    since 1970-01-01, and months ("November 2015") all their days.

    Raises
    ------
    RecordError
        It is neither.

    Examples
    --------
    >>> printed_window("-11"), printed_window("5,720", "exact"), printed_window("8.4%")
    ((-11.5, -10.5), (5720.0, 5720.0), (8.35, 8.45))
    >>> printed_window("10", "whole_from_10")
    (9.95, 10.5)
    """
    text = printed.strip().replace("−", "-").removesuffix("%")
    if re.search("[A-Za-z]{3} *[0-9]{4}$", text):
        return _date_window(text)
    if not re.fullmatch(r"-?([0-9]{1,12}|[0-9]{1,3}(,[0-9]{3}){1,4})(\.[0-9]{1,12})?", text, re.ASCII):
        remedy = 'write one number as printed: "-11", "8.4%", "5,720", "16 March 2015", "November 2015"'
        raise RecordError(worded(f"{shortened(printed)} cannot be read as a number or a date.", remedy=remedy))
    value = Decimal(text.replace(",", ""))
    if rule == "exact":
        return float(value), float(value)
    half = Decimal(1).scaleb(-len(text.partition(".")[2])) / 2
    low, high = value - half, value + half
    if rule == "whole_from_10" and abs(value) == 10:
        edge = Decimal("9.95").copy_sign(value)
        low, high = (edge, high) if value > 0 else (low, edge)
    return float(low), float(high)


def _date_window(text: str) -> Window:
    for form in ("%d %B %Y", "%d %b %Y", "%B %Y", "%b %Y"):
        try:
            first = dt.datetime.strptime(text, form).date()
            after = dt.date(first.year + first.month // 12, first.month % 12 + 1, 1)
        except ValueError:
            continue
        if "%d" in form:
            return float((first - EPOCH).days), float((first - EPOCH).days)
        return float((first - EPOCH).days), float((after - EPOCH).days - 1)
    remedy = 'write it as printed: "16 March 2015" or "November 2015"'
    raise RecordError(worded(f"{shortened(text)} cannot be read as a date.", remedy=remedy))


def shortened(text: str) -> str:
    """A text in quotes for a message, cut where it is long."""
    return repr(text if len(text) <= 40 else f"{text[:37]}...")
