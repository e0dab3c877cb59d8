#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Every warning, error and refusal of src/ has its row in packaging/man/millrace-messages.7.

    scripts/messages.py       prints `file:line: text` for what has none; ends with `N passed, N failed, 0 skipped`

A message is any string literal of two words or more outside of the files that hold help texts. Names and numbers in it
({} or what is put in between) are "..." in the page.
"""
import glob
import os
import re
import sys

TOP = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
PAGE = os.path.join(TOP, "packaging", "man", "millrace-messages.7")
# Help texts, tables for display, HTTP's own words.
ELSEWHERE = re.compile(r"src/(config/(options_\w+|describe|reader_help)|cli/(arguments|describe|status_text|buffer_stats|chunk_row)"
                       r"|metrics/\w+|base/endian|base/crc32c)\.(cc|h)$")
# What toml11 says: the first column of the table that has our words for it.
LIBRARY_WORDS = {"src/config/syntax_fault.cc": re.compile(r'^    \{"(?:[^"\\\n]|\\.)*",', re.MULTILINE)}
# Not for operators: levels below info, names of states, a frame's payload.
NOT_MESSAGES = {"control socket ready", "connection accepted", "in flight", "on disk", "GET, HEAD",
                "text/plain; charset=utf-8", "\\x01 dead letter", "Signature expired", "Signature not yet current",
                "KPL fragments, index 0", "KPL fragments, index 1", "keyed records", "MessagePack entries",
                "opaque bytes", "with the number {:016x}", "given up by hand", "pid {} (millrace buffer)\\n",
                "{} is a dead letter now, {} records: {}/dead/{}.chunk\\n",
                "{}: {} ({} segments, {} bytes, {} chunks, {} dead letters)\\n", "{} damaged places",
                "Further files, relative to this one; * and ? stand for any names.", "files in "}
TOKEN = re.compile(r'R"([^\s()\\]{0,16})\((?:.*?)\)\1"|"((?:[^"\\\n]|\\.)*)"|//[^\n]*|/\*.*?\*/'
                   r"|(?<![0-9a-fA-F])'(?:[^'\\\n]|\\.)+'", re.DOTALL)
WORDS = re.compile(r"[A-Za-z]{2,}")


def literals(text):
    """(line, text) of each string literal; those that stand side by side are one."""
    whole, line, end = None, 0, 0
    for match in TOKEN.finditer(text):
        if match.group(2) is None:
            continue
        if whole is not None and not text[end:match.start()].strip():
            whole += match.group(2)
        else:
            if whole is not None:
                yield line, whole
            whole, line = match.group(2), text.count("\n", 0, match.start()) + 1
        end = match.end()
    if whole is not None:
        yield line, whole


def squeezed(text):
    return " ".join(text.split())


def page_text():
    with open(PAGE, encoding="utf-8") as file:
        text = re.sub(r"^\.It Sy ", "", file.read(), flags=re.MULTILINE)
    return squeezed(text.replace("\\(dq", '"').replace("\\e", "\\").replace("\\&", ""))


def pieces(literal):
    """The fixed parts of a literal, as the page writes them."""
    text = literal.replace('\\"', '"').replace("\\\\", "\\").replace("\\n", " ")
    text = text.replace("{{", "\1").replace("}}", "\2")
    parts = re.split(r"\{[^{}]*\}|%[sd]", text)
    return [squeezed(part.replace("\1", "{").replace("\2", "}")) for part in parts]


def main():
    page = page_text()
    passed = failed = 0
    for path in sorted(glob.glob(os.path.join(TOP, "src", "**", "*.*"), recursive=True)):
        name = os.path.relpath(path, TOP)
        if not name.endswith((".cc", ".h")) or ELSEWHERE.match(name):
            continue
        with open(path, encoding="utf-8") as file:
            text = re.sub(r"^#include.*$", "", file.read(), flags=re.MULTILINE)
        if name in LIBRARY_WORDS:
            text = LIBRARY_WORDS[name].sub("", text)
        for line, literal in literals(text):
            if literal in NOT_MESSAGES or len(WORDS.findall(literal)) < 2 or " " not in literal.strip():
                continue
            missing = [piece for piece in pieces(literal)
                       if len(WORDS.findall(piece)) > 1 and piece.strip(' ":;') not in page]
            for piece in missing:
                print(f"{name}:{line}: no row in packaging/man/millrace-messages.7 for: {piece}")
            passed, failed = passed + (not missing), failed + bool(missing)
    print(f"{passed} passed, {failed} failed, 0 skipped")
    sys.exit(0 if passed and not failed else 1)


if __name__ == "__main__":
    main()
