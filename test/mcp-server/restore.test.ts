import assert from "node:assert/strict";
import { chmodSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";

import { cachesIn, fileNamed, membersOf, withManifest, writeMembers } from "../support/archive.ts";
import { CACHE, copyLibrary } from "../support/library.ts";
import { makePlace } from "../support/place.ts";
import { treeState } from "../support/tree.ts";
import { connect, ERAS, errorOf, type Agent, type Result } from "./agent.ts";

const NAME = "before.tar.gz";
const TOOLS = "backup,restore,apply,undo,history";

/** A library backed up by an agent over stdio, and damaged since: one cache gone, one broken, one with another mode. */
async function backedUp(era: (typeof ERAS)[number]) {
  const [library, state] = [copyLibrary(), makePlace("state")];
  const agent = await connect(era, ["--root", library, "--tools", TOOLS], state);
  const whole = cachesOf(library);
  const made = await agent.call("backup", { archive: NAME });
  const archive = String(dataOf(made)["archive"]);
  assert.equal(archive, join(state, "backups", NAME));
  const [first = "", second = "", third = ""] = cachesIn(library).map((cache) => join(library, cache));
  rmSync(first);
  writeFileSync(second, "damaged");
  chmodSync(third, 0o600);
  return { library, agent, archive, whole, damaged: treeState(library) };
}

function cachesOf(library: string): string[] {
  return treeState(library).filter((line) => line.includes(CACHE));
}

function dataOf({ isError, structuredContent, content }: Result): Record<string, unknown> {
  assert.notEqual(isError, true, JSON.stringify(content));
  return structuredContent ?? {};
}

/** That a call is refused with this code and says what to do next. */
async function isRefused(agent: Agent, code: string, tool: string, args: Record<string, unknown>): Promise<void> {
  const error = errorOf(await agent.call(tool, args));
  assert.equal(error["code"], code, JSON.stringify(error));
  assert.ok(error["nextStep"], JSON.stringify(error));
}

for (const era of ERAS) {
  describe(`an agent of ${era} that was given backup and restore`, () => {
    it("puts a damaged library back byte for byte, by the plan's sentence and no other, and undoes it", async () => {
      const { library, agent, whole, damaged } = await backedUp(era);
      try {
        const plan = dataOf(await agent.call("restore", { archive: NAME }));
        assert.deepEqual([plan["status"], plan["entries"]], ["ready", 3]);
        assert.match(
          String(plan["acknowledge"]),
          /^restore 3 files from a backup in 3 caches under library; undo until \d{4}-\d\d-\d\d$/,
        );
        const acknowledge = String(plan["acknowledge"]);
        for (const wrong of [undefined, "", "yes", acknowledge.replace("3 files", "2 files"), `${acknowledge}.`]) {
          const args = { plan: plan["plan"], ...(wrong !== undefined && { acknowledge: wrong }) };
          await isRefused(agent, "invalid_input", "apply", args);
          assert.deepEqual(treeState(library), damaged, String(wrong));
        }
        const report = dataOf(await agent.call("apply", { plan: plan["plan"], acknowledge }));
        assert.deepEqual([report["status"], report["files"]], ["complete", 3]);
        assert.deepEqual(cachesOf(library), whole);

        const { runs } = dataOf(await agent.call("history")) as { runs: { run: string; acknowledge: string }[] };
        const [run] = runs;
        dataOf(await agent.call("undo", { run: run?.run, acknowledge: run?.acknowledge }));
        assert.deepEqual(treeState(library), damaged);
      } finally {
        await agent.close();
      }
    });

    it("is refused an archive that was altered, cut off, escapes its root or lies elsewhere", async () => {
      const { library, agent, archive, damaged } = await backedUp(era);
      try {
        const bytes = readFileSync(archive);
        const members = await membersOf(archive);
        const outside = makePlace("outside");
        const altered = Buffer.from(bytes);
        altered.writeUInt8(altered.readUInt8(bytes.length >> 1) ^ 1, bytes.length >> 1);
        writeFileSync(join(outside, NAME), bytes);
        const bad = join(archive, "..", "bad.tar.gz");
        for (const content of [altered, bytes.subarray(0, bytes.length >> 1), Buffer.concat([bytes, bytes])]) {
          writeFileSync(bad, content);
          await isRefused(agent, "corrupt", "restore", { archive: "bad.tar.gz" });
        }
        for (const path of [`../${CACHE}`, `a/../../${CACHE}`, `${outside}/${CACHE}`, "a/film.mkv"]) {
          const { line, member } = fileNamed(path);
          await writeMembers(bad, [...withManifest(members, ({ files }) => void files.push({ ...line })), member]);
          await isRefused(agent, "corrupt", "restore", { archive: "bad.tar.gz" });
        }
        // Whole and right in itself, but of a root that the agent has no business in.
        await writeMembers(
          bad,
          withManifest(members, ({ roots }) => void Object.assign(roots[0] ?? {}, { path: outside })),
        );
        await isRefused(agent, "forbidden", "restore", { archive: "bad.tar.gz" });
        await isRefused(agent, "forbidden", "restore", { archive: NAME, to: outside });
        await isRefused(agent, "forbidden", "restore", { archive: join(outside, NAME) });
        await isRefused(agent, "forbidden", "backup", { archive: join(outside, "mine.tar.gz") });
        await isRefused(agent, "invalid_input", "backup", { archive: NAME });
        assert.deepEqual(treeState(library), damaged);
        assert.deepEqual(treeState(outside).length, 2, "only the copy of the archive");
        assert.deepEqual(readFileSync(archive), bytes);
        assert.equal(dataOf(await agent.call("restore", { archive: NAME }))["entries"], 3, "the good one still is");
      } finally {
        await agent.close();
      }
    });

    it("is refused the plan when a cache changed since it was made, and the others are put back", async () => {
      const { library, agent } = await backedUp(era);
      try {
        const plan = dataOf(await agent.call("restore", { archive: NAME }));
        const second = join(library, cachesIn(library).find((cache) => isDamaged(join(library, cache))) ?? "");
        writeFileSync(second, "somebody else's");
        const args = { plan: plan["plan"], acknowledge: plan["acknowledge"] };
        const report = dataOf(await agent.call("apply", args));
        assert.deepEqual([report["status"], report["files"]], ["partial", 2]);
        assert.equal(readFileSync(second, "utf8"), "somebody else's");
      } finally {
        await agent.close();
      }
    });
  });
}

function isDamaged(cache: string): boolean {
  return readFileSync(cache, "utf8") === "damaged";
}
