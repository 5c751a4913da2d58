"""Mounts a file system that answers nothing, as a dead share does, until its standard input ends."""

import ctypes
import os
import sys

place = sys.argv[1]
device = os.open("/dev/fuse", os.O_RDWR)
options = f"fd={device},rootmode=40000,user_id=0,group_id=0"
libc = ctypes.CDLL(None, use_errno=True)
if libc.mount(b"cache-ops-test", place.encode(), b"fuse", 0, options.encode()) != 0:
    sys.exit(f"cannot mount: {os.strerror(ctypes.get_errno())}")
print("mounted", flush=True)
sys.stdin.read()
libc.umount2(place.encode(), 2)
