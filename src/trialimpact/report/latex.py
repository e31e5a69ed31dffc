"""Tables -> LaTeX with booktabs: one file a table."""

from __future__ import annotations

import re

from trialimpact.report.release_tables import Table

_SPECIAL = {
    "\\": r"\textbackslash{}",
    "&": r"\&",
    "%": r"\%",
    "$": r"\$",
    "#": r"\#",
    "_": r"\_",
    "{": r"\{",
    "}": r"\}",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    "<": r"\textless{}",
    ">": r"\textgreater{}",
    "−": r"$-$",
    "×": r"$\times$",
    "[": r"{[}",
    "]": r"{]}",
}
_ANY = re.compile("|".join(map(re.escape, _SPECIAL)))


def latex(text: str) -> str:
    r"""Text with every character that LaTeX takes for a command written out.

    >>> print(latex("5% of R&D, −3 [c]"))
    5\% of R\&D, $-$3 {[}c{]}
    """
    return _ANY.sub(lambda found: _SPECIAL[found[0]], text)


def to_latex(table: Table) -> str:
    """A table environment: caption above, rules by booktabs, notes below."""
    rows = table.rows.astype(str)
    lines = [
        r"\begin{table}",
        rf"\caption{{{latex(table.title)}}}",
        rf"\label{{tab:{table.name.replace('_', '-')}}}",
        rf"\begin{{tabular}}{{{'l' * rows.shape[1]}}}",
        r"\toprule",
        " & ".join(latex(str(name)) for name in rows.columns) + r" \\",
        r"\midrule",
        *(" & ".join(latex(cell) for cell in row) + r" \\" for row in rows.itertuples(index=False)),
        r"\bottomrule",
        r"\end{tabular}",
        *(rf"\par {latex(note)}" for note in table.notes),
        r"\end{table}",
    ]
    return "\n".join(lines) + "\n"
