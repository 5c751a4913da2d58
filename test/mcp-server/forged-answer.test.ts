import assert from "node:assert/strict";
import { rmSync } from "node:fs";
import { join } from "node:path";

import { copyLibrary } from "../support/library.ts";
import { treeState } from "../support/tree.ts";
import { bodies, send, type Sent } from "./http-client.ts";
import { connectHttp, startHttp } from "./http-server.ts";

const YES = { confirm: { action: "accept", content: { confirm: true } } };

/** The result in an answer, whether it came as one body or as a stream. */
function resultOf({ text }: Sent): { readonly resultType?: string; readonly requestState?: string } {
  const json = text.startsWith("{") ? text : (/^data: (.*)$/m.exec(text)?.[1] ?? "{}");
  return (JSON.parse(json) as { result?: object }).result ?? {};
}

describe("a yes that nobody gave", () => {
  it("counts for nothing: sent unasked, with a made-up state, or with the state of another question", async () => {
    const library = copyLibrary();
    rmSync(join(library, "movies/The Matrix (1999)/The Matrix (1999) - 1080p.mkv"));
    const before = treeState(library);
    const server = await startHttp(["--root", library, "--confirm"]);
    const agent = await connectHttp("2026", server);
    const planned = async () => {
      const { plan, acknowledge } = (await agent.call("cleanup")).structuredContent ?? {};
      return { plan, acknowledge };
    };
    const [first, second] = [await planned(), await planned()];
    const apply = (args: object, extra: object) => {
      const { body, headers } = bodies({ ...args }, "", { elicitation: { form: {} } }).modern;
      const request = JSON.parse(body) as { params: object };
      return send(server, { headers, body: JSON.stringify({ ...request, params: { ...request.params, ...extra } }) });
    };
    const asked = resultOf(await apply(first, {}));
    assert.equal(asked.resultType, "input_required");
    assert.equal(resultOf(await apply(first, { inputResponses: YES })).resultType, "input_required");
    const forged = await apply(first, { inputResponses: YES, requestState: `x${asked.requestState}` });
    assert.match(forged.text, /-32602/);
    const other = await apply(second, { inputResponses: YES, requestState: asked.requestState });
    assert.equal(resultOf(other).resultType, "input_required");
    assert.deepEqual(treeState(library), before);
    await apply(first, { inputResponses: YES, requestState: asked.requestState });
    assert.notDeepEqual(treeState(library), before);
    await agent.close();
    await server.stop();
  });
});
