"""The SDK and its macros as crates, and the guide that leads to them."""

import json
import re
import subprocess
import tempfile
import unittest
from pathlib import Path

from stack import ROOT

CRATES = {"redis-sync-guest": "guest-sdk", "redis-sync-guest-macros": "guest-sdk/macros"}
ALWAYS = {".cargo_vcs_info.json", "Cargo.lock", "Cargo.toml", "Cargo.toml.orig", "LICENSE", "README.md"}


class Sdk(unittest.TestCase):
    def test_a_crate_has_its_own_files_and_no_others(self):
        for crate, folder in CRATES.items():
            command = ["cargo", "package", "--list", "--allow-dirty", "--package", crate]
            listed = set(subprocess.check_output(command, cwd=ROOT, text=True).split())
            own = {
                file.relative_to(ROOT / folder).as_posix()
                for part in ("src", "wit")
                for file in (ROOT / folder / part).rglob("*")
                if file.is_file()
            }
            self.assertEqual(listed, own | ALWAYS, crate)

    def test_a_crate_says_what_a_registry_asks_for(self):
        command = ["cargo", "metadata", "--format-version", "1", "--no-deps", "--offline"]
        packages = json.loads(subprocess.check_output(command, cwd=ROOT))["packages"]
        for package in packages:
            if package["name"] in CRATES:
                for part in ("description", "license", "readme", "repository"):
                    self.assertTrue(package[part], part)
                for dependency in package["dependencies"]:
                    self.assertNotEqual(dependency["req"], "*", f"{package['name']}: {dependency['name']}")

    def test_the_guides_manifest_resolves(self):
        guide = (ROOT / "guest-sdk" / "README.md").read_text()
        block = re.search(r"```toml\n(   \[package\]\n.*?)```", guide, re.S)[1]
        with tempfile.TemporaryDirectory() as folder:
            crate = Path(folder) / "flags"
            (crate / "src").mkdir(parents=True)
            (crate / "src" / "lib.rs").touch()
            (crate / "Cargo.toml").write_text(re.sub("^   ", "", block, flags=re.M))
            (Path(folder) / "redis-sync").symlink_to(ROOT)
            command = ["cargo", "metadata", "--format-version", "1"]
            resolved = subprocess.run(command, cwd=crate, capture_output=True, text=True)
            self.assertEqual(resolved.returncode, 0, resolved.stderr)
            self.assertIn("redis-sync-guest", [p["name"] for p in json.loads(resolved.stdout)["packages"]])


if __name__ == "__main__":
    unittest.main()
