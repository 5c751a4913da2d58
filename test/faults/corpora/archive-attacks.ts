import assert from "node:assert/strict";
import { mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { gunzipSync, gzipSync } from "node:zlib";

import { withPacks } from "../../../shared/caches/managed/packs.ts";
import type { ExpectedPack } from "../../../shared/caches/managed/unpack.ts";
import { PACKS_NAME } from "../../../shared/naming.ts";
import { fileNamed, membersOf, withManifest, writeMembers, writePacked, type Member } from "../../support/archive.ts";
import type { Dice } from "../../support/dice.ts";
import { CACHE, makeMovies } from "../../support/library.ts";
import { makeDirectory, makePlace } from "../../support/place.ts";
import { treeState } from "../../support/tree.ts";
import { bombs, ESCAPES, MANIFEST_CHANGES, NO_MANIFESTS, oddMembers, oddTypes, sample } from "./archives.ts";
import { startFace, type Face } from "./faces.ts";
import { assertPrintable, type Group } from "./group.ts";
import { GOOD_PACK, hostilePack, HOSTILE_PACKS, OF, packOf, expectedOf } from "./packs.ts";

interface Scene {
  readonly face: Face;
  readonly managed: string;
  /** All that no attack may change, as it is now. */
  readonly look: () => unknown;
}

/** Backups and packs that are not as we write them, given to a face to restore. */
export async function openArchives(name: Face["name"]): Promise<Group> {
  const place = makePlace("archives");
  const library = join(place, "library");
  const managed = makeDirectory(place, "managed");
  makeDirectory(managed, "another");
  for (const each of ["one", "two", "three"]) makeMovies(join(library, each), [`${each}.mkv`]);
  const config = {
    libraries: [{ name: "movies", roots: [library] }],
    managed: [{ name: OF.cache, root: managed, autoRegister: false }],
  };
  const face = await startFace(name, config, place);
  const outside = makeDirectory(place, "outside");
  const look = () => [
    treeState(library),
    treeState(outside),
    readdirSync(place),
    readdirSync(managed, { recursive: true }),
  ];
  const scene = { face, managed, look };
  const backups = makeDirectory(face.state, "backups");
  const good = join(backups, "good.tar.gz");
  const backup = await face.ask("backup", { archive: "good.tar.gz", paths: ["movies"] });
  assert.equal(backup.refused, undefined, backup.printed);
  const members = await membersOf(good);
  for (const { header } of members.slice(1)) writeFileSync(join(library, header.name.slice(2)), "damaged");
  const unaltered = await face.ask("restore", { archive: "good.tar.gz" });
  assert.equal((unaltered.data as { entries?: unknown } | undefined)?.entries, 3, unaltered.printed);
  await assertUnpacks(scene);
  const before = look();
  const attacks = [...backupAttacks(readFileSync(good), members), ...packAttacks(outside)];
  return {
    size: attacks.length,
    together: 1,
    close: () => face.close(),
    async attack(index, dice) {
      const attack = attacks[index];
      assert.ok(attack);
      if ("pack" in attack) return tryPack(await attack.pack(), attack.what, scene, before);
      return tryBackup(attack, join(backups, `attack-${index}.tar.gz`), dice, scene, before);
    },
  };
}

interface BackupAttack {
  readonly what: string;
  readonly write: (archive: string) => void | Promise<void>;
}

async function tryBackup(
  { what, write }: BackupAttack,
  archive: string,
  dice: Dice,
  { face, look }: Scene,
  before: unknown,
) {
  await write(archive);
  // A face that is confined takes bare names only.
  const isBare = face.name !== "command line" || dice.chance(0.5);
  const named = isBare ? archive.slice(dirname(archive).length + 1) : archive;
  const said = await face.ask("restore", { archive: named }, { apply: true });
  rmSync(archive);
  assert.ok(
    ["corrupt", "invalid_input"].includes(said.refused ?? ""),
    `${what}: ${said.refused} ${said.printed.slice(0, 500)}`,
  );
  assertPrintable(said.printed);
  assert.deepEqual(look(), before, what);
  return `backups refused as ${said.refused}`;
}

/** Every kind of backup that is not one, each in itself as right as it can be. */
function backupAttacks(bytes: Buffer, members: readonly Member[]): BackupAttack[] {
  const from = (what: string, made: readonly Member[]): BackupAttack => ({
    what,
    write: (archive) => writeMembers(archive, made),
  });
  const raw = (what: string, made: () => Uint8Array): BackupAttack => ({
    what,
    write: (archive) => writeFileSync(archive, made()),
  });
  const altered = (place: number) => () => {
    // The last bits of what is packed may mean nothing.
    const copies = Array.from({ length: 8 }, (_, bit) => withBit(bytes, place, (place + bit) % 8));
    return copies.find((copy) => !unpacksTo(copy, gunzipSync(bytes))) ?? Buffer.alloc(0);
  };
  const zeros = Buffer.alloc(100 * 1024 * 1024);
  const named = (made: Record<string, Member[]>) => Object.entries(made).map(([what, each]) => from(what, each));
  const manifest = (text: string | Buffer): Member => ({ header: { name: "manifest.json" }, bytes: Buffer.from(text) });
  return [
    ...sample(bytes.length, 120).map((length) => raw(`cut to ${length} bytes`, () => bytes.subarray(0, length))),
    ...sample(bytes.length, 200).map((place) => raw(`byte ${place} altered`, altered(place))),
    ...[Buffer.from([0]), Buffer.from("tail"), gzipSync("more"), bytes].map((tail) =>
      raw(`${tail.length} bytes behind it`, () => Buffer.concat([bytes, tail])),
    ),
    ...["", "PK\u0003\u0004", "no archive"].map((text) =>
      raw(`the text ${JSON.stringify(text)}`, () => Buffer.from(text)),
    ),
    raw("not packed", () => gunzipSync(bytes)),
    { what: "no tar in it", write: (archive) => writePacked(archive, Buffer.from("no tar".repeat(200))) },
    ...named(oddMembers(members)),
    ...named(oddTypes(members)),
    ...named(bombs(members, zeros)),
    ...ESCAPES.map((path) => {
      const { line, member } = fileNamed(path);
      const made = () => [...withManifest(members, ({ files }) => void files.push({ ...line })), member];
      return {
        what: `a member at ${JSON.stringify(path).slice(0, 100)}`,
        write: (archive: string) => writeMembers(archive, made()),
      };
    }),
    ...[`0/../../${CACHE}`, `/${CACHE}`, `../${CACHE}`].map((name) => {
      const [first, second, ...rest] = members as readonly [Member, Member, ...Member[]];
      return from(`a member called ${name}`, [first, { ...second, header: { name } }, ...rest]);
    }),
    ...Object.entries(MANIFEST_CHANGES).map(([what, change]) => from(what, withManifest(members, change))),
    ...NO_MANIFESTS.map((text) => from(`the manifest ${text}`, [manifest(text), ...members.slice(1)])),
  ];
}

function withBit(bytes: Buffer, place: number, bit: number): Buffer {
  const copy = Buffer.from(bytes);
  copy.writeUInt8(copy.readUInt8(place) ^ (1 << bit), place);
  return copy;
}

function unpacksTo(packed: Buffer, wanted: Buffer): boolean {
  try {
    return gunzipSync(packed).equals(wanted);
  } catch (error) {
    if (!String((error as NodeJS.ErrnoException).code).startsWith("Z_")) throw error;
    return false;
  }
}

interface PackAttack {
  readonly what: string;
  readonly pack: () => Promise<{ readonly bytes: Buffer; readonly expected: ExpectedPack }>;
}

/** Packs that the register believes to be right, and one that was altered since. */
function packAttacks(outside: string): PackAttack[] {
  const good = packOf(GOOD_PACK, 2);
  const altered = (what: string, change: (bytes: Buffer, at: number) => Buffer) =>
    Array.from({ length: 40 }, (_, part): PackAttack => ({
      what: `${what} ${part}`,
      pack: async () => {
        const { bytes, expected } = await good;
        return { bytes: change(bytes, Math.floor((bytes.length * part) / 40)), expected };
      },
    }));
  return [
    ...Object.keys(HOSTILE_PACKS).map((what) => ({ what, pack: () => hostilePack(what, outside) })),
    ...altered("cut at part", (bytes, at) => bytes.subarray(0, at)),
    ...altered("altered at part", (bytes, at) =>
      Buffer.concat([bytes.subarray(0, at), Buffer.from([(bytes[at] ?? 0) ^ 0x10]), bytes.subarray(at + 1)]),
    ),
    {
      what: "a bomb",
      pack: async () => {
        const bytes = gzipSync(Buffer.alloc(20_000_000));
        return { bytes, expected: expectedOf(bytes, 2, 1000) };
      },
    },
  ];
}

/** Has a face bring a directory back from this pack, and says what came of it. */
async function unpack({ bytes, expected }: Awaited<ReturnType<PackAttack["pack"]>>, { face, managed }: Scene) {
  const file = join(managed, PACKS_NAME, "films-attack.tar.gz");
  mkdirSync(dirname(file), { recursive: true });
  writeFileSync(file, bytes);
  const context = {
    stateDirectory: face.state,
    state: () => {
      throw new Error("not opened here");
    },
  };
  withPacks(context, (packs) =>
    packs.note({ ...OF, target: { file }, ...expected, packedAt: Date.now() - 86_400_000 }),
  );
  const planned = await face.ask("warm", { paths: [OF.path], cache: OF.cache }, { apply: true });
  const { plan, acknowledge, status } = (planned.data ?? {}) as Record<string, unknown>;
  const said =
    face.name === "command line" || status !== "ready" ? planned : await face.ask("apply", { plan, acknowledge });
  return {
    said,
    clear: () => {
      rmSync(join(managed, PACKS_NAME), { recursive: true });
    },
  };
}

async function tryPack(
  pack: Awaited<ReturnType<PackAttack["pack"]>>,
  what: string,
  scene: Scene,
  before: unknown,
): Promise<string> {
  const { said, clear } = await unpack(pack, scene);
  clear();
  const { status, entries, errors } = (said.data ?? {}) as Record<string, unknown>;
  // One of another size is not even planned: nothing is done, and the trouble is told.
  const isUnplanned =
    entries === 0 && (Array.isArray(errors) ? errors.length === 1 : said.printed.includes("\ncache-ops: "));
  const isOut = status === "refused" || isUnplanned;
  assert.ok(said.refused !== undefined || isOut, `${what}: ${String(status)} ${said.printed.slice(0, 500)}`);
  assertPrintable(said.printed);
  assert.deepEqual(scene.look(), before, what);
  return "packs refused";
}

/** That what is tried reaches what unpacks: a pack that is in order comes back. */
async function assertUnpacks(scene: Scene): Promise<void> {
  const { said, clear } = await unpack(await packOf(GOOD_PACK, 2), scene);
  clear();
  assert.equal((said.data as { status?: unknown } | undefined)?.status, "complete", said.printed);
  const back = join(scene.managed, OF.path);
  assert.deepEqual(readdirSync(back), ["a"]);
  rmSync(back, { recursive: true });
  const forgotten = await scene.face.ask("forget", { path: OF.path });
  assert.equal(forgotten.refused, undefined, forgotten.printed);
}
