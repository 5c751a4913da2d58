import { isUtf8 } from "node:buffer";

import { opcodeName } from "./opcodes.ts";

/** A value of a pickle that may stand in its data. Classes are names here, never resolved. */
export type PickleNode =
  | { readonly kind: "scalar"; readonly value: null | boolean | number | string }
  | { readonly kind: "list"; readonly items: PickleNode[]; depth: number }
  | { readonly kind: "dict"; readonly entries: Map<string, PickleNode>; depth: number }
  | { readonly kind: "tuple"; readonly items: readonly PickleNode[] }
  | { readonly kind: "path"; readonly style: PathStyle; readonly segments: readonly string[] }
  | { readonly kind: "entry"; state: ReadonlyMap<string, PickleNode> | undefined }
  | { readonly kind: "global"; readonly is: "entry" | PathStyle };

/** How a path is written: `/a/b` or `C:\a\b`. */
export type PathStyle = "posix" | "windows";

/** What bytes are: the attributes of one cache entry, a pickle whose end is missing, or one that is not read. */
export type PickleReading =
  | { readonly attributes: ReadonlyMap<string, PickleNode> }
  | { readonly truncatedAt: number }
  | { readonly refused: string; readonly offset: number };

/** Larger files are refused. Real ones have some 2 kB. */
export const MAX_PICKLE_BYTES = 16 * 1024 * 1024;
/** Deeper nesting is refused. ffprobe's answers have four levels. */
const MAX_DEPTH = 64;
const MAX_TEXT_SHOWN = 80;

/** The only names a pickle may hold; they stand for themselves and are never looked up. */
const GLOBALS = new Map<string, "entry" | PathStyle>([
  ["media_audit.infrastructure.cache.cache CacheEntry", "entry"],
  ["media_audit.cache CacheEntry", "entry"],
  ["pathlib PosixPath", "posix"],
  ["pathlib._local PosixPath", "posix"],
  ["pathlib WindowsPath", "windows"],
  ["pathlib._local WindowsPath", "windows"],
]);

/**
 * Reads a pickle of media-audit as data: a stack machine of the opcodes that CPython 3.12 to 3.14 write for its cache
 * entries, and no others. There is nothing here that could call anything.
 *
 * Containers may not be referred to twice, so what comes out is a tree no larger than the bytes. Never throws; takes
 * time linear in the length. Whatever is not exactly one cache entry is refused, with the byte it was noticed at.
 */
export function readPickle(bytes: Buffer): PickleReading {
  if (bytes.length > MAX_PICKLE_BYTES) return { refused: `${bytes.length} bytes`, offset: 0 };
  const machine: Machine = { stack: [], marks: [], memo: [] };
  let position = 0;
  for (;;) {
    const at = position;
    const opcode = bytes[position];
    if (opcode === undefined) return { truncatedAt: at };
    const operation = OPERATIONS.get(opcode);
    if (operation === undefined || (opcode === PROTO) !== (at === 0)) {
      return { refused: opcodeName(opcode), offset: at };
    }
    const start = at + 1 + (operation.prefix ?? 0);
    if (start > bytes.length) return { truncatedAt: at };
    const length = operation.prefix === undefined ? operation.size : bytes.readUIntLE(at + 1, operation.prefix);
    if (length > MAX_PICKLE_BYTES) return { refused: `${opcodeName(opcode)} of ${length} bytes`, offset: at };
    position = start + length;
    if (position > bytes.length) return { truncatedAt: at };
    if (opcode === STOP) return finish(machine, bytes, position);
    const argument = bytes.subarray(start, position);
    if (opcode === FRAME && argument.readBigUInt64LE() > BigInt(bytes.length - position)) return { truncatedAt: at };
    const refused = operation.run(machine, argument);
    if (refused !== undefined) return { refused: `${opcodeName(opcode)}: ${refused}`, offset: at };
  }
}

function finish({ stack, marks }: Machine, bytes: Buffer, end: number): PickleReading {
  const [entry, ...rest] = stack;
  if (end < bytes.length) return { refused: "bytes after the end", offset: end };
  if (marks.length > 0 || rest.length > 0 || entry?.kind !== "entry" || entry.state === undefined) {
    return { refused: "not one cache entry", offset: end - 1 };
  }
  return { attributes: entry.state };
}

/** The same value as JavaScript holds it; `undefined` for a path, a tuple or a class, which no JSON has. */
export function plainValue(node: PickleNode): unknown {
  if (node.kind === "scalar") return node.value;
  if (node.kind === "list") return node.items.map(plainValue);
  // Built from entries, so that a key like `__proto__` is a key like any other.
  if (node.kind === "dict") return Object.fromEntries([...node.entries].map(([key, item]) => [key, plainValue(item)]));
  return undefined;
}

interface Machine {
  readonly stack: PickleNode[];
  /** Heights of the stack at the open marks. */
  readonly marks: number[];
  readonly memo: PickleNode[];
}

/** Does what an opcode says, or returns why it is refused. */
type Run = (machine: Machine, argument: Buffer) => string | undefined;

interface Operation {
  /** Bytes of its argument. */
  readonly size: number;
  /** Or bytes of the number that says how long the argument is. */
  readonly prefix?: number;
  readonly run: Run;
}

const PROTO = 0x80;
const FRAME = 0x95;
const STOP = 0x2e;
const UNDERFLOW = "too little on the stack";

const scalar =
  (read: (argument: Buffer) => null | boolean | number): Run =>
  ({ stack }, argument) => {
    stack.push({ kind: "scalar", value: read(argument) });
    return undefined;
  };

const text: Run = ({ stack }, argument) => {
  if (!isUtf8(argument)) return "text that is not UTF-8";
  stack.push({ kind: "scalar", value: argument.toString("utf8") });
  return undefined;
};

/** A long number becomes the nearest double, as it does when ffprobe's answer is read as JSON. */
const long: Run = (machine, argument) => {
  if (argument.length > 8) return `a number of ${argument.length} bytes`;
  const value = argument.reduceRight((sum, byte) => (sum << 8n) | BigInt(byte), 0n);
  return scalar(() => Number(BigInt.asIntN(8 * argument.length, value)))(machine, argument);
};

const push =
  (make: () => PickleNode): Run =>
  ({ stack }) => {
    stack.push(make());
    return undefined;
  };

const tupleOf =
  (length: number): Run =>
  (machine) => {
    const items = take(machine, length);
    if (items === undefined) return UNDERFLOW;
    machine.stack.push({ kind: "tuple", items });
    return undefined;
  };

const tuple: Run = (machine) => {
  const items = takeMarked(machine);
  if (items === undefined) return "no mark";
  machine.stack.push({ kind: "tuple", items });
  return undefined;
};

const append: Run = (machine) => appendAll(machine, take(machine, 1));
const appends: Run = (machine) => appendAll(machine, takeMarked(machine));
const setItem: Run = (machine) => setAll(machine, take(machine, 2));
const setItems: Run = (machine) => setAll(machine, takeMarked(machine));

function appendAll(machine: Machine, items: readonly PickleNode[] | undefined): string | undefined {
  const list = top(machine);
  if (items === undefined || list?.kind !== "list") return "no list to add to";
  for (const item of items) {
    const refused = adopt(list, item);
    if (refused !== undefined) return refused;
    list.items.push(item);
  }
  return undefined;
}

function setAll(machine: Machine, items: readonly PickleNode[] | undefined): string | undefined {
  const dict = top(machine);
  if (items === undefined || items.length % 2 !== 0 || dict?.kind !== "dict") return "no dictionary to add to";
  for (let index = 0; index < items.length; index += 2) {
    const [key, item] = [items[index], items[index + 1]];
    if (key?.kind !== "scalar" || typeof key.value !== "string" || item === undefined) return "a key that is no text";
    const refused = adopt(dict, item);
    if (refused !== undefined) return refused;
    dict.entries.set(key.value, item);
  }
  return undefined;
}

function adopt(parent: { depth: number }, child: PickleNode): string | undefined {
  if (child.kind === "global" || child.kind === "entry" || child.kind === "tuple") return `a ${child.kind} as data`;
  const depth = child.kind === "list" || child.kind === "dict" ? child.depth + 1 : 1;
  if (depth > MAX_DEPTH) return `more than ${MAX_DEPTH} levels`;
  parent.depth = Math.max(parent.depth, depth);
  return undefined;
}

const memoize: Run = (machine) => {
  const node = top(machine);
  if (node === undefined) return UNDERFLOW;
  machine.memo.push(node);
  return undefined;
};

const get =
  (read: (argument: Buffer) => number): Run =>
  ({ stack, memo }, argument) => {
    const node = memo[read(argument)];
    if (node === undefined) return "nothing under this number";
    if (node.kind !== "scalar" && node.kind !== "global") return `a ${node.kind} for the second time`;
    stack.push(node);
    return undefined;
  };

const stackGlobal: Run = (machine) => {
  const [module, name] = take(machine, 2) ?? [];
  if (module?.kind !== "scalar" || name?.kind !== "scalar") return "a class without a name";
  const full = `${module.value} ${name.value}`;
  const is = GLOBALS.get(full);
  if (is === undefined) return full.slice(0, MAX_TEXT_SHOWN);
  machine.stack.push({ kind: "global", is });
  return undefined;
};

const newObject: Run = (machine) => {
  const [type, args] = take(machine, 2) ?? [];
  if (type?.kind !== "global" || type.is !== "entry") return "an object of another class";
  if (args?.kind !== "tuple" || args.items.length > 0) return "arguments";
  machine.stack.push({ kind: "entry", state: undefined });
  return undefined;
};

const reduce: Run = (machine) => {
  const [callable, args] = take(machine, 2) ?? [];
  if (callable?.kind !== "global" || callable.is === "entry") return "something else than a path";
  const segments = args?.kind === "tuple" ? args.items.map((item) => (item.kind === "scalar" ? item.value : null)) : [];
  if (segments.length === 0 || !segments.every((segment) => typeof segment === "string")) return "a path not of texts";
  machine.stack.push({ kind: "path", style: callable.is, segments });
  return undefined;
};

const build: Run = (machine) => {
  const [state] = take(machine, 1) ?? [];
  const entry = top(machine);
  if (state?.kind !== "dict" || entry?.kind !== "entry" || entry.state !== undefined) return "no entry to fill";
  entry.state = state.entries;
  return undefined;
};

function top({ stack, marks }: Machine): PickleNode | undefined {
  return stack.length > (marks.at(-1) ?? 0) ? stack.at(-1) : undefined;
}

function take({ stack, marks }: Machine, count: number): PickleNode[] | undefined {
  return stack.length - count < (marks.at(-1) ?? 0) ? undefined : stack.splice(stack.length - count);
}

function takeMarked({ stack, marks }: Machine): PickleNode[] | undefined {
  const height = marks.pop();
  return height === undefined ? undefined : stack.splice(height);
}

const mark: Run = ({ stack, marks }) => {
  marks.push(stack.length);
  return undefined;
};

const pass: Run = () => undefined;

const OPERATIONS: ReadonlyMap<number, Operation> = new Map<number, Operation>([
  [PROTO, { size: 1, run: (_, argument) => (argument[0] === 4 || argument[0] === 5 ? undefined : "another protocol") }],
  [FRAME, { size: 8, run: pass }],
  [STOP, { size: 0, run: pass }],
  [0x28, { size: 0, run: mark }],
  [0x4e, { size: 0, run: scalar(() => null) }],
  [0x88, { size: 0, run: scalar(() => true) }],
  [0x89, { size: 0, run: scalar(() => false) }],
  [0x4b, { size: 1, run: scalar((argument) => argument.readUInt8()) }],
  [0x4d, { size: 2, run: scalar((argument) => argument.readUInt16LE()) }],
  [0x4a, { size: 4, run: scalar((argument) => argument.readInt32LE()) }],
  [0x8a, { size: 0, prefix: 1, run: long }],
  [0x47, { size: 8, run: scalar((argument) => argument.readDoubleBE()) }],
  [0x8c, { size: 0, prefix: 1, run: text }],
  [0x58, { size: 0, prefix: 4, run: text }],
  [0x7d, { size: 0, run: push(() => ({ kind: "dict", entries: new Map(), depth: 0 })) }],
  [0x5d, { size: 0, run: push(() => ({ kind: "list", items: [], depth: 0 })) }],
  [0x29, { size: 0, run: tupleOf(0) }],
  [0x85, { size: 0, run: tupleOf(1) }],
  [0x86, { size: 0, run: tupleOf(2) }],
  [0x87, { size: 0, run: tupleOf(3) }],
  [0x74, { size: 0, run: tuple }],
  [0x61, { size: 0, run: append }],
  [0x65, { size: 0, run: appends }],
  [0x73, { size: 0, run: setItem }],
  [0x75, { size: 0, run: setItems }],
  [0x94, { size: 0, run: memoize }],
  [0x68, { size: 1, run: get((argument) => argument.readUInt8()) }],
  [0x6a, { size: 4, run: get((argument) => argument.readUInt32LE()) }],
  [0x93, { size: 0, run: stackGlobal }],
  [0x81, { size: 0, run: newObject }],
  [0x52, { size: 0, run: reduce }],
  [0x62, { size: 0, run: build }],
]);
