import { mkdir, open, readdir, rm, stat } from "node:fs/promises";
import { join } from "node:path";

/**
 * Takes the next turn of something that several windows do between them, at most once in `everyMs`: of all that ask at
 * the same time one gets `true`. The turns are numbered files in a directory of their own, the newest one's time is
 * that of the last turn. Whoever creates the next number has it; one who dies in its turn blocks nobody.
 */
export async function takeTurn(directory: string, everyMs: number, now: number): Promise<boolean> {
  await mkdir(directory, { recursive: true, mode: 0o700 });
  const last = await lastTurn(directory);
  if (last > 0) {
    const elapsedMs = now - (await stat(join(directory, String(last)))).mtimeMs;
    // A turn far in the future was taken under a wrong clock.
    if (elapsedMs < everyMs && elapsedMs > -everyMs) return false;
  }
  const mine = last + 1;
  if (!(await create(join(directory, String(mine)), now))) return false;
  // Somebody who stood still for a whole turn finds that others went on.
  if ((await lastTurn(directory)) !== mine) return false;
  for (const name of await readdir(directory)) {
    const number = numberOf(name);
    if (number > 0 && number < last) await rm(join(directory, name), { force: true });
  }
  return true;
}

async function lastTurn(directory: string): Promise<number> {
  return Math.max(0, ...(await readdir(directory)).map(numberOf));
}

function numberOf(name: string): number {
  return /^\d{1,12}$/.test(name) ? Number(name) : 0;
}

async function create(file: string, now: number): Promise<boolean> {
  try {
    const handle = await open(file, "wx", 0o600);
    try {
      await handle.utimes(now / 1000, now / 1000);
    } finally {
      await handle.close();
    }
    return true;
  } catch (error) {
    if (error instanceof Error && "code" in error && error.code === "EEXIST") return false;
    throw error;
  }
}
