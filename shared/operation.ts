import type { Static, TObject } from "typebox";

import type { Context } from "./context.ts";
import type { ErrorCode } from "./errors.ts";
import { parse } from "./validate.ts";
import type { View } from "./view.ts";

/**
 * What an operation may do. `read` writes nothing outside the state directory; `write` adds to or corrects caches;
 * `destroy` may remove. Every face derives its permissions, hints and confirmations from this word.
 */
export type Effect = "read" | "write" | "destroy";

/** How a result is to be taken: all in order, something stale or wrong was found, part of it failed, or an error code. */
export type Outcome = "ok" | "stale" | "partial" | ErrorCode;

/** One thing the product can do. MCP tool, CLI verb, REST route and editor command are read off it. */
export interface Operation<Input extends TObject = TObject, Output extends TObject = TObject> {
  /** A verb in lower case, the same on every face. */
  readonly name: string;
  readonly title: string;
  /** One or two sentences: help text, tool description, README. */
  readonly description: string;
  readonly effect: Effect;
  readonly input: Input;
  readonly output: Output;
  /** The property of the input that is given without its name on a command line. */
  readonly positional?: keyof Static<Input> & string;
  /** The property of the output that holds its rows, where a face can show them page by page. */
  readonly rows?: keyof Static<Output> & string;
  /** Whether doing it once more with the same input has an effect of its own. */
  readonly addsUp?: boolean;
  /** Agents get it only when the operator names it: every tool that is offered costs each of their conversations. */
  readonly isExtraTool?: boolean;
  run(input: Static<Input>, context: Context): Promise<Static<Output>>;
  outcome(output: Static<Output>): Outcome;
  view(output: Static<Output>): View;
}

/** Declares an operation; only here to tie the types of its parts together. */
export function defineOperation<Input extends TObject, Output extends TObject>(
  operation: Operation<Input, Output>,
): Operation<Input, Output> {
  return operation;
}

/**
 * Runs an operation on input from outside: the one door of every face.
 *
 * Throws `invalid_input` that names path, rule and allowed values when the input does not fit the schema.
 */
export async function invoke<Input extends TObject, Output extends TObject>(
  operation: Operation<Input, Output>,
  input: unknown,
  context: Context,
): Promise<Static<Output>> {
  return operation.run(parse(operation.input, input, `input of ${operation.name}`), context);
}
