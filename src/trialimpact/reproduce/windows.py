"""A printed number -> every value that prints so."""

from __future__ import annotations

import datetime as dt
import re
from decimal import Decimal, InvalidOperation
from typing import Literal

from trialimpact.errors import RecordError, worded

PrintRule = Literal["decimals", "whole_from_10", "exact"]
"""Rounded to the decimals printed; whole numbers from 10 up and one decimal below; a count."""

Window = tuple[float, float]
EPOCH = dt.date(1970, 1, 1)


def printed_window(printed: str, rule: PrintRule = "decimals") -> Window:
    """The values that print as `printed`: both ends, which may themselves round either way.

    Numbers may carry %, thousands separators and either minus sign. Dates ("16 March 2015") are days
    since 1970-01-01, and months ("November 2015") all their days.

    Raises
    ------
    RecordError
        It is neither.

    Examples
    --------
    >>> printed_window("-11"), printed_window("5,720"), printed_window("8.4%")
    ((-11.5, -10.5), (5720.0, 5720.0), (8.35, 8.45))
    >>> printed_window("10", "whole_from_10")
    (9.95, 10.5)
    """
    text = printed.strip().replace("−", "-").removesuffix("%")
    if re.search("[A-Za-z]{3}", text):
        return _date_window(text)
    grouped = re.fullmatch(r"[0-9]{1,3}(,[0-9]{3})+", text)
    try:
        value = Decimal(text.replace(",", "") if grouped else text)
    except InvalidOperation:
        remedy = 'write it as printed: "-11", "8.4%", "5,720", "16 March 2015"'
        raise RecordError(worded("a printed number cannot be read as a number or a date.", remedy=remedy)) from None
    if grouped or rule == "exact":
        return float(value), float(value)
    exponent = value.as_tuple().exponent
    half = Decimal(1).scaleb(exponent if isinstance(exponent, int) else 0) / 2
    low, high = value - half, value + half
    if rule == "whole_from_10" and abs(value) == 10:
        edge = Decimal("9.95").copy_sign(value)
        low, high = (edge, high) if value > 0 else (low, edge)
    return float(low), float(high)


def _date_window(text: str) -> Window:
    for form in ("%d %B %Y", "%d %b %Y", "%B %Y", "%b %Y"):
        try:
            first = dt.datetime.strptime(text, form).date()
        except ValueError:
            continue
        if "%d" in form:
            return float((first - EPOCH).days), float((first - EPOCH).days)
        after = dt.date(first.year + first.month // 12, first.month % 12 + 1, 1)
        return float((first - EPOCH).days), float((after - EPOCH).days - 1)
    remedy = 'write it as printed: "16 March 2015" or "November 2015"'
    raise RecordError(worded("a printed date cannot be read.", remedy=remedy))
