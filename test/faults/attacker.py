# Exchanges two names of a directory without pause, by renameat2(RENAME_EXCHANGE), until its input ends.
import ctypes
import os
import select
import sys

os.chdir(sys.argv[1])
libc = ctypes.CDLL(None, use_errno=True)
AT_FDCWD = -100
flips = 0
while not select.select([sys.stdin], [], [], 0)[0]:
    for _ in range(100):
        if libc.renameat2(AT_FDCWD, b"films", AT_FDCWD, b"link", 2) == 0:
            flips += 1
print(flips)
