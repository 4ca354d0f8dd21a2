"""``python -m genverify`` is the command ``genverify``."""

from __future__ import annotations

from genverify.cli import main

__all__: list[str] = []

if __name__ == "__main__":
    main()
