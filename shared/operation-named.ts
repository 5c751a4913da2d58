import type { Operation } from "./operation.ts";

/** The operations that are loaded alone: those that are over so soon that loading all the others would take longer. */
const ALONE: Readonly<Record<string, (() => Promise<Operation>) | undefined>> = {
  check: async () => (await import("./operations/check.ts")).check,
  cleanup: async () => (await import("./operations/cleanup.ts")).cleanup,
};

/** The whole registry, loaded when it is asked for. */
export async function allOperations(): Promise<readonly Operation[]> {
  const { operations } = await import("./operations.ts");
  return operations;
}

/** The operation of the registry that is called so, if one is. Loads as little as it can. */
export async function operationNamed(name: string): Promise<Operation | undefined> {
  const alone = Object.hasOwn(ALONE, name) ? ALONE[name] : undefined;
  return alone === undefined ? (await allOperations()).find((operation) => operation.name === name) : alone();
}
