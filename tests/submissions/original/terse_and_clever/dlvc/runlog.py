"""A logger that needs no account: one JSON object per epoch."""
from __future__ import annotations

import json
import sys
from dataclasses import dataclass, field
from pathlib import Path
from time import perf_counter


@dataclass
class RunLog:
    folder: Path
    rows: list[dict] = field(default_factory=list)
    t0: float = field(default_factory=perf_counter)

    def __call__(self, **row) -> None:
        row["s"] = round(perf_counter() - self.t0, 1)
        self.rows.append(row)
        (self.folder / "log.jsonl").write_text("\n".join(map(json.dumps, self.rows)) + "\n")
        print(" ".join(f"{k}={v:.4g}" if isinstance(v, float) else f"{k}={v}" for k, v in row.items()), file=sys.stderr)
