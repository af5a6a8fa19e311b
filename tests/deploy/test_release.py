"""The release workflow: linted, and its actions pinned."""

import re
import subprocess
import sys
import unittest
from pathlib import Path

import yaml
from stack import ROOT

WORKFLOW = ROOT / ".github" / "workflows" / "release.yml"


class Release(unittest.TestCase):
    def test_zizmor_finds_nothing(self):
        lint = Path(sys.executable).with_name("zizmor")
        found = subprocess.run([lint, "--offline", "--no-progress", WORKFLOW], capture_output=True, text=True)
        self.assertEqual(found.returncode, 0, found.stdout + found.stderr)

    def test_actions_are_pinned_by_their_commit(self):
        used = re.findall(r"uses: (\S+)", WORKFLOW.read_text())
        self.assertGreaterEqual(len(used), 3)
        for action in used:
            self.assertRegex(action, r"^[\w/-]+@[0-9a-f]{40}$")

    def test_it_runs_what_ci_runs_and_attaches_what_was_attested(self):
        jobs = yaml.safe_load(WORKFLOW.read_text())["jobs"]
        self.assertIn(".ci/run", [step.get("run") for step in jobs["test"]["steps"]])
        release = jobs["release"]
        self.assertEqual(release["needs"], "test")
        text = str(release["steps"])
        self.assertIn("make package", text)
        self.assertLess(text.index("attest-build-provenance"), text.index("gh release create"))
        self.assertIn("'subject-path': 'target/packages/*'", text)

    def test_make_has_the_targets(self):
        for target in ("package", "package-sdk", "lint-template"):
            self.assertRegex((ROOT / "Makefile").read_text(), rf"(?m)^{target}: ")


if __name__ == "__main__":
    unittest.main()
