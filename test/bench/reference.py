"""What the benchmark compares with: the cleanup as the first document of this product describes it.

Usage: python3 reference.py [--dry-run] [--verify] ROOT...

Each tree is walked; each `.mediabox_cache.json` is loaded, each entry's file is looked for, and a cache with entries
whose files are missing is dumped beside itself and renamed into place. Nothing is locked, compared, backed up, synced
to the disk or checked afterwards. With --verify an entry whose fingerprint is no longer that of its file goes, too.
"""

import hashlib
import json
import os
import re
import sys

CACHE = ".mediabox_cache.json"


def is_current(path, key, verify):
    if not verify:
        return os.path.exists(path)
    try:
        seen = os.stat(path)
    except OSError:
        return False
    text = f"{os.path.basename(path)}|{seen.st_size}|{seen.st_mtime}"
    return hashlib.sha256(text.encode()).hexdigest() == key


def clean(directory, verify, dry_run):
    cache = os.path.join(directory, CACHE)
    with open(cache) as file:
        entries = json.load(file)
    kept = {
        key: entry
        for key, entry in entries.items()
        if is_current(entry.get("file_path") or os.path.join(directory, entry["file_name"]), key, verify)
    }
    removed = len(entries) - len(kept)
    if removed and not dry_run:
        with open(cache + ".tmp", "w") as file:
            json.dump(kept, file, indent=2, default=str)
        os.rename(cache + ".tmp", cache)
    return removed


def main():
    options = {word for word in sys.argv[1:] if word.startswith("--")}
    caches = removed = 0
    for root in sys.argv[1:]:
        if root in options:
            continue
        for directory, _, names in os.walk(root):
            if CACHE in names:
                gone = clean(directory, "--verify" in options, "--dry-run" in options)
                caches += gone > 0
                removed += gone
    print(json.dumps({"caches": caches, "removed": removed}))


def print_peak():
    with open("/proc/self/status") as status:
        print("PEAK", re.search(r"VmHWM:\s+(\d+)", status.read())[1], file=sys.stderr)


main()
if sys.platform == "linux":
    print_peak()
