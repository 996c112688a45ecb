"""On PYTHONPATH of a test's job: Python uses up memory when the file $LITEMONO_TEST_HOG appears."""

import os
import threading
import time


def hog(path: str) -> None:
    while not os.path.exists(path):
        time.sleep(0.1)
    os.unlink(path)
    eaten = []
    while len(eaten) < 40:
        eaten.append(bytearray(os.urandom(1)) * 100_000_000)
    time.sleep(60)


if os.environ.get("LITEMONO_TEST_HOG") and "SLURM_STEP_ID" in os.environ:
    threading.Thread(target=hog, args=(os.environ["LITEMONO_TEST_HOG"],), daemon=True).start()
