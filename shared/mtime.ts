import { lstat, stat } from "node:fs/promises";

/**
 * Sets a modification time to the nanosecond, where the system has a POSIX `touch`; Node itself stops at
 * microseconds. Returns whether the file now has exactly that time.
 */
export async function setMtime(path: string, mtimeNs: bigint): Promise<boolean> {
  if ((await stat(path, { bigint: true })).mtimeNs === mtimeNs) return true;
  const { execa } = await import("execa");
  const result = await execa("touch", ["-m", "-d", isoTime(mtimeNs), path], { reject: false, timeout: 10_000 });
  return !result.failed && (await stat(path, { bigint: true })).mtimeNs === mtimeNs;
}

/** As {@link setMtime}, of a link itself. */
export async function setOwnMtime(path: string, mtimeNs: bigint): Promise<boolean> {
  if ((await lstat(path, { bigint: true })).mtimeNs === mtimeNs) return true;
  const { execa } = await import("execa");
  const result = await execa("touch", ["-h", "-m", "-d", isoTime(mtimeNs), path], { reject: false, timeout: 10_000 });
  return !result.failed && (await lstat(path, { bigint: true })).mtimeNs === mtimeNs;
}

/** `YYYY-MM-DDThh:mm:ss.nnnnnnnnnZ`, the form POSIX gives `touch -d`. */
function isoTime(mtimeNs: bigint): string {
  const nanoseconds = ((mtimeNs % 1_000_000_000n) + 1_000_000_000n) % 1_000_000_000n;
  const seconds = (mtimeNs - nanoseconds) / 1_000_000_000n;
  const text = new Date(Number(seconds) * 1000).toISOString();
  return `${text.slice(0, 19)}.${String(nanoseconds).padStart(9, "0")}Z`;
}
