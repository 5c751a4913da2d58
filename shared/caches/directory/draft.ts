import { realpath } from "node:fs/promises";
import { basename, dirname, join } from "node:path";

import type { Draft } from "../../draft.ts";
import { CacheOpsError, errnoOf } from "../../errors.ts";
import { contentOf, readSeenFile, type Content, type SeenFile } from "../../file.ts";
import { inFlight } from "../../in-flight.ts";
import type { Change } from "../../change.ts";
import type { Action, PlannedCache, Skipped, Source } from "../../plan.ts";
import { applySplices, type Splice } from "../../splice.ts";
import { readDocument, type ObjectSpans } from "./document.ts";
import { spliceObject } from "./edit.ts";
import { membersByKey } from "./entry.ts";
import { editEntries } from "./entry-edit.ts";
import { CACHE_NAME, MEDIABOX_TEMP_NAME } from "./names.ts";
import { outline } from "./outline.ts";
import { salvage } from "./salvage.ts";

/** Caches whose edits are worked out side by side. */
const READ_AT_ONCE = 16;

/**
 * Turns changes of directory caches into the actions that carry them out. Reads the files, writes nothing.
 *
 * `seen` says what the caches held when they were judged; a cache that differs by now is left alone and said so.
 * The order is the safety argument: entries are put into their new home first, and cut from the old one after.
 */
export async function draftDirectory(changes: readonly Change[], seen: readonly PlannedCache[]): Promise<Draft> {
  const desk = makeDesk(seen);
  const done: Change[] = [];
  const arrivals = new Map<string, Change[]>();
  const edits = new Map<string, Change[]>();
  for (const change of changes) {
    if (change.does === "rehome" && change.to !== undefined) push(arrivals, change.to, change);
    if (["remove", "rehome", "rename", "migrate"].includes(change.does)) push(edits, change.cache, change);
    else if (await desk.whole(change)) done.push(change);
  }
  const arrived = new Map<Change, number>();
  for (const [cache, coming] of arrivals) {
    const seq = await desk.insert(cache, coming);
    if (seq !== undefined) for (const change of coming) arrived.set(change, seq);
  }
  // By now no edit waits for another one: they are worked out side by side, and become actions in their order.
  const worked = await inFlight([...edits], READ_AT_ONCE, async ([cache, wanted]) => {
    const possible = wanted.filter((change) => change.does !== "rehome" || arrived.has(change));
    const after = [...new Set(possible.flatMap((change) => arrived.get(change) ?? []))];
    return possible.length === 0 ? undefined : desk.edit(cache, possible, after);
  });
  for (const edit of worked) if (edit !== undefined) done.push(...edit());
  const possible = new Set(done);
  return desk.draft(changes.filter((change) => possible.has(change)));
}

function push<K, V>(map: Map<K, V[]>, key: K, value: V): void {
  const known = map.get(key);
  if (known === undefined) map.set(key, [value]);
  else known.push(value);
}

interface Sheet {
  readonly file: string;
  /** The bytes as they will be when the actions so far are done, and their hash; `undefined`: there is no file. */
  bytes: Buffer | undefined;
  content: Content | undefined;
  attributes: SeenFile["attributes"] | undefined;
  /** The last action on this file, which the next one has to wait for. */
  lastSeq: number | undefined;
}

/** The state of one drafting: files as they will be, actions so far. */
function makeDesk(seen: readonly PlannedCache[]) {
  const known = new Map(seen.map((cache) => [cache.cache, cache]));
  const used = new Map<string, PlannedCache>();
  const sheets = new Map<string, Promise<Sheet | undefined>>();
  const actions: Action[] = [];
  const skipped: Skipped[] = [];
  let bytes = 0;

  const skip = (change: Change, rule: string, observed: string | null) => {
    skipped.push({ cache: change.cache, entry: change.entry, name: change.name, rule, observed });
    return undefined;
  };

  /** Opens a cache once; refuses one that is no longer what was judged, and one that cannot be read. */
  const open = (cache: string): Promise<Sheet | undefined> => {
    const sheet = sheets.get(cache) ?? read(cache);
    sheets.set(cache, sheet);
    return sheet;
  };
  const read = async (cache: string): Promise<Sheet | undefined> => {
    const expected = known.get(cache);
    const file = expected?.file ?? join(await realpath(dirname(cache)), basename(cache));
    const now = await readForDraft(file);
    if (now === "unreadable") return undefined;
    used.set(cache, { cache, file, seen: now?.content ?? null });
    const asSeen = expected === undefined || expected.seen?.sha256 === now?.content.sha256;
    if (!asSeen) return undefined;
    return { file, bytes: now?.bytes, content: now?.content, attributes: now?.attributes, lastSeq: undefined };
  };

  const write = (
    sheet: Sheet,
    source: Source,
    after: Buffer | Content,
    parts: Pick<Action, "changes" | "after" | "evidence">,
  ) => {
    const before = sheet.content;
    const result = Buffer.isBuffer(after) ? contentOf(after) : after;
    actions.push({
      type: "write_file",
      seq: actions.length + 1,
      file: sheet.file,
      lock: sheet.file,
      ...parts,
      after: [...new Set([...parts.after, ...(sheet.lastSeq === undefined ? [] : [sheet.lastSeq])])],
      seen: before ?? null,
      source,
      result,
      attributes: before === undefined && sheet.attributes ? withoutTimes(sheet.attributes) : {},
    });
    bytes += (before?.size ?? 0) - result.size;
    sheet.bytes = Buffer.isBuffer(after) ? after : undefined;
    sheet.content = result;
    sheet.lastSeq = actions.length;
    return actions.length;
  };

  const insert = async (cache: string, coming: readonly Change[]): Promise<number | undefined> => {
    const sheet = await open(cache);
    const byKey = new Map<string | null, string | undefined>();
    for (const change of coming) {
      const source = await open(change.cache);
      const text = source?.bytes && change.entry !== null ? memberText(source.bytes, change.entry) : undefined;
      // Twins from two directories are one file here: a key stands once.
      if (!byKey.has(change.entry) || text === undefined) byKey.set(change.entry, text);
      if (sheet) sheet.attributes ??= source?.attributes;
    }
    const texts = [...byKey.values()].filter((text) => text !== undefined);
    const spans = sheet?.bytes && spansOf(sheet.bytes);
    // Where only mediabox's temp file is, that is the cache: a new one beside it would make it look abandoned.
    const taken = sheet?.bytes === undefined ? await readForDraft(join(dirname(cache), MEDIABOX_TEMP_NAME)) : undefined;
    const isReadable = sheet?.bytes === undefined ? taken === undefined : spans !== undefined;
    // Whoever wrote it since it was judged knows more of the media than we bring along.
    const isThere = spans?.members.some(({ key }) => byKey.has(key)) ?? false;
    if (sheet === undefined || texts.length < byKey.size || !isReadable || isThere) {
      for (const change of coming) skip(change, "new_home_cannot_take_it", cache);
      return undefined;
    }
    const parts = { changes: coming.map(({ id }) => id), after: [], evidence: evidenceOf(coming) };
    if (sheet.bytes === undefined || spans === undefined) {
      const text = `{\n  ${texts.join(",\n  ")}\n}`;
      return write(sheet, { text }, Buffer.from(text), parts);
    }
    const edit = { remove: new Set<number>(), replace: new Map<number, string>(), append: texts };
    return splice(sheet, spliceObject(sheet.bytes, spans, edit, "  "), parts);
  };

  const splice = (sheet: Sheet, splices: readonly Splice[], parts: Pick<Action, "changes" | "after" | "evidence">) =>
    write(sheet, { splices: [...splices] }, spliced(sheet, splices), parts);

  /** Works out the last change of a cache; what is returned makes an action of it, and says which changes that is. */
  const edit = async (cache: string, wanted: readonly Change[], after: number[]): Promise<() => readonly Change[]> => {
    const sheet = await open(cache);
    const spans = sheet?.bytes && spansOf(sheet.bytes);
    if (!sheet?.bytes || !spans) {
      return () => {
        for (const change of wanted) skip(change, "changed_while_planning", cache);
        return [];
      };
    }
    const splices = editEntries(sheet.bytes, spans, wanted);
    const result = contentOf(spliced(sheet, splices));
    // Nothing more is asked of this cache: of a large library only a few are held at a time.
    sheet.bytes = undefined;
    return () => {
      write(sheet, { splices }, result, { changes: wanted.map(({ id }) => id), after, evidence: evidenceOf(wanted) });
      return wanted;
    };
  };

  /** Changes that concern a file as a whole. */
  const whole = async (change: Change): Promise<boolean> => {
    const sheet = await open(change.does === "discard" && change.path !== undefined ? change.path : change.cache);
    if (sheet === undefined) return skip(change, "changed_while_planning", change.cache) ?? false;
    const parts = { changes: [change.id], after: [], evidence: change.evidence };
    const lock = join(dirname(sheet.file), CACHE_NAME);
    switch (change.does) {
      case "salvage": {
        const saved = sheet.bytes && salvage(sheet.bytes);
        if (!saved) return skip(change, "changed_while_planning", change.cache) ?? false;
        splice(sheet, saved.splices, parts);
        return true;
      }
      case "discard": {
        if (!sheet.bytes) return skip(change, "changed_while_planning", change.cache) ?? false;
        const seen = contentOf(sheet.bytes);
        actions.push({ type: "remove_file", seq: actions.length + 1, file: sheet.file, lock, ...parts, seen });
        bytes += seen.size;
        return true;
      }
      case "unlock":
        actions.push({ type: "release_lock", seq: actions.length + 1, file: change.path ?? lock, lock, ...parts });
        return true;
      case "recover": {
        const temp = change.path === undefined ? undefined : await open(change.path);
        if (!temp?.bytes || sheet.bytes) return skip(change, "changed_while_planning", change.cache) ?? false;
        sheet.attributes = temp.attributes;
        const saved = spansOf(temp.bytes) ? undefined : salvage(temp.bytes);
        const text = saved && applySplices(temp.bytes, saved.splices).toString("utf8");
        const seq =
          text === undefined
            ? write(sheet, { copyOf: temp.file, content: contentOf(temp.bytes) }, temp.bytes, parts)
            : write(sheet, { text }, Buffer.from(text), parts);
        const seenTemp = contentOf(temp.bytes);
        actions.push({
          type: "remove_file",
          seq: seq + 1,
          file: temp.file,
          lock,
          ...parts,
          after: [seq],
          seen: seenTemp,
        });
        bytes += seenTemp.size;
        return true;
      }
      default:
        throw new Error(`${change.does} is no change of a whole file`);
    }
  };

  const draft = (changes: readonly Change[]): Draft => ({
    changes,
    actions,
    caches: [...sheets.keys()].flatMap((cache) => used.get(cache) ?? []),
    skipped,
    bytes,
  });
  return { insert, edit, whole, draft };
}

async function readForDraft(file: string): Promise<SeenFile | "unreadable" | undefined> {
  try {
    return await readSeenFile(file);
  } catch (error) {
    if (errnoOf(error) === "ENOENT") return undefined;
    if (errnoOf(error) === undefined && !(error instanceof CacheOpsError)) throw error;
    return "unreadable";
  }
}

function spansOf(bytes: Buffer): ObjectSpans | undefined {
  const entries = outline(bytes);
  if (entries !== undefined) {
    return { open: bytes.indexOf("{"), close: bytes.lastIndexOf("}"), members: [...entries.values()] };
  }
  const reading = readDocument(bytes);
  return "spans" in reading ? reading.spans : undefined;
}

function spliced({ file, bytes }: Sheet, splices: readonly Splice[]): Buffer {
  const after = applySplices(bytes ?? Buffer.alloc(0), splices);
  if (outline(after) === undefined && spansOf(after) === undefined) {
    throw new Error(`an edit of ${file} would not be readable`);
  }
  return after;
}

function memberText(bytes: Buffer, key: string): string | undefined {
  const spans = spansOf(bytes);
  const member = spans && membersByKey(spans).get(key)?.last;
  return member && bytes.toString("utf8", member.start, member.value.end);
}

function evidenceOf(changes: readonly Change[]): Action["evidence"] {
  const all = changes.flatMap((change) => change.evidence);
  return [...new Map(all.map((evidence) => [evidence.path, evidence])).values()];
}

function withoutTimes({ mode, uid, gid }: SeenFile["attributes"]) {
  return { mode, uid, gid };
}
