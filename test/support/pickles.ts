/** Opcodes of pickle as bytes, to put together what no honest program writes. */
const code = (character: string | number) =>
  typeof character === "number" ? Buffer.from([character]) : Buffer.from(character, "latin1");

const u32 = (value: number) => {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32LE(value);
  return bytes;
};

/** A short text. */
export const text = (value: string) => {
  const bytes = Buffer.from(value, "utf8");
  return bytes.length < 256
    ? Buffer.concat([code(0x8c), Buffer.from([bytes.length]), bytes])
    : Buffer.concat([code("X"), u32(bytes.length), bytes]);
};

const proto = (version = 4) => Buffer.from([0x80, version]);
export const join = (...parts: readonly (Buffer | string | number)[]) =>
  Buffer.concat(parts.map((part) => (Buffer.isBuffer(part) ? part : code(part))));

/** `module name` by opcode STACK_GLOBAL. */
export const stackGlobal = (module: string, name: string) => join(text(module), text(name), 0x93);
/** The same by the older opcode GLOBAL. */
const global = (module: string, name: string) => join("c", Buffer.from(`${module}\n${name}\n`));

const CACHE_ENTRY = stackGlobal("media_audit.infrastructure.cache.cache", "CacheEntry");
export const PATH = (path: string) => join(stackGlobal("pathlib", "PosixPath"), text(path), 0x85, "R");
const double = (value: number) => {
  const bytes = Buffer.alloc(8);
  bytes.writeDoubleBE(value);
  return join("G", bytes);
};

/** A whole entry in which parts can be replaced by anything. */
export function entryPickle(
  parts: Partial<Record<"type" | "args" | "data" | "filePath" | "extra" | "before" | "after", Buffer>> = {},
): Buffer {
  return join(
    proto(),
    parts.before ?? "",
    parts.type ?? CACHE_ENTRY,
    parts.args ?? ")",
    0x81,
    "}",
    "(",
    text("key"),
    text("0".repeat(32)),
    text("data"),
    parts.data ?? "}",
    text("file_path"),
    parts.filePath ?? PATH("/films/a.mkv"),
    text("file_size"),
    join("K", 5),
    text("file_mtime"),
    double(1_700_000_000.5),
    text("cache_time"),
    double(1_700_000_000.5),
    parts.extra ?? "",
    "u",
    "b",
    parts.after ?? "",
    ".",
  );
}

/** Callables that do harm, with a text argument they would do it with. */
const CALLABLES: readonly (readonly [module: string, name: string])[] = [
  ["os", "system"],
  ["posix", "system"],
  ["nt", "system"],
  ["os", "popen"],
  ["os", "remove"],
  ["os", "execvp"],
  ["subprocess", "Popen"],
  ["subprocess", "check_output"],
  ["subprocess", "getoutput"],
  ["builtins", "eval"],
  ["builtins", "exec"],
  ["builtins", "__import__"],
  ["builtins", "getattr"],
  ["builtins", "open"],
  ["__builtin__", "eval"],
  ["shutil", "rmtree"],
  ["pty", "spawn"],
  ["pickle", "loads"],
  ["marshal", "loads"],
  ["types", "FunctionType"],
  ["importlib", "import_module"],
  ["runpy", "run_path"],
  ["code", "interact"],
  ["ctypes", "CDLL"],
  ["timeit", "timeit"],
  ["pathlib", "Path"],
  ["pathlib", "PosixPath.unlink"],
  ["pathlib", "os.system"],
  ["media_audit.cache", "CacheEntry.__init__"],
  ["media_audit.infrastructure.cache.cache", "os.system"],
];

/** Forms in which a pickle gets something called. */
const FORMS: Readonly<Record<string, (module: string, name: string, argument: string) => Buffer>> = {
  "GLOBAL, REDUCE": (module, name, argument) => join(global(module, name), "(", "S", `'${argument}'\n`, "t", "R", "."),
  "STACK_GLOBAL, REDUCE": (module, name, argument) =>
    join(proto(), stackGlobal(module, name), text(argument), 0x85, "R", "."),
  INST: (module, name, argument) => join("(", "S", `'${argument}'\n`, "i", Buffer.from(`${module}\n${name}\n`), "."),
  OBJ: (module, name, argument) => join("(", global(module, name), "S", `'${argument}'\n`, "o", "."),
  NEWOBJ: (module, name, argument) => join(proto(), stackGlobal(module, name), text(argument), 0x85, 0x81, "."),
  NEWOBJ_EX: (module, name, argument) => join(proto(), stackGlobal(module, name), text(argument), 0x85, "}", 0x92, "."),
  "in data": (module, name, argument) =>
    entryPickle({ data: join(stackGlobal(module, name), text(argument), 0x85, "R") }),
  "as path": (module, name, argument) =>
    entryPickle({ filePath: join(stackGlobal(module, name), text(argument), 0x85, "R") }),
  "as class": (module, name) => entryPickle({ type: stackGlobal(module, name) }),
  "before the entry": (module, name, argument) =>
    entryPickle({ before: join(stackGlobal(module, name), text(argument), 0x85, "R", "0") }),
};

/** Pickles that would run `argument` as a shell command, Python code or path, one of each form and callable. */
export function maliciousPickles(argument: string): (readonly [name: string, bytes: Buffer])[] {
  return Object.entries(FORMS).flatMap(([form, make]) =>
    CALLABLES.map(([module, name]) => [`${form} ${module}.${name}`, make(module, name, argument)] as const),
  );
}

/** Pickles that call nothing and are not what media-audit writes either, or would wear a reader out. */
export function oddPickles(): (readonly [name: string, bytes: Buffer])[] {
  const pair = (key: Buffer, value: Buffer) => join("}", key, value, "s");
  let bomb = join("]", 0x94);
  for (let level = 0; level < 60; level += 1)
    bomb = join(bomb, "]", 0x94, join("h", level).toString("latin1").repeat(9), "a");
  const deep = (levels: number) => join("]".repeat(levels), "a".repeat(levels - 1));
  return [
    ["memo bomb", entryPickle({ data: join("]", 0x94, "(", ...Array.from({ length: 200 }, () => join("h", 0)), "e") })],
    ["memo bomb, nested", entryPickle({ data: bomb })],
    ["a list in itself", entryPickle({ data: join("]", 0x94, "h", 0, "a") })],
    ["a dictionary in itself", entryPickle({ data: join("}", 0x94, text("x"), "h", 0, "s") })],
    ["100 levels", entryPickle({ data: deep(100) })],
    ["a million levels", entryPickle({ data: deep(1_000_000) })],
    ["a million marks", entryPickle({ data: join("(".repeat(1_000_000)) })],
    ["a text of 4 GB", join(proto(), "X", u32(0xffff_ffff), "a")],
    ["a text of 2^63 bytes", join(proto(), 0x8d, Buffer.alloc(8, 0xff), ".")],
    ["bytes", entryPickle({ data: pair(text("x"), join("C", 1, "a")) })],
    ["a byte array", entryPickle({ data: pair(text("x"), join(0x96, Buffer.from([1, 0, 0, 0, 0, 0, 0, 0]), "a")) })],
    ["a number of 255 bytes", entryPickle({ data: pair(text("x"), join(0x8a, 255, Buffer.alloc(255, 1))) })],
    ["a number in digits", entryPickle({ data: pair(text("x"), join("I", "1\n")) })],
    ["a persistent id", entryPickle({ data: join("P", "x\n") })],
    ["a binary persistent id", entryPickle({ data: join(text("x"), "Q") })],
    ["extension 1", entryPickle({ data: join(0x82, 1) })],
    ["extension 2", entryPickle({ data: join(0x83, 1, 0) })],
    ["extension 4", entryPickle({ data: join(0x84, u32(1)) })],
    ["a frozen set", entryPickle({ data: join("(", 0x91) })],
    ["a set", entryPickle({ data: join(0x8f) })],
    ["a tuple as data", entryPickle({ data: join(")") })],
    ["a tuple in data", entryPickle({ data: pair(text("x"), join(")")) })],
    ["a path in data", entryPickle({ data: pair(text("x"), PATH("/x")) })],
    ["a class in data", entryPickle({ data: pair(text("x"), CACHE_ENTRY) })],
    ["a number as a key", entryPickle({ data: pair(join("K", 1), join("N")) })],
    ["text that is no UTF-8", entryPickle({ data: pair(text("x"), join(0x8c, 1, 0xff)) })],
    ["a path without parts", entryPickle({ filePath: join(stackGlobal("pathlib", "PosixPath"), ")", "R") })],
    ["a path of numbers", entryPickle({ filePath: join(stackGlobal("pathlib", "PosixPath"), "K", 1, 0x85, "R") })],
    ["a path with a zero byte", entryPickle({ filePath: PATH("/a\0b") })],
    ["a text as path", entryPickle({ filePath: text("/films/a.mkv") })],
    ["an entry with arguments", entryPickle({ args: join("K", 1, 0x85) })],
    ["an entry made by REDUCE", join(proto(), CACHE_ENTRY, ")", "R", ".")],
    ["an entry that is not filled", join(proto(), CACHE_ENTRY, ")", 0x81, ".")],
    ["an entry filled twice", entryPickle({ after: join("}", "b") })],
    ["an unknown attribute", entryPickle({ extra: join(text("__class__"), text("x")) })],
    ["an attribute __reduce__", entryPickle({ extra: join(text("__reduce__"), "N") })],
    ["no end", entryPickle().subarray(0, -1)],
    ["more after the end", join(entryPickle(), ".")],
    ["two entries", join(entryPickle(), entryPickle())],
    ["two values", entryPickle({ before: join("N") })],
    ["a second beginning", entryPickle({ before: proto() })],
    ["protocol 0", join("(", "d", "p0\n", ".")],
    ["protocol 2", join(proto(2), entryPickle().subarray(2))],
    ["protocol 6", join(proto(6), entryPickle().subarray(2))],
    ["nothing at all", Buffer.alloc(0)],
    ["only an end", join(proto(), ".")],
    ["pops", join(proto(), "0000", ".")],
    ["a pop of a mark", join(proto(), "1", ".")],
    ["a copy of the top", entryPickle({ data: join("}", "2") })],
    ["a setting of nothing", join(proto(), "u", ".")],
    ["a build of nothing", join(proto(), "b", ".")],
    ["a reference to nothing", join(proto(), "h", 7, ".")],
    ["a far reference", join(proto(), "j", u32(0xffff_fff0), ".")],
    ["a memory of nothing", join(proto(), 0x94, ".")],
    ["a frame longer than the file", join(proto(), 0x95, Buffer.alloc(8, 0x7f), entryPickle().subarray(2))],
    ["JSON", Buffer.from('{"key": 1}')],
    ["zeros", Buffer.alloc(4096)],
    ["a gzip", Buffer.from([0x1f, 0x8b, 8, 0, 0, 0, 0, 0])],
    ["17 MB", Buffer.alloc(17 * 1024 * 1024, 0x4e)],
  ];
}
