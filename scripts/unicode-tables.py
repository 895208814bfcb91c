"""Writes native/engine/unicode_tables.h: what CLIP's tokenizer takes for letters, numbers and lower case, and its NFC.

Asked of the reference itself, Hugging Face's `tokenizers` (pip install tokenizers), for each code point: its parts know different versions of
Unicode (0.23.3: letters of 16, lower case of 17, compositions of 10), and ids are to be equal for every text. Python's unicodedata tells which
pairs and classes to ask for.

    python scripts/unicode-tables.py > native/engine/unicode_tables.h
"""
import unicodedata

import tokenizers
from tokenizers import Regex, normalizers

POINTS = [c for c in range(0x110000) if not 0xD800 <= c < 0xE000]
HANGUL = range(0xAC00, 0xD7A4)  # composed by arithmetic
LIGHT, HEAVY = "\u0334", "\u0345"  # marks of the lowest and the highest class, which others pass or not

nfc, nfd, lowercase = normalizers.NFC().normalize_str, normalizers.NFD().normalize_str, normalizers.Lowercase().normalize_str


def members(pattern):
    # The regular expression engine alone knows its classes: a member becomes nothing.
    drop = normalizers.Replace(Regex(pattern), "").normalize_str
    return [c for c in POINTS if drop(chr(c)) == ""]


def ranges(points):
    """[first, last] of neighbors."""
    result = []
    for c in points:
        if result and c == result[-1][1] + 1:
            result[-1][1] = c
        else:
            result.append([c, c])
    return result


def lower_runs():
    """[first, last, step, difference] of capitals at even distances; those with more than one letter apart."""
    runs, special = [], []
    for c in POINTS:
        small = lowercase(chr(c))
        if small == chr(c):
            continue
        if len(small) > 1:
            special.append([c, *map(ord, small)])
            continue
        difference = ord(small) - c
        last = runs[-1] if runs else None
        if last and last[3] == difference and c - last[1] in ((1, 2) if last[0] == last[1] else (last[2],)):
            last[2] = c - last[1]
            last[1] = c
        else:
            runs.append([c, c, 1, difference])
    return runs, special


def combining_class(c):
    """That of the Unicode data, if the reference knows the mark."""
    value, mark = unicodedata.combining(chr(c)), chr(c)
    moves = nfd("x" + mark + LIGHT) != "x" + mark + LIGHT or nfd("x" + HEAVY + mark) != "x" + HEAVY + mark
    return value if moves or mark in LIGHT + HEAVY else 0


def class_ranges():
    result = []
    for c in POINTS:
        value = combining_class(c) if nfd(chr(c)) == chr(c) or unicodedata.combining(chr(c)) else 0
        if value == 0:
            continue
        if result and result[-1][1] == c - 1 and result[-1][2] == value:
            result[-1][1] = c
        else:
            result.append([c, c, value])
    return result


def decompositions():
    """[composed, first, second]: of one step, the second 0 when there is none; and the rows that are composed again, by their parts."""
    rows = []
    for c in POINTS:
        if c in HANGUL or nfd(chr(c)) == chr(c):
            continue
        parts = [int(part, 16) for part in unicodedata.decomposition(chr(c)).split()]
        assert nfd(chr(c)) == "".join(nfd(chr(part)) for part in parts), hex(c)
        rows.append([c, *parts, 0][:3])
    composed = [i for i, (c, a, b) in enumerate(rows) if b and nfc(chr(a) + chr(b)) == chr(c)]
    return rows, sorted(composed, key=lambda i: rows[i][1:])


def table(kind, name, rows, comment):
    print(f"\n// {comment}\nconstexpr {kind} {name}[] = {{")
    line = "   "
    for row in rows:
        text = " {" + ", ".join(hex(n) if n > 9 else str(n) for n in row) + "}," if isinstance(row, list) else f" {row},"
        if len(line) + len(text) > 360:  # as few lines as a table may have
            print(line)
            line = "   "
        line += text
    print(line + "\n};")


print(f"""// Made by scripts/unicode-tables.py from tokenizers {tokenizers.__version__}; do not edit.
#pragma once
#include <cstdint>

// clang-format off
namespace sdcpp::engine::tables {{

struct Range {{ uint32_t first, last; }};
struct LowerRun {{ uint32_t first, last, step; int32_t difference; }};
struct ClassRange {{ uint32_t first, last; uint8_t value; }};
struct Decomposition {{ uint32_t composed, first, second; }};""")
runs, special = lower_runs()
assert special == [[0x130, ord("i"), 0x307]], special
rows, composed = decompositions()
table("Range", "kLetters", ranges(members(r"\p{L}")), r"\p{L}")
table("Range", "kNumbers", ranges(members(r"\p{N}")), r"\p{N}")
table("Range", "kSpaces", ranges(members(r"\s")), r"\s")
table("LowerRun", "kLower", runs, "Capitals; U+0130 is not among them, as it becomes two")
table("ClassRange", "kClasses", class_ranges(), "Combining classes that are not 0")
table("Decomposition", "kDecompositions", rows, "Canonical, of one step, without Hangul syllables; 0: no second")
table("uint16_t", "kCompositions", composed, "Of these the rows that NFC composes, in the order of their parts")
print("\n}  // namespace sdcpp::engine::tables")
