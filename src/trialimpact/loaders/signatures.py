"""What a file is by its first bytes, whatever its name says."""

from __future__ import annotations

import codecs
import gzip
import re
import zlib
from pathlib import Path
from typing import BinaryIO, cast

_START = 4096
"""So many bytes are looked at."""

_SIGNATURES = (
    (rb"PK[\x03\x05]", "a spreadsheet or another zip archive"),
    (rb"\xd0\xcf\x11\xe0", "an old spreadsheet or document"),
    (rb"%PDF", "a PDF"),
    (rb"PAR1", "Parquet"),
    (rb"ARROW1", "Arrow"),
    (rb"\x1f\x8b", "gzip"),
    (rb"BZh[1-9]", "bzip2"),
    (rb"\xfd7zXZ", "xz"),
    (rb"SQLite format 3", "a SQLite database"),
    (rb"(?s).{257}ustar", "a tar archive"),
    (rb"\{\\rtf", "a rich text document"),
    (rb"<stata_dta>", "Stata"),
    (rb"\$FL2|\$FL3", "SPSS"),
    (rb"-----BEGIN PGP", "encrypted (PGP)"),
    (rb"(?i)(\xef\xbb\xbf)?\[InternetShortcut\]", "a link to a web page"),
    (rb"(?i)(\xef\xbb\xbf)?\"?sep=", "CSV with a first line for a spreadsheet (sep=) before the header"),
    (rb"(\xef\xbb\xbf)?\s*<[!?a-zA-Z]", "a web page or XML"),
    (rb"(\xef\xbb\xbf)?\s*(\{\s*\"|\[\s*[\[{])", "JSON"),
)
_SEPARATORS = {
    ";": "semicolons",
    "\t": "tabs",
    "|": "vertical bars",
    "\x01": "control characters (0x01)",
    "^": "carets",
    "~": "tildes",
}
_BETWEEN_SPACES = re.compile(r"\S +\S+ +\S")


def why_no_csv(path: Path) -> str | None:
    """Why a file is no CSV, as the end of a sentence that begins with its name; None where nothing is seen.

    The first bytes are looked at, of what is inside where the name ends in .gz.
    """
    with path.open("rb") as stream:
        start = stream.read(_START)
    if path.name.lower().endswith(".gz") and start:
        if not start.startswith(b"\x1f\x8b"):
            return _signed(start) or "is not gzip"
        try:
            start = zlib.decompressobj(wbits=31).decompress(start, _START)
        except zlib.error:
            return None  # the reader will say that it is cut short
    return _signed(start) or (None if _is_text(start) else why_no_text(path) or NOT_TEXT)


NOT_TEXT = "is not UTF-8 text, or holds NUL bytes as UTF-16 does"


def why_no_text(path: Path) -> str | None:
    """Where a file, or what is inside where it is compressed, is not UTF-8 text: all of it is read, bit by bit.

    None where it is; the line is counted from 1, the header's.
    """
    decoder, line = codecs.getincrementaldecoder("utf-8")(), 1
    with _opened(path) as stream:
        try:
            while part := stream.readline(2**20):
                if b"\x00" in part:
                    return f"{NOT_TEXT}: line {line:,}"
                decoder.decode(part)
                line += part.endswith(b"\n")
            decoder.decode(b"", final=True)
        except UnicodeDecodeError:
            return f"{NOT_TEXT}: line {line:,}"
        except (OSError, EOFError, zlib.error):  # cut short, as the reader will say
            return None
    return None


def _opened(path: Path) -> BinaryIO:
    return cast(BinaryIO, gzip.open(path)) if path.name.lower().endswith(".gz") else path.open("rb")


def separator_of(line: str) -> str | None:
    """What stands more often than commas between the fields of a line, in words."""
    return next((words for mark, words in _SEPARATORS.items() if line.count(mark) > line.count(",")), None)


def separator_of_header(name: str) -> str | None:
    """What stands between the names of a header that has no comma: spaces too, where the columns have a width."""
    return separator_of(name) or ("spaces" if _BETWEEN_SPACES.search(name) else None)


def first_lines(path: Path) -> tuple[str, str]:
    """The first two lines of a text file, or of what is inside where it is compressed: no more than their starts."""
    with _opened(path) as stream:
        first, second = (stream.readline(_START).decode("utf-8", "replace") for _ in range(2))
    return first, second


def _signed(start: bytes) -> str | None:
    return next((f"is {words}" for pattern, words in _SIGNATURES if re.match(pattern, start)), None)


def _is_text(start: bytes) -> bool:
    try:
        codecs.getincrementaldecoder("utf-8")().decode(start)
    except UnicodeDecodeError:
        return False
    return b"\x00" not in start
