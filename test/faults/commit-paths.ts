import assert from "node:assert/strict";
import {
  chmodSync,
  existsSync,
  lutimesSync,
  readdirSync,
  rmSync,
  symlinkSync,
  unlinkSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";

import { readArchive } from "../../shared/archive/read.ts";
import { withManagedStore } from "../../shared/caches/managed/open.ts";
import { openState } from "../../shared/index.ts";
import { fill, managedSettings, setAge } from "../shared/managed/managed-place.ts";
import { makeContext } from "../support/context.ts";
import { CACHE, makeMovies, writeMedia } from "../support/library.ts";
import { makeScene, operate } from "./scene.ts";

/*
 * Every way in which the product changes something on a disk, for faults to be put into: what is there before, what is
 * asked for, and what may be found afterwards.
 */

/** Where a path works. */
export interface Places {
  /** The library, or the root of a managed cache. */
  readonly library: string;
  readonly state: string;
  /** Anything else, such as archives. */
  readonly extra: string;
}

/** What is asked for. */
export interface Prepared {
  readonly operation: string;
  readonly input: Record<string, unknown>;
  readonly config: Record<string, unknown>;
}

/** One way to change something. */
export interface CommitPath {
  readonly name: string;
  /** Makes everything up to the request that will be hit. */
  readonly prepare: (places: Places) => Promise<Prepared>;
  /** Whether its plan is bound to directories themselves, so that it has to be made anew for each fault. */
  readonly isMadeAnew?: boolean;
  /** Whether it plans anew each time, and writes down when it did. */
  readonly notesTime?: boolean;
  /** Whether what was interrupted can be taken back. */
  readonly isUndoable: boolean;
  /** Looks, right after a fault, at what the general comparison of the library cannot know. Without outcome: killed. */
  readonly look?: (places: Places, outcome?: string) => Promise<void>;
  /** Before the same is asked for once more. */
  readonly beforeAgain?: (places: Places) => void;
}

const NAMES = ["first", "second", "third"] as const;
/** Managed directories that go: of those that are packed one has to do, for it takes many calls. */
const LEAVING = NAMES.slice(0, 2);
const PACKED = NAMES.slice(0, 1);
const DAY = 86_400;

/** All of them. */
export const commitPaths: readonly CommitPath[] = [
  {
    name: "rewrite",
    isUndoable: true,
    prepare: async ({ library, state }) => {
      const { plan } = await makeScene(library, state);
      return { operation: "apply", input: { plan }, config: {} };
    },
  },
  {
    name: "undo",
    isUndoable: false,
    prepare: async ({ library, state }) => {
      const { plan } = await makeScene(library, state);
      const { run } = await operate(state, "apply", { plan });
      return { operation: "undo", input: { run }, config: {} };
    },
  },
  {
    name: "record",
    notesTime: true,
    isUndoable: true,
    prepare: async ({ library }) => {
      makeMovies(join(library, "films"), ["Known (2001).mkv", "Other (2002).mkv"]);
      const media = writeMedia(join(library, "films"), "New (2003).mkv", "new");
      return { operation: "record", input: { media }, config: {} };
    },
  },
  {
    name: "scan",
    notesTime: true,
    isUndoable: true,
    prepare: async ({ library }) => {
      makeMovies(join(library, "some"), ["Known (2001).mkv"]);
      for (const [directory, name] of [
        ["some", "New (2002).mkv"],
        ["none", "First (2003).mkv"],
        ["nothing", "Second (2004).mkv"],
      ] as const) {
        writeMedia(join(library, directory), name, name);
      }
      const program = join(library, "..", "ffprobe");
      writeFileSync(program, `#!/bin/sh\necho '${PROBED}'\n`);
      chmodSync(program, 0o755);
      return { operation: "scan", input: { paths: [library] }, config: { ffprobe: { program } } };
    },
  },
  {
    name: "plan",
    isUndoable: false,
    prepare: async ({ library, state }) => {
      await makeScene(library, state);
      return { operation: "cleanup", input: { paths: [library] }, config: {} };
    },
  },
  {
    name: "backup",
    isUndoable: false,
    prepare: async ({ library, extra }) => {
      for (const name of NAMES) makeMovies(join(library, name), [`${name}.mkv`]);
      return { operation: "backup", input: { paths: [library], archive: archiveIn(extra) }, config: {} };
    },
    look: async ({ extra }, outcome) => {
      if (!existsSync(archiveIn(extra))) return;
      const { manifest } = await readArchive(archiveIn(extra), makeContext());
      if (outcome !== "partial") assert.equal(manifest.files.length, NAMES.length, "the archive is whole");
    },
    beforeAgain: ({ extra }) => rmSync(archiveIn(extra), { force: true }),
  },
  {
    name: "restore",
    isUndoable: true,
    prepare: async ({ library, state, extra }) => {
      for (const name of NAMES) makeMovies(join(library, name), [`${name}.mkv`]);
      await operate(state, "backup", { paths: [library], archive: archiveIn(extra) });
      writeFileSync(join(library, "first", CACHE), "damaged");
      unlinkSync(join(library, "second", CACHE));
      chmodSync(join(library, "third", CACHE), 0o600);
      const { plan } = await operate(state, "restore", { archive: archiveIn(extra) });
      return { operation: "apply", input: { plan }, config: {} };
    },
  },
  managed("quarantine", "24h", {}, "evict", { paths: [...LEAVING], allow: ["in_use"] }),
  managed("removal", "0s", {}, "evict", { paths: [...LEAVING], allow: ["in_use"] }),
  managed("pack", "24h", { compressAfter: "1d" }, "evict", {}),
  {
    ...managed("unpack", "0s", { compressAfter: "1d" }, "evict", {}),
    isUndoable: false,
    prepare: async (places) => {
      const { config, input } = await prepareManaged(places, "0s", { compressAfter: "1d" }, "evict", {});
      const report = await operate(places.state, "apply", input, { config });
      assert.equal(report["status"], "complete", JSON.stringify(report["refused"]));
      const { plan } = await operate(places.state, "warm", { paths: [...PACKED] }, { config });
      return { operation: "apply", input: { plan }, config };
    },
  },
];

const PROBED = JSON.stringify({
  streams: [{ index: 0, codec_type: "video", codec_name: "h264", width: 1920, height: 1080 }],
  format: { format_name: "matroska,webm", duration: "60.0", size: "1000", bit_rate: "1000" },
});

const archiveIn = (extra: string) => join(extra, "backup.tar.gz");

type Parts = NonNullable<Parameters<typeof managedSettings>[1]>;

function managed(
  name: string,
  quarantine: string,
  parts: Parts,
  operation: string,
  input: Record<string, unknown>,
): CommitPath {
  return {
    name,
    isMadeAnew: true,
    isUndoable: quarantine !== "0s",
    prepare: (places) => prepareManaged(places, quarantine, parts, operation, input),
    look: async ({ library }) => {
      for (const each of directoriesOf(parts)) assertWhole(library, each, quarantine !== "0s");
    },
  };
}

const directoriesOf = ({ compressAfter }: Parts) => (compressAfter === undefined ? LEAVING : PACKED);

/** Directories that nobody used for three days; each holds files, a directory and a link. */
async function prepareManaged(
  { library, state }: Places,
  quarantine: string,
  parts: Parts,
  operation: string,
  input: Record<string, unknown>,
): Promise<Prepared> {
  const cache = managedSettings(library, { quarantine, ...parts });
  const config = { managed: [cache] };
  const opened = openState(state);
  const context = makeContext({ state: () => opened, config });
  fill(library, "stays/film.bin", 10);
  for (const name of directoriesOf(parts)) {
    fill(library, `${name}/film.bin`, 200_000, 3 * DAY);
    fill(library, `${name}/deep/other.bin`, 10, 3 * DAY);
    symlinkSync("film.bin", join(library, name, "link"));
    lutimesSync(join(library, name, "link"), 1, 1);
    setAge(join(library, name), 3 * DAY);
    const used = Date.now() - 3 * DAY * 1000;
    const entry = { path: name, bytes: 200_010, files: 3, accessedAt: used };
    await withManagedStore(cache, context, (store) => store.register([entry], used));
  }
  opened.close();
  const { plan, status } = await operate(state, operation, input, { config });
  assert.equal(status, "ready");
  return { operation: "apply", input: { plan }, config };
}

/** Every file of a directory is at its place, or none; then, if it is to be kept, all are in one place of ours. */
function assertWhole(library: string, name: string, isKept: boolean): void {
  const wholeAt = (directory: string) =>
    FILES.filter((file) => existsSync(join(directory, file.replace(/^link$/, "film.bin")))).length;
  const here = wholeAt(join(library, name));
  assert.ok(here === 0 || here === FILES.length, `${name} is in pieces`);
  if (here > 0 || !isKept) return;
  const away = join(library, ".cache-ops-quarantine");
  const stored = existsSync(away) ? readdirSync(away).find((each) => each.endsWith(`-${name}`)) : undefined;
  assert.ok(stored !== undefined && wholeAt(join(away, stored)) === FILES.length, `${name} is nowhere whole`);
}

const FILES = ["film.bin", "deep/other.bin", "link"] as const;
