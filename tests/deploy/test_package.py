"""What `make package` looks at, on programs that are not fit to be packaged."""

import json
import shutil
import tempfile
import unittest
from pathlib import Path

import package

FIT = b"\0GLIBC_2.30\0GLIBC_2.2.5\0host/src/ledger/mod.rs\0"


class Package(unittest.TestCase):
    def look_at(self, content):
        package.look_at(shutil.which("true"), content)

    def test_what_amazon_linux_has_not_is_found(self):
        self.look_at(FIT)
        for content in (FIT + b"GLIBC_2.35\0", b"host/src/ledger/mod.rs"):
            with self.assertRaises(AssertionError):
                self.look_at(content)

    def test_code_of_the_tests_is_found(self):
        for stranger in (b"host/local/src/s3/mod.rs", b"host/cli/src/main.rs", b"tests/src/guest.rs"):
            with self.assertRaises(AssertionError):
                self.look_at(FIT + stranger)
        with self.assertRaises(AssertionError):
            self.look_at(FIT.replace(b"host/src", b""))

    def test_a_package_that_is_too_large_is_refused(self):
        packed = package.zipped
        package.zipped = lambda content: bytes(package.MOST_BYTES + 1)
        try:
            with tempfile.TemporaryDirectory() as folder, self.assertRaisesRegex(AssertionError, "more than"):
                binary = Path(folder) / "bootstrap"
                shutil.copy(shutil.which("true"), binary)
                with binary.open("ab") as file:
                    file.write(FIT)
                package.pack(binary, "x86_64", Path(folder) / "packages")
        finally:
            package.zipped = packed

    def test_the_bill_has_what_is_linked_and_nothing_of_the_tests(self):
        bill = package.bill("arm64", b"the program")
        names = {component["name"] for component in bill["components"]}
        self.assertLess({"wasmtime", "redis", "aws-sdk-s3", "ring"}, names)
        self.assertFalse(names & {"redis-sync-local", "redis-sync-guest", "s3s", "syn", "tempfile"})
        self.assertEqual(bill["metadata"]["component"]["name"], "redis-sync")
        references = {component["bom-ref"] for component in bill["components"]}
        self.assertEqual(len(references), len(bill["components"]))
        references.add(bill["metadata"]["component"]["bom-ref"])
        for dependency in bill["dependencies"]:
            self.assertLessEqual({dependency["ref"], *dependency["dependsOn"]}, references)
        for component in bill["components"]:
            self.assertTrue(component["licenses"] and component["hashes"], component["name"])
        self.assertEqual(json.dumps(bill), json.dumps(package.bill("arm64", b"the program")))


if __name__ == "__main__":
    unittest.main()
