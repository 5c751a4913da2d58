import { execFileSync } from "node:child_process";
import { writeFileSync } from "node:fs";
import { availableParallelism } from "node:os";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { fileURLToPath } from "node:url";

import type { Contender } from "./rounds.ts";
import { nodeWords } from "./run.ts";
import { expect, has, settle, stranger, workerOf, type Bench, type Scene } from "./scene.ts";

const here = (name: string) => fileURLToPath(new URL(name, import.meta.url));
/** Times younger than that are not trusted by the next look: the clock of a file system may be coarse. */
const RACY_MS = 2500;

/** The whole plan of a library where nothing is stale, which is what cron sees on most days. */
export function planBench(scene: Scene): Bench {
  put(scene, "clean");
  const { contenders, missing } = strangers(scene, "clean");
  return {
    title: "full plan, nothing stale",
    contenders: [...contenders, ...ours(scene, "plan", "clean")],
    ruler: "find",
    goals: [
      { of: "plan", to: "find", atMost: 1.0 },
      { of: "Python", to: "plan", atLeast: 7 },
    ],
    missing,
  };
}

/** The whole plan where one entry in twenty is stale, spread over two thirds of the caches. */
export function staleBench(scene: Scene): Bench {
  put(scene, "stale");
  const { contenders, missing } = strangers(scene, "stale");
  return {
    title: "full plan, 5 % stale",
    contenders: [...contenders, ...ours(scene, "plan", "stale")],
    ruler: "find",
    goals: [],
    missing,
  };
}

/** Every fingerprint compared with its file. */
export function checkBench(scene: Scene): Bench {
  put(scene, "clean");
  const { entries, stale } = scene.tree.truth;
  const check = scene.programs.map((program): Contender => {
    const worker = workerOf(program, scene.place);
    return {
      name: worker.name("check"),
      prepare: worker.forget,
      run: (isMetered) =>
        worker.run(isMetered, ["check", scene.tree.library], (answer) =>
          expect(
            "check",
            { ...answer, found: (answer["findings"] as unknown[]).length },
            { entries: entries - stale, found: 0 },
          ),
        ),
    };
  });
  return {
    title: "verified check, every fingerprint",
    contenders: [find(scene), ...python(scene, "clean", "--dry-run", "--verify"), ...check],
    ruler: "find",
    goals: [
      { of: "check", to: "find", atMost: 3 },
      { of: "Python", to: "check", atLeast: 3.5 },
    ],
    missing: missingPython(),
  };
}

/** The same plan once more, by a program that knows the library. */
export async function rerunBench(scene: Scene): Promise<Bench> {
  put(scene, "clean");
  await delay(RACY_MS);
  const reruns: Contender[] = [];
  for (const program of scene.programs) {
    const worker = workerOf(program, scene.place);
    const plan =
      (...flags: readonly string[]) =>
      (isMetered: boolean) =>
        worker.run(isMetered, ["cleanup", scene.tree.library, ...flags], (answer) =>
          expectPlan(scene, "clean", answer),
        );
    worker.forget();
    await plan()(false);
    reruns.push({ name: worker.name("re-run"), run: plan() });
    // An older program does not know the flag.
    if (program === scene.programs[0]) reruns.push({ name: worker.name("re-run, --fast"), run: plan("--fast") });
  }
  return {
    title: "re-run, nothing changed",
    contenders: [find(scene), ...python(scene, "clean", "--dry-run"), ...reruns],
    ruler: "find",
    goals: [
      { of: "re-run", to: "find", atMost: 0.33 },
      { of: "Python", to: "re-run", atLeast: 28 },
      { of: "re-run, --fast", to: "find", atMost: 0.22 },
    ],
    missing: missingPython(),
  };
}

/** Making every cache clean: ours with backups, a journal and fsync, Python without any of them. */
export function applyBench(scene: Scene): Bench {
  const { tree, programs, place } = scene;
  const makeStale = () => {
    tree.reset("stale");
    settle();
  };
  const expectClean = (who: string) => expect(who, { unclean: tree.countUnclean() }, { unclean: 0 });
  const applies = programs.flatMap((program): Contender[] => {
    const worker = workerOf(program, place);
    const verify = (answer: Record<string, unknown>) => {
      expect("apply", answer, { status: "complete", entries: tree.truth.stale, files: tree.truth.dirtyCaches });
      expectClean("apply");
    };
    let plan = "";
    return [
      {
        name: worker.name("apply"),
        prepare: async () => {
          makeStale();
          worker.forget();
          await worker.run(false, ["cleanup", tree.library], (answer) => (plan = String(answer["plan"])));
          settle();
        },
        run: (isMetered) => worker.run(isMetered, ["apply", plan, "--yes"], verify),
      },
      {
        name: worker.name("plan and apply"),
        prepare: () => {
          makeStale();
          worker.forget();
        },
        run: (isMetered) => worker.run(isMetered, ["cleanup", tree.library, "--apply", "--yes"], verify),
      },
    ];
  });
  return {
    title: "durable apply, 5 % stale",
    contenders: [...python(scene, "stale").map((contender) => ({ ...contender, prepare: makeStale })), ...applies],
    ruler: has("python3", "--version") ? "Python" : "apply",
    goals: [
      { of: "Python", to: "apply", atLeast: 3.5 },
      { of: "Python", to: "plan and apply", atLeast: 3.5 },
    ],
    missing: missingPython(),
  };
}

/** The whole plan when nothing of the library is in memory. `undefined` where the system does not let us forget it. */
export function coldBench(scene: Scene): Bench | undefined {
  if (!dropCaches()) return undefined;
  put(scene, "clean");
  const contenders = [find(scene), ...python(scene, "clean", "--dry-run"), ...ours(scene, "plan", "clean")];
  return {
    title: "full plan, cold page cache",
    contenders: contenders.map((contender) => ({
      ...contender,
      prepare: async () => {
        await contender.prepare?.();
        dropCaches();
      },
    })),
    ruler: "find",
    goals: [{ of: "plan", to: "find", atMost: 1.1 }],
    missing: missingPython(),
  };
}

type Form = "stale" | "clean";

function put({ tree }: Scene, form: Form): void {
  tree.reset(form);
  settle();
}

function ours(scene: Scene, name: string, form: Form): Contender[] {
  return scene.programs.map((program) => {
    const worker = workerOf(program, scene.place);
    return {
      name: worker.name(name),
      prepare: worker.forget,
      run: (isMetered) =>
        worker.run(isMetered, ["cleanup", scene.tree.library], (answer) => expectPlan(scene, form, answer)),
    };
  });
}

function expectPlan({ tree }: Scene, form: Form, answer: Record<string, unknown>): void {
  const { stale, dirtyCaches } = tree.truth;
  expect(
    "the plan",
    { ...answer, errors: (answer["errors"] as unknown[]).length },
    {
      status: form === "stale" ? "ready" : "empty",
      entries: form === "stale" ? stale : 0,
      caches: form === "stale" ? dirtyCaches : 0,
      errors: 0,
    },
  );
}

/** Everybody we compare a plan with. */
function strangers(scene: Scene, form: Form): Pick<Bench, "contenders" | "missing"> {
  const { tree, place } = scene;
  const walk = join(place, "walk");
  const compiler = ["gcc", "cc"].find((program) => has(program, "--version"));
  if (compiler !== undefined) execFileSync(compiler, ["-O2", "-pthread", here("walk.c"), "-o", walk]);
  const threads = [...new Set([1, Math.min(2, availableParallelism())])];
  const { truth } = tree;
  const walks = threads.map((count) =>
    stranger(
      `C, reads every cache, ${count} thread${count > 1 ? "s" : ""}`,
      () => [walk, tree.library, String(count)],
      place,
      (answer) => expect("the walk in C", answer, { directories: truth.directories, caches: truth.caches }),
    ),
  );
  const naive = stranger(
    "Node, naive",
    (isMetered) => nodeWords(isMetered, here("naive.mjs"), tree.library),
    place,
    (answer) => expect("naive Node", answer, { removed: form === "stale" ? truth.stale : 0 }),
  );
  return {
    contenders: [find(scene), ...(compiler === undefined ? [] : walks), ...python(scene, form, "--dry-run"), naive],
    missing: [...(compiler === undefined ? ["C: no gcc and no cc"] : []), ...missingPython()],
  };
}

function find({ tree, place }: Scene): Contender {
  return stranger("find", () => ["find", tree.library, "-name", "x"], place);
}

function python({ tree, place }: Scene, form: Form, ...options: readonly string[]): Contender[] {
  if (missingPython().length > 0) return [];
  // Not a shim that first looks for the version to start.
  const program = execFileSync("python3", ["-c", "import sys; print(sys.executable)"], { encoding: "utf8" }).trim();
  return [
    stranger(
      "Python",
      () => [program, here("reference.py"), ...options, tree.library],
      place,
      (answer) => expect("Python", answer, { removed: form === "stale" ? tree.truth.stale : 0 }),
    ),
  ];
}

function missingPython(): string[] {
  return has("python3", "--version") ? [] : ["Python: no python3"];
}

function dropCaches(): boolean {
  settle();
  try {
    writeFileSync("/proc/sys/vm/drop_caches", "3");
    return true;
  } catch (error) {
    if (error instanceof Error && "code" in error) return false;
    throw error;
  }
}
