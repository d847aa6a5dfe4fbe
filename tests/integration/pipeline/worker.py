"""A worker in a process of its own, to be interrupted: processes once, telling what it reads, and says how it ended."""

import sys
from pathlib import Path

from libs.models.settings import Settings
from libs.pipeline.process import process
from libs.pipeline.progress import Event
from libs.platform import open_stack


def tell(event: Event) -> None:
    print(event.phase, event.features, flush=True)


def main() -> None:
    with open_stack(Settings(spatial_etl_home=Path(sys.argv[1]), _env_file=None)) as stack:
        try:
            for report in process(stack, progress=tell):
                print("report", report.status, flush=True)
        except KeyboardInterrupt:
            print("interrupted", flush=True)


if __name__ == "__main__":
    main()
