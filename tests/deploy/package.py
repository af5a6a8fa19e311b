"""Packages of the Lambda: zipped, looked at, described, and run. `make package` builds what goes into them.

    package.py pack BINARY ARCHITECTURE FOLDER     the zip, its SBOM, its checksums
    package.py run BINARY ARCHITECTURE MAIN_JOB    the main job, on that binary in an empty root
"""

import hashlib
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import uuid
import zipfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
TRIPLES = {"arm64": "aarch64-unknown-linux-gnu", "x86_64": "x86_64-unknown-linux-gnu"}

# Of Amazon Linux 2023.
GLIBC = (2, 34)
LIBRARIES = {
    "ld-linux-aarch64.so.1",
    "ld-linux-x86-64.so.2",
    "libc.so.6",
    "libdl.so.2",
    "libm.so.6",
    "libpthread.so.0",
    "librt.so.1",
    "libutil.so.1",
}

MOST_BYTES = 10 << 20


def pack(binary, architecture, folder):
    """Writes the zip with what belongs beside it, after looking at what is in it."""
    folder.mkdir(parents=True, exist_ok=True)
    content = binary.read_bytes()
    look_at(binary, content)
    name = f"redis-sync-{architecture}"
    package = folder / f"{name}.zip"
    package.write_bytes(zipped(content))
    size = package.stat().st_size
    assert size <= MOST_BYTES, f"{package.name} has {size} bytes, more than {MOST_BYTES}"
    sbom = folder / f"{name}.cdx.json"
    sbom.write_text(valid(json.dumps(bill(architecture, content), indent=1) + "\n"))
    sums = {file.name: hashlib.sha256(file.read_bytes()).hexdigest() for file in (package, sbom)}
    (folder / f"{name}.sha256").write_text("".join(f"{sum}  {file}\n" for file, sum in sums.items()))
    print(f"{package.name}: {size / 2**20:.2f} MiB, of {len(content) / 2**20:.2f} MiB")


def look_at(binary, content):
    """Whether it runs on Amazon Linux 2023, and has nothing of the tests in it."""
    versions = {tuple(map(int, found.split(b"."))) for found in re.findall(rb"GLIBC_(2\.\d+)", content)}
    newest = max(versions, default=None)
    assert newest is not None, "it is not linked to glibc"
    assert newest <= GLIBC, f"it needs glibc {newest}, and {GLIBC} is there"
    dynamic = subprocess.check_output(["readelf", "--dynamic", "--wide", binary], text=True)
    needed = set(re.findall(r"\(NEEDED\).*\[(.+)\]", dynamic))
    assert needed <= LIBRARIES, f"it needs {needed - LIBRARIES}, which is not there"
    # Where a panic may come from is in the binary, so what is linked into it names itself.
    assert b"host/src/" in content, "the host's own places are not found, so that no others could be"
    for stranger in (b"host/local/src/", b"host/cli/src/", b"tests/src/", b"s3s-0."):
        assert stranger not in content, f"code of {stranger.decode()} is in it"


def zipped(content):
    """The same zip for the same binary, as small as deflate can have it."""
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "package.zip"
        with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED, compresslevel=9) as package:
            entry = zipfile.ZipInfo("bootstrap", (1980, 1, 1, 0, 0, 0))
            entry.external_attr = 0o100755 << 16
            entry.create_system = 3  # Unix, whose permissions these are
            entry.compress_type = zipfile.ZIP_DEFLATED
            package.writestr(entry, content)
        subprocess.run(["advzip", "--recompress", "--shrink-extra", "--quiet", file], check=True)
        with zipfile.ZipFile(file) as package:
            [entry] = package.infolist()
            assert entry.external_attr >> 16 == 0o100755, "it could not be executed"
            assert package.read(entry) == content
        return file.read_bytes()


def valid(text):
    """A bill that is one by CycloneDX's own schema."""
    from cyclonedx.schema import SchemaVersion  # of `make package` alone
    from cyclonedx.validation.json import JsonStrictValidator

    problem = JsonStrictValidator(SchemaVersion.V1_5).validate_str(text)
    assert problem is None, problem
    return text


def bill(architecture, content):
    """What is in it, as CycloneDX has it: what cargo links, with licence, checksum and dependencies."""
    triple = TRIPLES[architecture]
    command = ["cargo", "metadata", "--format-version", "1", "--locked", "--filter-platform", triple]
    metadata = json.loads(subprocess.check_output(command, cwd=ROOT))
    packages = {package["id"]: package for package in metadata["packages"]}
    nodes = {node["id"]: node for node in metadata["resolve"]["nodes"]}
    tree = ["cargo", "tree", "--locked", "--package", "redis-sync", "--edges", "normal,no-proc-macro", "--target", triple]
    lines = subprocess.check_output([*tree, "--prefix", "none", "--format", "{p}"], cwd=ROOT, text=True)
    linked = {tuple(line.split()[:2]) for line in lines.splitlines() if line}
    checksums = locked_checksums()
    chosen = {
        id: package
        for id, package in packages.items()
        if (package["name"], f"v{package['version']}") in linked
    }
    [root] = [package for package in chosen.values() if package["name"] == "redis-sync"]
    binary = {"alg": "SHA-256", "content": hashlib.sha256(content).hexdigest()}
    return {
        "bomFormat": "CycloneDX",
        "specVersion": "1.5",
        "serialNumber": f"urn:uuid:{uuid.uuid5(uuid.NAMESPACE_URL, binary['content'])}",
        "version": 1,
        "metadata": {
            "tools": {"components": [{"type": "application", "name": "cargo"}]},
            "component": component(root, checksums)
            | {"type": "application", "hashes": [binary]},
        },
        "components": [
            component(package, checksums)
            for package in sorted(chosen.values(), key=lambda one: (one["name"], one["version"]))
            if package is not root
        ],
        "dependencies": [
            {"ref": reference(package), "dependsOn": sorted(reference(packages[id]) for id in normal(nodes[key], chosen))}
            for key, package in sorted(chosen.items())
        ],
    }


def normal(node, chosen):
    """What a package links, without what only builds or tests it."""
    for dependency in node["deps"]:
        if dependency["pkg"] in chosen and any(kind["kind"] is None for kind in dependency["dep_kinds"]):
            yield dependency["pkg"]


def reference(package):
    return f"pkg:cargo/{package['name']}@{package['version']}"


def component(package, checksums):
    licence = (package["license"] or "").replace("/", " OR ")
    hashes = [{"alg": "SHA-256", "content": sum} for sum in checksums.get((package["name"], package["version"]), [])]
    return {
        "type": "library",
        "bom-ref": reference(package),
        "name": package["name"],
        "version": package["version"],
        "purl": reference(package),
        **({"licenses": [{"expression": licence}]} if licence else {}),
        **({"hashes": hashes} if hashes else {}),
    }


def locked_checksums():
    found = re.findall(
        r'\[\[package\]\]\nname = "(.+)"\nversion = "(.+)"\n(?:source = ".+"\n)?checksum = "(.+)"',
        (ROOT / "Cargo.lock").read_text(),
    )
    return {(name, version): [sum] for name, version, sum in found}


def run(binary, architecture, main_job):
    """The main job, which starts whatever `bootstrap` lies beside it: here one in an empty root."""
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder) / "root"
        for part in ("tmp", "proc", "etc/ssl/certs"):
            (root / part).mkdir(parents=True)
        shutil.copy("/etc/ssl/certs/ca-certificates.crt", root / "etc/ssl/certs/ca-certificates.crt")
        shutil.copy2(binary, root / "bootstrap")
        for library, place in libraries(binary, architecture):
            (root / place).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(library, root / place)
        beside = Path(folder) / "run"
        beside.mkdir()
        shutil.copy2(main_job, beside / "main-job")
        start = beside / "start"
        start.write_text(emulated(architecture) + f"mount --rbind /proc {root}/proc\nexec chroot {root} /bootstrap\n")
        script = beside / "bootstrap"
        script.write_text(f"#!/bin/sh\nexec unshare --map-root-user --mount sh -e {start}\n")
        script.chmod(0o755)
        subprocess.run([beside / "main-job"], check=True, env=os.environ)


def emulated(architecture):
    """How programs of another architecture run, in these namespaces alone: the child that compiles is one too."""
    if architecture != "arm64" or os.uname().machine == "aarch64":
        return ""
    magic = r"\x7fELF\x02\x01\x01\x00\x00\x00\x00\x00\x00\x00\x00\x00\x02\x00\xb7\x00"
    mask = r"\xff\xff\xff\xff\xff\xff\xff\x00\xff\xff\xff\xff\xff\xff\xff\xff\xfe\xff\xff\xff"
    emulator = shutil.which("qemu-aarch64-static")
    return (
        "mount -t binfmt_misc none /proc/sys/fs/binfmt_misc\n"
        f"echo ':qemu-aarch64:M::{magic}:{mask}:{emulator}:F' > /proc/sys/fs/binfmt_misc/register\n"
    )


def libraries(binary, architecture):
    """The C library that it is linked to and its loader: all that it finds in Amazon Linux, beside itself."""
    cross = Path("/usr/aarch64-linux-gnu")
    base = cross if architecture == "arm64" and os.uname().machine != "aarch64" else Path("/")
    headers = subprocess.check_output(["readelf", "--program-headers", "--dynamic", "--wide", binary], text=True)
    loader = re.search(r"interpreter: (\S+)\]", headers)[1]
    yield base / loader.lstrip("/"), loader.lstrip("/")
    for name in sorted(set(re.findall(r"\(NEEDED\).*\[(.+)\]", headers))):
        places = [base / "lib", *base.glob("lib/*-linux-gnu"), *base.glob("lib64")]
        [file, *_] = [place / name for place in places if (place / name).exists()]
        yield file, f"lib/{name}"


if __name__ == "__main__":
    command, binary, architecture, where = sys.argv[1:]
    {"pack": pack, "run": run}[command](Path(binary).resolve(), architecture, Path(where).resolve())
