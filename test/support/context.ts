import { Configuration, openState, parse, type Context, type State } from "../../shared/index.ts";
import { makePlace } from "./place.ts";

/** A context for tests: the real store in a place of its own, the real clock unless told otherwise. */
export function makeContext(parts: Partial<Context> & { readonly config?: Record<string, unknown> } = {}): Context {
  const { config = {}, ...rest } = parts;
  let state: State | undefined;
  const context: Context = {
    now: () => Date.now(),
    signal: new AbortController().signal,
    progress: () => undefined,
    log: () => undefined,
    state: () => (state ??= openState(makePlace("state"))),
    configuration: parse(Configuration, config, "configuration"),
    ...rest,
  };
  return context;
}
