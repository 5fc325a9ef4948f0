"""Take the pictures of README, docs and notebooks anew, from the bundled sample.

    make pictures

A browser takes them in ``tests/test_pictures.py`` and ``tests/test_notebooks.py``, into
``tests/screenshots``; here they are made small, and put where they belong. Look at them before you
commit them. With the font Inter installed (``apt-get install fonts-inter``) they look as they did.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from PIL import Image

ROOT = Path(__file__).parents[1]
TAKEN = ROOT / "tests" / "screenshots"
TESTS = ["tests/test_pictures.py", "tests/test_notebooks.py", "-k", "test_the_ or come_alive"]
PLACES = {
    "picture-preview": ["docs/images/preview.png"],
    "picture-explorer": ["docs/images/explorer.png", "notebooks/images/explorer.png"],
    "picture-map": ["docs/images/map.png"],
    "notebook-03_look": ["notebooks/images/map.png"],
}
MOST = 200_000  # bytes: they stay in the repository for ever


def main() -> None:
    """Take all pictures, and write them where they are shown."""
    environment = {**os.environ, "DATAMERGE_BROWSER": "1"}
    command = [sys.executable, "-m", "pytest", "-q", *TESTS]
    subprocess.run(command, cwd=ROOT, env=environment, check=True)
    for name, targets in PLACES.items():
        for target in targets:
            size = shrunk(TAKEN / f"{name}.png", ROOT / target)
            print(f"{target}: {size / 1000:.0f} kB")
            if size > MOST:
                sys.exit(f"{target} is larger than {MOST / 1000:.0f} kB")


def shrunk(taken: Path, target: Path) -> int:
    """Write a picture with few colours, which do for soft letters; how many bytes it has."""
    picture = Image.open(taken).convert("RGB")
    few = picture.quantize(256, kmeans=3, dither=Image.Dither.NONE)
    few.save(target, optimize=True)
    return target.stat().st_size


if __name__ == "__main__":
    main()
