"""Headings, paragraphs, code and tables, as the tour prints them."""

import textwrap

import numpy as np

WIDTH = 88


def heading(section, title):
    """Print a section heading."""
    line = f"{section}. {title}"
    print(f"\n{line}\n{'=' * len(line)}")


def say(text):
    """Print a paragraph, wrapped, followed by an empty line."""
    print(textwrap.fill(" ".join(text.split()), WIDTH) + "\n")


def quote(text):
    """Wrap and indent what the library says."""
    indent = " " * 4
    return textwrap.fill(text, WIDTH, initial_indent=indent, subsequent_indent=indent)


def show_code(code):
    """Print lines of code, indented, followed by an empty line."""
    print(textwrap.indent(textwrap.dedent(code).strip(), "    ") + "\n")


def show_table(header, rows):
    """Print rows of strings; columns of numbers to the right, others to the left."""
    columns = []
    for cells in zip(header, *rows, strict=True):
        width = max(map(len, cells))
        numeric = all(cell[:1] in "-0123456789" for cell in cells[1:])
        align = str.rjust if numeric else str.ljust
        title, *values = (align(cell, width) for cell in cells)
        columns.append([title, "-" * width, *values])
    for row in zip(*columns, strict=True):
        print("  " + "  ".join(row).rstrip())
    print()


def sparkline(values, width=20):
    """Positive values on a logarithmic scale as one line of ASCII, high to low."""
    levels = "_.-=*#"
    values = np.asarray(values, dtype=float)
    values = values[
        np.linspace(0, len(values) - 1, min(width, len(values))).astype(int)
    ]
    logs = np.log10(np.maximum(values, 1e-12))
    shares = (logs - logs.min()) / (np.ptp(logs) or 1.0)
    return "".join(levels[round(share * (len(levels) - 1))] for share in shares)


def number(value):
    """Three decimals, or powers of ten where those would be unreadable."""
    return f"{value:.3f}" if abs(value) < 1e4 else f"{value:.0e}"
