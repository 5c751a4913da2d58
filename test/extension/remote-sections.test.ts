import assert from "node:assert/strict";

import { makeRemoteSections, type Remote } from "../../extension/caches/remote-sections.ts";
import type { Engine } from "../../extension/engine.ts";
import type { Node } from "../../extension/caches/nodes.ts";
import { containerRow, serverRow } from "./remote-rows.ts";

/** Sections over a worker that answers when and what the test says, in the test's own time. */
function makeSections() {
  let time = 1000;
  const asked: string[] = [];
  const told: string[] = [];
  const names = { engines: ["ace", "spare"], jellyfin: ["home"] };
  let answer: (name: string) => Promise<object> = async () => ({ caches: [containerRow()], errors: [] });
  const request = async (what: string, params: object) => {
    const list = (of: readonly string[]) => of.map((name) => ({ name }));
    if (what === "places") return { configuration: { engines: list(names.engines), jellyfin: list(names.jellyfin) } };
    const { input } = params as { readonly input: { readonly engine?: [string]; readonly server?: [string] } };
    const name = input.engine?.[0] ?? input.server?.[0] ?? "";
    asked.push(name);
    return { output: await answer(name) };
  };
  const sections = makeRemoteSections({
    engine: { request: request as unknown as Engine["request"] },
    onSight: ({ name }) => told.push(name),
    errorText: (error) => (error instanceof Error ? error.message : String(error)),
    now: () => time,
  });
  return {
    sections,
    asked,
    told,
    names,
    reply: (given: typeof answer) => void (answer = given),
    pass: () => void (time += 60_000),
    nodes: async () => (await sections.sections()) as Remote[],
  };
}

const typesOf = (nodes: readonly Node[]) => nodes.map(({ type }) => type);
const settled = () => new Promise((resolve) => void setImmediate(resolve));

describe("the sections of engine caches and Jellyfin servers", () => {
  it("are there for whatever is configured, and nothing is looked into before one is opened", async () => {
    const { nodes, asked, sections } = makeSections();
    assert.deepEqual(
      (await nodes()).map(({ type, name }) => `${type} ${name}`),
      ["engine ace", "engine spare", "jellyfin home"],
    );
    assert.deepEqual([asked, sections.isKnown], [[], false]);
  });

  it("look into the one that is opened, and not again for the redrawing of what was just seen", async () => {
    const { nodes, asked, told, sections } = makeSections();
    const [ace] = await nodes();
    assert.ok(ace);
    assert.deepEqual(typesOf(await sections.rowsOf(ace)), ["container"]);
    assert.deepEqual(typesOf(await sections.rowsOf(ace)), ["container"]);
    assert.deepEqual([asked, told], [["ace"], ["ace"]]);
    assert.equal(sections.sightOf(ace)?.containers.length, 1);
  });

  it("show what they showed while a later look is under way, and tell when that found something else", async () => {
    const { nodes, asked, told, sections, reply, pass } = makeSections();
    const [ace] = await nodes();
    assert.ok(ace);
    await sections.rowsOf(ace);
    const { promise, resolve } = Promise.withResolvers<object>();
    reply(() => promise);
    pass();
    assert.deepEqual(typesOf(await sections.rowsOf(ace)), ["container"]);
    assert.deepEqual(typesOf(await sections.rowsOf(ace)), ["container"]);
    assert.deepEqual([asked, told], [["ace", "ace"], ["ace"]]);
    resolve({ caches: [], errors: [{ message: "the engine does not answer. Check that it runs." }] });
    await settled();
    assert.deepEqual(told, ["ace", "ace"]);
    assert.deepEqual(await sections.rowsOf(ace), [
      { type: "message", text: "the engine does not answer. Check that it runs.", isError: true },
    ]);
  });

  it("say of one that is down what is wrong in a row, also where the question itself fails, and show the others", async () => {
    const { nodes, sections, reply } = makeSections();
    const [ace, spare] = await nodes();
    assert.ok(ace && spare);
    reply(async (name) => {
      if (name === "ace") throw new Error("the worker ended");
      return { caches: [containerRow()], errors: [] };
    });
    assert.deepEqual(await sections.rowsOf(ace), [{ type: "message", text: "the worker ended", isError: true }]);
    assert.deepEqual(typesOf(await sections.rowsOf(spare)), ["container"]);
  });

  it("do not wait for one whose first look is still under way", async () => {
    const { nodes, sections, reply } = makeSections();
    const [ace, spare] = await nodes();
    assert.ok(ace && spare);
    const { promise, resolve } = Promise.withResolvers<object>();
    reply((name) => (name === "ace" ? promise : Promise.resolve({ caches: [], errors: [] })));
    const first = sections.rowsOf(ace);
    assert.deepEqual(await sections.rowsOf(ace), [{ type: "message", text: "Looking…", isError: false }]);
    assert.deepEqual(await sections.rowsOf(spare), [
      { type: "message", text: "There is no such container now.", isError: false },
    ]);
    resolve({ caches: [containerRow()], errors: [] });
    assert.deepEqual(typesOf(await first), ["container"]);
  });

  it("are looked into again, each when it is next shown, once something may have changed", async () => {
    const { nodes, asked, sections } = makeSections();
    const [ace] = await nodes();
    assert.ok(ace);
    await sections.rowsOf(ace);
    sections.doubt();
    assert.deepEqual(asked, ["ace"]);
    await sections.rowsOf(ace);
    assert.deepEqual(asked, ["ace", "ace"]);
  });

  it("are looked into once more when something changed during the look", async () => {
    const { nodes, asked, told, sections, reply } = makeSections();
    const [ace] = await nodes();
    assert.ok(ace);
    const { promise, resolve } = Promise.withResolvers<object>();
    reply(() => promise);
    const first = sections.rowsOf(ace);
    sections.doubt();
    reply(async () => ({ caches: [], errors: [] }));
    resolve({ caches: [containerRow()], errors: [] });
    assert.deepEqual([typesOf(await first), told], [["container"], ["ace"]]);
    await sections.rowsOf(ace);
    await settled();
    assert.deepEqual([asked, told, typesOf(await sections.rowsOf(ace))], [["ace", "ace"], ["ace", "ace"], ["message"]]);
  });

  it("show a server's channel caches, tasks and figures, and which servers have something going on", async () => {
    const { nodes, sections, reply } = makeSections();
    const home = (await nodes()).at(-1);
    assert.ok(home);
    const [task] = serverRow().tasks;
    assert.ok(task);
    reply(async () => ({ servers: [serverRow({ tasks: [{ ...task, state: "Running" }] })], errors: [] }));
    assert.deepEqual(typesOf(await sections.rowsOf(home)), ["channel", "task", "fact", "fact", "fact"]);
    assert.deepEqual(sections.moving(), [home]);
  });

  it("say that the plugin is missing where a server has none, and name a container's path where it has several", async () => {
    const { nodes, sections, reply } = makeSections();
    const all = await nodes();
    const [ace, home] = [all[0], all.at(-1)];
    assert.ok(ace && home);
    reply(async () => ({ servers: [serverRow({ sections: [] })], errors: [] }));
    const [first] = await sections.rowsOf(home);
    assert.match(first?.type === "message" ? first.text : "", /plugin is not installed/);
    reply(async () => ({ caches: [containerRow(), containerRow({ path: "/other" })], errors: [] }));
    const rows = await sections.rowsOf(ace);
    assert.deepEqual(
      rows.map((node) => node.type === "container" && node.isOnly),
      [false, false],
    );
  });

  it("forget what is configured no more, and keep a section the same object, for the editor knows no other", async () => {
    const { nodes, names, sections } = makeSections();
    const [ace] = await nodes();
    assert.ok(ace);
    await sections.rowsOf(ace);
    assert.equal((await nodes())[0], ace);
    names.engines = ["spare"];
    await nodes();
    assert.equal(sections.sightOf(ace), undefined);
  });
});
