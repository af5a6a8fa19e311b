"""docs/runbook.md has every text of an error or a warning that an operator can meet."""

import re
import unittest

import texts
from stack import ROOT

# Never seen: what an operator meets in their place.
INSIDE = {
    "the memory limit is reached": "needs more than … MiB of memory",
    "the output limit is reached": "returned more than … bytes",
    "too many random bytes at a time": "asked for more than … random bytes at a time",
    "object failed": "its field `error`, which is one of the others",
}


def told():
    """The texts of the runbook's tables."""
    text = (ROOT / "docs" / "runbook.md").read_text()
    chapter = re.search(r"^## What the log says$(.*?)^## How to$", text, re.M | re.S)[1]
    rows = [line[2:].split(" | ")[0] for line in chapter.splitlines() if line.startswith("| ")]
    return {row.replace("`", "") for row in rows} - {"text", "---"}


class Runbook(unittest.TestCase):
    def test_it_has_every_text_of_the_code(self):
        missing = {
            text: file
            for text, file in (texts.errors() | texts.logged()).items()
            if text not in told() and text not in INSIDE
        }
        self.assertEqual(missing, {}, "texts that docs/runbook.md does not have, and where they are")

    def test_it_has_no_text_that_the_code_has_not(self):
        in_code = texts.formatted() | set(texts.errors()) | set(texts.logged())
        stale = sorted(told() - in_code)
        self.assertEqual(stale, [])

    def test_texts_are_found(self):
        found = texts.errors() | texts.logged()
        for text in ("Redis at … refuses: …", "it changes faster than it can be committed", "trapped"):
            self.assertIn(text, found)
        self.assertGreater(len(found), 60)


if __name__ == "__main__":
    unittest.main()
