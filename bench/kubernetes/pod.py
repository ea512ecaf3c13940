"""A step that does no work: `pod.py end CODE SECONDS …` sleeps, and ends with the code; 143 on SIGTERM."""

import os
import signal
import sys
import time

signal.signal(signal.SIGTERM, lambda *_: os._exit(143))
_, _, code, seconds, *_ = sys.argv
time.sleep(int(seconds))
print(f"ends with exit code {code}", flush=True)
os._exit(int(code))
