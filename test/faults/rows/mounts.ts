import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { existsSync, mkdirSync, readFileSync, rmSync, unlinkSync } from "node:fs";
import { join } from "node:path";

import { CacheOpsError, openState, type Context, type State } from "../../../shared/index.ts";
import { QUARANTINE_NAME } from "../../../shared/naming.ts";
import { fill, managedSettings } from "../../shared/managed/managed-place.ts";
import { makeContext } from "../../support/context.ts";
import { CACHE, makeMovies } from "../../support/library.ts";
import { makePlace } from "../../support/place.ts";
import { treeState } from "../../support/tree.ts";
import { eachCase, type Row } from "../row.ts";
import { runOperation } from "../scene.ts";

/** How a disk goes. */
const LOSSES = ["empty root", "root missing", "other disk", "branch missing"] as const;
type Loss = (typeof LOSSES)[number];
/** When it goes. */
const MOMENTS = ["before the plan", "during the plan", "before apply", "during apply"] as const;
const SUBJECTS = ["caches", "managed directories"] as const;

const DIRECTORIES = 12;

/** A library on disks that can go away, and what really is on them, seen from elsewhere. */
interface Scene {
  readonly root: string;
  readonly truth: readonly string[];
  readonly lose: (loss: Loss) => void;
  readonly end: () => void;
}

export const mounts: Row = {
  name: "mounts",
  what: `a library, or a managed root, that goes away (${LOSSES.join(", ")}) ${MOMENTS.join(", ")}: tmpfs and overlayfs as root`,
  required:
    "no living entry and no directory is removed, the other disk stays as it is; what is asked for afterwards is blocked or refused, or has nothing to do. Of a union that loses fewer entries than the guard on the ratio looks for, what was removed comes back by an undo",
  count: 320,
  quick: 16,
  async run(task) {
    await eachCase(task, async (number) => {
      const loss = LOSSES[number % 4] as Loss;
      const moment = MOMENTS[Math.floor(number / 4) % 4] ?? "before apply";
      const subject = SUBJECTS[Math.floor(number / 16) % 2] ?? "caches";
      const scene = makeScene(loss);
      const stateDirectory = makePlace("state");
      const nth = 1 + task.diceOf(number).below(4);
      try {
        const work = subject === "caches" ? cleanUp : evict;
        const outcome = await work(scene, stateDirectory, moment, nth, loss);
        task.count(`${moment}: ${outcome}`);
      } catch (error) {
        throw new Error(`${subject}, ${loss} ${moment}: ${String(error)}`, { cause: error });
      } finally {
        scene.end();
        rmSync(stateDirectory, { recursive: true });
      }
    });
  },
};

/** What a request came to: its status, or the code of its error. */
async function outcomeOf(name: string, input: Record<string, unknown>, context: Context): Promise<[string, string]> {
  try {
    const output = await runOperation(name, input, context);
    const { status = "done", plan = "" } = output as { status?: string; plan?: string };
    return [status, plan];
  } catch (error) {
    if (!(error instanceof CacheOpsError) || error.code === "internal") throw error;
    return [error.code, ""];
  }
}

/** Loses the disk at the nth time something is called. */
function losing(scene: Scene, loss: Loss, nth: number) {
  let calls = 0;
  let isLost = false;
  return {
    now: () => {
      if (!isLost) scene.lose(loss);
      isLost = true;
    },
    count() {
      calls += 1;
      if (calls === nth) this.now();
    },
  };
}

async function cleanUp(scene: Scene, stateDirectory: string, moment: string, nth: number, loss: Loss): Promise<string> {
  const { root, truth } = scene;
  for (let index = 0; index < DIRECTORIES; index += 1) {
    const names = ["one", "two", "three"].map((name) => `${name} ${index}.mkv`);
    const media = makeMovies(join(root, `d${index}`), names);
    if (index % 4 === 0) unlinkSync(media[2] ?? "");
  }
  const living = new Map(cachesIn(truth).map((file) => [file, livingKeys(file, truth)]));
  return around(scene, stateDirectory, moment, nth, loss, {
    config: {},
    plan: ["cleanup", { paths: [root] }],
    check: () => {
      for (const [file, keys] of living) {
        const text = readFileSync(file, "utf8");
        for (const key of keys) assert.ok(text.includes(key), `an entry of ${file} was removed`);
      }
    },
  });
}

async function evict(scene: Scene, stateDirectory: string, moment: string, nth: number, loss: Loss): Promise<string> {
  const { root, truth } = scene;
  const names = Array.from({ length: DIRECTORIES }, (_, index) => `m${index}`);
  for (const name of names) fill(root, `${name}/film.bin`, 1000, 10 * 86_400);
  const config = { managed: [managedSettings(root, { quarantine: "24h" })] };
  const state = openState(stateDirectory);
  const context = makeContext({ state: () => state, config });
  await runOperation("reconcile", {}, context);
  state.close();
  return around(scene, stateDirectory, moment, nth, loss, {
    config,
    before: ["reconcile", {}],
    plan: ["evict", { paths: names, allow: ["in_use"] }],
    check: () => {
      for (const name of names) {
        const isSomewhere = truth.some((disk) => holds(disk, name));
        assert.ok(isSomewhere, `${name} is gone`);
      }
    },
  });
}

/** A directory at its place on a disk, or in the quarantine there. */
function holds(disk: string, name: string): boolean {
  return treeState(disk).some((line) => /^\S*\/([0-9a-z]+-)*(\S*)\/film\.bin /.exec(line)?.[2] === name);
}

interface Subject {
  readonly config: Record<string, unknown>;
  /** Asked for after the loss, too. */
  readonly before?: readonly [string, Record<string, unknown>];
  readonly plan: readonly [string, Record<string, unknown>];
  readonly check: () => void;
}

async function around(
  scene: Scene,
  stateDirectory: string,
  moment: string,
  nth: number,
  loss: Loss,
  { config, before, plan, check }: Subject,
): Promise<string> {
  let state: State | undefined;
  const loser = losing(scene, loss, nth);
  const parts = { state: () => (state ??= openState(stateDirectory)), config };
  const context = makeContext(parts);
  try {
    // A library that was looked at before: what it was like is known. Without that another disk is just a library.
    if (nth % 2 === 0 || loss === "other disk") await outcomeOf(...plan, context);
    if (moment === "before the plan") loser.now();
    if (before !== undefined && moment === "before the plan") await outcomeOf(...before, context);
    const planning = moment === "during the plan" ? makeContext({ ...parts, progress: () => loser.count() }) : context;
    const [status, id] = await outcomeOf(...plan, planning);
    check();
    if (status !== "ready") return status;
    if (moment !== "during apply") loser.now();
    const applying = moment === "during apply" ? makeContext({ ...parts, fence: async () => loser.count() }) : context;
    const [applied] = await outcomeOf("apply", { plan: id }, applying);
    if (loss !== "branch missing") {
      assert.ok(moment === "during apply" || applied !== "complete", "something was changed on a disk that is gone");
      check();
      return applied;
    }
    if (isInOrder(check)) return `${applied}, nothing living removed`;
    // Too few were gone for the guard: what remains is that it can be taken back.
    const { runs } = (await runOperation("history", {}, context)) as { runs: { run: string }[] };
    await runOperation("undo", { run: runs[0]?.run }, context);
    check();
    return "part of a union was gone, fewer than the guard looks for: removed, and undone";
  } finally {
    state?.close();
  }
}

function isInOrder(check: () => void): boolean {
  try {
    check();
    return true;
  } catch (error) {
    if (error instanceof assert.AssertionError) return false;
    throw error;
  }
}

function cachesIn(disks: readonly string[]): string[] {
  return disks.flatMap((disk) =>
    Array.from({ length: DIRECTORIES }, (_, index) => join(disk, `d${index}`, CACHE)).filter((file) =>
      existsSync(file),
    ),
  );
}

/** Keys of the entries of a cache whose media is on one of the disks. */
function livingKeys(file: string, disks: readonly string[]): string[] {
  const directory = join(file, "..").split("/").at(-1) ?? "";
  const entries = JSON.parse(readFileSync(file, "utf8")) as Record<string, { file_name: string }>;
  return Object.entries(entries)
    .filter(([, { file_name: name }]) => disks.some((disk) => existsSync(join(disk, directory, name))))
    .map(([key]) => key);
}

const isForeign = (line: string) => !line.startsWith(". ") && !line.startsWith(`./${QUARANTINE_NAME} `);

const mount = (...words: string[]) => void execFileSync("mount", words, { stdio: "pipe" });
const unmount = (place: string) => void execFileSync("umount", ["-l", place], { stdio: "pipe" });
const tmpfs = (place: string) => mount("-t", "tmpfs", "-o", "size=16m,mode=0755", "cache-ops-test", place);

function makeScene(loss: Loss): Scene {
  const place = makePlace("mounts");
  const [disk, over, root] = ["disk", "over", "root"].map((name) => {
    const directory = join(place, name);
    mkdirSync(directory);
    return directory;
  }) as [string, string, string];
  const mounted = [disk];
  tmpfs(disk);
  if (loss === "branch missing") return makeUnion({ place, disk, root });
  // The library is the disk, seen once more at its place; below a directory of its own where that is to go.
  mount("--bind", disk, root);
  mounted.unshift(root);
  const library = loss === "root missing" ? join(root, "library") : root;
  mkdirSync(library, { recursive: true });
  let before: string[] = [];
  return {
    root: library,
    truth: [loss === "root missing" ? join(disk, "library") : disk],
    lose() {
      if (loss !== "other disk") return void mounted.splice(mounted.indexOf(root), 1).map(unmount);
      tmpfs(root);
      mounted.unshift(root);
      makeMovies(join(root, "d1"), ["Stranger.mkv"]);
      unlinkSync(join(root, "d1", "Stranger.mkv"));
      fill(root, "m1/other.bin", 10);
      before = treeState(root);
    },
    end() {
      try {
        const now = before.length > 0 ? treeState(root) : [];
        // An empty directory of ours may have been made there, and with it the time of the root changed.
        assert.deepEqual(now.filter(isForeign), before.filter(isForeign), "the other disk was changed");
      } finally {
        mounted.map(unmount);
        rmSync(over, { recursive: true });
        rmSync(place, { recursive: true });
      }
    },
  };
}

/** Caches and a third of the media on one disk, the rest on another, seen as one. Without the second, files are gone. */
function makeUnion({ place, disk, root }: { place: string; disk: string; root: string }): Scene {
  const [lower, upper, work] = ["lower", "upper", "work"].map((name) => join(disk, name)) as [string, string, string];
  for (const directory of [lower, upper, work, join(disk, "none")]) mkdirSync(directory);
  const overlay = (below: string) =>
    mount("-t", "overlay", "-o", `lowerdir=${below},upperdir=${upper},workdir=${work}`, "cache-ops-test", root);
  // What is made through the union lies on its upper branch; the media of most directories is put on the lower one.
  overlay(lower);
  let isMounted = true;
  return {
    root,
    truth: [upper, lower],
    lose() {
      unmount(root);
      for (let index = 0; index < DIRECTORIES; index += 1) {
        for (const name of ["one", "two"]) {
          const film = join(upper, `d${index}`, `${name} ${index}.mkv`);
          if (!existsSync(film)) continue;
          mkdirSync(join(lower, `d${index}`), { recursive: true });
          execFileSync("mv", [film, join(lower, `d${index}`)]);
        }
      }
      overlay(join(disk, "none"));
      isMounted = true;
    },
    end() {
      if (isMounted) unmount(root);
      unmount(disk);
      rmSync(place, { recursive: true });
    },
  };
}
