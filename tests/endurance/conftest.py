"""The programs of this folder and the builders that they use are found by their names."""

import paths  # noqa: F401
