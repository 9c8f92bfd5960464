"""Start a worker of a search: python -m penstock.search.worker_start

Its libraries take seconds to import, in which a signal ends it without a traceback.
"""

from __future__ import annotations

import signal

from penstock.core.signals import SIGNALS

if __name__ == "__main__":
    for number in SIGNALS:
        signal.signal(number, signal.SIG_DFL)
    from penstock.search.worker import main

    main()
