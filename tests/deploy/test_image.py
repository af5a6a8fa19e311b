"""The Dockerfile: linted, and its steps executed as far as they go without an engine."""

import os
import re
import shutil
import subprocess
import sys
import tempfile
import unittest
from pathlib import Path

from stack import ROOT

DOCKERFILE = (ROOT / "Dockerfile").read_text()


def stages():
    """The stages by name, each its instructions."""
    text = re.sub(r"^#.*\n", "", DOCKERFILE, flags=re.M).replace("\\\n", "")
    found = re.split(r"^FROM ", text, flags=re.M)[1:]
    return {stage.splitlines()[0].partition(" AS ")[2]: stage.splitlines()[1:] for stage in found}


def runs(stage):
    return [line.removeprefix("RUN ") for line in stages()[stage] if line.startswith("RUN ")]


class Image(unittest.TestCase):
    def test_hadolint_finds_nothing(self):
        lint = Path(sys.executable).with_name("hadolint")
        found = subprocess.run([lint, "--no-color", ROOT / "Dockerfile"], capture_output=True, text=True)
        self.assertEqual((found.returncode, found.stdout), (0, ""), found.stdout + found.stderr)

    def test_base_images_are_pinned_by_digest_and_nothing_is_piped_into_a_shell(self):
        bases = re.findall(r"^FROM (\S+)", DOCKERFILE, re.M)
        outside = [base for base in bases if base not in stages()]
        self.assertEqual(len(outside), 2)
        for base in outside:
            self.assertRegex(base, r"@sha256:[0-9a-f]{64}$")
        self.assertNotRegex(DOCKERFILE, r"\|\s*(ba)?sh\b")
        self.assertIn("sha256sum --check", DOCKERFILE)

    def test_it_does_not_run_as_root(self):
        [user] = [line for line in stages()[""] if line.startswith("USER ")]
        self.assertNotIn("root", user)
        self.assertFalse(user.startswith("USER 0"))

    def test_the_layer_of_dependencies_is_made_of_manifests_that_cargo_takes(self):
        with tempfile.TemporaryDirectory() as folder:
            manifests = Path(folder) / "manifests"
            [script] = runs("manifests")
            tracked = subprocess.check_output(["git", "ls-files", "-z"], cwd=ROOT, text=True).split("\0")
            for name in filter(None, tracked):
                if (ROOT / name).is_file():
                    target = Path(folder) / "source" / name
                    target.parent.mkdir(parents=True, exist_ok=True)
                    shutil.copy2(ROOT / name, target)
            script = script.replace("/manifests", str(manifests))
            subprocess.run(["bash", "-euo", "pipefail", "-c", script], cwd=Path(folder) / "source", check=True)
            self.assertEqual((manifests / "host/src/bin/bootstrap.rs").read_text(), "fn main() {}\n")
            self.assertEqual((manifests / "host/src/lib.rs").read_text(), "")
            tree = ["cargo", "tree", "--locked", "--package", "redis-sync", "--depth", "0"]
            found = subprocess.run(
                tree, cwd=manifests, capture_output=True, text=True, env=os.environ | {"CARGO_TERM_COLOR": "never"}
            )
            self.assertEqual(found.returncode, 0, found.stderr)
            self.assertIn("redis-sync v", found.stdout)

    def test_what_is_built_twice_is_built_alike(self):
        [dependencies, program] = runs("program")
        self.assertIn("cargo build --release --locked --package redis-sync --bin bootstrap", dependencies)
        self.assertTrue(program.endswith(dependencies), program)


if __name__ == "__main__":
    unittest.main()
