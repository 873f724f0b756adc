"""``python -m hilbench``."""

from hilbench.cli.app import main

raise SystemExit(main())
