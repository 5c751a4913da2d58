import assert from "node:assert/strict";
import { rmSync } from "node:fs";
import { join } from "node:path";

import * as fc from "fast-check";

import { toCsv, toHtml } from "../../shared/export.ts";
import { invoke, operations, printable, printableJson, type View } from "../../shared/index.ts";
import { HOSTILE_MARKUP, NAMES, readCsv, UNSAFE } from "../faults/corpora/names.ts";
import { cli, cliEnvironment } from "../support/cli.ts";
import { makeContext } from "../support/context.ts";
import { makeMovies, writeMedia } from "../support/library.ts";
import { makePlace } from "../support/place.ts";

function viewOf(...cells: readonly string[]): View {
  return {
    title: cells[0] ?? "",
    facts: cells.map((cell) => [cell, cell] as const),
    table: { columns: ["One", ...cells], rows: cells.map((cell) => [cell, 7]) },
    notes: cells,
  };
}

describe("printable", () => {
  it(`leaves no control, direction or invisible character in any of ${NAMES.length} hostile names`, () => {
    assert.ok(NAMES.length > 200);
    for (const name of NAMES) {
      const shown = printable(name);
      for (const character of shown) {
        assert.ok(!UNSAFE.includes(character.codePointAt(0) ?? 0), JSON.stringify(name));
      }
      assert.notEqual(shown, name);
      assert.ok(shown.isWellFormed());
    }
  });

  it("writes them so that they can be read and told apart", () => {
    assert.equal(printable("a\nb\tc\rd"), "a\\nb\\tc\\rd");
    assert.equal(printable("x\u001b[31m\u202ey\u{e0001}"), "x\\u{1b}[31m\\u{202e}y\\u{e0001}");
    assert.equal(new Set(NAMES.map(printable)).size, new Set(NAMES).size);
  });

  it("leaves names of all scripts as they are", () => {
    for (const name of [
      "Amélie (2001)",
      "千と千尋の神隠し 🐉",
      "трейлер",
      "مرحبا",
      "नमस्ते",
      "a\u0301",
      "100% %s \\ 'x' \"y\"",
    ])
      assert.equal(printable(name), name);
  });

  it("makes one line of any text, and changes nothing the second time", () => {
    const property = fc.property(fc.string({ unit: "binary" }), (text) => {
      const shown = printable(text);
      assert.ok(!/[\p{Cc}\p{Zl}\p{Zp}\p{Cs}]/u.test(shown));
      assert.equal(printable(shown), shown);
    });
    fc.assert(property, { numRuns: 2000 });
  });
});

describe("printableJson", () => {
  it("is the same value without any such character", () => {
    const value = { names: NAMES, [NAMES[0] ?? ""]: "日本 🎬" };
    const json = printableJson(JSON.stringify(value));
    assert.deepEqual(JSON.parse(json), JSON.parse(JSON.stringify(value)));
    assert.equal(printable(json), json);
    assert.ok(json.includes("日本 🎬"));
  });
});

describe("CSV", () => {
  it("escapes every cell that a spreadsheet would take for a formula", () => {
    const formulas = ["=1+1", "+1", "-1", "@SUM(A1)", "\t=1", "\r=1", '=HYPERLINK("http://example.com","x")', "＝1"];
    const rows = readCsv(
      toCsv({ ...viewOf(...formulas), table: { columns: ["Name"], rows: formulas.map((cell) => [cell]) } }),
    );
    assert.deepEqual(rows, [["Name"], ...formulas.map((cell) => [`'${cell}`])]);
  });

  it("keeps any other text, with quotes, commas and line breaks", () => {
    const cells = ["plain", 'with "quotes"', "with, comma", "a\nb", "", " space ", "<b>"];
    const rows = readCsv(toCsv({ ...viewOf(), table: { columns: ["A", "B"], rows: cells.map((cell) => [cell, 3]) } }));
    assert.deepEqual(rows, [["A", "B"], ...cells.map((cell) => [cell, "3"])]);
  });

  it("keeps numbers numbers, negative ones too", () => {
    const text = toCsv({ ...viewOf(), table: { columns: ["A"], rows: [[-5], [12]] } });
    assert.deepEqual(readCsv(text), [["A"], ["-5"], ["12"]]);
  });
});

describe("an HTML page", () => {
  const empty = toHtml(viewOf(), "now");

  it("of hostile names has no markup but its own", () => {
    const tags = (html: string) => (html.match(/<[!/]?[a-z-]+/gi) ?? []).map((tag) => tag.toLowerCase());
    const own = new Set([...tags(empty), "<table", "</table", "<thead", "</thead", "<tbody", "</tbody"]);
    for (const tag of [
      "<tr",
      "</tr",
      "<th",
      "</th",
      "<td",
      "</td",
      "<dt",
      "</dt",
      "<dd",
      "</dd",
      "<ul",
      "</ul",
      "<li",
      "</li",
    ])
      own.add(tag);
    for (const name of [...HOSTILE_MARKUP, ...NAMES.map(printable)]) {
      const html = toHtml(viewOf(name), name);
      for (const tag of tags(html)) assert.ok(own.has(tag), `${name}: ${tag}`);
      const text = html.replaceAll(/<[^>]*>/g, "");
      assert.ok(!/[<>"']/.test(text.replace(/:root \{[\s\S]*?\n(?=<|\n)/, "")), name);
    }
  });

  it("shows the names as they are written", () => {
    for (const name of HOSTILE_MARKUP) {
      const html = toHtml(viewOf(name), "now");
      const cell = /<td>(.*?)<\/td>/s.exec(html)?.[1] ?? "";
      const shown = cell.replaceAll(/&#(\d+);/g, (_, code: string) => String.fromCharCode(Number(code)));
      assert.equal(shown, name);
    }
  });

  it("refers to nothing outside itself and forbids scripts and loading", () => {
    assert.ok(!/<(script|link|img|iframe|object|embed|base)\b|\b(src|href)\s*=|url\(|@import|https?:/i.test(empty));
    assert.match(empty, /Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'"/);
    assert.match(empty, /^<!doctype html>\n<html lang="en">/);
  });
});

describe("what is shown of a library with hostile names", () => {
  const names = NAMES.filter((name) => !/[/\0\p{Cs}]/u.test(name));

  function makeHostile(): string {
    const root = makePlace("hostile");
    const directory = join(root, "\u001b[31mred\u202e");
    const living = Array.from({ length: names.length + 1 }, (_, index) => `film ${index}`);
    for (const path of makeMovies(directory, [...names, ...living]).slice(0, names.length)) rmSync(path);
    return root;
  }

  it("is printable in every text of every view", async () => {
    const context = makeContext();
    const root = makeHostile();
    const ask = async (name: string, input: Record<string, unknown>) => {
      const operation = operations.find((candidate) => candidate.name === name);
      assert.ok(operation);
      const output = await invoke(operation, input, context);
      const { title, facts, table, notes } = operation.view(output);
      const texts = [title, ...facts.flat(), ...table.columns, ...table.rows.flat().map(String), ...notes];
      for (const text of texts) assert.equal(printable(text), text, name);
      assert.ok(name === "history" || table.rows.length > 0);
      return output;
    };
    await ask("list", { paths: [root] });
    await ask("stats", { paths: [root] });
    assert.equal(((await ask("check", { paths: [root] }))["findings"] as unknown[]).length, names.length);
    await ask("doctor", { paths: [root, join(root, "no\u001b[1m")] });
    await ask("cleanup", { paths: [join(root, "no\u001b[1m")] }).catch(() => undefined);
    const plan = await ask("cleanup", { paths: [root], detail: "full", allow: ["stale_ratio"] });
    const report = await ask("apply", { plan: plan["plan"], detail: "full" });
    assert.equal(report["entries"], names.length);
    await ask("history", { run: report["run"] });
    await ask("undo", { run: report["run"], detail: "full" });
  });

  it("has no raw control character on a terminal or in a pipe, in any format", () => {
    const root = makeHostile();
    const env = cliEnvironment();
    for (const args of [["check"], ["list"], ["stats"], ["cleanup", "--allow", "stale_ratio"], ["doctor"]]) {
      for (const format of ["table", "csv", "html", "json"]) {
        const { stdout, stderr, code } = cli([...args, "--format", format, root], env);
        assert.ok(code === 0 || code === 1, `${args[0]} ${format}: ${code} ${stderr}`);
        assert.ok(stdout.length > 0);
        assert.ok(!/[^\P{Cc}\n]|[\p{Cf}\u2028\u2029]/u.test(stdout), `${args[0]} ${format}`);
      }
    }
  });

  it("has none in error messages either", () => {
    const env = cliEnvironment();
    const root = makePlace();
    writeMedia(root, "a.mkv");
    const odd = "\u001b]0;x\u0007\u202e\n";
    for (const args of [
      ["check", `/no/${odd}`],
      ["check", odd],
      ["apply", odd],
      ["undo", odd],
      ["record", `/no/${odd}`],
      ["cleanup", root, "--problem", odd],
      ["check", root, "--output", `/no/${odd}/file`],
      [odd],
      ["check", `--${odd}`],
    ]) {
      const { stdout, stderr, code } = cli(args, env);
      assert.ok(code !== null && code >= 2 && code < 70, `${JSON.stringify(args)}: ${code} ${stderr}`);
      assert.ok(
        !/[^\P{Cc}\n]|\u202e/u.test(`${stdout}${stderr}`),
        `${JSON.stringify(args)}: ${JSON.stringify(stderr)}`,
      );
    }
  });
});
