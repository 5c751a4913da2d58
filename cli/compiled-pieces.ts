import { mkdirSync, readdirSync, readFileSync, renameSync, rmSync, statSync, writeFileSync } from "node:fs";
import { createRequire, Module } from "node:module";
import { basename, dirname, join, sep } from "node:path";
import { Script } from "node:vm";
import { crc32 } from "node:zlib";

/*
 * Compiled code of the pieces that the program was built in (build.ts). Node's own compile cache holds what is compiled
 * when a file is loaded, which is all but the functions in it; here a piece is kept with every function that the
 * command has used. So each command has its own.
 *
 * A file of it is two checksums, of the source and of the code, and the code. What does not agree with both is not run.
 */

/** A module of Node's, with the method that runs the text of its file. */
interface Piece extends NodeJS.Module {
  _compile: (this: Piece, source: string, file: string, format?: string) => unknown;
}

interface Fresh {
  readonly name: string;
  readonly source: string;
  readonly script: Script;
}

const HEADER = 8;

/**
 * Has the pieces in `pieces` that are loaded from now on run from the compiled code in `directory`, as far as it is
 * there. Returns what keeps the code of the others; what cannot be written is not kept.
 */
export function keepPieces(pieces: string, directory: string): () => void {
  const prototype = Module.prototype as Piece;
  const { _compile: compile } = prototype;
  const { cache } = createRequire(join(pieces, "x"));
  const fresh: Fresh[] = [];
  // As Node does it, but for the search for the file: where it is is known.
  const exportsOf = (file: string): unknown => {
    const known = cache[file];
    if (known !== undefined) return known.exports;
    const piece = new Module(file) as Piece;
    cache[file] = piece;
    piece._compile(readFileSync(file, "utf8"), file);
    piece.loaded = true;
    return piece.exports;
  };
  prototype._compile = function (source, file, format) {
    if (!file.startsWith(pieces + sep)) return compile.call(this, source, file, format);
    const [name, place] = [basename(file), dirname(file)];
    const cachedData = codeFrom(join(directory, name), source);
    const script = new Script(Module.wrap(source), { filename: file, ...(cachedData && { cachedData }) });
    if (cachedData === undefined || script.cachedDataRejected === true) fresh.push({ name, source, script });
    const run = script.runInThisContext() as (...parts: readonly unknown[]) => void;
    const load = (id: string): unknown => (id.startsWith("./") ? exportsOf(join(place, id)) : this.require(id));
    return run.call(this.exports, this.exports, load, this, file, place);
  };
  return () => {
    try {
      if (fresh.length > 0) makeRoom(directory);
      for (const piece of fresh) write(directory, piece);
    } catch (error) {
      if (!(error instanceof Error && "code" in error)) throw error;
    }
  };
}

/** The code kept in a file, if it is whole and of this source. */
function codeFrom(file: string, source: string): Buffer | undefined {
  let kept: Buffer;
  try {
    kept = readFileSync(file);
  } catch (error) {
    if (error instanceof Error && "code" in error) return undefined;
    throw error;
  }
  const code = kept.subarray(HEADER);
  if (code.length === 0 || kept.readUInt32LE(0) !== crc32(source) || kept.readUInt32LE(4) !== crc32(code))
    return undefined;
  return code;
}

/** Each build has pieces of its own. What was written long ago is left of another, or is soon written again. */
const MOST_DAYS = 30;

function makeRoom(directory: string): void {
  mkdirSync(directory, { recursive: true, mode: 0o700 });
  for (const name of readdirSync(directory)) {
    const file = join(directory, name);
    const { mtimeMs } = statSync(file, { throwIfNoEntry: false }) ?? {};
    if (mtimeMs !== undefined && Date.now() - mtimeMs > MOST_DAYS * 86_400_000) rmSync(file, { force: true });
  }
}

function write(directory: string, { name, source, script }: Fresh): void {
  const code = script.createCachedData();
  const header = Buffer.alloc(HEADER);
  header.writeUInt32LE(crc32(source), 0);
  header.writeUInt32LE(crc32(code), 4);
  const temp = join(directory, `${name}.${process.pid}-new`);
  writeFileSync(temp, Buffer.concat([header, code]), { mode: 0o600 });
  renameSync(temp, join(directory, name));
}
