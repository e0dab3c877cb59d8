#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""The rules of the house that no compiler knows, over all tracked files.

    scripts/tidy.py [FILE...]      all files that git knows (new ones too) when none is named

Prints `file:line: what is wrong` and ends with 1 if anything is. CONTRIBUTING.md says the same rules in prose.
"""
import ast
import os
import re
import subprocess
import sys

TOP = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
FILE_LINES_MAX = 400
FUNCTION_LINES_MAX = 60
SPDX = "SPDX-License-Identifier: Apache-2.0"

# The folders of src/ in the data's way: each stands on some of those before it (CMakeLists.txt says which).
ORDER = ("base io event metrics http config input route format kpl buffer ingest aws output flush admin app"
         " cli").split()
# What a folder must not know even though it comes later.
NEVER = {"kpl": {"io", "event", "http"}, "buffer": {"input", "route", "format", "kpl", "config"},
         "output": {"buffer", "kpl", "input"}, "ingest": {"http"}, "flush": {"http", "input", "kpl"}}

# Foreign headers and the places in src/ that may include them; the last word says how many files may, if not any.
LIBRARIES = (
    (r"uv\.h|uv/", ("event/",), None),
    (r"curl/", ("http/",), None),
    (r"google/protobuf/|.*\.pb\.h", ("kpl/",), None),
    (r"toml\.hpp|toml/|toml11/", ("config/",), 1),
    (r"openssl/", ("base/digest", "input/forward/tls", "aws/"), None),
    (r"(zlib|zstd)\.h", ("input/forward/inflate", "format/compress"), None),
    (r"pcre2\.h", ("input/tail/", "route/"), None),
    (r"microhttpd\.h", ("admin/",), None),
    (r"prometheus/", ("metrics/",), None),
    (r"CLI/", ("cli/",), 1),
    (r"msgpack", ("input/", "route/", "format/", "output/forward/", "cli/send"), None),
    (r"spdlog/", ("base/log",), None),
    (r"tl/expected", ("base/result.h",), None),
    (r"xxhash\.h", ("buffer/", "format/"), None),
)

CPP = (".cc", ".h")
SLEEP = re.compile(r"\b(sleep_for|sleep_until|usleep|nanosleep|time\.sleep)\s*\(|^\s*sleep \S")
LOOP = re.compile(r"\s*(while|until|for|do)\b|.*\b(while|until) .*; do\b")
# Put together here, or this file would be found as well.
MARKER = re.compile(r"\b(" + "|".join(("TO" + "DO", "FIX" + "ME", "X" + "XX", "HA" + "CK")) + r")\b")


def tracked_files():
    listed = subprocess.run(["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"], cwd=TOP,
                            check=True, stdout=subprocess.PIPE, text=True)
    return sorted(path for path in listed.stdout.split("\0")
                  if path and os.path.isfile(os.path.join(TOP, path)))


def library_lines():
    """folder -> the folders its line in CMakeLists.txt names."""
    with open(os.path.join(TOP, "CMakeLists.txt"), encoding="utf-8") as file:
        lines = re.findall(r"^millrace_library\((\w+)([^)]*)\)", file.read(), re.MULTILINE)
    return {folder: [word for word in rest.split() if "::" not in word] for folder, rest in lines}


def reachable(folder, table):
    found, todo = set(), [folder]
    while todo:
        for below in table.get(todo.pop(), []):
            if below not in found:
                found.add(below)
                todo.append(below)
    return found


def without_literals(text):
    """The C++ text with comments, strings and character literals blanked; lines stay where they are."""
    token = re.compile(r'R"([^\s()\\]{0,16})\(.*?\)\1"|"(?:[^"\\\n]|\\.)*"|//[^\n]*|/\*.*?\*/'
                       r"|(?<![0-9a-fA-F])'(?:[^'\\\n]|\\.)+'", re.DOTALL)
    return token.sub(lambda match: "\n" * match.group().count("\n") + '""', text)


def function_spans(text):
    """(first line, last line) of each function body: braces at namespace or class level that follow a `(`."""
    scope = re.compile(r"\b(namespace|class|struct|union|enum|extern)\b[^()=]*$")
    text = re.sub(r"^[ \t]*#(?:[^\n\\]|\\.|\\\n)*", lambda m: "\n" * m.group().count("\n"), without_literals(text),
                  flags=re.MULTILINE)
    stack, statement, line, spans = [], "", 1, []
    for letter in text:
        if letter == "\n":
            line += 1
        if letter == "{":
            inside = any(kind != "scope" for kind, _ in stack)
            kind = "block" if inside else "scope" if scope.search(statement) else \
                "function" if "(" in statement else "block"
            stack.append((kind, line))
            statement = ""
        elif letter == "}" and stack:
            kind, first = stack.pop()
            if kind == "function":
                spans.append((first, line))
            statement = ""
        elif letter == ";":
            statement = ""
        else:
            statement += letter
    return spans


class Tidy:
    def __init__(self):
        self.wrong = 0
        self.table = library_lines()
        self.sole_users = {}

    def complain(self, path, line, what):
        self.wrong += 1
        print(f"{path}:{line}: {what}")

    def check(self, path):
        with open(os.path.join(TOP, path), "rb") as file:
            data = file.read()
        if b"\0" in data or "/captures/" in path or "/corpus/" in path or "/data/" in path:
            return
        try:
            text = data.decode()
        except UnicodeDecodeError:
            return
        lines = text.split("\n")
        kind = os.path.splitext(path)[1]
        code = kind in CPP + (".py", ".proto") or lines[0].startswith("#!")
        if code:
            self.check_head(path, lines)
            if len(lines) - 1 > FILE_LINES_MAX:
                self.complain(path, FILE_LINES_MAX, f"{len(lines) - 1} lines, at most {FILE_LINES_MAX}")
        self.check_lines(path, lines, in_tests=path.startswith("tests/") and code)
        if kind == ".py":
            self.check_python(path, text)
        if kind in CPP:
            self.check_functions(path, function_spans(text))
            if path.startswith("src/"):
                self.check_includes(path, lines)

    def check_head(self, path, lines):
        if SPDX not in "\n".join(lines[:2]):
            self.complain(path, 1, f"no line `{SPDX}` at the top")
        if path.endswith(".h"):
            if "#pragma once" not in lines:
                self.complain(path, 1, "no #pragma once")
            after = [line for line in lines if line and line != "#pragma once"][1:2]
            if path.startswith("src/") and not (after and after[0].startswith("//")):
                self.complain(path, 2, "the header does not begin with what the thing is")

    def check_lines(self, path, lines, in_tests):
        for number, line in enumerate(lines, 1):
            if MARKER.search(line):
                self.complain(path, number, "a leftover marker")
            if in_tests and SLEEP.search(line) and not self.in_loop(lines, number - 1):
                self.complain(path, number, "a test sleeps for a fixed time: poll with a deadline")

    @staticmethod
    def in_loop(lines, index):
        """Whether a line with less indentation above, inside the same function, begins a loop."""
        indentation = len(lines[index]) - len(lines[index].lstrip())
        for line in reversed(lines[:index]):
            own = len(line) - len(line.lstrip())
            if line.strip() and own < indentation:
                if LOOP.match(line):
                    return True
                indentation = own
        return False

    def check_functions(self, path, spans):
        for first, last in spans:
            if last - first + 1 > FUNCTION_LINES_MAX:
                self.complain(path, first, f"a function of {last - first + 1} lines, at most {FUNCTION_LINES_MAX}")

    def check_python(self, path, text):
        functions = (ast.FunctionDef, ast.AsyncFunctionDef)
        self.check_functions(path, [(node.lineno, node.end_lineno) for node in ast.walk(ast.parse(text, path))
                                    if isinstance(node, functions)])

    def check_includes(self, path, lines):
        place = path[len("src/"):]
        folder = place.split("/")[0] if "/" in place else None
        allowed = reachable(folder, self.table) | {folder} if folder else set(ORDER)
        for number, line in enumerate(lines, 1):
            match = re.match(r'\s*#\s*include\s*[<"]([^>"]+)[>"]', line)
            if match is None:
                continue
            header = match.group(1)
            for index, (pattern, places, _) in enumerate(LIBRARIES):
                if '"' not in line and re.match(pattern, header) or header.endswith(".pb.h") and index == 2:
                    self.sole_users.setdefault(index, set()).add(path)
                    if not place.startswith(places):
                        self.complain(path, number, f"<{header}> belongs into {', '.join(places)} alone")
            target = header.split("/")[0]
            if '"' in line and target in ORDER and target not in allowed:
                self.complain(path, number, f"{folder} does not stand on {target} (see CMakeLists.txt)")
            if '"' in line and target in NEVER.get(folder, ()):
                self.complain(path, number, f"{folder} must not know {target}")

    def check_sole_users(self):
        for index, (pattern, _, count) in enumerate(LIBRARIES):
            users = sorted(self.sole_users.get(index, ()))
            if count is not None and len(users) > count:
                self.complain(users[-1], 1, f"{pattern} is included by {len(users)} files, at most {count}")

    def check_table(self):
        """The lines of CMakeLists.txt keep the order, and the package asks for what the build list installs."""
        for folder, below in self.table.items():
            if folder not in ORDER:
                self.complain("CMakeLists.txt", 1, f"src/{folder} is not in the order of scripts/tidy.py")
            for other in below:
                if folder in ORDER and other in ORDER and ORDER.index(other) >= ORDER.index(folder):
                    self.complain("CMakeLists.txt", 1, f"{folder} stands on {other}, which comes later")
                if other in NEVER.get(folder, ()):
                    self.complain("CMakeLists.txt", 1, f"{folder} must not stand on {other}")
        with open(os.path.join(TOP, "scripts/packages"), encoding="utf-8") as file:
            section = re.search(r"^\[build\]\n(.*?)^\[", file.read(), re.DOTALL | re.MULTILINE).group(1)
        wanted = set(re.findall(r"^[a-z0-9][a-z0-9.+-]*", section, re.MULTILINE)) - {"build-essential", "ccache"}
        control = "packaging/debian/control"
        with open(os.path.join(TOP, control), encoding="utf-8") as file:
            depends = re.search(r"^Build-Depends:(.*?)^\S", file.read(), re.DOTALL | re.MULTILINE).group(1)
        named = {re.match(r"\s*([a-z0-9.+-]+)", part).group(1) for part in depends.split(",") if part.strip()}
        for package in sorted(wanted ^ (named - {"debhelper-compat"})):
            self.complain(control, 1, f"{package} is in only one of Build-Depends and [build] of scripts/packages")


def main():
    os.chdir(TOP)
    tidy = Tidy()
    files = [os.path.relpath(path, TOP) for path in sys.argv[1:]] or tracked_files()
    for path in files:
        tidy.check(path)
    tidy.check_sole_users()
    tidy.check_table()
    print(f"{len(files)} files, {tidy.wrong} complaints")
    return 1 if tidy.wrong else 0


if __name__ == "__main__":
    sys.exit(main())
