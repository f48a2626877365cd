"""Where the other tests' builders are found, which these programs use too. Importing this puts them on the path."""

from __future__ import annotations

import sys
from pathlib import Path

TESTS = Path(__file__).resolve().parents[1]
ROOT = TESTS.parent
BUILD = ROOT / "build" / "endurance"
"""What the programs write: found cases, tables."""

for folder in ("", "protocol", "recording", "panels", "live"):
    if (path := str(TESTS / folder)) not in sys.path:
        sys.path.append(path)
