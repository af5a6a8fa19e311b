"""The texts of errors and warnings in the code of the host, as a reader of the log meets them."""

import re

from stack import ROOT

_STRING = r'"((?:[^"\\]|\\.)*)"'
_ERROR = re.compile(r"#\[error\(\s*" + _STRING, re.S)
_LOGGED = re.compile(r"tracing::(?:error|warn)!\(")
# What is put together where it happens: conflicts, and failures of a transform.
_MADE = re.compile(r"(?:message: |refused\(|Conflict\(|Some\(|Conflict \{[^}]*)format!\(\s*" + _STRING, re.S)
_TESTS = re.compile(r"#\[cfg\(test\)\]\s*mod \w+ \{.*", re.S)


def plain(text):
    """What stays the same of a text: what is put into it stands as `…`."""
    text = re.sub(r"\\\n\s*", "", text)
    text = text.replace(r"\"", '"').replace(r"\n", " ")
    text = re.sub(r"(?<!\{)\{(?!\{)[^{}]*\}", "…", text).replace("{{", "{").replace("}}", "}")
    return re.sub(r"\s+", " ", text.replace("`", "")).strip()


def sources():
    """The production code: file and text."""
    for file in sorted((ROOT / "host" / "src").rglob("*.rs")):
        name = file.relative_to(ROOT).as_posix()
        if not re.search(r"(^|/)\w*tests?(\.rs|/)", name):
            yield name, _TESTS.sub("", file.read_text())


def errors():
    """Texts of errors, with the file that has them. What consists of another text only is left out."""
    return {
        plain(text): name
        for name, source in sources()
        for text in _ERROR.findall(source) + _MADE.findall(source)
        if re.search(r"\w", plain(text))
    }


def logged():
    """Texts of lines at the levels `error` and `warn`, without those of plugins."""
    found = {}
    for name, source in sources():
        for call in _LOGGED.finditer(source):
            texts = re.findall(_STRING, _arguments(source, call.end()))
            if texts and re.search(r"\w", plain(texts[-1])):
                found[plain(texts[-1])] = name  # the message comes last, behind the fields
    return found


def _arguments(source, start):
    """What is between the parentheses that are open at `start`."""
    depth, end = 1, start
    while depth:
        depth += {"(": 1, ")": -1}.get(source[end], 0)
        end += 1
    return source[start : end - 1]


def formatted():
    """Every text that is put together anywhere in the production code."""
    made = re.compile(r"format!\(\s*" + _STRING, re.S)
    return {plain(text) for _, source in sources() for text in made.findall(source)}


if __name__ == "__main__":
    for text, name in (errors() | logged()).items():
        print(f"{name}: {text}")
