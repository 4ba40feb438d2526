"""The trigger's modules are at the root of its zip, and so they are here."""

import sys
from pathlib import Path

sys.path[:0] = [str(Path(__file__).parents[2] / "blueprints/lambda/trigger"), str(Path(__file__).parent)]
