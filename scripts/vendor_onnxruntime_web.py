"""Put ONNX Runtime Web into ``resources/share``: the runtime that decodes in a shared page.

    python scripts/vendor_onnxruntime_web.py [VERSION]

npm fetches the package ``onnxruntime-web`` (MIT) from its registry. Of it two files are kept, compressed and otherwise
unchanged, for a page holds them as they are: the smallest bundle that computes on the processor, and its WebAssembly.
``runtime.json`` says which version they are and their checksums, which the tests compare. The licence lies beside
them; npm's package has none, so it is the one of https://github.com/microsoft/onnxruntime.
"""

from __future__ import annotations

import gzip
import hashlib
import json
import subprocess
import sys
import tarfile
import tempfile
from pathlib import Path

PACKAGE, VERSION = "onnxruntime-web", "1.30.0"
FILES = ("ort.wasm.bundle.min.mjs", "ort-wasm-simd-threaded.wasm")
FOLDER = Path(__file__).resolve().parent.parent / "resources" / "share"


def main(arguments: list[str]) -> None:
    """Fetch the version that is given, or ``VERSION``, and write it."""
    version = arguments[0] if arguments else VERSION
    checksums = {}
    with tempfile.TemporaryDirectory() as folder:
        packed = subprocess.run(
            ["npm", "pack", "--json", f"{PACKAGE}@{version}"], cwd=folder, check=True, capture_output=True, text=True
        )
        described = json.loads(packed.stdout)[0]
        with tarfile.open(Path(folder) / described["filename"]) as archive:
            for name in FILES:
                member = archive.extractfile(f"package/dist/{name}")
                if member is None:
                    raise SystemExit(f"{PACKAGE} {version} has no dist/{name}; see what replaced it.")
                content = member.read()
                checksums[name] = hashlib.sha256(content).hexdigest()
                (FOLDER / f"{name}.gz").write_bytes(gzip.compress(content, 9, mtime=0))
                print(f"{name}: {len(content):,} bytes, {(FOLDER / f'{name}.gz').stat().st_size:,} compressed")
    described = {"package": PACKAGE, "version": version, "integrity": described["integrity"], "sha256": checksums}
    (FOLDER / "runtime.json").write_text(json.dumps(described, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main(sys.argv[1:])
