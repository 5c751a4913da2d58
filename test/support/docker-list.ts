import { once } from "node:events";
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";

import { atEnd } from "./at-end.ts";

/** As much of a container as matters here. */
export interface Listed {
  readonly id: string;
  readonly labels?: Readonly<Record<string, string>>;
}

const servers: Server[] = [];

/**
 * Something that shows stopped containers as Docker does, named after the beginning of their ids, and can do nothing
 * else. It ends with the test file.
 */
export async function startDockerList(containers: readonly Listed[]) {
  const answer = (url: string): unknown => {
    if (url.endsWith("/_ping")) return "OK";
    if (/\/containers\/json(\?|$)/.test(url)) return containers.map(lineOf);
    const wanted = /\/containers\/([0-9a-f]{64})\/json$/.exec(url)?.[1];
    const found = containers.find(({ id }) => id === wanted);
    return found === undefined ? undefined : detailsOf(found);
  };
  const asked: { readonly method: string; readonly url: string }[] = [];
  const server = createServer(({ method = "", url = "" }, response) => {
    asked.push({ method, url });
    const found = answer(url);
    response.writeHead(found === undefined ? 500 : 200, { "content-type": "application/json" });
    response.end(JSON.stringify(found ?? { message: "not here" }));
  });
  servers.push(server);
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  return {
    asked,
    endpoint: `tcp://127.0.0.1:${(server.address() as AddressInfo).port}`,
    stop: async () => {
      server.close();
      server.closeAllConnections();
      await once(server, "close");
    },
  };
}

const nameOf = ({ id }: Listed) => `/engine-${id.slice(0, 4)}`;
const labelsOf = ({ labels = {} }: Listed) => ({ "ondemand.app": "myservice", ...labels });

function lineOf(listed: Listed) {
  return { Id: listed.id, Names: [nameOf(listed)], State: "exited", Labels: labelsOf(listed), Mounts: [] };
}

function detailsOf(listed: Listed) {
  return {
    Id: listed.id,
    Name: nameOf(listed),
    Image: `sha256:${"0".repeat(64)}`,
    State: { Running: false, Paused: false, Pid: 0, StartedAt: "2030-01-01T00:00:00Z" },
    Config: { Labels: labelsOf(listed) },
    HostConfig: { NetworkMode: "none", ReadonlyRootfs: false },
    Mounts: [],
  };
}

atEnd(() => {
  for (const server of servers) {
    server.close();
    server.closeAllConnections();
  }
});
