import type { Contender } from "./rounds.ts";
import { expect, has, stranger, workerOf, type Bench, type Scene } from "./scene.ts";

/** How much a tree holds, as a quota wants to know: the whole register of its directories made new. */
export function quotaBench(scene: Scene): Bench {
  const { tree, place } = scene;
  tree.reset("clean");
  const configuration = { managed: [{ name: "bench", root: tree.library, depth: 2 }] };
  const scans = scene.programs.map((program): Contender => {
    const worker = workerOf(program, place, configuration);
    return {
      name: worker.name("reconcile"),
      prepare: worker.forget,
      run: (isMetered) =>
        worker.run(isMetered, ["reconcile", "bench"], ({ after }) =>
          expect("reconcile", after as Record<string, unknown>, {
            bytes: tree.truth.mediaBytes + tree.truth.cleanBytes,
          }),
        ),
    };
  });
  const hasDu = has("du", "-sb", place);
  return {
    title: "quota scan of the whole tree",
    contenders: [...(hasDu ? [stranger("du -sb", () => ["du", "-sb", tree.library], place)] : []), ...scans],
    ruler: hasDu ? "du -sb" : "reconcile",
    goals: [{ of: "reconcile", to: "du -sb", atMost: 0.86 }],
    missing: hasDu ? [] : ["du -sb"],
  };
}
