import { once } from "node:events";
import { resolve } from "node:path";
import { argv, env, execPath, stderr, stdout } from "node:process";

import { jellyfinTokenFrom, secretFrom, type Configuration } from "@cache-ops/shared/start";

import type { Command } from "commander";

import { makeContext } from "./environment.ts";
import { end } from "./end.ts";
import { EXIT_CODES } from "./exit-codes.ts";
import { makeLog } from "./log.ts";
import {
  boundedContext,
  numberOf,
  serverCommand,
  tokenFileOf,
  withAddress,
  withBounds,
  type AddressFlags,
  type BoundFlags,
} from "./operator.ts";
import { placesOf } from "./places.ts";
import { unitOf } from "./service-unit.ts";

/** What the operator may say when starting the service. */
interface ServeFlags extends BoundFlags, AddressFlags {
  readonly metricsOpen?: boolean;
  readonly grace: string;
  readonly printUnit?: boolean;
}

/** The command `serve`: MCP, REST, metrics and the scheduler in one process. */
export function serveCommand(version: string): Command {
  const command = serverCommand(
    "serve",
    "Runs the service: MCP at /mcp, REST at /api/v1 and /cache, a page to try it at /docs, /metrics, /health, and the schedules.",
  );
  return withAddress(withBounds(command))
    .option("--metrics-open", "let anybody read /metrics, without the token")
    .option("--grace <seconds>", "how long running work may take to end when the service stops", "20")
    .option("--print-unit", "print a unit for systemd that runs this command line, and end")
    .addHelpText("after", "\nTLS: put a proxy in front, and name its host with --allow-host.")
    .action((flags: ServeFlags) => (flags.printUnit === true ? printUnit(flags) : runService(version, flags)));
}

async function runService(version: string, flags: ServeFlags): Promise<void> {
  const { DEFAULT_MAX_TOKENS, tokenFrom } = await import("@cache-ops/mcp-server");
  const { serveService } = await import("@cache-ops/mcp-server/service");
  const { context, close } = await makeContext(new AbortController().signal, () => undefined);
  try {
    context.state();
    const tokenFile = tokenFileOf(flags);
    const token = tokenFrom(tokenFile);
    const webhookSecret = secretFrom(env, "CACHE_OPS_WEBHOOK_SECRET");
    const { secretAccessKey, sessionToken } = context.objectStorageKeys ?? {};
    const { redisUrl, orchestratorKey, configuration } = context;
    const keys = configuration.jellyfin.map(({ name }) => jellyfinTokenFrom(env, name));
    const secrets = [token, webhookSecret, redisUrl, secretAccessKey, sessionToken, orchestratorKey, ...keys];
    const log = makeLog((line) => stderr.write(line), context.now, secrets);
    const bounded = { ...boundedContext(flags, context), log };
    // Before anybody can know that the service listens, so that it always ends as it should.
    const told = Promise.race([once(process, "SIGINT"), once(process, "SIGTERM")]);
    const settings = {
      version,
      contextFor: (signal: AbortSignal) => ({ ...bounded, signal }),
      readOnly: flags.readOnly === true,
      tools: undefined,
      confirm: flags.confirm === true,
      maxTokens: numberOf(flags.maxTokens) ?? DEFAULT_MAX_TOKENS,
    };
    const service = await serveService(settings, {
      host: flags.host,
      port: numberOf(flags.port) ?? 0,
      token,
      allowedHosts: flags.allowHost ?? [],
      requestsPerMinute: 600,
      hasOpenMetrics: flags.metricsOpen === true,
      graceSeconds: numberOf(flags.grace) ?? 0,
      webhookSecret,
      log,
    });
    log("serving", { url: service.origin, tokenFile });
    await told;
    for (const signal of ["SIGINT", "SIGTERM"] as const) process.once(signal, () => end(EXIT_CODES.interrupted, true));
    await service.close();
  } finally {
    close();
  }
}

async function printUnit(flags: ServeFlags): Promise<void> {
  const { stateDirectory, configFile } = placesOf();
  const { context, close } = await makeContext(new AbortController().signal, () => undefined);
  close();
  stdout.write(
    unitOf({
      command: [execPath, ...argv.slice(1).filter((word) => word !== "--print-unit")],
      stateDirectory: resolve(stateDirectory),
      configFile: resolve(configFile),
      tokenFile: tokenFileOf(flags),
      roots: rootsOf(boundedContext(flags, context).configuration),
    }),
  );
}

/** Every directory that the configuration is about. A pattern stands for the directories above its first wildcard. */
function rootsOf({ libraries, managed, probe }: Configuration): string[] {
  const written = [...libraries.flatMap(({ roots }) => roots), ...managed.map(({ root }) => root), ...probe.mediaAudit];
  return written.map((root) => resolve(root.replace(/\/[^/]*[*?[{(!].*$/, "/")));
}
